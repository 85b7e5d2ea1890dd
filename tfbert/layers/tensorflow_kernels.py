"""Formulas whose TensorFlow gradient makes needless passes over memory, with their gradients by hand.

Used by the layers on the TensorFlow backend only. The gradients are tested against TensorFlow's own in float64.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
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
            scaled = upstream * gamma
            along_mean = tf.reduce_mean(scaled, axis=-1, keepdims=True)
            along_deviation = tf.reduce_mean(scaled * normalized, axis=-1, keepdims=True)
            inputs_gradient = (scaled - along_mean - normalized * along_deviation) * inverse_deviation
            return inputs_gradient, _sum_of_rows(upstream * normalized), _sum_of_rows(upstream)

        return normalized * gamma + beta, gradient

    return normalize(inputs, gamma, beta)


def _sum_of_rows(values: tf.Tensor) -> tf.Tensor:
    """Return the sum over all axes but the last; two to three times as fast as `tf.reduce_sum`."""
    return tf.raw_ops.BiasAddGrad(out_backprop=values)


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
        slope = tf.raw_ops.SigmoidGrad(y=gate, dy=inputs)
        return upstream * (gate + slope * (linear + 3 * cubic * square))

    return inputs * gate, gradient


_COMPILED_FROM = 2**19  # elements; fewer take less time than XLA needs to begin


def in_one_pass(function: Callable) -> Callable:
    """Return `function`, which goes element by element, as one pass over memory, and its gradient as another.

    XLA makes it one, and keeps nothing but the inputs for the gradient. It compiles for a quarter of a second for each
    shape, so only shapes that are known while a step is traced are compiled, such as those of pre-training; where the
    lengths of rows vary, and where operations run one by one, `function` is called as it is.
    """
    forward, gradient = _compiled(function)

    @tf.custom_gradient
    def compiled(inputs):
        return forward(inputs), lambda upstream: gradient(inputs, upstream)

    return lambda inputs: compiled(inputs) if _worth_compiling(inputs) else function(inputs)


def _worth_compiling(inputs: tf.Tensor) -> bool:
    known = inputs.shape.is_fully_defined() and not tf.executing_eagerly()
    return known and inputs.shape.num_elements() >= _COMPILED_FROM


@functools.cache
def _compiled(function: Callable) -> tuple[Callable, Callable]:
    def gradient(inputs, upstream):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(inputs)
        return tape.gradient(outputs, inputs, upstream)

    return tuple(tf.function(each, jit_compile=True, autograph=False) for each in (function, gradient))


def _fused(function: Callable) -> Callable:
    """Return `function`, of tensors the first of which is large, as one pass where `in_one_pass` would make it one."""
    compiled = tf.function(function, jit_compile=True, autograph=False)
    return lambda first, *others: (compiled if _worth_compiling(first) else function)(first, *others)


def matmul_transposed(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Return first · secondᵀ over the last two axes; its gradient makes no transposed copy either."""
    return tf.matmul(first, second, transpose_b=True)


def dropout(inputs: tf.Tensor, rate: float, seed_generator) -> tf.Tensor:
    """Return `inputs` with each element 0 with probability `rate`, else 1/(1 − rate) times as large.

    `rate` is taken to the nearest of 1/65,536 and the factor is that rate's, so that the mean is kept. The next
    seed of `seed_generator`, a `keras.random.SeedGenerator`, says which elements.
    """
    threshold = _threshold(rate)
    kept = _kept(tf.shape(inputs), threshold, seed_generator.next())

    def masked(values):
        # Faster than a choice between each value and 0, and leaves no more than the booleans for the gradient.
        return values * (tf.cast(kept, values.dtype) * _keeping_factor(threshold))

    return tf.custom_gradient(lambda inputs: (masked(inputs), masked))(inputs)


def _threshold(rate: float) -> int:
    """Return `rate` in steps of 1/65,536; rates above 255/256 are taken as that."""
    return min(round(rate * 256 * 256), 255 * 256)


def _keeping_factor(threshold: int) -> float:
    return 256 * 256 / (256 * 256 - threshold)


