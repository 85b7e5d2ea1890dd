"""A trained classifier as a SavedModel that takes raw text, in a folder ready to serve."""

import functools
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfbert.errors import InputError
from tfbert.models.classifier import BertClassifier
from tfbert.serving.exporting import about_model, write_export
from tfbert.serving.model_card import Sections
from tfbert.serving.model_copy import copied
from tfbert.serving.smaller_weights import SmallerWeights
from tfbert.serving.text_signatures import TextSignatures
from tfbert.tokenization.tokenizer import BertTokenizer


def export(
    classifier: BertClassifier,
    tokenizer: BertTokenizer,
    folder: Path | str,
    *,
    max_length: int = 128,
    temperature: float = 1.0,
    pairs: bool = False,
    version: int | None = None,
    weights: SmallerWeights | None = None,
    figures: Sections | None = None,
) -> Path:
    """Write `folder`/VERSION, a SavedModel that needs nothing but TensorFlow's core ops, and what serves it beside it.

    Signatures, each polymorphic in the batch:

    - `serving_default`: `text`, string (batch,), to `label`, string (batch,), and `probabilities`, float32
      (batch, classes), softmax(logits / temperature).
    - `pairs`, where asked for: `first` and `second`, string (batch,), to the same.
    - `tokens`: the encoder's inputs `token_ids`, `segment_ids`, `padding_mask`, int32 (batch, length), to the same.
    - `classify`, of TensorFlow Serving's method classify: `inputs`, string (batch,), each a serialized tf.Example whose
      feature `text` is one string, to `classes`, string (batch, classes), and `scores`, which are the probabilities.
    - `embed`: `text` to `embeddings`, float32 (batch, hidden), the encoder's pooled output.

    Texts of like length are computed together, so that one long review does not pad all others. The vocabulary and the
    labels are assets; the folder may be moved. A reader sees the version whole or not at all. With it go warm-up
    requests and a model card; in the folder above `folder`, models.config, batching.config, docker-compose.yml and
    README.md are written, or brought up to date, see `serving_folder`.

    Args:
        classifier: its labels name the classes.
        tokenizer: the one it was trained with.
        folder: the model's folder, whose subfolders are versions and whose name is the model's.
        max_length: tokens at which a text, or a pair, is cut, special tokens included.
        temperature: divides the logits (Guo et al. 2017).
        pairs: whether there is a signature for two texts; for a classifier that was trained on pairs.
        version: a free number; None takes the one after the highest.
        weights: stores the matrices in fewer bits; None in float32, and so it computes, whatever it was trained in.
        figures: what the model card states beside what is known here: sections such as
            `{"Test rows": {"accuracy": 0.695}}`.

    Returns:
        The folder of the version.

    Raises:
        InputError: if the version exists, the vocabulary does not fit the classifier, a number is out of range, a label
            has more than one line, smaller weights lower the accuracy too far, or a file beside `folder` is in the way.
            Nothing is written then.
    """
    _check(classifier, tokenizer, max_length, temperature, pairs)
    if weights:
        weights.check_labels(classifier.labels)
    about = {
        "kind": "BERT classifier",
        "classes": ", ".join(classifier.labels),
        **about_model(classifier, tokenizer, max_length),
        "temperature": f"{temperature:.4g}",
    }
    module_of = functools.partial(_Serving, copied(classifier), tokenizer, max_length, temperature, pairs)
    return write_export(module_of, folder, version, weights=weights, about=about, figures=figures)


def save_tokens(
    classifier: BertClassifier, tokenizer: BertTokenizer, folder: Path, *, max_length: int, temperature: float
) -> None:
    """Write a SavedModel of the signature `tokens` alone, as `export` would; for comparing with it.

    Raises:
        InputError: as `export`.
    """
    _check(classifier, tokenizer, max_length, temperature, pairs=False)
    module = _Serving(copied(classifier), tokenizer, max_length, temperature, False, "float32")
    tf.saved_model.save(module, str(folder), signatures={"tokens": module.tokens()})


def _check(classifier, tokenizer, max_length: int, temperature: float, pairs: bool) -> None:
    config = classifier.encoder.config
    if tokenizer.vocabulary_size > config.vocabulary_size:
        raise InputError(
            f"the tokenizer's {tokenizer.vocabulary_size} tokens do not fit the classifier's {config.vocabulary_size} "
            "embeddings: export with the vocabulary it was trained with."
        )
    least = 5 if pairs else 3
    if not (least <= max_length <= config.max_sequence_length and temperature > 0):
        raise InputError(
            f"export needs {least} <= max_length <= {config.max_sequence_length} and temperature > 0; received "
            f"max_length={max_length}, temperature={temperature}."
        )
    if any(len(label.splitlines()) > 1 for label in classifier.labels):
        raise InputError(f"labels.txt holds one label a line; received {classifier.labels}. Rename the classes.")


def largest_difference(export: Path | str, texts: Sequence[str], probabilities: np.ndarray) -> float:
    """Ask the SavedModel in `export` for `texts`; return how far its probabilities are from these, (texts, classes)."""
    served = tf.saved_model.load(str(export)).signatures["serving_default"](text=tf.constant(list(texts), tf.string))
    return float(np.abs(served["probabilities"].numpy() - probabilities).max())


class _Serving(TextSignatures):
    """Tokenizer, encoder and head in one graph."""

    def __init__(self, classifier: BertClassifier, tokenizer, max_length, temperature: float, pairs: bool, weights):
        super().__init__(classifier, tokenizer, max_length, weights)
        self._temperature = temperature
        self._pairs = pairs
        folder = tempfile.mkdtemp(prefix="tfbert-labels-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder, "labels.txt")
        path.write_text("".join(f"{label}\n" for label in classifier.labels), encoding="utf-8")
        # No op reads it: it is there for people and for clients.
        self.labels_file = tf.saved_model.Asset(str(path))

    def tokens(self):
        """Return the signature `tokens`."""
        return self.of_tokens(self._classify_tokens)

    def signatures(self) -> dict:
        found = {
            "serving_default": self.of_texts(self._classify_text, "text"),
            "tokens": self.tokens(),
            "classify": self.of_texts(self._classify_examples, "inputs"),
            "embed": self.of_texts(self.embed, "text"),
        }
        if self._pairs:
            found["pairs"] = self.of_texts(self._classify_pairs, "first", "second")
        return found

    def answers(self, text: tf.Tensor) -> tf.Tensor:
        return self._classify_text(text)["label"]

    def _classify_text(self, text):
        return self._classify(self.encode(text))

    def _classify_pairs(self, first, second):
        return self._classify(self.encode(first, second))

    def _classify_tokens(self, inputs):
        (logits,) = self.at_once(inputs, self._logits)
        return self._answer(logits)

    def _classify_examples(self, inputs):
        parsed = tf.io.parse_example(inputs, {"text": tf.io.FixedLenFeature([], tf.string)})
        scores = self._classify_text(parsed["text"])["probabilities"]
        classes = tf.broadcast_to(tf.constant(self.model.labels), tf.shape(scores))
        return {"classes": classes, "scores": scores}

    def _classify(self, inputs):
        (logits,) = self.by_length(inputs, self._logits, tf.zeros([0, len(self.model.labels)]))
        return self._answer(logits)

    def _logits(self, part):
        return (self.model(part, training=False),)

    def _answer(self, logits):
        return {
            "label": tf.gather(tf.constant(self.model.labels), tf.argmax(logits, axis=-1)),
            "probabilities": tf.nn.softmax(logits / self._temperature),
        }
