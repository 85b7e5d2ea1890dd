import numpy as np
import numpy_reference as reference
import pytest
import tensorflow as tf
from layer_contract import check_layer_contract

from tfbert.errors import InputError
from tfbert.layers import EncoderBlock

ARGUMENTS = {
    "hidden_dim": 14,
    "num_heads": 2,
    "intermediate_dim": 11,
    "activation": "gelu_erf",
    "layer_norm_epsilon": 1e-5,
    "dropout_rate": 0.0,
    "attention_dropout_rate": 0.0,
    "initializer_stddev": 0.7,
}


def test_contract(hidden, padding_mask):
    inputs = {"inputs": hidden, "padding_mask": padding_mask}
    check_layer_contract(EncoderBlock, ARGUMENTS, inputs, 12, hidden.shape, ("mixed_float16", "mixed_bfloat16"))


def test_layer_norm_stands_after_each_sum(hidden, padding_mask):
    block = EncoderBlock(**ARGUMENTS)
    attended, scores = block(hidden, padding_mask=padding_mask, return_attention_scores=True)
    after_attention = reference.layer_norm(
        hidden + block.attention(hidden, padding_mask=padding_mask).numpy(), 1.0, 0.0, 1e-5
    )
    transformed = block.feed_forward(after_attention.astype("float32")).numpy()
    expected = reference.layer_norm(after_attention + transformed, 1.0, 0.0, 1e-5)
    np.testing.assert_allclose(attended, expected, atol=1e-5)
    assert scores.shape == (2, 2, 5, 5)


def test_arguments_reach_the_sublayers(hidden):
    block = EncoderBlock(**{**ARGUMENTS, "attention_dropout_rate": 0.3, "dropout_rate": 0.2, "dtype": "mixed_bfloat16"})
    block.build(hidden.shape)
    assert block.attention.dropout.rate == 0.3
    assert (block.attention_dropout.rate, block.output_dropout.rate) == (0.2, 0.2)
    assert (block.attention_layer_norm.epsilon, block.output_layer_norm.epsilon) == (1e-5, 1e-5)
    assert block.feed_forward.activation == "gelu_erf"
    assert block.attention.initializer_stddev == block.feed_forward.initializer_stddev == 0.7
    assert {layer.dtype_policy.name for layer in block._flatten_layers()} == {"mixed_bfloat16"}


@pytest.mark.parametrize("name", ["dropout_rate", "attention_dropout_rate"])
def test_each_dropout_acts_in_training_only(name, hidden):
    block = EncoderBlock(**{**ARGUMENTS, name: 0.5})
    assert np.abs(block(hidden, training=True) - block(hidden)).max() > 1e-2
    np.testing.assert_array_equal(block(hidden), block(hidden, training=False))


def test_some_queries_have_the_rows_of_all(hidden, padding_mask):
    block = EncoderBlock(**ARGUMENTS)
    outputs, scores = block(hidden, padding_mask=padding_mask, return_attention_scores=True)
    queries = hidden[:, [3, 1]]
    some, some_scores = block(hidden, padding_mask=padding_mask, return_attention_scores=True, queries=queries)
    np.testing.assert_allclose(some, outputs.numpy()[:, [3, 1]], atol=1e-6)
    np.testing.assert_allclose(some_scores, scores.numpy()[:, :, [3, 1]], atol=1e-6)


def test_symbolic_outputs_match_eager_ones(hidden):
    block = EncoderBlock(**ARGUMENTS, dtype="mixed_bfloat16")
    for queries in (None, hidden[:, :2]):
        asked = {"return_attention_scores": True, "queries": queries}
        for spec, value in zip(block.compute_output_spec(hidden, **asked), block(hidden, **asked), strict=True):
            assert (spec.shape, spec.dtype) == (tuple(value.shape), tf.as_dtype(value.dtype).name)


def test_wrong_arguments():
    with pytest.raises(InputError, match="intermediate_dim=-1"):
        EncoderBlock(14, 2, intermediate_dim=-1)
    with pytest.raises(InputError, match="dropout_rate=1"):
        EncoderBlock(14, 2, intermediate_dim=11, dropout_rate=1)
