"""A small model with dropout and rows with unequal weights, for the tests of training."""

import contextlib

import keras
import numpy as np

from tfbert.data.batching import LengthBatches
from tfbert.training import BertAdamW, GlobalBatchFunctional, LinearWarmupDecay, pick_placement

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def mirrored():
    return pick_placement("mirrored").strategy


def rows(count, seed=0):
    """Batches over `count` rows of unequal length and weight, three classes, batch 7."""
    rng = np.random.default_rng(seed)
    token_ids = [rng.integers(1, 30, rng.integers(2, 12)).astype(np.int32) for _ in range(count)]
    return LengthBatches(
        token_ids, rng.integers(0, 3, count), 7, rng.uniform(0.1, 3, count).astype("float32"), num_buckets=4, seed=seed
    )


def model(strategy=None, dropout=0.0, optimizer=None, policy="float32", **compile_options):
    keras.utils.set_random_seed(0)
    with strategy.scope() if strategy else contextlib.nullcontext():
        keras.config.set_dtype_policy(policy)
        names = ("token_ids", "segment_ids", "padding_mask")
        inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
        hidden = keras.layers.Embedding(30, 8)(inputs["token_ids"])
        hidden = keras.layers.Dense(11, activation="gelu")(hidden)
        hidden = keras.layers.Dropout(dropout)(hidden)
        hidden = keras.layers.GlobalAveragePooling1D()(hidden, mask=inputs["padding_mask"])
        logits = keras.layers.Dense(3, dtype="float32")(hidden)
        built = GlobalBatchFunctional(inputs, logits)
        built.compile(
            optimizer or BertAdamW(LinearWarmupDecay(1e-2, 200, 5), global_clipnorm=0.05),
            compile_options.pop("loss", LOSS),
            metrics=["accuracy"],
            weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="weighted_accuracy")],
            **compile_options,
        )
    keras.config.set_dtype_policy("float32")
    return built


def inputs(token_ids):
    """Wrap token ids (batch, length) without padding as a model's inputs."""
    token_ids = np.asarray(token_ids, np.int32)
    return {"token_ids": token_ids, "segment_ids": token_ids * 0, "padding_mask": token_ids * 0 + 1}


def weights(trained):
    return [variable.numpy() for variable in trained.trainable_variables]


def largest_difference(a, b):
    return max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True))
