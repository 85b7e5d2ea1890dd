"""The activations of the feed-forward layer, by the names of `BertConfig.activation`."""

from collections.abc import Callable

import keras
from keras import ops

from tfbert.errors import InputError

if keras.backend.backend() == "tensorflow":
    from tfbert.layers.tensorflow_kernels import gelu_erf, gelu_tanh, in_one_pass
else:

    def in_one_pass(function: Callable) -> Callable:
        """Return `function`; other backends compile it with all around it."""
        return function

    def gelu_erf(inputs):
        """Return x Φ(x), what transformers calls "gelu"."""
        return ops.gelu(inputs, approximate=False)

    def gelu_tanh(inputs):
        """Return the tanh approximation of x Φ(x), what Google's code calls "gelu"."""
        return ops.gelu(inputs, approximate=True)


_FUNCTIONS = {"gelu_erf": gelu_erf, "gelu_tanh": gelu_tanh, "relu": ops.relu}


def activation_function(name: str) -> Callable:
    """Return the function of that name: `gelu_erf`, `gelu_tanh` or `relu`; it keeps the shape and the dtype."""
    if name not in _FUNCTIONS:
        raise InputError(f"Unknown activation {name!r}: choose one of {', '.join(_FUNCTIONS)}.")
    return _FUNCTIONS[name]
