/** Answers as one types. */

const PAUSE = 300; // milliseconds without a change before the server is asked

/**
 * Call `answer(signal)` when the texts of a section have changed and it pauses, and at once on Ctrl+Enter or Cmd+Enter.
 *
 * What an earlier call still waits for is aborted. What it throws is shown in the section's message. Returns the
 * function that calls it at once.
 */
export function live(section, answer) {
  const message = section.querySelector(".message");
  let timer;
  let running = new AbortController();

  function stop() {
    clearTimeout(timer);
    running.abort();
  }

  async function run() {
    stop();
    const { signal } = (running = new AbortController());
    section.setAttribute("aria-busy", "true");
    try {
      await answer(signal, (busy) => (message.textContent = busy));
      if (!signal.aborted) message.textContent = "";
    } catch (error) {
      if (!signal.aborted) message.textContent = error.message;
    }
    if (!signal.aborted) section.removeAttribute("aria-busy");
  }

  for (const field of section.querySelectorAll("textarea")) {
    field.addEventListener("input", () => {
      stop();
      timer = setTimeout(run, PAUSE);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
    });
  }
  return run;
}
