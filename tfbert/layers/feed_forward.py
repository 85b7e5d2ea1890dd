"""The position-wise feed-forward layer."""

import keras
from keras import ops

from tfbert.layers.activations import activation_function, in_one_pass
from tfbert.layers.arguments import check_sizes
from tfbert.layers.starting_values import StartingValues


@keras.saving.register_keras_serializable(package="tfbert")
class FeedForward(keras.layers.Layer):
    """y = activation(x W₁ + b₁) W₂ + b₂ at every position (Vaswani et al. 2017, section 3.3).

    Args:
        intermediate_dim: columns of W₁.
        hidden_dim: H, units of the inputs and of the output.
        activation: "gelu_tanh", "gelu_erf" or "relu".
        initializer_stddev: of the truncated normal the kernels start from; biases start at 0.

    Inputs and output `(batch, length, hidden)`.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        intermediate_dim: int,
        hidden_dim: int,
        *,
        activation: str = "gelu_tanh",
        initializer_stddev: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sizes("FeedForward", intermediate_dim=intermediate_dim, hidden_dim=hidden_dim)
        self.intermediate_dim = intermediate_dim
        self.hidden_dim = hidden_dim
        self.activation = activation
        self.initializer_stddev = initializer_stddev
        self.activation_function = activation_function(activation)

    def build(self, input_shape):
        """Create the two products."""
        self.intermediate_dense = self._dense(self.hidden_dim, self.intermediate_dim, "intermediate_dense")
        self.output_dense = self._dense(self.intermediate_dim, self.hidden_dim, "output_dense")

    def _dense(self, inputs: int, units: int, name: str) -> keras.layers.Dense:
        initializer = StartingValues(stddev=self.initializer_stddev)
        dense = keras.layers.Dense(units, kernel_initializer=initializer, dtype=self.dtype_policy, name=name)
        dense.build((None, inputs))
        return dense

    def call(self, inputs, training=None):
        """Return the transformed inputs."""
        activation = in_one_pass(self.activation_function) if training else self.activation_function
        _, length, _ = ops.shape(inputs)
        rows = ops.reshape(inputs, (-1, self.hidden_dim))
        outputs = self.output_dense(activation(self.intermediate_dense(rows)))
        return ops.reshape(outputs, (-1, length, self.hidden_dim))

    def compute_output_shape(self, input_shape):
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "hidden_dim": self.hidden_dim,
            "activation": self.activation,
            "initializer_stddev": self.initializer_stddev,
        }
