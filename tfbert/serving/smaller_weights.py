"""Weights in fewer bits, where accuracy holds."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tfbert.errors import InputError
from tfbert.serving.stored_weights import KINDS
from tfbert.serving.text_signatures import TextSignatures

_ROWS_AT_ONCE = 64


@dataclasses.dataclass(frozen=True)
class SmallerWeights:
    """How an export stores its matrices, and the labelled rows that must show that accuracy holds.

    Args:
        kind: bfloat16, half the size, bfloat16_compute, which computes in it too, or int8, a quarter; see
            `StoredWeights`.
        texts: of a classifier, the texts; of a pretrainer, texts with one `[MASK]` each.
        labels: the right answer to each: the label's name; or the token that was masked.
        largest_drop: by how much accuracy on these rows may be lower than with float32, in [0, 1).

    Raises:
        InputError: the kind or the drop is none of these, or there are no rows, or not a label for each.
    """

    kind: str
    texts: Sequence[str]
    labels: Sequence[str]
    largest_drop: float = 0.005

    def __post_init__(self):
        if self.kind not in KINDS[1:]:
            raise InputError(f"smaller weights must be one of {', '.join(KINDS[1:])}; received {self.kind!r}.")
        if not 0 <= self.largest_drop < 1:
            raise InputError(f"largest_drop must be at least 0 and below 1; received {self.largest_drop}.")
        if not len(self.texts) or len(self.texts) != len(self.labels):
            raise InputError(
                f"smaller weights need labelled rows to be measured on, a label for each text; received "
                f"{len(self.texts)} texts and {len(self.labels)} labels."
            )

    def check_labels(self, known: Sequence[str]) -> None:
        """Refuse labels that the model cannot answer."""
        names = {*known}
        row = next((row for row, label in enumerate(self.labels) if label not in names), None)
        if row is not None:
            raise InputError(
                f"a label must be one of the model's {len(known)}, such as {known[-1]!r}; row {row} of the rows for "
                f"smaller weights has {self.labels[row]!r}."
            )

    def measure(self, exact: TextSignatures, stored: TextSignatures) -> dict[str, str]:
        """Ask both for the rows and return what the model card says of it.

        Raises:
            InputError: accuracy drops by more than `largest_drop`.
        """
        before, after = (self._answers(module) for module in (exact, stored))
        rows = len(self.labels)
        right = [sum(map(str.__eq__, answers, self.labels)) for answers in (before, after)]
        drop = (right[0] - right[1]) / rows
        if drop > self.largest_drop:
            raise InputError(
                f"weights in {self.kind} may lower accuracy by at most {self.largest_drop:g}; on the {rows} rows given "
                f"it falls by {drop:.4f}, from {right[0] / rows:.4f} to {right[1] / rows:.4f}. Nothing was written: "
                "allow a larger drop, or export with other weights."
            )
        return {
            "rows measured on": f"{rows:,}",
            "accuracy with float32": f"{right[0] / rows:.4f}",
            f"accuracy with {self.kind}": f"{right[1] / rows:.4f}",
            "drop": f"{drop:.4f}, at most {self.largest_drop:g} was allowed",
            "answered alike": f"{sum(map(str.__eq__, before, after)) / rows:.4f}",
        }

    def _answers(self, module: TextSignatures) -> list[str]:
        answer = module.of_texts(module.answers, "text")
        texts = list(self.texts)
        return [
            found.decode()
            for start in range(0, len(texts), _ROWS_AT_ONCE)
            for found in answer(text=tf.constant(texts[start : start + _ROWS_AT_ONCE], tf.string)).numpy()
        ]
