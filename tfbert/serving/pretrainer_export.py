"""A pre-trained BERT with its heads as a SavedModel that takes raw text."""

from pathlib import Path

import tensorflow as tf

from tfbert.errors import InputError
from tfbert.models.pretrainer import BertPretrainer
from tfbert.serving.masked_text import encode_masked
from tfbert.serving.rows_by_length import by_length
from tfbert.serving.version_folder import free_version, write_version
from tfbert.tokenization.tokenizer import BertTokenizer
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

_INPUTS = ("token_ids", "segment_ids", "padding_mask")


def export_pretrainer(
    pretrainer: BertPretrainer,
    tokenizer: BertTokenizer,
    folder: Path | str,
    *,
    max_length: int = 128,
    top_k: int = 5,
    version: int | None = None,
) -> Path:
    """Write `folder`/VERSION, a SavedModel that needs nothing but TensorFlow's core ops.

    Signatures, each polymorphic in the batch:

    - `fill_mask`, which is `serving_default` too: `text`, string (batch,), in which each literal `[MASK]` stands for a
      masked token, to `tokens`, string (batch, masks, top_k), and `probabilities`, float32 of that shape: the most
      probable tokens of each mask in the order of the text, the most probable first; and `num_masks`, int32 (batch,).
      `masks` is the highest number of masks in the batch; texts with fewer have "" and 0 in the rest. A mask beyond
      `max_length` is not counted. A token that goes on a word has its `##`.
    - `tokens`: the encoder's inputs `token_ids`, `segment_ids`, `padding_mask`, int32 (batch, length), with the id of
      [MASK] where a token is masked, to the same.
    - `next_sentence`: `first` and `second`, string (batch,), to `probability`, float32 (batch,), that the second text
      follows the first. Only where the pretrainer has this head: without it there is no such signature.
    - `embed`: `text` to `embeddings`, float32 (batch, hidden), the encoder's pooled output; a pretrainer without the
      next-sentence head leaves the pooler as it was.

    Probabilities are over the model's whole vocabulary, but [PAD], [UNK], [CLS], [SEP] and [MASK] are never proposed:
    they fill no gap. In `next_sentence` and `embed` a "[MASK]" is ordinary characters, as in training.

    Texts of like length are computed together. The vocabulary is an asset; the folder may be moved.

    Args:
        pretrainer: the model.
        tokenizer: the one it was trained with.
        folder: the model's folder, whose subfolders are versions.
        max_length: tokens at which a text, or a pair, is cut, special tokens included.
        top_k: how many tokens are proposed for each mask.
        version: a free number; None takes the one after the highest.

    Returns:
        The folder of the version.

    Raises:
        InputError: if the version exists, the vocabulary does not fit the model, or a number is out of range.
    """
    config = pretrainer.encoder.config
    tokenizer.vocabulary.check_fits(config.vocabulary_size)
    least = 5 if pretrainer.next_sentence else 3
    ordinary = tokenizer.vocabulary_size - len(SPECIAL_TOKENS)
    if not (least <= max_length <= config.max_sequence_length and 1 <= top_k <= ordinary):
        raise InputError(
            f"export_pretrainer needs {least} <= max_length <= {config.max_sequence_length} and 1 <= top_k <= "
            f"{ordinary}, the vocabulary's ordinary tokens; received max_length={max_length}, top_k={top_k}."
        )
    target = free_version(folder, version)
    with tf.distribute.get_strategy().scope():
        # A copy: the exported variables belong to no distribution strategy and no optimizer.
        copy = BertPretrainer.from_config(pretrainer.get_config())
        copy.set_weights(pretrainer.get_weights())
    module = _Serving(copy, tokenizer, max_length, top_k)
    write_version(target, module, module.signatures())
    return target


