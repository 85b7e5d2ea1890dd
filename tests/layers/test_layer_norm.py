import numpy as np
import numpy_reference as reference
import pytest
import tensorflow as tf
from layer_contract import check_layer_contract

from tfbert.layers import LayerNorm


def test_contract(hidden):
    check_layer_contract(
        LayerNorm, {"epsilon": 1e-5}, {"inputs": hidden}, 2, (2, 5, 14), ("float16", "mixed_float16", "mixed_bfloat16")
    )


def test_equals_the_formula_in_float64(hidden):
    layer = LayerNorm(epsilon=0.3)
    layer.build(hidden.shape)
    gamma, beta = np.random.default_rng(0).normal(size=(2, 14))
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    expected = reference.layer_norm(hidden.astype("float64"), gamma, beta, 0.3)
    np.testing.assert_allclose(layer(hidden), expected, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_statistics_are_float32_under_mixed_precision(policy):
    # The squares overflow float16, and 300 beside 301 is one number in bfloat16's sums.
    inputs = np.array([[300.0, 301.0, 302.0, 303.0]], dtype="float32")
    layer = LayerNorm(epsilon=1e-12, dtype=policy)
    np.testing.assert_allclose(tf.cast(layer(inputs), tf.float32), [[-1.3416, -0.4472, 0.4472, 1.3416]], atol=4e-3)
    assert layer.gamma.dtype == "float32"


def test_epsilon_is_added_to_the_variance():
    constant = np.array([[1.0, 1.0 + 2e-6]], dtype="float32")  # a variance of about 1e-12
    assert np.ptp(LayerNorm(epsilon=1e-12)(constant).numpy()) > 1
    assert np.ptp(LayerNorm(epsilon=1e-3)(constant).numpy()) < 1e-3
