/** A table of answers that is sorted by its headers and shown a part at a time. */

import { make, percent } from "./elements.js";

const STEP = 100; // rows shown at once
const MOST_LETTERS = 600; // of a text

const KEYS = ["row", null, "label", "probability"];

/** The table in an element, which holds it and a button `.more`. */
export class AnswerTable {
  #body;
  #headers;
  #more;
  #entries = [];
  #shown = STEP;

  constructor(results) {
    this.#body = results.querySelector("tbody");
    this.#headers = [...results.querySelectorAll("th")];
    this.#more = results.querySelector(".more");
    this.#more.addEventListener("click", () => {
      this.#shown += STEP;
      this.#draw();
    });
    this.#headers.forEach((header, i) => {
      header.querySelector("button")?.addEventListener("click", () => this.#sort(i));
    });
  }

  /** Show `entries`, each with `row`, `text`, `label` and `probability`, in their order. */
  show(entries) {
    this.#entries = entries;
    this.#shown = STEP;
    this.#sort(0, "ascending");
  }

  #sort(column, direction) {
    const header = this.#headers[column];
    const order = direction ?? (header.ariaSort === "ascending" ? "descending" : "ascending");
    for (const other of this.#headers) other.ariaSort = null;
    header.ariaSort = order;
    const key = KEYS[column];
    const sign = order === "ascending" ? 1 : -1;
    this.#entries.sort((a, b) => sign * (a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : 0) || a.row - b.row);
    this.#draw();
  }

  #draw() {
    const shown = this.#entries.slice(0, this.#shown).map(({ row, text, label, probability }) => {
      const cut = text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS)}…` : text;
      return make(
        "tr",
        {},
        make("td", { className: "number" }, String(row)),
        make("td", { className: "text" }, cut),
        make("td", {}, label),
        make("td", { className: "number" }, make("data", { value: probability }, percent(probability))),
      );
    });
    this.#body.replaceChildren(...shown);
    const left = this.#entries.length - shown.length;
    this.#more.hidden = !left;
    this.#more.textContent = `Show ${Math.min(left, STEP)} more of ${left.toLocaleString("en")}`;
  }
}
