import numpy as np
import numpy_reference as reference
import pytest
import tensorflow as tf
from layer_contract import check_layer_contract

from tfbert.errors import InputError
from tfbert.layers import FeedForward

ARGUMENTS = {"intermediate_dim": 11, "hidden_dim": 14, "activation": "relu", "initializer_stddev": 0.7}


def test_contract(hidden):
    check_layer_contract(
        FeedForward, ARGUMENTS, {"inputs": hidden}, 4, hidden.shape, ("mixed_float16", "mixed_bfloat16")
    )


@pytest.mark.parametrize("activation", ["gelu_erf", "gelu_tanh", "relu"])
def test_equals_the_formula_in_float64(activation, hidden):
    layer = FeedForward(**{**ARGUMENTS, "activation": activation})
    layer.build(hidden.shape)
    layer.intermediate_dense.bias.assign(np.random.default_rng(1).normal(size=11))
    layer.output_dense.bias.assign(np.random.default_rng(2).normal(size=14))
    first, first_bias, second, second_bias = (weight.numpy().astype("float64") for weight in layer.weights)
    between = getattr(reference, activation)(hidden.astype("float64") @ first + first_bias)
    np.testing.assert_allclose(layer(hidden), between @ second + second_bias, atol=1e-5)


def test_the_activation_is_one_pass_in_training_alone():
    layer = FeedForward(1024, 14)
    layer.build((None, None, 14))
    inputs = tf.random.stateless_normal((4, 128, 14), (1, 2))

    def compiled(training):
        function = tf.function(lambda: layer(inputs, training=training), autograph=False)
        np.testing.assert_allclose(function(), layer(inputs), atol=1e-6)
        nodes = function.get_concrete_function().graph.as_graph_def().node
        return any(node.attr["_XlaMustCompile"].b for node in nodes)

    assert compiled(True)
    assert not compiled(False)


def test_wrong_arguments():
    with pytest.raises(InputError, match="intermediate_dim=0"):
        FeedForward(0, 14)
    with pytest.raises(InputError, match="'swish'"):
        FeedForward(11, 14, activation="swish")
