/** Two texts at once: their label and the probabilities. */

import { live } from "./live.js";
import { clearAnswer, showAnswer } from "./one_text.js";

/**
 * Connect a section of two texts; returns the function that gives it a model.
 * `ask(model, pair, options)` promises the answer, as `predict` gives it, and all labels.
 */
export function twoTexts(section, ask) {
  const fields = section.querySelectorAll("textarea");
  let model;

  const run = live(section, async (signal, onBusy) => {
    clearAnswer(section);
    const [first, second] = [...fields].map((field) => field.value);
    if (!model || !first.trim() || !second.trim()) return;
    const [answer, labels] = await ask(model, { first, second }, { signal, onBusy });
    showAnswer(section, answer, labels);
  });
  return (given) => {
    model = given;
    run();
  };
}

/** Connect the section; returns the function that gives it a model. */
export function textPair(section) {
  return twoTexts(section, async (model, pair, options) => {
    const [answer] = await model.ask("pairs", [pair], options);
    return [answer, model.labels];
  });
}
