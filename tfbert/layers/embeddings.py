"""Word, position and segment embeddings."""

import keras
from keras import ops

from tfbert.errors import InputError
from tfbert.layers.arguments import check_rates, check_sizes
from tfbert.layers.dropout import Dropout
from tfbert.layers.layer_norm import LayerNorm
from tfbert.layers.starting_values import StartingValues

if keras.backend.backend() == "tensorflow":
    from tfbert.layers.tensorflow_kernels import lookup
else:

    def lookup(table, ids):
        """Return the rows of `table` at `ids`."""
        return ops.take(table, ids, axis=0)


def rows_at(sequences, positions):
    """Return rows `(batch, n, hidden)` of `sequences` `(batch, length, hidden)`, at int32 `positions` `(batch, n)`."""
    batch, length, hidden = ops.shape(sequences)
    places = positions + length * ops.arange(batch, dtype="int32")[:, None]
    return ops.reshape(lookup(ops.reshape(sequences, (-1, hidden)), places), (-1, ops.shape(positions)[1], hidden))


@keras.saving.register_keras_serializable(package="tfbert")
class Embeddings(keras.layers.Layer):
    """E = dropout(LN(word[token] + position[0 … length−1] + segment[segment]))  (Devlin et al. 2019, section 3).

    The sum and the layer norm are taken in float32 whatever the policy, the result is cast to the compute dtype. Every
    row of the tables is trained, that of the padding token too, as in Google's code.

    Args:
        vocabulary_size: rows of the word table.
        hidden_dim: H, units of each embedding.
        max_sequence_length: rows of the position table, in tokens.
        num_segments: rows of the segment table.
        layer_norm_epsilon: added to the variance.
        dropout_rate: in [0, 1).
        initializer_stddev: of the truncated normal the tables start from.

    Inputs `token_ids` and `segment_ids`, int32 `(batch, length)`; output `(batch, length, hidden)`. Token ids must lie
    in 0 … vocabulary_size−1: TensorFlow refuses others on a CPU, on a GPU and under XLA they read as zeros or as the
    last row, so check the vocabulary's size against the config where data is made. A segment id out of range adds
    nothing.

    Raises:
        InputError: an argument is out of range, or the static length is above `max_sequence_length`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        hidden_dim: int,
        *,
        max_sequence_length: int = 512,
        num_segments: int = 2,
        layer_norm_epsilon: float = 1e-12,
        dropout_rate: float = 0.1,
        initializer_stddev: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sizes(
            "Embeddings",
            vocabulary_size=vocabulary_size,
            hidden_dim=hidden_dim,
            max_sequence_length=max_sequence_length,
            num_segments=num_segments,
        )
        check_rates("Embeddings", dropout_rate=dropout_rate)
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.layer_norm_epsilon = layer_norm_epsilon
        self.dropout_rate = dropout_rate
        self.initializer_stddev = initializer_stddev

    def build(self, token_ids_shape, segment_ids_shape=None):
        """Create the three tables, the layer norm and the dropout."""
        self.word_embeddings = self._add_table("word_embeddings", self.vocabulary_size)
        self.position_embeddings = self._add_table("position_embeddings", self.max_sequence_length)
        self.segment_embeddings = self._add_table("segment_embeddings", self.num_segments)
        self.layer_norm = LayerNorm(self.layer_norm_epsilon, dtype=self.dtype_policy, name="layer_norm")
        self.layer_norm.build((None, None, self.hidden_dim))
        self.dropout = Dropout(self.dropout_rate, dtype=self.dtype_policy, name="dropout")
        self.dropout.build((None, None, self.hidden_dim))

    def _add_table(self, name: str, rows: int):
        initializer = StartingValues(stddev=self.initializer_stddev)
        # Not cast by the policy: a cast would copy the whole word table to read a few thousand rows of it.
        return self.add_weight(shape=(rows, self.hidden_dim), initializer=initializer, name=name, autocast=False)

    def call(self, token_ids, segment_ids, training=None):
        """Return the embedded tokens."""
        length = ops.shape(token_ids)[1]
        if isinstance(length, int) and length > self.max_sequence_length:
            raise InputError(
                f"A sequence may have at most max_sequence_length={self.max_sequence_length} tokens, received "
                f"token_ids of shape {tuple(token_ids.shape)}. Cut the texts, or use an encoder with more positions."
            )
        segments = ops.convert_to_tensor(self.segment_embeddings)
        # A product, not a lookup: its gradient is dense, and two rows never meet every token of the batch.
        embedded_segments = ops.matmul(ops.one_hot(segment_ids, self.num_segments, dtype=segments.dtype), segments)
        embedded = lookup(ops.convert_to_tensor(self.word_embeddings), token_ids) + embedded_segments
        embedded = embedded + ops.convert_to_tensor(self.position_embeddings)[:length]
        return self.dropout(self.layer_norm(embedded), training=training)

    def compute_output_shape(self, token_ids_shape, segment_ids_shape=None):
        """Return `(batch, length, hidden)`."""
        return (*token_ids_shape, self.hidden_dim)

    def get_config(self):
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "hidden_dim": self.hidden_dim,
            "max_sequence_length": self.max_sequence_length,
            "num_segments": self.num_segments,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "dropout_rate": self.dropout_rate,
            "initializer_stddev": self.initializer_stddev,
        }
