import keras
import numpy as np
import pytest

from tfbert.errors import InputError
from tfbert.layers import NextSentenceHead

POOLED = np.random.default_rng(3).normal(size=(5, 14)).astype("float32")


def test_contract_and_value():
    head = NextSentenceHead(hidden_dim=14, initializer_stddev=0.7)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    assert copy.get_config() == head.get_config()
    assert (head.get_config()["hidden_dim"], head.get_config()["initializer_stddev"]) == (14, 0.7)
    assert head(keras.KerasTensor((5, 14))).shape == (5, 2)
    head.dense.bias.assign([1.0, -2.0])
    expected = POOLED.astype("float64") @ np.asarray(head.dense.kernel, "float64") + [1.0, -2.0]
    np.testing.assert_allclose(head(POOLED), expected, atol=1e-6)
    assert len(head.trainable_weights) == 2


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_logits_are_float32_under_every_policy(policy):
    assert keras.backend.standardize_dtype(NextSentenceHead(14, dtype=policy)(POOLED).dtype) == "float32"


def test_starts_from_a_truncated_normal_and_zero():
    head = NextSentenceHead(2000)
    head.build((None, 2000))
    assert abs(np.asarray(head.dense.kernel).std() - 0.0176) < 1e-3
    assert not np.asarray(head.dense.bias).any()


def test_wrong_arguments():
    with pytest.raises(InputError, match="hidden_dim=-1"):
        NextSentenceHead(-1)
