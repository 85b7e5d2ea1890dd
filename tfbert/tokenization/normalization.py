"""Google's BasicTokenizer in core TensorFlow ops: text to words, with the source of each character."""

from typing import NamedTuple

import tensorflow as tf

from tfbert.tokenization import unicode_tables
from tfbert.tokenization.unicode_tables import CASED, COMBINING_CLASS_SHIFT, IGNORABLE, SIGMA, STARTER

_FIRST_MARK = 1 << COMBINING_CLASS_SHIFT
_CAPITAL_SIGMA, _FINAL_SIGMA = 0x3A3, 0x3C2
_SPACE = 32


class NormalizedText(NamedTuple):
    """What is left of a batch of texts: cleaned, lower-cased, without accents, with spaces around punctuation and CJK.

    `elements` holds three slots for each code point of the texts, in order; a negative one is empty.
    """

    elements: tf.Tensor
    """int32 (3 * code points,)."""
    row_splits: tf.Tensor
    """int64 (batch + 1,): where each text begins in `elements`."""
    order: tf.Tensor
    """int32 (3 * code points,): the slot that each element had before combining characters were sorted."""
    code_points: tf.Tensor
    """int32 (code points,) of the original texts; U+FFFD for bytes that are no UTF-8."""
    byte_starts: tf.Tensor
    """int64 (code points,): where each code point begins in its text."""

    def spans(self, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Find the bytes that pieces come from.

        Args:
            lengths: int64 (pieces,): the number of characters of each piece; put end to end, they are all characters
                but spaces.

        Returns:
            Where each piece starts in its text and the byte after its end, int32 (pieces,) each.
        """
        slots = tf.gather(self.order, tf.where((self.elements >= 0) & (self.elements != _SPACE))[:, 0])
        sources = slots // 3
        starts = tf.cast(tf.gather(self.byte_starts, sources), tf.int32)
        code_points = tf.gather(self.code_points, sources)
        num_bytes = 1 + sum(tf.cast(code_points > last, tf.int32) for last in (0x7F, 0x7FF, 0xFFFF))
        pieces = tf.repeat(tf.range(tf.size(lengths)), lengths)
        # Sorting combining characters may have changed their order, so the first is not always the leftmost.
        return tf.math.segment_min(starts, pieces), tf.math.segment_max(starts + num_bytes, pieces)


class Normalizer(tf.Module):
    """Cleans texts as Google's BasicTokenizer does; see `unicode_tables` for what becomes of each code point."""

    def __init__(self, lowercase: bool):
        super().__init__()
        tables = unicode_tables.load_unicode_tables(lowercase)
        self._lowercase = lowercase
        self._page_offsets = tf.constant(tables.page_offsets)
        self._elements = tf.constant(tables.elements)
        self._contexts = tf.constant(tables.contexts)

    def normalize(self, texts: tf.Tensor) -> NormalizedText:
        """Normalize texts, string (batch,)."""
        # Bytes that are no UTF-8 become U+FFFD, which is dropped like Google's errors="ignore".
        row_splits, code_points, byte_starts = tf.raw_ops.UnicodeDecodeWithOffsets(
            input=texts, input_encoding="UTF-8", errors="replace", replacement_char=0xFFFD
        )
        rows = code_points + tf.gather(self._page_offsets, tf.bitwise.right_shift(code_points, 8))
        relative = tf.gather(self._elements, rows)  # (code points, 3)
        elements = tf.reshape(relative + code_points[:, tf.newaxis] * tf.constant([[0, 1, 0]]), [-1])
        order = tf.range(tf.size(elements))
        if self._lowercase:
            elements, order = tf.cond(
                tf.reduce_any(elements >= _FIRST_MARK),
                lambda: self._settle_by_context(elements, rows, code_points, row_splits),
                lambda: (elements, order),
            )
        return NormalizedText(elements, row_splits * 3, order, code_points, byte_starts)

    def _settle_by_context(self, marked, rows, code_points, row_splits):
        """Settle capital sigmas and the order of combining characters; return the elements and their former slots."""
        contexts = tf.gather(self._contexts, rows)
        elements = tf.where(marked >= 0, tf.bitwise.bitwise_and(marked, _FIRST_MARK - 1), marked)
        sigmas = _final_sigmas(code_points, contexts, row_splits) * 3 + 1
        elements = tf.tensor_scatter_nd_update(elements, sigmas, tf.fill(tf.shape(sigmas)[:1], _FINAL_SIGMA))
        # NFD sorts each run of characters that follows a starter (one of combining class 0) by combining class. A
        # starter that was itself dropped as a nonspacing mark still ends the run before it.
        slots = tf.where((marked >= _FIRST_MARK) & (marked < SIGMA))
        sources = slots[:, 0] // 3
        starters = tf.cumsum(tf.cast(tf.bitwise.bitwise_and(contexts, STARTER) > 0, tf.int64))
        runs = tf.gather(starters, sources) + _texts_of(sources, row_splits)
        combining_classes = tf.bitwise.right_shift(tf.gather_nd(marked, slots), COMBINING_CLASS_SHIFT)
        former = tf.gather(slots, tf.argsort(runs * 256 + tf.cast(combining_classes, tf.int64), stable=True))
        elements = tf.tensor_scatter_nd_update(elements, slots, tf.gather_nd(elements, former))
        order = tf.range(tf.size(elements))
        return elements, tf.tensor_scatter_nd_update(order, slots, tf.cast(former[:, 0], tf.int32))


def _final_sigmas(code_points, contexts, row_splits):
    """Find the capital sigmas at the end of a word by the rule of Python's `lower`: their indices, int64 (sigmas, 1).

    Final means: leaving out characters that case ignores, a cased letter stands before it and none after it. Spaces
    and CJK ideographs, at which words are cut first, are neither cased nor ignored.
    """
    positions = tf.where(tf.bitwise.bitwise_and(contexts, IGNORABLE) == 0)
    cased = tf.bitwise.bitwise_and(tf.gather_nd(contexts, positions), CASED) > 0
    texts = _texts_of(positions[:, 0], row_splits)
    neighbours = texts[:-1] == texts[1:]  # the next one that counts is in the same text
    none = tf.zeros_like(cased[:1])
    after_cased = tf.concat([none, cased[:-1] & neighbours], axis=0)
    before_cased = tf.concat([cased[1:] & neighbours, none], axis=0)
    final = (tf.gather_nd(code_points, positions) == _CAPITAL_SIGMA) & after_cased & ~before_cased
    return tf.gather_nd(positions, tf.where(final))


def _texts_of(indices, row_splits):
    """The text that each code point, given by its index, is in; counted from 1."""
    return tf.raw_ops.UpperBound(sorted_inputs=row_splits[tf.newaxis], values=indices[tf.newaxis], out_type=tf.int64)[0]


def split_words(text: NormalizedText) -> tuple[tf.Tensor, tf.Tensor]:
    """Cut normalized texts at their spaces: words, string (words,), and where each text's begin, int64 (batch + 1,)."""
    texts = tf.raw_ops.UnicodeEncode(  # "ignore" leaves the empty elements out
        input_values=text.elements, input_splits=text.row_splits, errors="ignore", output_encoding="UTF-8"
    )
    indices, words, _ = tf.raw_ops.StringSplitV2(input=texts, sep="", maxsplit=-1)
    bounds = tf.range(tf.size(texts, out_type=tf.int64) + 1)
    word_splits = tf.raw_ops.LowerBound(
        sorted_inputs=indices[tf.newaxis, :, 0], values=bounds[tf.newaxis], out_type=tf.int64
    )
    return words, word_splits[0]
