"""Rows of like length are computed together, so that one long text does not pad all others."""

from collections.abc import Callable, Mapping

import tensorflow as tf

# Measured with a model of 6 x 384 on two cores: more rows together leave the caches, and rows that are much longer cost
# more padding than the products gain by their size.
_ROWS_TOGETHER = 16
_LONGER_BY_PART, _LONGER_BY_TOKENS = 8, 4


def by_length(
    inputs: Mapping[str, tf.Tensor],
    compute: Callable[[dict[str, tf.Tensor]], tuple[tf.Tensor, ...]],
    empty: tuple[tf.Tensor, ...],
) -> tuple[tf.Tensor, ...]:
    """Return what `compute` gives for the rows of `inputs`, in their order: the shortest first, a few rows at a time.

    Together are at most 16 rows that are longer than the shortest of them by an eighth and 4 tokens at most.

    Args:
        inputs: the encoder's, each (batch, length).
        compute: maps such inputs of fewer and shorter rows to tensors (rows, ...).
        empty: what it gives for no rows.
    """
    lengths = tf.reduce_sum(inputs["padding_mask"], axis=-1)
    order = tf.argsort(lengths, stable=True)
    ordered = tf.gather(lengths, order)

    def body(start, done):
        longest = ordered[start] + ordered[start] // _LONGER_BY_PART + _LONGER_BY_TOKENS
        alike = tf.searchsorted(ordered, longest[tf.newaxis], side="right")[0]
        end = tf.minimum(alike, start + _ROWS_TOGETHER)
        rows = order[start:end]
        part = compute({name: tf.gather(ids, rows)[:, : ordered[end - 1]] for name, ids in inputs.items()})
        return end, tuple(tf.concat(both, axis=0) for both in zip(done, part, strict=True))

    _, computed = tf.while_loop(
        lambda start, _: start < tf.size(order),
        body,
        (tf.constant(0), empty),
        shape_invariants=(tf.TensorShape([]), tuple(tf.TensorShape([None, *rows.shape[1:]]) for rows in empty)),
    )
    original = tf.argsort(order)
    return tuple(tf.gather(rows, original) for rows in computed)
