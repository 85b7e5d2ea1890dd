import numpy as np
import pytest
from layer_contract import check_layer_contract

from tfbert.errors import InputError
from tfbert.layers import Pooler

ARGUMENTS = {"hidden_dim": 14, "initializer_stddev": 0.7}


def test_contract(hidden):
    check_layer_contract(Pooler, ARGUMENTS, {"inputs": hidden}, 2, (2, 14), ("mixed_float16", "mixed_bfloat16"))


def test_takes_the_first_token(hidden):
    layer = Pooler(**ARGUMENTS)
    layer.build(hidden.shape)
    layer.dense.bias.assign(np.random.default_rng(1).normal(size=14))
    kernel, bias = (weight.numpy().astype("float64") for weight in layer.weights)
    np.testing.assert_allclose(layer(hidden), np.tanh(hidden[:, 0] @ kernel + bias), atol=1e-6)


def test_wrong_arguments():
    with pytest.raises(InputError, match="hidden_dim='14'"):
        Pooler("14")
