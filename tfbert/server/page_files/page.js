/** The page: which model is asked, and which of its sections that model can answer. */

import { option } from "./elements.js";
import { fillMask } from "./fill_mask.js";
import { nextSentence } from "./next_sentence.js";
import { oneText } from "./one_text.js";
import { askAbout, askModels, askPredict, isGone } from "./server.js";
import { severalTexts } from "./several_texts.js";
import { showSignatures } from "./signatures.js";
import { textPair } from "./text_pair.js";

const choice = document.getElementById("model");
const message = document.getElementById("page-message");

const sections = [
  ["one-text", "label", oneText],
  ["several-texts", "label", severalTexts],
  ["text-pair", "pairs", textPair],
  ["fill-mask", "fill_mask", fillMask],
  ["next-sentence", "next_sentence", nextSentence],
  ["signatures", "other", showSignatures],
].map(([id, ability, connect]) => {
  const section = document.getElementById(id);
  return { section, ability, use: connect(section) };
});

let limits;
let turn = 0; // grows with each choice, so that what an earlier one waits for is known to be late

/** Fill the choice with all versions that serve, and choose the highest of the model `name` where it is among them. */
async function list(name) {
  const found = await askModels();
  limits = found.limits;
  choice.replaceChildren(
    ...found.serving.map((entry) => {
      const made = option(`${entry.name}, version ${entry.version}`);
      Object.assign(made.dataset, entry);
      return made;
    }),
  );
  choice.selectedIndex = Math.max(0, found.serving.findIndex((entry) => entry.name === name));
  document.getElementById("models").hidden = !choice.length;
  message.textContent = found.problems.join(" ");
  if (choice.length) await use();
}

/** Let the sections ask the model that is chosen. */
async function use() {
  const mine = ++turn;
  const { name, version } = choice.selectedOptions[0].dataset;
  const about = await askAbout(name, version);
  if (turn !== mine) return;
  const ask = async (signature, rows, options) => {
    try {
      return await askPredict(name, version, signature, rows, options);
    } catch (error) {
      if (isGone(error) && turn === mine) {
        await list(name);
        message.textContent = `Version ${version} of ${name} serves no more. ${message.textContent}`;
      }
      throw error;
    }
  };
  document.title = `${name} · tfbert`;
  for (const { section, ability, use: give } of sections) {
    section.hidden = !about.abilities.has(ability);
    give(section.hidden ? null : { ...about, name, version, limits, ask });
  }
}

function told(action) {
  return async () => {
    message.textContent = "";
    try {
      await action();
    } catch (error) {
      message.textContent = error.message;
    }
  };
}

choice.addEventListener("change", told(use));
told(list)();
