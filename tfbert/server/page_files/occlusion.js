/** Which parts of a text carried its answer: each is left out in turn. */

// As BERT's tokenizer sees them: what stands between white space, and each Chinese character by itself.
const WORD = /\p{Script=Han}|[^\s\p{Script=Han}]+/gu;

const MOST_PARTS = 64; // each costs as much as the text itself

/**
 * Cut a text into at most `most` parts, words or, where there are more of them, groups of words of like number.
 *
 * Returns an array of [start, end], from the first letter of a part's first word to the last of its last.
 */
export function partsOf(text, most) {
  const words = [...text.matchAll(WORD)].map((word) => [word.index, word.index + word[0].length]);
  const size = Math.ceil(words.length / most);
  const parts = [];
  for (let i = 0; i < words.length; i += size) parts.push([words[i][0], words.slice(i, i + size).at(-1)[1]]);
  return parts;
}

/** How many parts of a text, each left out in turn, fit into one request of these limits. */
export function mostParts(text, { rows, body_bytes }) {
  const bytes = new TextEncoder().encode(JSON.stringify({ text })).length + 1;
  return Math.max(1, Math.min(MOST_PARTS, rows, Math.floor((body_bytes - 100) / bytes)));
}

/** The text without one part. */
export function leaveOut(text, [start, end]) {
  return text.slice(0, start) + text.slice(end);
}

/** How much a part speaks for an answer: by how much the log-odds fall without it. */
export function effect(whole, without) {
  return logOdds(whole) - logOdds(without);
}

function logOdds(probability) {
  // A probability that has been rounded to 0 or 1 has no finite log-odds.
  const bounded = Math.min(Math.max(probability, 1e-7), 1 - 1e-7);
  return Math.log(bounded / (1 - bounded));
}
