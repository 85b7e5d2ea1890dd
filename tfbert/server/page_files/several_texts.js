/** Several texts, from a pasted list or a CSV: asked in chunks, shown in a table, downloaded as a CSV. */

import { AnswerTable } from "./answer_table.js";
import { readCsv, writeCsv } from "./csv.js";
import { bars, make, option } from "./elements.js";

const CHUNK_ROWS = 32;
const USUAL_COLUMN = "content";

/** Connect the section; returns the function that gives it a model. */
export function severalTexts(section) {
  const part = (selector) => section.querySelector(selector);
  const [list, file, column] = ["#list", "#file", "#column"].map(part);
  const [start, cancel, progress, status] = [".start", ".cancel", "progress", ".status"].map(part);
  const [message, results] = [".message", ".results"].map(part);
  const table = new AnswerTable(results);
  let model;
  let csv = null;
  let running = null;
  let done = null;

  /** What is to be classified: a table and which of its columns has the texts; null where that is not chosen. */
  function wanted() {
    if (csv) return column.value === "" ? null : { ...csv, position: Number(column.value) };
    const lines = list.value.split(/\r\n|\r|\n/).filter((line) => line.trim());
    return lines.length ? { columns: ["text"], rows: lines.map((line) => [line]), position: 0 } : null;
  }

  function changed() {
    const count = wanted()?.rows.length ?? 0;
    start.disabled = !model || !count || running !== null;
    start.textContent = count ? `Classify ${grouped(count)} ${count === 1 ? "text" : "texts"}` : "Classify";
    part(".chosen").hidden = !csv;
    list.disabled = csv !== null;
  }

  async function open(given) {
    if (!given || running || section.hidden) return;
    message.textContent = "";
    csv = null;
    try {
      csv = readCsv(await given.arrayBuffer());
      part(".found").textContent = `${given.name}: ${grouped(csv.rows.length)} rows`;
      column.replaceChildren(
        option("Choose a column", ""),
        ...csv.columns.map((name, i) => option(name || `column ${i + 1}`, i)),
      );
      const usual = csv.columns.length === 1 ? 0 : csv.columns.indexOf(USUAL_COLUMN);
      column.selectedIndex = usual + 1;
      if (usual < 0) column.focus();
    } catch (error) {
      message.textContent = `${given.name} cannot be used: ${error.message}.`;
      file.value = "";
    }
    changed();
  }

  function leaveOut() {
    csv = null;
    file.value = "";
    changed();
    file.focus();
  }

  async function run() {
    const asked = wanted();
    if (!model || !asked || running) return;
    const { signal } = (running = new AbortController());
    const { labels, limits, ask } = model;
    const texts = asked.rows.map((row) => row[asked.position]);
    done = { ...asked, labels, answers: new Array(texts.length).fill(null) };
    message.textContent = "";
    [cancel.hidden, progress.hidden, results.hidden] = [false, false, true];
    status.ariaLive = "off"; // not every chunk is read aloud
    if (document.activeElement === start) cancel.focus();
    changed();
    const began = performance.now();
    let passed = 0;
    const tell = (busy) => {
      progress.value = passed / texts.length;
      const left = timeLeft((performance.now() - began) / 1000, passed / texts.length);
      status.textContent = busy || `${grouped(passed)} of ${grouped(texts.length)}${left}`;
    };
    tell();
    try {
      for (const chunk of chunks(texts, limits)) {
        const answers = await ask(
          "serving_default",
          chunk.map((i) => ({ text: texts[i] })),
          { signal, onBusy: tell },
        );
        chunk.forEach((i, place) => (done.answers[i] = answers[place]));
        passed = chunk.at(-1) + 1;
        tell();
      }
      show("; the others are empty or too long");
    } catch (error) {
      if (!signal.aborted) message.textContent = error.message;
      show(signal.aborted ? " before it was cancelled" : "");
    }
    running = null;
    changed();
    if (document.activeElement === cancel) start.focus();
    [cancel.hidden, progress.hidden] = [true, true];
  }

  /** Show what is answered; where that is not all, `why` is said. */
  function show(why) {
    const { answers, labels, rows, position } = done;
    const found = answers.filter(Boolean);
    const all = found.length === answers.length;
    status.ariaLive = "polite";
    status.textContent = `${grouped(found.length)} of ${grouped(answers.length)} answered${all ? "" : why}.`;
    results.hidden = !found.length;
    const counts = labels.map((label) => {
      const number = found.filter((answer) => answer.label === label).length;
      return [label, number / found.length, grouped(number)];
    });
    part(".counts").replaceChildren(bars(counts));
    const of = (answer) => answer.probabilities[labels.indexOf(answer.label)];
    table.show(
      answers.flatMap((answer, i) =>
        answer ? [{ row: i + 1, text: rows[i][position], label: answer.label, probability: of(answer) }] : [],
      ),
    );
  }

  function download() {
    const { columns, rows, labels, answers } = done;
    const named = [...columns, "predicted_label", ...labels.map((label) => `probability_${label}`)];
    const added = (answer) => (answer ? [answer.label, ...answer.probabilities] : ["", ...labels.map(() => "")]);
    const written = writeCsv([named, ...rows.map((row, i) => [...row, ...added(answers[i])])]);
    const href = URL.createObjectURL(new Blob([written], { type: "text/csv" }));
    make("a", { href, download: "answers.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  }

  list.addEventListener("input", changed);
  list.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
  });
  file.addEventListener("change", () => open(file.files[0]));
  column.addEventListener("change", changed);
  start.addEventListener("click", run);
  cancel.addEventListener("click", () => running?.abort());
  part(".remove").addEventListener("click", leaveOut);
  part(".download").addEventListener("click", download);
  acceptDrops(section, open);

  return (given) => {
    running?.abort();
    model = given;
    changed();
  };
}

/** A whole number with its thousands apart. */
function grouped(number) {
  return number.toLocaleString("en");
}

/** Say how long the rest takes, after so many seconds for a share of all. */
function timeLeft(seconds, share) {
  const left = (seconds * (1 - share)) / share;
  if (!share || left < 2) return "";
  return left < 90 ? `, about ${Math.ceil(left)} s left` : `, about ${Math.round(left / 60)} min left`;
}

/** The numbers of the texts to ask for, in lists that fit into one request; what is empty or too long is left out. */
export function* chunks(texts, { rows, text_bytes, body_bytes }) {
  const encoder = new TextEncoder();
  let chunk = [];
  let bytes = 0;
  for (const [i, text] of texts.entries()) {
    const size = encoder.encode(JSON.stringify({ text })).length + 1;
    if (!text.trim() || encoder.encode(text).length > text_bytes) continue;
    if (chunk.length === Math.min(CHUNK_ROWS, rows) || (chunk.length && bytes + size > body_bytes - 1000)) {
      yield chunk;
      [chunk, bytes] = [[], 0];
    }
    chunk.push(i);
    bytes += size;
  }
  if (chunk.length) yield chunk;
}

/** Take files that are dropped anywhere: a browser would leave the page to show them. */
function acceptDrops(section, open) {
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      section.classList.toggle("dropping", kind === "dragover");
      if (kind === "drop") open(event.dataTransfer.files[0]);
    });
  }
}
