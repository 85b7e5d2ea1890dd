"""The pooler over the first token."""

import keras

from tfbert.layers.arguments import check_sizes
from tfbert.layers.starting_values import StartingValues


@keras.saving.register_keras_serializable(package="tfbert")
class Pooler(keras.layers.Layer):
    """C = tanh(x₀ W + b), x₀ the last hidden vector of [CLS] (Devlin et al. 2019, section 3).

    Args:
        hidden_dim: H, units of the inputs and of the output.
        initializer_stddev: of the truncated normal W starts from; b starts at 0.

    Input `(batch, length, hidden)`, output `(batch, hidden)`.

    Raises:
        InputError: `hidden_dim` is not a positive integer.
    """

    def __init__(self, hidden_dim: int, *, initializer_stddev: float = 0.02, **kwargs):
        super().__init__(**kwargs)
        check_sizes("Pooler", hidden_dim=hidden_dim)
        self.hidden_dim = hidden_dim
        self.initializer_stddev = initializer_stddev

    def build(self, input_shape):
        """Create the product."""
        initializer = StartingValues(stddev=self.initializer_stddev)
        self.dense = keras.layers.Dense(
            self.hidden_dim, activation="tanh", kernel_initializer=initializer, dtype=self.dtype_policy, name="dense"
        )
        self.dense.build((None, self.hidden_dim))

    def call(self, inputs):
        """Return the pooled output."""
        return self.dense(inputs[:, 0])

    def compute_output_shape(self, input_shape):
        """Return `(batch, hidden)`."""
        return (input_shape[0], self.hidden_dim)

    def get_config(self):
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "initializer_stddev": self.initializer_stddev,
        }