class _Serving(tf.Module):
    """Tokenizer, encoder and heads in one graph."""

    def __init__(self, pretrainer: BertPretrainer, tokenizer: BertTokenizer, max_length: int, top_k: int):
        super().__init__()
        self.tokenizer = tokenizer
        # Tracked as plain variables: tracked as a Keras model they are not restored by loaders of the session kind,
        # TensorFlow Serving's among them.
        self.variables_of_pretrainer = [variable.value for variable in pretrainer.weights]
        object.__setattr__(self, "_pretrainer", pretrainer)
        self._max_length = max_length
        self._top_k = top_k

    def signatures(self) -> dict:
        def traced(function, **specs):
            return tf.function(function, autograph=False).get_concrete_function(**specs)

        def texts(*names):
            return {name: tf.TensorSpec([None], tf.string, name=name) for name in names}

        tokens = {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in _INPUTS}
        fill_mask = traced(self._fill_mask, **texts("text"))
        found = {
            "serving_default": fill_mask,
            "fill_mask": fill_mask,
            "tokens": traced(self._fill_tokens, **tokens),
            "embed": traced(self._embed, **texts("text")),
        }
        if self._pretrainer.next_sentence:
            found["next_sentence"] = traced(self._follows, **texts("first", "second"))
        return found

    def _fill_mask(self, text):
        inputs = encode_masked(self.tokenizer, text, self._max_length)
        num_masks = self._num_masks(inputs["token_ids"])
        nothing = tf.fill([0, _largest(num_masks), self._top_k], "")
        tokens, probabilities = by_length(
            inputs,
            lambda part: self._propose(part, _largest(num_masks)),
            (nothing, tf.zeros_like(nothing, tf.float32)),
        )
        return {"tokens": tokens, "probabilities": probabilities, "num_masks": num_masks}

    def _fill_tokens(self, token_ids, segment_ids, padding_mask):
        inputs = dict(zip(_INPUTS, (token_ids, segment_ids, padding_mask), strict=True))
        num_masks = self._num_masks(token_ids)
        tokens, probabilities = self._propose(inputs, _largest(num_masks))
        return {"tokens": tokens, "probabilities": probabilities, "num_masks": num_masks}

    def _num_masks(self, token_ids):
        return tf.reduce_sum(tf.cast(token_ids == self.tokenizer.mask_id, tf.int32), axis=-1)

    def _propose(self, inputs, slots):
        """Return tokens and probabilities, (batch, slots, top_k)."""
        token_ids = inputs["token_ids"]
        masked = token_ids == self.tokenizer.mask_id
        places = tf.where(masked)
        probabilities, best = self._best(self._hidden(inputs, "sequence_output"), tf.where(tf.reshape(masked, [-1])))
        earlier = tf.cumsum(tf.cast(masked, tf.int64), axis=-1, exclusive=True)
        targets = tf.stack([places[:, 0], tf.gather_nd(earlier, places)], axis=-1)
        shape = [tf.shape(token_ids)[0], slots, self._top_k]
        names = tf.gather(tf.constant(self.tokenizer.vocabulary.tokens), best)
        return (
            tf.tensor_scatter_nd_update(tf.fill(shape, ""), targets, names),
            tf.tensor_scatter_nd_update(tf.zeros(shape), targets, probabilities),
        )

    def _best(self, hidden, positions):
        """Return probabilities and ids, (positions, top_k), at `positions`, (positions, 1), of the rows end to end."""
        head, encoder = self._pretrainer.masked_lm_head, self._pretrainer.encoder
        # One row that holds all others, so that only what is masked meets the vocabulary.
        end_to_end = tf.reshape(hidden, [1, -1, encoder.config.hidden_dim])
        row = tf.cast(tf.transpose(positions), tf.int32)
        logits = head(end_to_end, row, tf.convert_to_tensor(encoder.embeddings.word_embeddings))[0]
        vocabulary = self.tokenizer.vocabulary
        # The model's table may have rows beyond the vocabulary.
        ordinary = tf.constant([token not in SPECIAL_TOKENS for token in vocabulary.tokens])
        return tf.math.top_k(tf.where(ordinary, tf.nn.softmax(logits)[:, : len(vocabulary)], -1.0), self._top_k)

    def _follows(self, first, second):
        inputs = self.tokenizer.encode(first, second, max_length=self._max_length)
        head = self._pretrainer.next_sentence_head
        follows = lambda part: (tf.nn.softmax(head(self._hidden(part, "pooled_output")))[:, 0],)  # noqa: E731
        return {"probability": by_length(inputs, follows, (tf.zeros([0]),))[0]}

    def _embed(self, text):
        inputs = self.tokenizer.encode(text, max_length=self._max_length)
        pooled = lambda part: (tf.cast(self._hidden(part, "pooled_output"), tf.float32),)  # noqa: E731
        width = self._pretrainer.encoder.config.hidden_dim
        return {"embeddings": by_length(inputs, pooled, (tf.zeros([0, width]),))[0]}

    def _hidden(self, inputs, name):
        return self._pretrainer.encoder(inputs, training=False)[name]


def _largest(counts):
    """Return the largest of int32 (batch,), 0 where the batch is empty."""
    return tf.reduce_max(tf.concat([counts, [0]], axis=0))
