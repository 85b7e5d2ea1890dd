"""Values and gradients by hand against TensorFlow's own, in float64."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfbert.layers import tensorflow_kernels as kernels


def plain_layer_norm(inputs, gamma, beta):
    mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
    return gamma * (inputs - mean) / tf.sqrt(variance + 0.1) + beta


CASES = {
    "layer_norm": (lambda *args: kernels.layer_norm(*args, 0.1), plain_layer_norm, [(2, 3, 7), (7,), (7,)]),
    "gelu_erf": (kernels.gelu_erf, lambda x: x * 0.5 * (1 + tf.math.erf(x / math.sqrt(2))), [(3, 7)]),
    "gelu_tanh": (
        kernels.gelu_tanh,
        lambda x: 0.5 * x * (1 + tf.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        [(3, 7)],
    ),
    "softmax": (kernels.softmax, tf.nn.softmax, [(2, 3, 7)]),
    "matmul_transposed": (
        kernels.matmul_transposed,
        lambda a, b: tf.einsum("bij,bkj->bik", a, b),
        [(2, 3, 7), (2, 5, 7)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient(case):
    ours, plain, shapes = CASES[case]
    generator = np.random.default_rng(5)
    arguments = [tf.constant(3 * generator.normal(size=shape)) for shape in shapes]
    results = []
    for function in (ours, plain):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            value = function(*arguments)
        upstream = tf.constant(np.random.default_rng(6).normal(size=value.shape))
        results.append([value, *tape.gradient(value, arguments, upstream)])
    for got, expected in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-10)


def test_lookup_refuses_ids_out_of_range_on_cpu():
    table = tf.ones((3, 2))
    for wrong in (3, -1):
        with pytest.raises(tf.errors.InvalidArgumentError, match="not in"):
            kernels.lookup(table, tf.constant([wrong]))
