"""Greedy longest-match WordPiece in core TensorFlow ops: whole words by one look-up, the others piece by piece."""

import numpy as np
import tensorflow as tf

from tfbert.tokenization.vocabulary import MAX_WORD_CHARACTERS

_MISSING = -(1 << 62)
"""The look-up table's answer for a string that is no token; stays negative under what is added to it below."""
_PREFIX = "##"


class Wordpiece(tf.Module):
    """Cuts words into pieces of a vocabulary.

    Args:
        vocabulary_path: a UTF-8 file with one token a line. It becomes an asset of a SavedModel.
        max_token_bytes: the length of the longest token.
        unk_id: the id of a word that cannot be cut into pieces or is longer than 200 characters.
    """

    def __init__(self, vocabulary_path: str, max_token_bytes: int, unk_id: int):
        super().__init__()
        self._max_token_bytes = max_token_bytes
        self._unk_id = np.int64(unk_id)
        lines = tf.lookup.TextFileInitializer(
            vocabulary_path,
            key_dtype=tf.string,
            key_index=tf.lookup.TextFileIndex.WHOLE_LINE,
            value_dtype=tf.int64,
            value_index=tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self._table = tf.lookup.StaticHashTable(lines, default_value=_MISSING)

    def segment(self, words: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Cut words, string (words,), into pieces.

        Returns:
            The pieces' ids, int64 (pieces,), and where each word's begin, int64 (words + 1,).
        """
        ids = self._table.lookup(words)
        missed = tf.where(ids < 0)
        counts, owners, steps, piece_ids = self._segment_missed(tf.gather_nd(words, missed))
        # A word that was found is one piece; so is [UNK].
        piece_counts = tf.tensor_scatter_nd_update(tf.ones_like(ids), missed, tf.maximum(counts, 1))
        ends = tf.cumsum(piece_counts)
        starts = ends - piece_counts
        splits = tf.concat([[0], ends], axis=0)
        pieces = tf.scatter_nd(starts[:, tf.newaxis], tf.where(ids < 0, self._unk_id, ids), splits[-1:])
        positions = tf.gather_nd(starts, tf.gather(missed, owners)) + steps
        return tf.tensor_scatter_nd_update(pieces, positions[:, tf.newaxis], piece_ids), splits

    def _segment_missed(self, words):
        """Cut words that are no tokens, all of them at once, one piece each in a step.

        Returns:
            The number of pieces of each word, int64 (words,), 0 where it cannot be cut; and for each piece the index
            of its word, its place in the word and its id, each int64 (pieces,).
        """
        short = tf.where(tf.strings.length(words, unit="UTF8_CHAR") <= MAX_WORD_CHARACTERS)
        state = self._take_pieces(
            tf.constant(0, tf.int64),
            tf.gather_nd(words, short),
            short[:, 0],
            tf.zeros(tf.shape(words), tf.int64),
            tf.zeros([0], tf.int64),
            tf.zeros([0], tf.int64),
            prefix="",
        )
        _, _, _, counts, slots, piece_ids = tf.while_loop(
            lambda step, remainders, *_: tf.size(remainders) > 0,
            lambda *state: self._take_pieces(*state, prefix=_PREFIX),
            state,
            shape_invariants=(tf.TensorShape([]), *[tf.TensorShape([None])] * 5),
        )
        owners, steps = slots // MAX_WORD_CHARACTERS, slots % MAX_WORD_CHARACTERS
        # Where a later piece was not found, the pieces before it do not count either.
        kept = tf.where(steps < tf.gather(counts, owners))
        return counts, tf.gather_nd(owners, kept), tf.gather_nd(steps, kept), tf.gather_nd(piece_ids, kept)

    def _take_pieces(self, step, remainders, owners, counts, slots, piece_ids, *, prefix):
        """Find the longest piece at the start of each remainder; go on with the remainders that have more."""
        lengths = tf.strings.length(remainders)
        sizes = np.arange(len(prefix) + 1, self._max_token_bytes + 1, dtype=np.int64)[np.newaxis]
        # A size beyond the end gives the whole remainder. A size that cuts a character in two gives no UTF-8, and so
        # no token: bytes serve as well as characters.
        candidates = tf.strings.substr(remainders[:, tf.newaxis], np.zeros_like(sizes), sizes)
        scores = self._table.lookup(candidates) + (sizes << 32)
        best = tf.reduce_max(scores, axis=1)
        found = best >= 0
        counts = tf.tensor_scatter_nd_update(counts, owners[:, tf.newaxis], tf.where(found, step + 1, 0))
        slots = tf.concat([slots, owners * MAX_WORD_CHARACTERS + step], axis=0)
        piece_ids = tf.concat([piece_ids, tf.bitwise.bitwise_and(best, 0xFFFFFFFF)], axis=0)
        taken = tf.cast(tf.bitwise.right_shift(best, 32), tf.int32)
        more = tf.where(found & (taken < lengths))
        rest = tf.strings.substr(tf.gather_nd(remainders, more), tf.gather_nd(taken, more), tf.fill([tf.size(more)], tf.int32.max))
        return step + 1, tf.strings.join([_PREFIX, rest]), tf.gather_nd(owners, more), counts, slots, piece_ids
