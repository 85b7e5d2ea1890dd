"""What the signatures of every export share: tokenizer, model and weights in one graph."""

from collections.abc import Callable, Mapping

import tensorflow as tf

from tfbert.serving.model_copy import copied
from tfbert.serving.rows_by_length import by_length
from tfbert.serving.stored_weights import StoredWeights
from tfbert.tokenization.tokenizer import BertTokenizer

INPUTS = ("token_ids", "segment_ids", "padding_mask")

Part = Mapping[str, tf.Tensor]


class TextSignatures(tf.Module):
    """The module of a SavedModel. A kind of model says what its `signatures` are and what it `answers`.

    Args:
        model: a classifier or pretrainer, which belongs to this object from now on.
        tokenizer: the one it was trained with.
        max_length: tokens at which a text, or a pair, is cut.
        weights: one of `stored_weights.KINDS`.
    """

    def __init__(self, model, tokenizer: BertTokenizer, max_length: int, weights: str):
        super().__init__()
        if weights == "bfloat16_compute":
            model = copied(model, "mixed_bfloat16")
        self.tokenizer = tokenizer
        self.stored = StoredWeights(model, weights)
        object.__setattr__(self, "model", model)  # not tracked: `stored` holds the variables
        self.max_length = max_length

    def signatures(self) -> dict:
        """Return concrete functions by name."""
        raise NotImplementedError

    def answers(self, text: tf.Tensor) -> tf.Tensor:
        """Return the one answer to each text that is right or wrong, string (batch,)."""
        raise NotImplementedError

    def of_texts(self, function: Callable, *names: str):
        """Trace `function` for texts, string (batch,) each, by these names."""
        return _traced(function, {name: tf.TensorSpec([None], tf.string, name=name) for name in names})

    def of_tokens(self, function: Callable):
        """Trace `function`, which takes the encoder's inputs as a dict."""

        def from_arguments(token_ids, segment_ids, padding_mask):
            return function(dict(zip(INPUTS, (token_ids, segment_ids, padding_mask), strict=True)))

        return _traced(from_arguments, {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in INPUTS})

    def encode(self, first: tf.Tensor, second: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Return the encoder's inputs."""
        return self.tokenizer.encode(first, second, max_length=self.max_length)

    def token_rows(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return inputs of the signature `tokens` that ask the same as `text` asks `serving_default`."""
        return self.encode(text)

    def by_length(self, inputs: Part, compute: Callable, *empty: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """As `rows_by_length.by_length`; `compute` runs with the stored weights in the model's place."""
        return by_length(inputs, self._with_weights(compute), empty)

    def at_once(self, inputs: Part, compute: Callable) -> tuple[tf.Tensor, ...]:
        """Return what `compute` gives for all rows together."""
        return self._with_weights(compute)(inputs)

    def embed(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return `embeddings`, float32 (batch, hidden): the encoder's pooled output."""
        encoder = self.model.encoder

        def pooled(part):
            return (tf.cast(encoder(part, training=False, pooled_only=True)["pooled_output"], tf.float32),)

        (found,) = self.by_length(self.encode(text), pooled, tf.zeros([0, encoder.config.hidden_dim]))
        return {"embeddings": found}

    def _with_weights(self, compute: Callable) -> Callable:
        restored = self.stored.restored()  # once a call, not once a part

        def run(part):
            with self.stored.in_place(restored, part["token_ids"]) as token_ids:
                return compute({**part, "token_ids": token_ids})

        return run


def _traced(function: Callable, specs: dict):
    return tf.function(function, autograph=False).get_concrete_function(**specs)
