/** Whether one text follows another, by the pretrainer's next-sentence head. */

import { live } from "./live.js";
import { clearAnswer, showAnswer } from "./one_text.js";

const LABELS = ["It follows", "It does not"];

/** Connect the section; returns the function that gives it a model. */
export function nextSentence(section) {
  const fields = section.querySelectorAll("textarea");
  let model;

  const run = live(section, async (signal, onBusy) => {
    clearAnswer(section);
    const [first, second] = [...fields].map((field) => field.value);
    if (!model || !first.trim() || !second.trim()) return;
    const [follows] = await model.ask("next_sentence", [{ first, second }], { signal, onBusy });
    const answer = { label: LABELS[follows < 0.5 ? 1 : 0], probabilities: [follows, 1 - follows] };
    showAnswer(section, answer, LABELS);
  });
  return (given) => {
    model = given;
    run();
  };
}
