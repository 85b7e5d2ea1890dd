"""Values and gradients by hand against TensorFlow's own, in float64."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfbert.layers import tensorflow_kernels as kernels


def plain_layer_norm(inputs, gamma, beta):
    mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
    return gamma * (inputs - mean) / tf.sqrt(variance + 0.1) + beta


LABELS = np.array([[0, 6, 3], [2, 2, 5]])
ADDER = np.array([[0.0, 0, 0, -1e30, 0], [0, -1, 0, -1e30, -1e30]])[:, None, None]
CASES = {
    "layer_norm": (lambda *args: kernels.layer_norm(*args, 0.1), plain_layer_norm, [(2, 3, 7), (7,), (7,)]),
    "gelu_erf": (kernels.gelu_erf, lambda x: x * 0.5 * (1 + tf.math.erf(x / math.sqrt(2))), [(3, 7)]),
    "gelu_tanh": (
        kernels.gelu_tanh,
        lambda x: 0.5 * x * (1 + tf.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        [(3, 7)],
    ),
    "cross_entropy": (
        lambda logits: kernels.cross_entropy(tf.constant(LABELS), logits),
        lambda logits: tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, logits),
        [(2, 3, 7)],
    ),
    "attend": (
        lambda *args: kernels.attend(*args, tf.constant(ADDER)),
        lambda query, key, value: tf.nn.softmax(tf.einsum("bhqu,bhku->bhqk", query, key) + ADDER) @ value,
        [(2, 3, 4, 7), (2, 3, 5, 7), (2, 3, 5, 7)],
    ),
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


def value_and_gradient(function, inputs, shape=None):
    """In a traced step, which knows this shape; with the names of the functions that it calls."""

    @tf.function(input_signature=[tf.TensorSpec(inputs.shape if shape is None else shape)], autograph=False)
    def step(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(inputs)
        return outputs, tape.gradient(outputs, inputs, tf.cos(inputs))

    nodes = step.get_concrete_function().graph.as_graph_def().node
    return [each.numpy() for each in step(inputs)], sum(node.attr["_XlaMustCompile"].b for node in nodes)


@pytest.mark.parametrize("gelu", [kernels.gelu_erf, kernels.gelu_tanh])
def test_in_one_pass_is_the_same_function(gelu):
    inputs = 3 * tf.random.stateless_normal((1024, 512), (1, 2))
    expected, compiled = value_and_gradient(gelu, inputs)
    assert compiled == 0
    got, compiled = value_and_gradient(kernels.in_one_pass(gelu), inputs)
    assert compiled == 2
    for ours, plain in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, plain, atol=2e-6)


def test_nothing_is_compiled_for_shapes_that_vary_or_are_small():
    once = kernels.in_one_pass(kernels.gelu_erf)
    large = tf.ones((1024, 512))
    assert value_and_gradient(once, large, (None, 512))[1] == 0
    assert value_and_gradient(once, large[:1000])[1] == 0
    np.testing.assert_array_equal(once(large), kernels.gelu_erf(large))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout(rate):
    seeds = keras.random.SeedGenerator(3)
    inputs = tf.random.stateless_uniform((100, 10_001), (1, 2), 1.0, 2.0)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        dropped = kernels.dropout(inputs, rate, seeds)
    gradient = tape.gradient(dropped, inputs)
    factor = 1 / (1 - rate)
    kept = dropped.numpy() != 0
    # Four standard deviations of the share, and half of one of the 65,536 steps.
    assert abs(kept.mean() - (1 - rate)) < 4 * math.sqrt(rate * (1 - rate) / kept.size) + 2**-17
    np.testing.assert_allclose(dropped, inputs * kept * factor, rtol=1e-4)
    np.testing.assert_allclose(gradient, kept * factor, rtol=1e-4)
    # Neighbours, along either axis and within the four that share a random word, know nothing of each other.
    for first, second in (
        (kept[:, 1:], kept[:, :-1]),
        (kept[1:], kept[:-1]),
        (kept[:, 3::4], kept[:, :-1:4][:, :2500]),
    ):
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 4 / math.sqrt(first.size)
    assert (kernels.dropout(inputs, rate, seeds).numpy() != 0).mean() != kept.mean()
    again = kernels.dropout(inputs, rate, keras.random.SeedGenerator(3))
    np.testing.assert_array_equal(again, dropped)


def test_attend_drops_probabilities_and_differentiates_what_is_left():
    generator = np.random.default_rng(5)
    arguments = [tf.constant(generator.normal(size=(2, 3, 64, 7))) for _ in range(3)]
    upstream = tf.constant(generator.normal(size=(2, 3, 64, 7)))
    adder, rate = tf.zeros((1, 1, 1, 1), tf.float64), 0.25

    def ours(query, key, value):
        return kernels.attend(query, key, value, adder, rate, keras.random.SeedGenerator(3))

    kept = ours(*arguments[:2], tf.eye(64, batch_shape=(2, 3), dtype=tf.float64)) != 0
    assert abs(np.mean(kept) - 0.75) < 4 * math.sqrt(0.25 * 0.75 / kept.numpy().size)

    def plain(query, key, value):
        probabilities = tf.nn.softmax(tf.einsum("bhqu,bhku->bhqk", query, key))
        return tf.where(kept, probabilities / 0.75, 0) @ value

    results = []
    for function in (ours, plain):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            value = function(*arguments)
        results.append([value, *tape.gradient(value, arguments, upstream)])
    for got, expected in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-10)


def test_cross_entropy_of_logits_far_apart():
    """A probability too small for float32 has a loss all the same."""
    logits = tf.constant([[-300.0, 400.0, 0.0], [1e4, -1e4, 1e4]])
    np.testing.assert_allclose(kernels.cross_entropy(tf.constant([0, 1]), logits), [700, 2e4 + math.log(2)], rtol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError):
        kernels.cross_entropy(tf.constant([0, 3]), logits)


def test_dropout_favours_no_place():
    """Rates between 256ths: which elements have the higher one moves on with each seed."""
    rate, draws, rows = 25.5 / 256, 64, 8_192
    seeds = keras.random.SeedGenerator(3)
    ones = tf.ones((rows, 256))
    kept = sum(np.mean(kernels.dropout(ones, rate, seeds) != 0, axis=0) for _ in range(draws)) / draws
    deviations = (kept - (1 - rate)) * math.sqrt(draws * rows / (rate * (1 - rate)))
    assert 0.7 < np.mean(deviations**2) < 1.3
