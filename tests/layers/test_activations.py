import keras
import numpy as np
import numpy_reference as reference
import pytest

from tfbert.errors import InputError
from tfbert.layers.activations import activation_function


@pytest.mark.parametrize("name", ["gelu_erf", "gelu_tanh", "relu"])
def test_equals_the_formula_in_float64(name):
    inputs = np.linspace(-9, 9, 2001).astype("float32")
    expected = getattr(reference, name)(inputs.astype("float64"))
    np.testing.assert_allclose(activation_function(name)(keras.ops.convert_to_tensor(inputs)), expected, atol=2e-6)


def test_the_two_gelus_differ():
    inputs = np.linspace(-3, 3, 101)
    assert 1e-4 < np.abs(reference.gelu_erf(inputs) - reference.gelu_tanh(inputs)).max() < 1e-3


def test_keeps_half_precision():
    half = keras.ops.cast([-3.0, 0.5], "bfloat16")
    assert activation_function("gelu_tanh")(half).dtype == activation_function("gelu_erf")(half).dtype == half.dtype


def test_unknown_name():
    with pytest.raises(InputError, match=r"'gelu'.*gelu_erf, gelu_tanh, relu"):
        activation_function("gelu")
