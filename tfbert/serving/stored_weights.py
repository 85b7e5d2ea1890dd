"""Weights kept in fewer bits than they are computed with."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

KINDS = ("float32", "bfloat16", "int8", "bfloat16_compute")


class StoredWeights(tf.Module):
    """A model's weights as the variables of a SavedModel.

    - `float32`: as they are.
    - `bfloat16`: matrices are rounded to bfloat16, and cast back in the graph.
    - `bfloat16_compute`: the same, and matrix products are in bfloat16, which takes about half the time on a CPU with
      AVX-512 BF16 or AMX, and several times as much on others.
    - `int8`: a matrix W is kept as round(W / s), int8, with s = max |W| / 127 over each row of an embedding table and
      over each column of a kernel, one for each output. The graph multiplies by s again.

    Vectors (biases, layer norm) stay float32: they are few and the most sensitive. The graph restores the matrices once
    a call, and of the word embeddings, mostly the largest, only the rows that the texts need.

    Args:
        model: a classifier or pretrainer that belongs to this object from now on.
        kind: one of `KINDS`; for `bfloat16_compute` the model's policy must be mixed_bfloat16.
    """

    def __init__(self, model, kind: str):
        super().__init__()
        # Embeddings are added up in float32 under any policy.
        self._kernel_dtype = tf.bfloat16 if kind == "bfloat16_compute" else tf.float32
        kind = kind.removesuffix("_compute")
        table = model.encoder.embeddings.word_embeddings
        others = [variable for variable in model.weights if variable is not table]
        # Past tf.Module's tracking: tracked as a Keras model, variables are not restored by loaders of the session
        # kind, TensorFlow Serving's among them.
        object.__setattr__(self, "_keras", (table, others))
        self._kind = kind
        if kind == "float32":
            self.kept = [variable.value for variable in model.weights]
        else:
            self.table = _Matrix(table.numpy(), kind, by_row=True)
            self.kept = [
                _Matrix(variable.numpy(), kind, by_row=variable.name.endswith("_embeddings"))
                if len(variable.shape) == 2
                else variable.value
                for variable in others
            ]

    def restored(self) -> list[tf.Tensor]:
        """Return what `in_place` takes: the weights but for the word embeddings, as they are computed with."""
        if self._kind == "float32":
            return []
        return [
            kept.restored(self._kernel_dtype if variable.name == "kernel" else tf.float32)
            if isinstance(kept, _Matrix)
            else tf.convert_to_tensor(kept)
            for kept, variable in zip(self.kept, self._keras[1], strict=True)
        ]

    def word_embeddings(self) -> tf.Tensor:
        """Return the whole table, float32 (vocabulary, hidden)."""
        return tf.convert_to_tensor(self._keras[0]) if self._kind == "float32" else self.table.restored(tf.float32)

    @contextlib.contextmanager
    def in_place(self, restored: list[tf.Tensor], token_ids: tf.Tensor) -> Iterator[tf.Tensor]:
        """Let the model compute with the restored weights; yields what to give it in place of `token_ids`."""
        if self._kind == "float32":
            yield token_ids
            return
        table, others = self._keras
        ids, rows = tf.unique(tf.reshape(token_ids, [-1]))
        scope = keras.StatelessScope()
        # Not by the constructor, which would refuse a table of some of the rows.
        scope.add_update((table, self.table.restored(tf.float32, ids)))
        for variable, value in zip(others, restored, strict=True):
            scope.add_update((variable, value))
        with scope:
            yield tf.reshape(rows, tf.shape(token_ids))


class _Matrix(tf.Module):
    """A matrix in bfloat16, or in int8 with a scale for each row or column."""

    def __init__(self, values: np.ndarray, kind: str, *, by_row: bool):
        super().__init__()
        self.scales = None
        if kind == "int8":
            scales = np.abs(values).max(axis=1 if by_row else 0, keepdims=True) / 127
            scales[scales == 0] = 1
            values = np.round(values / scales)
            self.scales = tf.Variable(scales, trainable=False, dtype=tf.float32)
        self.numbers = tf.Variable(tf.cast(values, kind), trainable=False)

    def restored(self, dtype: tf.DType, rows: tf.Tensor | None = None) -> tf.Tensor:
        """Return it, or some rows of one that is scaled by row, in `dtype`."""
        parts = [
            part if rows is None else tf.gather(part, rows) for part in (self.numbers, self.scales) if part is not None
        ]
        return tf.cast(parts[0], dtype) * parts[1] if self.scales is not None else tf.cast(parts[0], dtype)
