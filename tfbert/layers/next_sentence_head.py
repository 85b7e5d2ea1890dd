"""The head that tells whether the second text follows the first."""

import keras

from tfbert.layers.arguments import check_sizes
from tfbert.layers.starting_values import StartingValues


@keras.saving.register_keras_serializable(package="tfbert")
class NextSentenceHead(keras.layers.Layer):
    """logits = C W + b, C the pooled output (Devlin et al. 2019, section 3.1, task 2).

    Class 0 means that the second text follows the first, class 1 that it comes from elsewhere.

    Args:
        hidden_dim: H, units of the pooled output.
        initializer_stddev: of the truncated normal W starts from; b starts at 0.

    Input `(batch, hidden)`; output `(batch, 2)`, float32 under every policy.

    Raises:
        InputError: `hidden_dim` is not a positive integer.
    """

    def __init__(self, hidden_dim: int, *, initializer_stddev: float = 0.02, **kwargs):
        super().__init__(**kwargs)
        check_sizes("NextSentenceHead", hidden_dim=hidden_dim)
        self.hidden_dim = hidden_dim
        self.initializer_stddev = initializer_stddev

    def build(self, input_shape):
        """Create the product."""
        initializer = StartingValues(stddev=self.initializer_stddev)
        self.dense = keras.layers.Dense(2, kernel_initializer=initializer, dtype="float32", name="dense")
        self.dense.build((None, self.hidden_dim))

    def call(self, inputs):
        """Return the logits."""
        return self.dense(inputs)

    def compute_output_spec(self, inputs):
        """Return the spec of the logits."""
        return keras.KerasTensor((inputs.shape[0], 2), "float32")

    def get_config(self):
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "initializer_stddev": self.initializer_stddev,
        }
