"""What a model in training fills into the same masked sentences, time after time."""

import json
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from tfbert.atomic import written_beside
from tfbert.tokenization.vocabulary import Vocabulary
from tfbert.training.resume import ResumedCallback

_FILE = "samples.json"


class FilledSamples(ResumedCallback):
    """Keeps, before training and after each epoch, the likeliest tokens at the masks of a few held-out rows.

    A callback before it puts the steps done as `step` into the logs of an epoch.

    `samples` is a list of `{"step": steps done, "rows": [{"pieces": [token, ...], "masks": [{"position": in pieces,
    "answer": token, "top": [[token, probability], ...]}, ...]}, ...]}`, also kept as `samples.json` in the folder.

    Args:
        batch: one batch of the pretrainer's inputs, as NumPy arrays.
        vocabulary: that of the ids.
        folder: where the file lies, beside the training state.
        num_rows: how many rows of the batch: those nearest to `row_tokens` tokens.
        row_tokens: see above.
        num_top: how many tokens a mask.
        writes: whether this process writes the file; of several workers one does.
    """

    def __init__(
        self,
        batch: Mapping[str, np.ndarray],
        vocabulary: Vocabulary,
        folder: Path,
        num_rows: int = 4,
        row_tokens: int = 32,
        num_top: int = 3,
        writes: bool = True,
    ):
        super().__init__()
        distance = np.abs(batch["padding_mask"].sum(axis=1) - row_tokens)
        rows = np.argsort(distance, kind="stable")[:num_rows]
        self.batch = {name: values[rows] for name, values in batch.items()}
        self.vocabulary = vocabulary
        self.path = Path(folder) / _FILE
        self.num_top = num_top
        self.writes = writes
        self.samples: list[dict] = []

    def on_resume(self, history):
        # A kill may have come between this file and the training state.
        self.samples = json.loads(self.path.read_text())[: len(history) + 1] if history else []

    def on_train_begin(self, logs=None):
        if not self.samples:
            self._fill(0)

    def on_epoch_end(self, epoch, logs=None):
        self._fill(logs["step"])

    def _fill(self, step: int) -> None:
        logits = self.model(self.batch, training=False)["masked_lm_logits"]
        probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
        if not np.isfinite(probabilities).all():
            # Training has diverged, and is about to be stopped for it.
            return
        tokens = self.vocabulary.id_to_token
        rows = []
        for row, real in enumerate(self.batch["padding_mask"].sum(axis=1)):
            masks = []
            for slot in np.flatnonzero(self.batch["mask_weights"][row]):
                top = np.argsort(-probabilities[row, slot], kind="stable")[: self.num_top]
                masks.append(
                    {
                        "position": int(self.batch["mask_positions"][row, slot]),
                        "answer": tokens(int(self.batch["mask_ids"][row, slot])),
                        "top": [[tokens(int(i)), round(float(probabilities[row, slot, i]), 4)] for i in top],
                    }
                )
            pieces = [tokens(int(token)) for token in self.batch["token_ids"][row, :real]]
            rows.append({"pieces": pieces, "masks": masks})
        self.samples = [*self.samples, {"step": step, "rows": rows}]
        if self.writes:
            with written_beside(self.path) as partial:
                partial.write_text(json.dumps(self.samples))
