import numpy as np
import pytest
import tensorflow as tf

from tfbert.serving.rows_by_length import by_length


def inputs_of(lengths):
    """Rows that hold their own number as often as they are long."""
    length = max(lengths, default=3)
    real = np.arange(length) < np.array(lengths, int).reshape(-1, 1)
    ids = np.where(real, np.arange(len(lengths))[:, None], 0).astype(np.int32)
    return {"token_ids": tf.constant(ids), "padding_mask": tf.constant(real.astype(np.int32))}


@pytest.mark.parametrize("rows", [0, 1, 16, 50])
def test_rows_come_back_in_their_order(rows):
    lengths = np.random.default_rng(0).integers(1, 60, rows).tolist()
    inputs = inputs_of(lengths)

    @tf.function
    def compute():
        return by_length(
            inputs,
            lambda part: (tf.reduce_sum(part["token_ids"], 1), tf.as_string(part["padding_mask"][:, :1])),
            (tf.zeros([0], tf.int32), tf.fill([0, 1], "")),
        )

    sums, names = compute()
    assert sums.numpy().tolist() == [number * length for number, length in enumerate(lengths)]
    assert names.numpy().tolist() == [[b"1"]] * rows


def test_rows_are_computed_with_their_like_and_without_more_padding_than_needed():
    shapes = []

    def compute(part):
        shapes.append(part["token_ids"].shape.as_list())
        return (part["token_ids"][:, 0],)

    by_length(inputs_of([50, 2] * 16), compute, (tf.zeros([0], tf.int32),))
    assert shapes == [[16, 2], [16, 50]]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([400, *[5] * 20, 7], [[16, 5], [5, 7], [1, 400]]),
        ([40, 49, 50, 9, 14, 15], [[2, 14], [1, 15], [2, 49], [1, 50]]),
    ],
)
def test_a_long_row_pads_no_short_one(lengths, expected):
    shapes = []

    def compute(part):
        shapes.append(part["token_ids"].shape.as_list())
        return (part["token_ids"][:, 0],)

    (found,) = by_length(inputs_of(lengths), compute, (tf.zeros([0], tf.int32),))
    assert shapes == expected
    assert found.numpy().tolist() == list(range(len(lengths)))
