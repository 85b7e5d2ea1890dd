"""Rows of like length are computed together, so that one long text does not pad all others."""

from collections.abc import Callable, Mapping

import tensorflow as tf

_ROWS_TOGETHER = 16


def by_length(
    inputs: Mapping[str, tf.Tensor],
    compute: Callable[[dict[str, tf.Tensor]], tuple[tf.Tensor, ...]],
    empty: tuple[tf.Tensor, ...],
) -> tuple[tf.Tensor, ...]:
    """Return what `compute` gives for the rows of `inputs`, in their order: the shortest first, a few rows at a time.

    Args:
        inputs: the encoder's, each (batch, length).
        compute: maps such inputs of fewer and shorter rows to tensors (rows, ...).
        empty: what it gives for no rows.
    """
    lengths = tf.reduce_sum(inputs["padding_mask"], axis=-1)
    order = tf.argsort(lengths, stable=True)

    def body(start, done):
        rows = order[start : start + _ROWS_TOGETHER]
        longest = tf.reduce_max(tf.gather(lengths, rows))
        part = compute({name: tf.gather(ids, rows)[:, :longest] for name, ids in inputs.items()})
        return start + _ROWS_TOGETHER, tuple(tf.concat(both, axis=0) for both in zip(done, part, strict=True))

    _, computed = tf.while_loop(
        lambda start, _: start < tf.size(order),
        body,
        (tf.constant(0), empty),
        shape_invariants=(tf.TensorShape([]), tuple(tf.TensorShape([None, *rows.shape[1:]]) for rows in empty)),
    )
    original = tf.argsort(order)
    return tuple(tf.gather(rows, original) for rows in computed)
