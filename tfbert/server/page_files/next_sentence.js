/** Whether one text follows another, by the pretrainer's next-sentence head. */

import { twoTexts } from "./text_pair.js";

const LABELS = ["It follows", "It does not"];

/** Connect the section; returns the function that gives it a model. */
export function nextSentence(section) {
  return twoTexts(section, async (model, pair, options) => {
    const [follows] = await model.ask("next_sentence", [pair], options);
    return [{ label: LABELS[follows < 0.5 ? 1 : 0], probabilities: [follows, 1 - follows] }, LABELS];
  });
}
