/** Elements of the page. Text goes in as text alone, never as markup. */

/** Make an element with some properties and children, elements or strings. */
export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Make a choice of a select. */
export function option(text, value = text) {
  return make("option", { value }, text);
}

/** Write a probability for people. */
export function percent(probability) {
  if (probability > 0.999 && probability < 1) return "> 99.9 %";
  if (probability < 0.001 && probability > 0) return "< 0.1 %";
  return `${(100 * probability).toFixed(1)} %`;
}

/** Make a list of bars; each of `entries` is a name, a share from 0 to 1 and, if not its percentage, what it says. */
export function bars(entries) {
  const highest = Math.max(...entries.map(([, share]) => share));
  return make(
    "ul",
    { className: "bars" },
    ...entries.map(([name, share, says = percent(share)]) => {
      const bar = make("span", { className: "fill" });
      bar.style.width = `${100 * share}%`;
      return make(
        "li",
        { className: share === highest ? "highest" : "" },
        make("span", { className: "name" }, name),
        make("span", { className: "bar" }, bar),
        make("data", { value: share }, says),
      );
    }),
  );
}
