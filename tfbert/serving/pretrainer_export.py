"""A pre-trained BERT with its heads as a SavedModel that takes raw text, in a folder ready to serve."""

import functools
from pathlib import Path

import tensorflow as tf

from tfbert.errors import InputError
from tfbert.models.pretrainer import BertPretrainer
from tfbert.serving.exporting import about_model, write_export
from tfbert.serving.masked_text import encode_masked
from tfbert.serving.model_card import Sections
from tfbert.serving.model_copy import copied
from tfbert.serving.smaller_weights import SmallerWeights
from tfbert.serving.text_signatures import INPUTS, TextSignatures
from tfbert.tokenization.tokenizer import BertTokenizer
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS


def export_pretrainer(
    pretrainer: BertPretrainer,
    tokenizer: BertTokenizer,
    folder: Path | str,
    *,
    max_length: int = 128,
    top_k: int = 5,
    version: int | None = None,
    weights: SmallerWeights | None = None,
    figures: Sections | None = None,
) -> Path:
    """Write `folder`/VERSION, a SavedModel that needs nothing but TensorFlow's core ops, and what serves it beside it.

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

    Texts of like length are computed together. The vocabulary is an asset; the folder may be moved. What else is
    written is as for `export`.

    Args:
        pretrainer: the model.
        tokenizer: the one it was trained with.
        folder: the model's folder, whose subfolders are versions.
        max_length: tokens at which a text, or a pair, is cut, special tokens included.
        top_k: how many tokens are proposed for each mask.
        version: a free number; None takes the one after the highest.
        weights: stores the matrices in fewer bits; None in float32, and so it computes, whatever it was trained in.
        figures: what the model card states beside what is known here, as for `export`.

    Returns:
        The folder of the version.

    Raises:
        InputError: if the version exists, the vocabulary does not fit the model, a number is out of range, smaller
            weights lower the accuracy too far or are measured on texts without one [MASK], or a file beside `folder` is
            in the way. Nothing is written then.
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
    if weights:
        weights.check_labels(tokenizer.vocabulary.tokens)
        row = next((row for row, text in enumerate(weights.texts) if text.count("[MASK]") != 1), None)
        if row is not None:
            raise InputError(
                f"a pretrainer is measured on texts with one [MASK] each; row {row} is {weights.texts[row]!r}."
            )
    heads = "masked words, next sentence" if pretrainer.next_sentence else "masked words"
    about = {"kind": "pre-trained BERT", "heads": heads, **about_model(pretrainer, tokenizer, max_length)}
    module_of = functools.partial(_Serving, copied(pretrainer), tokenizer, max_length, top_k)
    return write_export(module_of, folder, version, weights=weights, about=about, figures=figures)


class _Serving(TextSignatures):
    """Tokenizer, encoder and heads in one graph."""

    def __init__(self, pretrainer: BertPretrainer, tokenizer, max_length, top_k: int, weights):
        super().__init__(pretrainer, tokenizer, max_length, weights)
        self._top_k = top_k

    def signatures(self) -> dict:
        fill_mask = self.of_texts(self._fill_mask, "text")
        found = {
            "serving_default": fill_mask,
            "fill_mask": fill_mask,
            "tokens": self.of_tokens(self._fill_tokens),
            "embed": self.of_texts(self.embed, "text"),
        }
        if self.model.next_sentence:
            found["next_sentence"] = self.of_texts(self._follows, "first", "second")
        return found

    def answers(self, text):
        tokens = self._fill_mask(text)["tokens"]
        # A text whose mask was cut off has none.
        return tf.concat([tokens[:, :, 0], tf.fill([tf.shape(tokens)[0], 1], "")], axis=1)[:, 0]

    def token_rows(self, text):
        return encode_masked(self.tokenizer, text, self.max_length)

    def _fill_mask(self, text):
        inputs = self._with_masked(self.token_rows(text))
        num_masks = _num_masks(inputs)
        nothing = tf.fill([0, _largest(num_masks), self._top_k], "")
        propose = self._proposer(_largest(num_masks))
        tokens, probabilities = self.by_length(inputs, propose, nothing, tf.zeros_like(nothing, tf.float32))
        return {"tokens": tokens, "probabilities": probabilities, "num_masks": num_masks}

    def _fill_tokens(self, inputs):
        inputs = self._with_masked(inputs)
        num_masks = _num_masks(inputs)
        tokens, probabilities = self.at_once(inputs, self._proposer(_largest(num_masks)))
        return {"tokens": tokens, "probabilities": probabilities, "num_masks": num_masks}

    def _with_masked(self, inputs):
        """Add `masked`, bool (batch, length)."""
        return {**inputs, "masked": inputs["token_ids"] == self.tokenizer.mask_id}

    def _proposer(self, slots):
        """Return what computes tokens and probabilities, (batch, slots, top_k), of some rows."""
        table = self.stored.word_embeddings()
        names = tf.constant(self.tokenizer.vocabulary.tokens)

        def propose(part):
            masked = part["masked"]
            encoder_inputs = {name: part[name] for name in INPUTS}
            hidden = self.model.encoder(encoder_inputs, training=False)["sequence_output"]
            probabilities, best = self._best(hidden, tf.where(tf.reshape(masked, [-1])), table)
            places = tf.where(masked)
            earlier = tf.cumsum(tf.cast(masked, tf.int64), axis=-1, exclusive=True)
            targets = tf.stack([places[:, 0], tf.gather_nd(earlier, places)], axis=-1)
            shape = [tf.shape(masked)[0], slots, self._top_k]
            return (
                tf.tensor_scatter_nd_update(tf.fill(shape, ""), targets, tf.gather(names, best)),
                tf.tensor_scatter_nd_update(tf.zeros(shape), targets, probabilities),
            )

        return propose

    def _best(self, hidden, positions, table):
        """Return probabilities and ids, (positions, top_k), at `positions`, (positions, 1), of the rows end to end."""
        # One row that holds all others, so that only what is masked meets the vocabulary.
        end_to_end = tf.reshape(hidden, [1, -1, self.model.encoder.config.hidden_dim])
        logits = self.model.masked_lm_head(end_to_end, tf.cast(tf.transpose(positions), tf.int32), table)[0]
        vocabulary = self.tokenizer.vocabulary
        # The model's table may have rows beyond the vocabulary.
        ordinary = tf.constant([token not in SPECIAL_TOKENS for token in vocabulary.tokens])
        return tf.math.top_k(tf.where(ordinary, tf.nn.softmax(logits)[:, : len(vocabulary)], -1.0), self._top_k)

    def _follows(self, first, second):
        def follows(part):
            pooled = self.model.encoder(part, training=False, pooled_only=True)["pooled_output"]
            return (tf.nn.softmax(self.model.next_sentence_head(pooled))[:, 0],)

        (probability,) = self.by_length(self.encode(first, second), follows, tf.zeros([0]))
        return {"probability": probability}


def _num_masks(inputs):
    return tf.reduce_sum(tf.cast(inputs["masked"], tf.int32), axis=-1)


def _largest(counts):
    """Return the largest of int32 (batch,), 0 where the batch is empty."""
    return tf.reduce_max(tf.concat([counts, [0]], axis=0))
