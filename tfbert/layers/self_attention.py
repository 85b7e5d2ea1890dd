"""Multi-head self-attention."""

import math

import keras
from keras import ops

from tfbert.errors import InputError
from tfbert.layers.arguments import check_rates, check_sizes
from tfbert.layers.dropout import Dropout, dropout
from tfbert.layers.starting_values import StartingValues

if keras.backend.backend() == "tensorflow":
    from tfbert.layers.tensorflow_kernels import attend, matmul_transposed
else:

    def matmul_transposed(first, second):
        """Return first · secondᵀ over the last two axes."""
        return ops.matmul(first, ops.swapaxes(second, -1, -2))

    def attend(query, key, value, adder, dropout_rate: float = 0.0, seed_generator=None):
        """Return dropout(softmax(query · keyᵀ + adder)) · value over the last two axes."""
        probabilities = ops.cast(attention_probabilities(query, key, adder), value.dtype)
        return ops.matmul(
            dropout(probabilities, dropout_rate, seed_generator) if dropout_rate else probabilities, value
        )


def attention_probabilities(query, key, adder):
    """Return softmax(query · keyᵀ + adder), in the dtype of `adder`."""
    return ops.softmax(ops.cast(matmul_transposed(query, key), adder.dtype) + adder, axis=-1)


# Large enough to drown any score, so that a row with nothing to attend to comes out uniform; finite in float32, in
# which softmax is computed under every policy, so that no row comes out NaN.
_PADDING_ADDER = -1e30


@keras.saving.register_keras_serializable(package="tfbert")
class SelfAttention(keras.layers.Layer):
    """A = softmax(Q Kᵀ / √d + adder), output = concat(dropout(A) V) W + b  (Vaswani et al. 2017, section 3.2).

    Query, key and value come from one product with a kernel of shape (hidden, 3 × hidden), columns in that order, on
    `(batch × length, hidden)`. The softmax is float32 under every policy. A row without a real position attends
    uniformly to all. The sum with the input and its layer norm belong to `EncoderBlock`.

    Args:
        hidden_dim: H, a multiple of `num_heads`.
        num_heads: A; each head has d = H / A units.
        attention_dropout_rate: of the probabilities, in [0, 1).
        initializer_stddev: of the truncated normal the kernels start from; biases start at 0.

    Inputs `(batch, length, hidden)` and `padding_mask`, integer or boolean `(batch, length)`, 1 = real, or None for no
    padding. Output `(batch, length, hidden)`; with `return_attention_scores` a pair of it and A before dropout, float32
    `(batch, heads, length, length)`. With `queries` `(batch, n, hidden)`, those rows of the inputs whose output is
    wanted, only they ask: the output is `(batch, n, hidden)`, A `(batch, heads, n, length)`.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        *,
        attention_dropout_rate: float = 0.1,
        initializer_stddev: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sizes("SelfAttention", hidden_dim=hidden_dim, num_heads=num_heads)
        if hidden_dim % num_heads:
            raise InputError(f"SelfAttention: hidden_dim={hidden_dim} must be a multiple of num_heads={num_heads}.")
        check_rates("SelfAttention", attention_dropout_rate=attention_dropout_rate)
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.attention_dropout_rate = attention_dropout_rate
        self.initializer_stddev = initializer_stddev

    def build(self, inputs_shape, padding_mask_shape=None):
        """Create the two products and the dropout."""
        self.query_key_value = self._dense(3 * self.hidden_dim, "query_key_value")
        self.output_dense = self._dense(self.hidden_dim, "output_dense")
        self.dropout = Dropout(self.attention_dropout_rate, dtype=self.dtype_policy, name="dropout")
        self.dropout.build((None, self.num_heads, None, None))

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        initializer = StartingValues(stddev=self.initializer_stddev)
        dense = keras.layers.Dense(units, kernel_initializer=initializer, dtype=self.dtype_policy, name=name)
        dense.build((None, self.hidden_dim))
        return dense

    def call(self, inputs, padding_mask=None, training=None, return_attention_scores=False, queries=None):
        """Return the attended values, and the probabilities where asked."""
        if queries is None:
            joint = self.query_key_value(ops.reshape(inputs, (-1, self.hidden_dim)))
            query, key, value = self._by_head(joint, inputs, 3)
        else:
            query, key, value = self._some_queries(inputs, queries)
        units = self.hidden_dim // self.num_heads
        # Scaling the query touches fewer numbers than scaling the scores.
        query = query * ops.cast(1 / math.sqrt(units), query.dtype)
        dtype = keras.backend.result_type(query.dtype, "float32")
        if padding_mask is None:
            adder = ops.zeros((1, 1, 1, 1), dtype)
        else:
            # Not by indexing with None, which LiteRT's converter does not know where the length is open.
            adder = ops.expand_dims(_PADDING_ADDER * (1 - ops.cast(padding_mask, dtype)), (1, 2))
        drawn = (self.dropout.rate, self.dropout.seed_generator) if training and self.dropout.rate else ()
        attended = attend(query, key, value, adder, *drawn)
        attended = ops.transpose(attended, (0, 2, 1, 3))
        outputs = self.output_dense(ops.reshape(attended, (-1, self.hidden_dim)))
        outputs = ops.reshape(outputs, (-1, ops.shape(attended)[1], self.hidden_dim))
        return (outputs, attention_probabilities(query, key, adder)) if return_attention_scores else outputs

    def _by_head(self, joint, inputs, parts: int):
        """Cut `(batch × length, parts × hidden)` into parts `(batch, heads, length, units)`; length is the inputs'."""
        shape = (-1, ops.shape(inputs)[1], parts, self.num_heads, self.hidden_dim // self.num_heads)
        return ops.unstack(ops.transpose(ops.reshape(joint, shape), (2, 0, 3, 1, 4)), parts)

    def _some_queries(self, inputs, queries):
        """Return what `queries` ask, and the keys and values of all, by head."""
        weights = (ops.convert_to_tensor(each) for each in self.query_key_value.weights)
        # Not two slices: the gradient of each would be a pass over the whole, and their sum a third.
        kernels, biases = (ops.split(each, [self.hidden_dim], axis=-1) for each in weights)
        asking, asked = (
            ops.matmul(ops.reshape(rows, (-1, self.hidden_dim)), kernel) + bias
            for rows, kernel, bias in zip((queries, inputs), kernels, biases, strict=True)
        )
        return *self._by_head(asking, queries, 1), *self._by_head(asked, inputs, 2)

    def compute_output_shape(self, inputs_shape, padding_mask_shape=None):
        """Return the shape of the inputs."""
        return inputs_shape

    def compute_output_spec(
        self, inputs, padding_mask=None, training=None, return_attention_scores=False, queries=None
    ):
        """Return symbolic outputs, as many as `call` returns."""
        return attention_output_spec(self, inputs, return_attention_scores, queries)

    def get_config(self):
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "attention_dropout_rate": self.attention_dropout_rate,
            "initializer_stddev": self.initializer_stddev,
        }


def attention_output_spec(layer, inputs, return_attention_scores, queries):
    """Return the symbolic outputs of a layer with `num_heads` that keeps its inputs' width, and its scores if asked."""
    batch, length, hidden = inputs.shape
    rows = length if queries is None else queries.shape[1]
    outputs = keras.KerasTensor((batch, rows, hidden), dtype=layer.compute_dtype)
    if not return_attention_scores:
        return outputs
    scores_dtype = keras.backend.result_type(layer.compute_dtype, "float32")
    return outputs, keras.KerasTensor((batch, layer.num_heads, rows, length), dtype=scores_dtype)
