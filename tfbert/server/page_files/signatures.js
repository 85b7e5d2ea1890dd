/** The signatures of a model that the page cannot try. */

import { make } from "./elements.js";

/** Connect the section; returns the function that gives it a model. */
export function showSignatures(section) {
  const body = section.querySelector("tbody");
  return (model) => {
    if (!model) return;
    const rows = sorted(model.signatures)
      .filter(([name]) => !name.startsWith("__")) // of TensorFlow itself
      .map(([name, signature]) =>
        make(
          "tr",
          {},
          make("th", { scope: "row" }, name),
          make("td", {}, signature.method_name.split("/").at(-1)),
          make("td", {}, ...tensors(signature.inputs)),
          make("td", {}, ...tensors(signature.outputs)),
        ),
      );
    body.replaceChildren(...rows);
  };
}

function tensors(infos) {
  return sorted(infos).map(([name, { dtype, tensor_shape: shape }]) => {
    const type = dtype.replace("DT_", "").toLowerCase();
    const sizes = shape.dim.map(({ size }) => (size < 0 ? "any" : size)).join(", ");
    return make("div", {}, make("code", {}, name), ` ${type} ${shape.unknown_rank ? "of any shape" : `(${sizes})`}`);
  });
}

function sorted(entries) {
  return Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1));
}
