import numpy as np
import numpy_reference as reference
import pytest
import tensorflow as tf
from layer_contract import check_layer_contract

from tfbert.errors import InputError
from tfbert.layers import SelfAttention

ARGUMENTS = {"hidden_dim": 14, "num_heads": 2, "attention_dropout_rate": 0.0, "initializer_stddev": 0.7}


def test_contract(hidden, padding_mask):
    inputs = {"inputs": hidden, "padding_mask": padding_mask}
    check_layer_contract(SelfAttention, ARGUMENTS, inputs, 4, hidden.shape, ("mixed_float16", "mixed_bfloat16"))


def test_equals_the_formula_in_float64(hidden, padding_mask):
    layer = SelfAttention(**ARGUMENTS)
    layer.build(hidden.shape)
    layer.query_key_value.bias.assign(np.random.default_rng(1).normal(size=42))
    layer.output_dense.bias.assign(np.random.default_rng(2).normal(size=14))
    kernels = [*np.split(layer.query_key_value.kernel.numpy(), 3, axis=1), layer.output_dense.kernel.numpy()]
    biases = [*np.split(layer.query_key_value.bias.numpy(), 3), layer.output_dense.bias.numpy()]
    expected, expected_scores = reference.self_attention(hidden.astype("float64"), padding_mask, kernels, biases, 2)
    outputs, scores = layer(hidden, padding_mask=padding_mask, return_attention_scores=True)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-5)
    np.testing.assert_allclose(np.sum(scores, -1), 1, atol=1e-6)
    np.testing.assert_array_equal(layer(hidden, padding_mask=padding_mask), outputs)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("rows", [slice(1), [3, 0, 3]])
def test_some_queries_have_the_rows_of_all(policy, rows, hidden, padding_mask):
    layer = SelfAttention(**ARGUMENTS, dtype=policy)
    layer.build(hidden.shape)
    layer.query_key_value.bias.assign(np.random.default_rng(1).normal(size=42))
    inputs = {"inputs": hidden, "padding_mask": padding_mask, "return_attention_scores": True}
    outputs, scores = layer(**inputs)
    some, some_scores = layer(**inputs, queries=hidden[:, rows])
    assert some.shape == hidden[:, rows].shape
    tolerance = 1e-5 if policy == "float32" else 2e-2
    np.testing.assert_allclose(tf.cast(some, tf.float32), tf.cast(outputs, tf.float32).numpy()[:, rows], atol=tolerance)
    np.testing.assert_allclose(some_scores, scores.numpy()[:, :, rows], atol=tolerance)


def test_no_mask_means_no_padding(hidden, padding_mask):
    layer = SelfAttention(**ARGUMENTS)
    unmasked = layer(hidden)
    np.testing.assert_array_equal(unmasked, layer(hidden, padding_mask=np.ones_like(padding_mask)))
    assert np.abs(unmasked - layer(hidden, padding_mask=padding_mask))[1].max() > 1e-3
    np.testing.assert_array_equal(layer(hidden, padding_mask=padding_mask.astype(bool)),
                                  layer(hidden, padding_mask=padding_mask))  # fmt: skip


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_row_without_real_positions_attends_uniformly(policy, hidden):
    layer = SelfAttention(**ARGUMENTS, dtype=policy)
    nothing = np.zeros((2, 5), "int32")
    outputs, scores = layer(hidden * 20, padding_mask=nothing, return_attention_scores=True)
    np.testing.assert_allclose(scores, 0.2, atol=1e-6)
    assert np.isfinite(tf.cast(outputs, tf.float32)).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_softmax_is_float32_under_mixed_precision(policy, hidden, padding_mask):
    layer = SelfAttention(**ARGUMENTS, dtype=policy)
    _, scores = layer(hidden, padding_mask=padding_mask, return_attention_scores=True)
    assert scores.dtype == tf.float32
    np.testing.assert_allclose(np.sum(scores, -1), 1, atol=1e-6)


def test_dropout_falls_on_the_probabilities_in_training_only(hidden):
    layer = SelfAttention(**{**ARGUMENTS, "attention_dropout_rate": 0.6})
    evaluated, probabilities = layer(hidden, return_attention_scores=True)
    trained, kept = layer(hidden, training=True, return_attention_scores=True)
    assert np.abs(evaluated - trained).max() > 1e-2
    np.testing.assert_array_equal(probabilities, kept)


def test_symbolic_outputs_match_eager_ones(hidden):
    layer = SelfAttention(**ARGUMENTS, dtype="mixed_bfloat16")
    symbolic = tf.nest.flatten(layer.compute_output_spec(hidden, return_attention_scores=True))
    eager = layer(hidden, return_attention_scores=True)
    for spec, value in zip(symbolic, eager, strict=True):
        assert (spec.shape, spec.dtype) == (tuple(value.shape), value.dtype.name)


def test_wrong_arguments():
    with pytest.raises(InputError, match="hidden_dim=14 must be a multiple of num_heads=3"):
        SelfAttention(14, 3)
    with pytest.raises(InputError, match="num_heads=0"):
        SelfAttention(14, 0)
    with pytest.raises(InputError, match=r"attention_dropout_rate=1\.5"):
        SelfAttention(14, 2, attention_dropout_rate=1.5)
