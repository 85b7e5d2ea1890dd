/** What the page asks of the server it came from: TensorFlow Serving's interface, and the list of models. */

const PAUSES = [1, 2, 4, 8]; // seconds before a busy server is asked again

class ServerError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Whether an error says that the model or version is not served, or no more. */
export function isGone(error) {
  return error.status === 404;
}

/** Get `path`, or post `body` to it; what a busy server refuses is asked again after a pause. */
async function request(path, body, { signal, onBusy } = {}) {
  for (let tries = 0; ; tries++) {
    const answer = await reach(path, body, signal);
    if (answer.ok) return read(answer);
    const busy = answer.status === 429 || answer.status === 503;
    if (!busy || tries === PAUSES.length) throw new ServerError(await reason(answer), answer.status);
    const seconds = Math.max(PAUSES[tries], Number(answer.headers.get("retry-after")) || 0);
    onBusy?.(`The server is busy; it is asked again in ${seconds} s.`);
    await pause(seconds, signal);
    onBusy?.("");
  }
}

async function reach(path, body, signal) {
  const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  try {
    return await fetch(path, { signal, cache: "no-store", ...(body ? post : {}) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ServerError("The server cannot be reached. Is it still running?");
  }
}

async function read(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    // TensorFlow Serving writes NaN and Infinity as they are, which JSON does not have.
    throw new ServerError("The server's answer is not JSON: perhaps the model computes numbers that are not finite.");
  }
}

async function reason(answer) {
  const text = await answer.text();
  try {
    return `The server refuses: ${JSON.parse(text).error}`;
  } catch {
    return `The server answers with status ${answer.status}.`;
  }
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

function pathOf(name, version) {
  return `v1/models/${encodeURIComponent(name)}` + (version ? `/versions/${version}` : "");
}

/**
 * Ask what is served.
 *
 * Returns the limits of a request, `serving`, the name and version of all that serve, and `problems`, a sentence for
 * each model that does not.
 */
export async function askModels() {
  const { models, limits } = await request("page/models");
  const statuses = await Promise.all(models.map((name) => request(pathOf(name)).catch((error) => error)));
  const serving = [];
  const problems = [];
  models.forEach((name, i) => {
    const versions = statuses[i].model_version_status ?? [];
    const ready = versions.filter((version) => version.state === "AVAILABLE");
    serving.push(...ready.map((version) => ({ name, version: version.version })));
    if (ready.length) return;
    const [last] = versions;
    const why = last ? `version ${last.version} is ${last.state}. ${last.status.error_message}` : statuses[i].message;
    problems.push(`No version of ${name} serves: ${why}`);
  });
  return { limits, serving, problems };
}

/**
 * Ask what a version can do.
 *
 * Returns its `signatures` as in its metadata, its `abilities` (label, pairs, fill_mask, next_sentence, or else other)
 * and, where it classifies, the `labels` in the order of its probabilities.
 */
export async function askAbout(name, version) {
  const { metadata } = await request(`${pathOf(name, version)}/metadata`);
  const signatures = metadata.signature_def.signature_def;
  const has = (key, inputs, outputs) =>
    [...inputs.map((input) => [input, "inputs"]), ...outputs.map((output) => [output, "outputs"])].every(
      ([tensor, side]) => signatures[key]?.[side][tensor],
    );
  const answer = ["label", "probabilities"];
  const abilities = new Set();
  let labels = [];
  if (has("serving_default", ["text"], answer) && has("classify", ["inputs"], ["classes", "scores"])) {
    abilities.add("label");
    const body = { signature_name: "classify", examples: [{ text: "" }] };
    labels = (await request(`${pathOf(name, version)}:classify`, body)).results[0].map(([label]) => label);
    if (has("pairs", ["first", "second"], answer)) abilities.add("pairs");
  }
  if (has("fill_mask", ["text"], ["tokens", "probabilities", "num_masks"])) abilities.add("fill_mask");
  if (has("next_sentence", ["first", "second"], ["probability"])) abilities.add("next_sentence");
  if (!abilities.size) abilities.add("other");
  return { signatures, abilities, labels };
}

/**
 * Ask a signature for rows, each an object of its inputs; returns one prediction a row.
 *
 * `options` may hold a `signal` that aborts it, and `onBusy`, which is told when the server is busy, and when no more.
 */
export async function askPredict(name, version, signature, rows, options) {
  const body = { signature_name: signature, instances: rows };
  return (await request(`${pathOf(name, version)}:predict`, body, options)).predictions;
}
