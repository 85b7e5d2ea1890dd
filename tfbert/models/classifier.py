"""A text classifier on the pooled output."""

from collections.abc import Sequence

import keras

from tfbert.errors import InputError
from tfbert.layers.dropout import Dropout
from tfbert.layers.starting_values import StartingValues
from tfbert.models.base import BertModel
from tfbert.models.encoder import BertEncoder


@keras.saving.register_keras_serializable(package="tfbert")
class BertClassifier(BertModel):
    """logits = dropout(C) Wᵀ + b, C the pooled output (Devlin et al. 2019, section 4.1).

    Args:
        encoder: its dtype policy is the classifier's too.
        labels: at least two different class names, in the order of the logits; kept in the saved model.
        dropout_rate: of the pooled output, in [0, 1).
        **kwargs: Keras's own `name`.

    Inputs as the encoder's; output: logits, float32 under every policy, `(batch, classes)`.

    Raises:
        TypeError: `encoder` is not a BertEncoder.
        InputError: labels are fewer than two, repeated, or no strings; or the rate is out of range.
    """

    def __init__(self, encoder: BertEncoder, labels: Sequence[str], dropout_rate: float = 0.1, **kwargs):
        if not isinstance(encoder, BertEncoder):
            raise TypeError(f"BertClassifier takes a BertEncoder, received {type(encoder).__name__}.")
        if (
            isinstance(labels, str)
            or len(set(labels)) < max(2, len(labels))
            or not all(isinstance(label, str) and label for label in labels)
        ):
            raise InputError(f"labels must be at least two different non-empty strings, received {labels!r}.")
        if not 0 <= dropout_rate < 1:
            raise InputError(f"dropout_rate must be at least 0 and below 1, received {dropout_rate!r}.")
        super().__init__(dtype=encoder.dtype_policy, **kwargs)
        self.encoder = encoder
        self.labels = tuple(labels)
        self.dropout_rate = dropout_rate
        self.dropout = Dropout(dropout_rate, dtype=self.dtype_policy, name="dropout")
        self.head = keras.layers.Dense(
            len(self.labels),
            kernel_initializer=StartingValues(stddev=encoder.config.initializer_stddev),
            dtype="float32",
            name="head",
        )
        self.build()

    def build(self, input_shape=None):
        """Create every weight; the constructor has done so."""
        if self.built:
            return
        self.dropout.build((None, self.encoder.config.hidden_dim))
        self.head.build((None, self.encoder.config.hidden_dim))

    def call(self, inputs, training=None):
        """Return the logits."""
        pooled_output = self.encoder(inputs, training=training, pooled_only=True)["pooled_output"]
        return self.head(self.dropout(pooled_output, training=training))

    def depth_groups(self) -> list[list]:
        """Return the variables by depth: embeddings first, then each block, pooler and head last."""
        *below, top = self.encoder.depth_groups()
        return [*below, [*top, *self.head.variables]]

    def freeze(self, *, embeddings: bool = False, layers: int = 0) -> None:
        """Freeze the encoder's embeddings and lowest blocks; see `BertEncoder.freeze`."""
        self.encoder.freeze(embeddings=embeddings, layers=layers)

    def get_config(self):
        """Return the constructor's arguments."""
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "labels": list(self.labels),
            "dropout_rate": self.dropout_rate,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        """Return the classifier that `get_config` describes."""
        return cls(**{**config, "encoder": keras.saving.deserialize_keras_object(config["encoder"])})