def _kept(shape: tf.Tensor, threshold: int, seed: tf.Tensor) -> tf.Tensor:
    """Return booleans of this shape, false where a random byte, a quarter of what a random float takes, is below.

    A byte alone would know rates of so many 256ths. Of 256 elements in a row, some compare theirs with one more than
    the others, so that the mean is `threshold` / 65,536; which do moves on with the seed, and no place is favoured.
    """
    size = tf.reduce_prod(tf.cast(shape, tf.int64))
    words = tf.random.stateless_uniform([-(-size // 256), 64], tf.cast(seed, tf.int32), None, None, tf.uint32)
    ends = np.arange(257) * threshold // 256
    thresholds = tf.roll(tf.constant(np.diff(ends), tf.uint8), tf.cast(tf.reduce_sum(seed) % 256, tf.int32), axis=0)
    kept = tf.reshape(tf.bitcast(words, tf.uint8), [-1, 256]) >= thresholds
    return tf.reshape(tf.reshape(kept, [-1])[:size], shape)


@_fused
def _dropped(probabilities, kept):
    return probabilities * tf.cast(kept, probabilities.dtype)


@_fused
def _scores_gradient(weights_gradient, probabilities, along, kept=None):
    if kept is not None:
        weights_gradient = weights_gradient * tf.cast(kept, weights_gradient.dtype)
    return probabilities * (weights_gradient - along)


def attend(query, key, value, adder, dropout_rate: float = 0.0, seed_generator=None) -> tf.Tensor:
    """Return dropout(softmax(query · keyᵀ + adder)) · value over the last two axes.

    The softmax is taken in the dtype of `adder`, which has the shape of the scores or is broadcast to it; the products
    in that of the others. Its gradient needs no sum over the scores: Σⱼ Pᵢⱼ ∂Pᵢⱼ is the product of the output with its
    gradient (Dao et al. 2022, appendix B.2), dropout or not.
    """
    threshold = _threshold(dropout_rate)
    factor = _keeping_factor(threshold)
    seed = seed_generator.next() if threshold else None

    @tf.custom_gradient
    def product(query, key, value):
        probabilities = tf.nn.softmax(tf.cast(matmul_transposed(query, key), adder.dtype) + adder)
        kept = _kept(tf.shape(probabilities), threshold, seed) if threshold else None

        def weights():
            weights = probabilities if kept is None else _dropped(probabilities, kept)
            return tf.cast(weights, value.dtype)

        # The factor of what is kept goes where there are fewer numbers.
        outputs = tf.matmul(weights(), value) * factor if threshold else tf.matmul(weights(), value)

        def gradient(upstream):
            along = tf.cast(upstream, adder.dtype) * tf.cast(outputs, adder.dtype)
            along = tf.reduce_sum(along, axis=-1, keepdims=True)
            upstream = upstream * factor if threshold else upstream
            weights_gradient = tf.cast(matmul_transposed(upstream, value), adder.dtype)
            dropped = () if kept is None else (kept,)
            scores_gradient = tf.cast(_scores_gradient(weights_gradient, probabilities, along, *dropped), query.dtype)
            # Computed once more, since what is kept takes a quarter of it; not before it is wanted.
            with tf.control_dependencies([upstream]):
                weights_again = weights()
            return (
                tf.matmul(scores_gradient, key),
                tf.matmul(scores_gradient, query, transpose_a=True),
                tf.matmul(weights_again, upstream, transpose_a=True),
            )

        return outputs, gradient

    return product(query, key, value)


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return −log softmax(logits)[label] over the last axis, `logits` of rank 2 or more; half the time of TensorFlow's.

    The logarithm of the sum of exponentials comes from the largest logit and its probability, which is never small.
    """

    labels = tf.cast(labels, tf.int32)

    @tf.custom_gradient
    def losses(logits):
        probabilities = tf.nn.softmax(logits)
        largest = tf.reduce_max(logits, axis=-1)
        log_sum = largest - tf.math.log(tf.reduce_max(probabilities, axis=-1))
        picked = tf.gather(logits, labels, axis=-1, batch_dims=labels.shape.rank)

        def gradient(upstream):
            classes = tf.shape(logits)[-1]
            rows = tf.reshape(probabilities * upstream[..., None], [-1, classes])
            places = tf.stack([tf.range(tf.shape(rows)[0]), tf.reshape(labels, [-1])], axis=-1)
            rows = tf.tensor_scatter_nd_sub(rows, places, tf.reshape(upstream, [-1]))
            return tf.reshape(rows, tf.shape(logits))

        return log_sum - picked, gradient

    return losses(logits)
