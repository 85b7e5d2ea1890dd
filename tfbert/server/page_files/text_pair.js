/** Two texts at once: their label and the probabilities. */

import { live } from "./live.js";
import { clearAnswer, showAnswer } from "./one_text.js";

/** Connect the section; returns the function that gives it a model. */
export function textPair(section) {
  const fields = section.querySelectorAll("textarea");
  let model;

  const run = live(section, async (signal, onBusy) => {
    clearAnswer(section);
    const [first, second] = [...fields].map((field) => field.value);
    if (!model || !first.trim() || !second.trim()) return;
    const [answer] = await model.ask("pairs", [{ first, second }], { signal, onBusy });
    showAnswer(section, answer, model.labels);
  });
  return (given) => {
    model = given;
    run();
  };
}
