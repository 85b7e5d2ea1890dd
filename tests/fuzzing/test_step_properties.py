"""The train step on batches that hypothesis makes up: two replicas do what one does, whatever the weights."""

import contextlib
import functools
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tfbert.training import ClipAfterAllReduce

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
import toy


class ClippedSGD(ClipAfterAllReduce, keras.optimizers.SGD):
    """Adam would blow rounding up where a gradient is next to nothing."""


_WEIGHTS = st.sampled_from([0.0, 0.0, 0.25, 1.0, 3.0])


@st.composite
def batches(draw):
    """Rows for two replicas of two micro-batches: some all padding but a token, some of no weight."""
    # Few shapes, since each is traced anew for each number of replicas.
    count, length = draw(st.sampled_from([(4, 4), (8, 4), (8, 7)]))
    lengths = draw(st.lists(st.integers(1, length), min_size=count, max_size=count))
    weights = draw(st.lists(_WEIGHTS, min_size=count, max_size=count))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return make_batch(lengths, length, weights, rng)


def make_batch(lengths, length, weights, rng):
    ids = rng.integers(1, 30, (len(lengths), length))
    mask = (np.arange(length) < np.array(lengths)[:, None]).astype(np.int32)
    inputs = {"token_ids": (ids * mask).astype(np.int32), "segment_ids": mask * 0, "padding_mask": mask}
    return inputs, rng.integers(0, 3, len(lengths)), np.array(weights, np.float32)


@functools.cache
def compiled(replicas, micro_batches):
    """A model and the values that all its variables begin with."""
    strategy = toy.mirrored() if replicas == 2 else None
    with strategy.scope() if strategy else contextlib.nullcontext():
        optimizer = ClippedSGD(0.5, momentum=0.9, global_clipnorm=0.3)
    model = toy.model(strategy, optimizer=optimizer, micro_batches=micro_batches)
    with strategy.scope() if strategy else contextlib.nullcontext():
        optimizer.build(model.trainable_variables)
    variables = [*model.trainable_variables, *optimizer.variables]
    return model, variables, [variable.numpy() for variable in variables]


def trained(batch, replicas, micro_batches):
    """Two steps from the beginning: the logs and the weights."""
    model, variables, values = compiled(replicas, micro_batches)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    dataset = tf.data.Dataset.from_tensors(batch).repeat(2)
    history = model.fit(dataset, steps_per_epoch=2, epochs=1, shuffle=False, verbose=0).history
    return {name: each[0] for name, each in history.items()}, toy.weights(model)


ONE_REPLICA_WITHOUT_WEIGHT = make_batch([3] * 8, 4, [1, 2, 1, 0.5, 0, 0, 0, 0], np.random.default_rng(0))
NO_WEIGHT_AT_ALL = make_batch([3] * 4, 4, [0] * 4, np.random.default_rng(0))


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(batches())
@example(ONE_REPLICA_WITHOUT_WEIGHT)
@example(NO_WEIGHT_AT_ALL)
def test_replicas_and_micro_batches_change_nothing(batch):
    expected_logs, expected = trained(batch, 1, 1)
    assert all(np.isfinite(value) for value in expected_logs.values())
    for replicas, micro_batches in ((2, 1), (1, 2), (2, 2)):
        logs, weights = trained(batch, replicas, micro_batches)
        assert logs == pytest.approx(expected_logs, abs=1e-5), (replicas, micro_batches)
        assert toy.largest_difference(weights, expected) < 1e-5, (replicas, micro_batches)
