import keras
import numpy as np
import numpy_reference
import pytest

from tfbert.errors import InputError
from tfbert.layers import MaskedLMHead

ARGUMENTS = {
    "vocabulary_size": 31,
    "hidden_dim": 14,
    "activation": "gelu_erf",
    "layer_norm_epsilon": 1e-5,
    "initializer_stddev": 0.7,
}
POSITIONS = np.array([[4, 0, 2], [1, 1, 0]], dtype="int32")


@pytest.fixture
def head(hidden):
    head = MaskedLMHead(**ARGUMENTS)
    head.build(hidden.shape)
    generator = np.random.default_rng(1)
    for weight in head.weights:
        weight.assign(generator.normal(size=weight.shape))
    return head


@pytest.fixture
def table():
    return np.random.default_rng(2).normal(size=(31, 14)).astype("float32")


def test_contract(hidden):
    head = MaskedLMHead(**ARGUMENTS)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    assert copy.get_config() == head.get_config()
    assert {name: head.get_config()[name] for name in ARGUMENTS} == ARGUMENTS
    symbolic = head(keras.KerasTensor((2, 5, 14)), keras.KerasTensor((2, 3), "int32"), keras.KerasTensor((31, 14)))
    assert (symbolic.shape, symbolic.dtype) == ((2, 3, 31), "float32")
    assert len(head.trainable_weights) == 5
    assert {"bias", "gamma", "beta"} < {weight.name for weight in head.weights}


def test_by_hand_in_float64(head, hidden, table):
    kernel, dense_bias, gamma, beta, bias = (
        np.asarray(weight, "float64")
        for weight in (head.dense.kernel, head.dense.bias, head.layer_norm.gamma, head.layer_norm.beta, head.bias)
    )
    masked = np.stack([hidden[row][POSITIONS[row]] for row in range(2)]).astype("float64")
    transformed = numpy_reference.gelu_erf(masked @ kernel + dense_bias)
    expected = numpy_reference.layer_norm(transformed, gamma, beta, 1e-5) @ table.T + bias
    np.testing.assert_allclose(head(hidden, POSITIONS, table), expected, atol=2e-5)


def test_masked_rows_alone_are_taken_as_they_are(head, hidden, table):
    masked = np.stack([hidden[row][POSITIONS[row]] for row in range(2)])
    np.testing.assert_array_equal(head(masked, None, table), head(hidden, POSITIONS, table))
    symbolic = head(keras.KerasTensor((2, 3, 14)), None, keras.KerasTensor((31, 14)))
    assert (symbolic.shape, symbolic.dtype) == ((2, 3, 31), "float32")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_logits_are_float32_under_every_policy(policy, hidden, table):
    logits = MaskedLMHead(31, 14, dtype=policy)(hidden, POSITIONS, table)
    assert (logits.shape, keras.backend.standardize_dtype(logits.dtype)) == ((2, 3, 31), "float32")


def test_the_bias_is_added_in_float32(hidden, table):
    head = MaskedLMHead(31, 14, dtype="mixed_bfloat16")
    head.build(hidden.shape)
    without = head(hidden, POSITIONS, table).numpy()
    head.bias.assign(np.full(31, 1.001953125))
    np.testing.assert_allclose(head(hidden, POSITIONS, table) - without, 1.001953125, atol=1e-6)


def test_only_masked_positions_get_a_gradient(head, hidden, table):
    tf = pytest.importorskip("tensorflow")
    inputs = tf.constant(hidden)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(tf.square(head(inputs, POSITIONS, table)))
    touched = np.abs(tf.convert_to_tensor(tape.gradient(loss, inputs)).numpy()).sum(-1) > 0
    np.testing.assert_array_equal(touched, [[1, 0, 1, 0, 1], [1, 1, 0, 0, 0]])


def test_starts_from_a_truncated_normal_and_zeros():
    head = MaskedLMHead(31, 500)
    head.build((None, None, 500))
    assert abs(np.asarray(head.dense.kernel).std() - 0.0176) < 1e-3
    assert not np.asarray(head.bias).any()
    assert not np.asarray(head.dense.bias).any()


def test_wrong_arguments():
    with pytest.raises(InputError, match="vocabulary_size=0"):
        MaskedLMHead(0, 14)
    with pytest.raises(InputError, match="Unknown activation 'gelu'"):
        MaskedLMHead(31, 14, activation="gelu")
