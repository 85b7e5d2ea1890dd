/** One text: its label, the probabilities, and which words carried them. */

import { bars, make, percent } from "./elements.js";
import { live } from "./live.js";
import { effect, leaveOut, mostParts, partsOf } from "./occlusion.js";

const FAINTEST = 0.15; // of the full colour; what is fainter is left plain
const FULL_COLOUR = 1; // change of the log-odds from which on a part may have the full colour
const MOST_NAMED = 3; // parts that are named with figures

/** Show the label and the probabilities of one prediction. */
export function showAnswer(section, { label, probabilities }, labels) {
  const index = labels.indexOf(label);
  section
    .querySelector(".answer")
    .replaceChildren(make("strong", {}, label), ` ${percent(probabilities[index])}`);
  section.querySelector(".probabilities").replaceChildren(bars(labels.map((name, i) => [name, probabilities[i]])));
  return index;
}

/** Take away what `showAnswer` shows. */
export function clearAnswer(section) {
  for (const shown of section.querySelectorAll(".answer, .probabilities")) shown.replaceChildren();
}

/** Connect the section; returns the function that gives it a model. */
export function oneText(section) {
  const field = section.querySelector("textarea");
  const words = section.querySelector(".words");
  let model;

  async function answer(signal, onBusy) {
    const text = field.value;
    words.hidden = true;
    if (!model || !text.trim()) return clearAnswer(section);
    const ask = (rows) => model.ask("serving_default", rows, { signal, onBusy });
    try {
      const [whole] = await ask([{ text }]);
      const index = showAnswer(section, whole, model.labels);
      const parts = partsOf(text, mostParts(text, model.limits));
      const answers = await ask(parts.map((part) => ({ text: leaveOut(text, part) })));
      const without = answers.map((found) => found.probabilities[index]);
      showParts(words, text, parts, whole.label, whole.probabilities[index], without);
    } catch (error) {
      if (!signal.aborted) clearAnswer(section);
      throw error;
    }
  }

  const run = live(section, answer);
  return (given) => {
    model = given;
    run();
  };
}

function showParts(words, text, parts, label, probability, without) {
  const effects = without.map((other) => effect(probability, other));
  const largest = Math.max(FULL_COLOUR, ...effects.map(Math.abs));
  const shown = [];
  let end = 0;
  parts.forEach(([start, stop], i) => {
    const strength = Math.abs(effects[i]) / largest;
    const marked = make(strength < FAINTEST ? "span" : "mark", {}, text.slice(start, stop));
    if (strength >= FAINTEST) marked.className = effects[i] > 0 ? "for" : "against";
    marked.style.setProperty("--strength", strength.toFixed(3));
    marked.title = `without it ${label} has ${percent(without[i])}`;
    shown.push(text.slice(end, start), marked);
    end = stop;
  });
  words.querySelector(".marked").replaceChildren(...shown, text.slice(end));
  const grouped = parts.some((part) => /\s/.test(text.slice(...part)));
  words.querySelector(".part").textContent = grouped ? "group of words" : "word";
  words.querySelector(".label").textContent = label;
  words.querySelector(".strongest").replaceChildren(...strongest(text, parts, label, probability, without, effects));
  words.hidden = false;
}

/** Say in words what the strongest colours say. */
function strongest(text, parts, label, probability, without, effects) {
  const order = parts.map((_, i) => i).sort((a, b) => Math.abs(effects[b]) - Math.abs(effects[a]));
  const named = order.filter((i) => Math.abs(effects[i]) >= FAINTEST * FULL_COLOUR).slice(0, MOST_NAMED);
  if (!named.length) return [`No part alone changes much: ${label} keeps about ${percent(probability)}.`];
  const said = named.flatMap((i, place) => [
    place ? ", " : "",
    "without ",
    make("q", {}, text.slice(...parts[i])),
    ` ${percent(without[i])}`,
  ]);
  return [make("strong", {}, label), ` ${percent(probability)}: `, ...said, "."];
}
