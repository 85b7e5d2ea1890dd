"""An epoch of fine-tuning on reviews, batch 16, cut at 160 tokens: batches of like length on both sides.

tfbert cuts its batches by buckets; for transformers they are grouped as by its Trainer's `group_by_length`, each padded
to its longest row. Both have tokenized the reviews before.
"""

import contextlib
from pathlib import Path

import numpy as np

from tfbert.benchmarks import adamw
from tfbert.benchmarks.material import (
    classifier_of,
    classifier_with,
    reviews_of,
    tokenizer_of,
)
from tfbert.benchmarks.task import Built, Setup, System, Work, answerless
from tfbert.benchmarks.useful_work import BACKWARD, encoder_flops

PRECISIONS = ("float32", "bfloat16")
TOLERANCES = {"float32": 2e-3, "bfloat16": 0.15}
"""Of the loss, and of what one step changes weights by, dropout off."""

CASE = "an epoch"
_BATCH = 16
_MAX_LENGTH = 160
_DROPOUT_RATE = 0.1
_EPOCHS = 500  # more than are ever run


def write(folder: Path, setup: Setup) -> dict[str, Work]:
    """Leave the weights for each system, and the rows of so many batches."""
    from tfbert import checkpoints

    classifier, tokenizer, reviews = classifier_of(setup), tokenizer_of(setup), reviews_of(setup)
    checkpoints.save(classifier, folder / "native")
    checkpoints.save(classifier, folder / "huggingface", format="huggingface")
    rows = np.random.default_rng(0).permutation(len(reviews))[: setup.batches * _BATCH]
    encoded = tokenizer.encode(list(reviews.texts[rows]), max_length=_MAX_LENGTH)
    lengths = encoded["padding_mask"].numpy().sum(axis=-1)
    real = encoded["padding_mask"].numpy().astype(bool)
    np.savez(folder / "rows.npz", ids=encoded["token_ids"].numpy()[real], lengths=lengths, labels=reviews.labels[rows])
    flops = (1 + BACKWARD) * encoder_flops(classifier.encoder.config, lengths, 1)
    return {CASE: Work("epoch", 1, int(lengths.sum()), "tokens", flops)}


def _rows(folder: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the token ids of each row, and the labels."""
    with np.load(folder / "rows.npz") as file:
        return np.split(file["ids"], np.cumsum(file["lengths"])[:-1]), file["labels"]


def _tfbert(folder: Path, setup: Setup) -> Built:
    import keras

    from tfbert import checkpoints
    from tfbert.data import LengthBatches

    policy = "float32" if setup.precision == "float32" else f"mixed_{setup.precision}"
    loaded = checkpoints.load_classifier(folder / "native", dtype=policy)
    rows, labels = _rows(folder)

    def training(rate: float, token_ids, labels, epochs: int):
        model = classifier_with(loaded, rate)
        model.compile(
            adamw.ours(compared=rate == 0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        batches = LengthBatches(token_ids, labels, _BATCH)
        iterator = iter(batches.training_dataset(epochs))
        function = model.make_train_function()

        def epoch() -> float:
            for _ in range(batches.steps_per_epoch):
                model.reset_metrics()
                logs = function(iterator)
            return float(logs["loss"])

        return model, epoch

    def first_batch():
        return training(0.0, rows[:_BATCH], labels[:_BATCH], 1)

    def outputs():
        return adamw.compared_step(adamw.our_weights, "step", *first_batch())

    _, epoch = training(_DROPOUT_RATE, rows, labels, _EPOCHS)
    return Built({CASE: answerless(epoch)}, outputs)


def _torch(folder: Path, setup: Setup) -> Built:
    import torch
    import transformers
    from transformers.trainer_pt_utils import get_length_grouped_indices

    torch.manual_seed(0)
    rows, labels = _rows(folder)
    autocast = torch.autocast("cpu", torch.bfloat16) if setup.precision == "bfloat16" else contextlib.nullcontext()

    def collated(batch: list[int]):
        longest = max(len(rows[row]) for row in batch)
        ids = np.stack([np.pad(rows[row], (0, longest - len(rows[row]))) for row in batch])
        mask = np.stack([np.arange(longest) < len(rows[row]) for row in batch])
        return {
            "input_ids": torch.from_numpy(ids).long(),
            "attention_mask": torch.from_numpy(mask).long(),
            "labels": torch.from_numpy(labels[batch]).long(),
        }

    def training(rate: float):
        model = transformers.BertForSequenceClassification.from_pretrained(
            folder / "huggingface",
            hidden_dropout_prob=rate,
            attention_probs_dropout_prob=rate,
            classifier_dropout=rate,
        ).train()
        update = adamw.of_torch(model, compared=rate == 0)

        def step(batch: list[int]) -> float:
            with autocast:
                loss = model(**collated(batch)).loss
            loss.backward()
            update()
            return float(loss)

        return model, step

    def first_batch():
        model, step = training(0.0)
        return model, lambda: step(list(range(min(_BATCH, len(rows)))))

    def outputs():
        return adamw.compared_step(adamw.torch_weights, "step", *first_batch())

    _, step = training(_DROPOUT_RATE)
    lengths = [len(ids) for ids in rows]

    def epoch() -> None:
        order = get_length_grouped_indices(lengths, _BATCH)
        for start in range(0, len(order), _BATCH):
            step(order[start : start + _BATCH])

    return Built({CASE: epoch}, outputs)


SYSTEMS = {
    "tfbert": System(_tfbert, ("tensorflow",)),
    "torch": System(_torch, ("torch", "transformers")),
}
