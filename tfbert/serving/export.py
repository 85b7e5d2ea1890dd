"""A trained classifier as a SavedModel that takes raw text."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfbert.errors import InputError
from tfbert.models.classifier import BertClassifier
from tfbert.serving.rows_by_length import by_length
from tfbert.serving.version_folder import free_version, write_version
from tfbert.tokenization.tokenizer import BertTokenizer

_INPUTS = ("token_ids", "segment_ids", "padding_mask")


def export(
    classifier: BertClassifier,
    tokenizer: BertTokenizer,
    folder: Path | str,
    *,
    max_length: int = 128,
    temperature: float = 1.0,
    version: int | None = None,
) -> Path:
    """Write `folder`/VERSION, a SavedModel that needs nothing but TensorFlow's core ops.

    Signatures, each polymorphic in the batch:

    - `serving_default`: `text`, string (batch,), to `label`, string (batch,), and `probabilities`, float32
      (batch, classes), softmax(logits / temperature).
    - `tokens`: the encoder's inputs `token_ids`, `segment_ids`, `padding_mask`, int32 (batch, length), to the same.
    - `embed`: `text` to `embeddings`, float32 (batch, hidden), the encoder's pooled output.

    Texts of like length are computed together, so that one long review does not pad all others. The vocabulary is an
    asset; the folder may be moved. A reader sees the version whole or not at all.

    Args:
        classifier: its labels name the classes.
        tokenizer: the one it was trained with.
        folder: the model's folder, whose subfolders are versions.
        max_length: tokens at which a text is cut, special tokens included.
        temperature: divides the logits (Guo et al. 2017).
        version: a free number; None takes the one after the highest.

    Returns:
        The folder of the version.

    Raises:
        InputError: if the version exists, the vocabulary does not fit the classifier, or a number is out of range.
    """
    config = classifier.encoder.config
    if tokenizer.vocabulary_size > config.vocabulary_size:
        raise InputError(
            f"the tokenizer's {tokenizer.vocabulary_size} tokens do not fit the classifier's {config.vocabulary_size} "
            "embeddings: export with the vocabulary it was trained with."
        )
    if not (3 <= max_length <= config.max_sequence_length and temperature > 0):
        raise InputError(
            f"export needs 3 <= max_length <= {config.max_sequence_length} and temperature > 0; received "
            f"max_length={max_length}, temperature={temperature}."
        )
    target = free_version(folder, version)
    with tf.distribute.get_strategy().scope():
        # A copy: the exported variables belong to no distribution strategy and no optimizer.
        copy = BertClassifier.from_config(classifier.get_config())
        copy.set_weights(classifier.get_weights())
    module = _Serving(copy, tokenizer, max_length, temperature)
    write_version(target, module, module.signatures())
    return target


def largest_difference(export: Path | str, texts: Sequence[str], probabilities: np.ndarray) -> float:
    """Ask the SavedModel in `export` for `texts`; return how far its probabilities are from these, (texts, classes)."""
    served = tf.saved_model.load(str(export)).signatures["serving_default"](text=tf.constant(list(texts), tf.string))
    return float(np.abs(served["probabilities"].numpy() - probabilities).max())


class _Serving(tf.Module):
    """Tokenizer, encoder and head in one graph."""

    def __init__(self, classifier: BertClassifier, tokenizer: BertTokenizer, max_length: int, temperature: float):
        super().__init__()
        self.tokenizer = tokenizer
        # Tracked as plain variables: tracked as a Keras model they are not restored by loaders of the session kind,
        # TensorFlow Serving's among them.
        self.variables_of_classifier = [variable.value for variable in classifier.variables]
        object.__setattr__(self, "_classifier", classifier)
        self._max_length = max_length
        self._temperature = temperature

    def signatures(self) -> dict:
        text = tf.TensorSpec([None], tf.string, name="text")
        tokens = {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in _INPUTS}
        return {
            "serving_default": tf.function(self._classify_text, autograph=False).get_concrete_function(text),
            "tokens": tf.function(self._classify_tokens, autograph=False).get_concrete_function(**tokens),
            "embed": tf.function(self._embed_text, autograph=False).get_concrete_function(text),
        }

    def _classify_text(self, text):
        classify = lambda inputs: self._classifier(inputs, training=False)  # noqa: E731
        return self._answer(self._by_length(text, classify, len(self._classifier.labels)))

    def _classify_tokens(self, token_ids, segment_ids, padding_mask):
        inputs = dict(zip(_INPUTS, (token_ids, segment_ids, padding_mask), strict=True))
        return self._answer(self._classifier(inputs, training=False))

    def _embed_text(self, text):
        encoder = self._classifier.encoder
        pooled = lambda inputs: tf.cast(encoder(inputs, training=False)["pooled_output"], tf.float32)  # noqa: E731
        return {"embeddings": self._by_length(text, pooled, encoder.config.hidden_dim)}

    def _answer(self, logits):
        return {
            "label": tf.gather(tf.constant(self._classifier.labels), tf.argmax(logits, axis=-1)),
            "probabilities": tf.nn.softmax(logits / self._temperature),
        }

    def _by_length(self, text, compute, width: int):
        """Return `compute` of each text, float32 (batch, width)."""
        inputs = self.tokenizer.encode(text, max_length=self._max_length)
        return by_length(inputs, lambda part: (compute(part),), (tf.zeros([0, width]),))[0]
