"""The encoder with its two pre-training heads."""

from typing import Any

import keras
from keras import ops

from tfbert.errors import InputError
from tfbert.layers import MaskedLMHead, NextSentenceHead
from tfbert.models.base import BertModel
from tfbert.models.encoder import BertEncoder
from tfbert.models.pretraining_metrics import BalancedAccuracy, Perplexity

if keras.backend.backend() == "tensorflow":
    from tfbert.layers.tensorflow_kernels import cross_entropy
else:

    def cross_entropy(labels, logits):
        """Return −log softmax(logits)[label] over the last axis."""
        return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


@keras.saving.register_keras_serializable(package="tfbert")
class BertPretrainer(BertModel):
    """Masked language model and next sentence prediction on one encoder (Devlin et al. 2019, section 3.1).

        loss = Σ (wₘ · lₘ) / Σ wₘ  +  λ · mean of the next-sentence losses

    over the masked positions m, respectively the rows, of the global batch; each l is a cross-entropy in float32. The
    losses are the model's own: `compile(optimizer)` takes none, and `fit` takes a `tf.data.Dataset` of the inputs
    below.

    Args:
        encoder: its dtype policy is the pretrainer's too; its word embeddings are the decoder of the masked tokens.
        next_sentence: whether there is a next-sentence head; without it the pooler is not trained either.
        next_sentence_weight: λ, default 1.
        **kwargs: Keras's own `name`.

    Inputs: a dict of the encoder's inputs and `mask_positions`, int32 `(batch, masks)`. For training and evaluation
    also `mask_ids` int32 and `mask_weights` float32 `(batch, masks)`, the tokens that stood there and their weights
    (0 in slots that are not used), and `next_sentence_labels` int32 `(batch,)`: 0 = the second text follows,
    1 = it comes from elsewhere.

    Outputs: a dict of float32 `masked_lm_logits` `(batch, masks, vocabulary)` and, with the head,
    `next_sentence_logits` `(batch, 2)`.

    Metrics: `loss`, `masked_lm_loss`, `masked_lm_perplexity`, `masked_lm_accuracy`, `next_sentence_loss`,
    `next_sentence_accuracy`, `next_sentence_balanced_accuracy`.

    Raises:
        TypeError: `encoder` is not a BertEncoder.
        InputError: the weight is negative.
    """

    def __init__(self, encoder: BertEncoder, next_sentence: bool = True, next_sentence_weight: float = 1.0, **kwargs):
        if not isinstance(encoder, BertEncoder):
            raise TypeError(f"BertPretrainer takes a BertEncoder, received {type(encoder).__name__}.")
        if next_sentence_weight < 0:
            raise InputError(f"next_sentence_weight must be at least 0, received {next_sentence_weight}.")
        super().__init__(dtype=encoder.dtype_policy, **kwargs)
        config = encoder.config
        self.encoder = encoder
        self.next_sentence = next_sentence
        self.next_sentence_weight = next_sentence_weight
        shared: dict[str, Any] = {"initializer_stddev": config.initializer_stddev, "dtype": self.dtype_policy}
        self.masked_lm_head = MaskedLMHead(
            config.vocabulary_size,
            config.hidden_dim,
            activation=config.activation,
            layer_norm_epsilon=config.layer_norm_epsilon,
            name="masked_lm_head",
            **shared,
        )
        self._masked_lm_trackers = [
            keras.metrics.Mean(name="masked_lm_loss"),
            Perplexity(name="masked_lm_perplexity"),
        ]
        self._masked_lm_accuracy = keras.metrics.Mean(name="masked_lm_accuracy")
        if next_sentence:
            self.next_sentence_head = NextSentenceHead(config.hidden_dim, name="next_sentence_head", **shared)
            self._next_sentence_trackers = [keras.metrics.Mean(name="next_sentence_loss")]
            self._next_sentence_metrics = [
                keras.metrics.SparseCategoricalAccuracy(name="next_sentence_accuracy"),
                BalancedAccuracy(2, name="next_sentence_balanced_accuracy"),
            ]
        else:
            encoder.pooler.trainable = False
        self.build()

    def build(self, input_shape=None):
        """Create every weight; the constructor has done so."""
        if self.built:
            return
        self.masked_lm_head.build((None, None, self.encoder.config.hidden_dim))
        if self.next_sentence:
            self.next_sentence_head.build((None, self.encoder.config.hidden_dim))

    def call(self, inputs, training=None):
        """Return the logits of both heads."""
        # Of the last block, what the heads read.
        encoded = self.encoder(inputs, training=training, output_positions=inputs["mask_positions"])
        word_embeddings = ops.convert_to_tensor(self.encoder.embeddings.word_embeddings)
        logits = {"masked_lm_logits": self.masked_lm_head(encoded["sequence_output"], None, word_embeddings)}
        if self.next_sentence:
            logits["next_sentence_logits"] = self.next_sentence_head(encoded["pooled_output"])
        return logits

    def compile(self, optimizer="rmsprop", loss=None, **kwargs):  # type: ignore[override]
        """Configure training as the base class does; there is no `loss` to give."""
        if loss is not None:
            raise InputError(f"BertPretrainer has losses of its own: compile it without loss; received {loss!r}.")
        super().compile(optimizer=optimizer, loss=None, **kwargs)

    # What the train step asks for --------------------------------------------------------------------------------

    def loss_weights(self, x, y=None, sample_weight=None):
        """Return the weight of each loss."""
        weights = {"masked_lm": ops.cast(x["mask_weights"], "float32")}
        if self.next_sentence:
            weights["next_sentence"] = ops.ones_like(x["next_sentence_labels"], "float32")
        return weights

    def weighted_losses(self, x, y, y_pred):
        """Return the losses in float32, `masked_lm` `(batch, masks)` and `next_sentence` `(batch,)`."""
        losses = {"masked_lm": cross_entropy(x["mask_ids"], ops.cast(y_pred["masked_lm_logits"], "float32"))}
        if self.next_sentence:
            losses["next_sentence"] = cross_entropy(
                x["next_sentence_labels"], ops.cast(y_pred["next_sentence_logits"], "float32")
            )
        return losses

    @property
    def loss_coefficients(self):
        """Return the factor of each loss in the sum."""
        return {"masked_lm": 1.0, **({"next_sentence": self.next_sentence_weight} if self.next_sentence else {})}

    @property
    def loss_trackers(self):
        """Return the metrics that take each loss."""
        return {
            "masked_lm": self._masked_lm_trackers,
            **({"next_sentence": self._next_sentence_trackers} if self.next_sentence else {}),
        }

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Update the accuracies and return all metrics."""
        logits = y_pred["masked_lm_logits"]
        # Half a pass over the logits where Keras's own accuracy takes six: it gives each -0 a value of its own first.
        picked = ops.take_along_axis(logits, ops.cast(x["mask_ids"], "int32")[..., None], axis=-1)[..., 0]
        right = ops.cast(picked >= ops.max(logits, axis=-1), "float32")
        self._masked_lm_accuracy.update_state(right, sample_weight=x["mask_weights"])
        if self.next_sentence:
            for metric in self._next_sentence_metrics:
                metric.update_state(x["next_sentence_labels"], y_pred["next_sentence_logits"])
        return super().compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of one batch; Keras's own step asks for it on backends other than TensorFlow."""
        losses, weights = self.weighted_losses(x, y, y_pred), self.loss_weights(x)
        means = {name: ops.divide_no_nan(ops.sum(losses[name] * w), ops.sum(w)) for name, w in weights.items()}
        return sum(factor * means[name] for name, factor in self.loss_coefficients.items())

    def get_config(self):
        """Return the constructor's arguments."""
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "next_sentence": self.next_sentence,
            "next_sentence_weight": self.next_sentence_weight,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        """Return the pretrainer that `get_config` describes."""
        return cls(**{**config, "encoder": keras.saving.deserialize_keras_object(config["encoder"])})
