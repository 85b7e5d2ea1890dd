import json

import keras
import numpy as np
import pytest

from tfbert.tokenization.vocabulary import SPECIAL_TOKENS, Vocabulary
from tfbert.training.filled_samples import FilledSamples

VOCABULARY = Vocabulary([*SPECIAL_TOKENS, "good", "app", "bad"])
CLS, SEP, MASK, GOOD, APP, BAD = 2, 3, 4, 5, 6, 7


class Guesses:
    """Stands for a pretrainer: at every mask the same logits, which a test sets."""

    def __init__(self, *logits):
        self.logits = np.array(logits, np.float32)
        self.training = []

    def __call__(self, batch, training):
        self.training.append(training)
        shape = (*batch["mask_positions"].shape, len(VOCABULARY))
        return {"masked_lm_logits": keras.ops.convert_to_tensor(np.broadcast_to(self.logits, shape))}


def batch(lengths):
    """Rows `[CLS] good [MASK] good ... [SEP]`, the mask on "app", and a slot that holds none."""
    token_ids = np.zeros((len(lengths), max(lengths)), np.int32)
    for row, length in zip(token_ids, lengths, strict=True):
        row[:length] = [CLS, GOOD, MASK, *[GOOD] * (length - 4), SEP]
    rows = len(lengths)
    return {
        "token_ids": token_ids,
        "padding_mask": (token_ids > 0).astype(np.int32),
        "mask_positions": np.tile(np.array([2, 0], np.int32), (rows, 1)),
        "mask_ids": np.tile(np.array([APP, 0], np.int32), (rows, 1)),
        "mask_weights": np.tile(np.array([1.0, 0.0], np.float32), (rows, 1)),
    }


@pytest.fixture
def samples(tmp_path):
    def make(lengths=(6,), **options):
        callback = FilledSamples(batch(lengths), VOCABULARY, tmp_path, **options)
        callback.set_model(Guesses(0, 0, 0, 0, 0, np.log(2), np.log(5), 0))
        return callback

    return make


def test_the_likeliest_tokens_with_their_probabilities(samples):
    """Of the weights 1, 1, 1, 1, 1, 2, 5, 1; of equals the first."""
    callback = samples()
    callback.on_resume([])
    callback.on_train_begin()
    assert callback.samples == [
        {
            "step": 0,
            "rows": [
                {
                    "pieces": ["[CLS]", "good", "[MASK]", "good", "good", "[SEP]"],
                    "masks": [
                        {
                            "position": 2,
                            "answer": "app",
                            "top": [["app", round(5 / 13, 4)], ["good", round(2 / 13, 4)], ["[PAD]", round(1 / 13, 4)]],
                        }
                    ],
                }
            ],
        }
    ]
    assert callback.model.training == [False]
    assert json.loads(callback.path.read_text()) == callback.samples


def test_rows_near_the_wanted_length_are_shown_without_padding(samples):
    callback = samples((30, 5, 12, 9, 11), num_rows=3, row_tokens=10, num_top=1)
    callback.on_train_begin()
    rows = callback.samples[0]["rows"]
    assert [len(row["pieces"]) for row in rows] == [9, 11, 12]
    assert {len(row["masks"][0]["top"]) for row in rows} == {1}


def test_each_epoch_is_added_at_its_step(samples):
    callback = samples()
    callback.on_train_begin()
    for step, good in ((7, 9.0), (14, -9.0)):
        callback.model.logits[GOOD] = good
        callback.on_epoch_end(0, {"step": step})
    assert [sample["step"] for sample in callback.samples] == [0, 7, 14]
    tops = [sample["rows"][0]["masks"][0]["top"][0][0] for sample in callback.samples]
    assert tops == ["app", "good", "app"]


def test_a_model_that_has_diverged_fills_in_nothing(samples):
    callback = samples()
    callback.on_train_begin()
    callback.model.logits[GOOD] = np.nan
    callback.on_epoch_end(0, {"step": 7})
    assert [sample["step"] for sample in callback.samples] == [0]


def test_a_resumed_run_goes_on_with_what_is_kept(samples):
    """A kill may come after an epoch's sample and before its state, which is then done again."""
    first = samples()
    first.on_train_begin()
    for step in (7, 14):
        first.on_epoch_end(0, {"step": step})
    for done, steps in ((2, [0, 7, 14, 21]), (1, [0, 7, 21]), (0, [0, 21])):
        again = samples()
        again.on_resume([{}] * done)
        assert again.samples == (first.samples[: done + 1] if done else [])
        kept = first.path.read_text()
        again.on_train_begin()
        again.on_epoch_end(0, {"step": 21})
        assert [sample["step"] for sample in again.samples] == steps
        first.path.write_text(kept)
