/** A playground for the masked-word head: guesses for each [MASK], which can be put into the text. */

import { make, percent } from "./elements.js";
import { live } from "./live.js";

const MASK = "[MASK]";

/** Connect the section; returns the function that gives it a model. */
export function fillMask(section) {
  const field = section.querySelector("textarea");
  const answer = section.querySelector(".answer");
  const guesses = section.querySelector(".guesses");
  let model;

  const run = live(section, async (signal, onBusy) => {
    const text = field.value;
    const written = text.split(MASK).length - 1;
    if (!model || !written) {
      guesses.replaceChildren();
      answer.textContent = text.trim() ? `Put ${MASK} where a word is to be guessed.` : "";
      return;
    }
    const [found] = await model.ask("fill_mask", [{ text }], { signal, onBusy });
    const lists = found.tokens
      .slice(0, found.num_masks)
      .map((tokens, i) => list(i, found.num_masks, tokens, found.probabilities[i]));
    guesses.replaceChildren(...lists);
    answer.replaceChildren("Most probable: ", ...filled(text, found));
    if (found.num_masks < written) {
      answer.append(` The text is longer than the model reads: ${written - found.num_masks} of its gaps are cut off.`);
    }
  });

  function list(number, masks, tokens, probabilities) {
    const name = masks > 1 ? `Gap ${number + 1}` : "The gap";
    const items = tokens.map((token, i) => {
      const fill = make("span", { className: "fill" });
      fill.style.width = `${100 * probabilities[i]}%`;
      const choose = make(
        "button",
        { type: "button" },
        make("span", { className: "name" }, token),
        make("span", { className: "bar" }, fill),
        make("data", { value: probabilities[i] }, percent(probabilities[i])),
      );
      choose.addEventListener("click", () => put(number, token));
      return make("li", {}, choose);
    });
    return make("div", {}, make("h3", {}, name), make("ol", { className: "bars" }, ...items));
  }

  function put(number, token) {
    const parts = field.value.split(MASK);
    const before = parts.slice(0, number + 1).join(MASK);
    field.value = joined(before, token) + parts.slice(number + 1).join(MASK);
    field.focus();
    run();
  }

  section.querySelector(".insert").addEventListener("click", () => {
    field.setRangeText(MASK, field.selectionStart, field.selectionEnd, "end");
    field.focus();
    run();
  });

  return (given) => {
    model = given;
    run();
  };
}

/** A text with a token behind it; one that goes on a word, ##ing, goes on the last. */
export function joined(before, token) {
  return token.startsWith("##") ? before.trimEnd() + token.slice(2) : before + token;
}

function filled(text, found) {
  const parts = text.split(MASK);
  return parts.flatMap((part, i) => {
    if (i === parts.length - 1) return [part];
    return [part, i < found.num_masks ? make("strong", {}, found.tokens[i][0]) : MASK];
  });
}
