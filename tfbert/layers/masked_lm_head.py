"""The masked language model's head."""

import keras
from keras import ops

from tfbert.layers.activations import activation_function
from tfbert.layers.arguments import check_sizes
from tfbert.layers.embeddings import rows_at
from tfbert.layers.layer_norm import LayerNorm
from tfbert.layers.self_attention import matmul_transposed
from tfbert.layers.starting_values import StartingValues


@keras.saving.register_keras_serializable(package="tfbert")
class MaskedLMHead(keras.layers.Layer):
    """logits = LN(activation(x_m W + c)) Eᵀ + b at the masked positions m (Devlin et al. 2019, section 3.1, task 1).

    E is the encoder's table of word embeddings, handed in at each call: the head holds no copy of it, so that the two
    stay tied and are counted and saved once. Only the masked positions meet the vocabulary.

    Args:
        vocabulary_size: rows of E.
        hidden_dim: H, columns of E and units of x.
        activation: "gelu_tanh", "gelu_erf" or "relu".
        layer_norm_epsilon: added to the variance.
        initializer_stddev: of the truncated normal W starts from; c and b start at 0.

    Inputs `sequence_output` `(batch, length, hidden)`, `mask_positions` int32 `(batch, masks)`, each in 0 … length−1,
    and `word_embeddings` `(vocabulary, hidden)`; output `(batch, masks, vocabulary)`, float32 under every policy: the
    product is taken in the compute dtype, the bias added in float32. `mask_positions` is None where the sequence output
    is that of the masked positions alone, `(batch, masks, hidden)`.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        vocabulary_size: int,
        hidden_dim: int,
        *,
        activation: str = "gelu_tanh",
        layer_norm_epsilon: float = 1e-12,
        initializer_stddev: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sizes("MaskedLMHead", vocabulary_size=vocabulary_size, hidden_dim=hidden_dim)
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.initializer_stddev = initializer_stddev
        self._activation_function = activation_function(activation)

    def build(self, sequence_output_shape, mask_positions_shape=None, word_embeddings_shape=None):
        """Create the transform and the output bias."""
        initializer = StartingValues(stddev=self.initializer_stddev)
        self.dense = keras.layers.Dense(
            self.hidden_dim, kernel_initializer=initializer, dtype=self.dtype_policy, name="dense"
        )
        self.dense.build((None, self.hidden_dim))
        self.layer_norm = LayerNorm(self.layer_norm_epsilon, dtype=self.dtype_policy, name="layer_norm")
        self.layer_norm.build((None, self.hidden_dim))
        self.bias = self.add_weight(shape=(self.vocabulary_size,), initializer="zeros", name="bias", autocast=False)

    def call(self, sequence_output, mask_positions, word_embeddings):
        """Return the logits."""
        masked = sequence_output if mask_positions is None else rows_at(sequence_output, mask_positions)
        rows = ops.reshape(masked, (-1, self.hidden_dim))
        transformed = self.layer_norm(self._activation_function(self.dense(rows)))
        logits = matmul_transposed(transformed, ops.cast(word_embeddings, self.compute_dtype))
        logits = ops.cast(logits, "float32") + ops.convert_to_tensor(self.bias)
        return ops.reshape(logits, (-1, ops.shape(masked)[1], self.vocabulary_size))

    def compute_output_spec(self, sequence_output, mask_positions, word_embeddings):
        """Return the spec of the logits."""
        masked = sequence_output if mask_positions is None else mask_positions
        return keras.KerasTensor((*masked.shape[:2], self.vocabulary_size), "float32")

    def get_config(self):
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "hidden_dim": self.hidden_dim,
            "activation": self.activation,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "initializer_stddev": self.initializer_stddev,
        }
