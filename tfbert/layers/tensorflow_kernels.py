"""Formulas whose TensorFlow gradient makes needless passes over memory, with their gradients by hand.

Used by the layers on the TensorFlow backend only. The gradients are tested against TensorFlow's own in float64.
"""

import math

import tensorflow as tf

_SQRT_HALF = math.sqrt(0.5)
_NORMAL_DENSITY_AT_ZERO = 1 / math.sqrt(2 * math.pi)


def lookup(table: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """Return the rows of `table` at `ids`; on a CPU, ids out of range are an error (`keras.ops.take` wraps below 0)."""
    return tf.gather(table, ids)


def layer_norm(inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Return γ (x − mean) / √(variance + ε) + β over the last axis, in the dtype of its inputs."""

    @tf.custom_gradient
    def normalize(inputs, gamma, beta):
        centered = inputs - tf.reduce_mean(inputs, axis=-1, keepdims=True)
        inverse_deviation = tf.math.rsqrt(tf.reduce_mean(tf.square(centered), axis=-1, keepdims=True) + epsilon)
        normalized = centered * inverse_deviation

        def gradient(upstream):
            row_axes = list(range(upstream.shape.rank - 1))
            scaled = upstream * gamma
            along_mean = tf.reduce_mean(scaled, axis=-1, keepdims=True)
            along_deviation = tf.reduce_mean(scaled * normalized, axis=-1, keepdims=True)
            inputs_gradient = (scaled - along_mean - normalized * along_deviation) * inverse_deviation
            return inputs_gradient, tf.reduce_sum(upstream * normalized, row_axes), tf.reduce_sum(upstream, row_axes)

        return normalized * gamma + beta, gradient

    return normalize(inputs, gamma, beta)


@tf.custom_gradient
def gelu_erf(inputs: tf.Tensor):
    """Return x Φ(x), Φ the normal distribution function, in the dtype of the input.

    In the very order of operations that TensorFlow with oneDNN makes one with the matrix product before it where no
    gradient is asked for.
    """
    distribution = (tf.math.erf(inputs * _SQRT_HALF) + 1.0) * 0.5

    def gradient(upstream):
        density = _NORMAL_DENSITY_AT_ZERO * tf.exp(-0.5 * tf.square(inputs))
        return upstream * (distribution + inputs * density)

    return distribution * inputs, gradient


@tf.custom_gradient
def gelu_tanh(inputs: tf.Tensor):
    """Return x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), in the dtype of the input.

    Written as x σ(2z), which is the same function: one pass less than with tanh.
    """
    linear = 2 * math.sqrt(2 / math.pi)
    cubic = 0.044715 * linear
    square = tf.square(inputs)
    gate = tf.sigmoid(inputs * (linear + cubic * square))

    def gradient(upstream):
        slope = inputs * (linear + 3 * cubic * square)
        return upstream * (gate + gate * (1 - gate) * slope)

    return inputs * gate, gradient


def matmul_transposed(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Return first · secondᵀ over the last two axes; its gradient makes no transposed copy either."""
    return tf.matmul(first, second, transpose_b=True)


@tf.custom_gradient
def softmax(logits: tf.Tensor):
    """Return the softmax over the last axis, in the dtype of the input."""
    probabilities = tf.nn.softmax(logits)

    def gradient(upstream):
        weighted = upstream * probabilities
        return weighted - probabilities * tf.reduce_sum(weighted, axis=-1, keepdims=True)

    return probabilities, gradient
