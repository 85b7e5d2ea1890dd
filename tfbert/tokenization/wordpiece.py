"""Greedy longest-match WordPiece in core TensorFlow ops: whole words by one look-up, the others piece by piece."""

import numpy as np
import tensorflow as tf

from tfbert.tokenization.vocabulary import MAX_WORD_CHARACTERS

# One int64 holds a piece: the number of its word above bit 32, its place in the word above bit 24, its id below.
_WORD_SHIFT, _PLACE_SHIFT = 32, 24
_NO_PIECE = _ID_BITS = (1 << _PLACE_SHIFT) - 1
_MISSING = -(1 << 62) | _NO_PIECE
"""The look-up table's answer for a string that is no token: negative, and `_NO_PIECE` in its lower bits."""
_PREFIX = "##"
_UNCUTTABLE = 1 << 20
_ANY_LENGTH = 1 << 30
_SIZE_SHIFT = 32


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
        owners, steps, piece_ids = self._cut(tf.gather_nd(words, missed), missed)
        # How many pieces each word has. A word that was found is one; so is [UNK].
        none = piece_ids == _NO_PIECE
        counts = tf.tensor_scatter_nd_max(tf.ones_like(ids), owners, tf.where(none, np.int64(_UNCUTTABLE), steps + 1))
        uncuttable = tf.gather_nd(counts, owners) == _UNCUTTABLE
        counts = tf.where(counts == _UNCUTTABLE, np.int64(1), counts)
        ends = tf.cumsum(counts)
        starts = (ends - counts)[:, tf.newaxis]
        splits = tf.concat([[0], ends], axis=0)
        pieces = tf.scatter_nd(starts, ids, splits[-1:])
        pieces.set_shape([None])
        # The pieces of missed words overwrite what the table gave; those of an uncuttable word all write its one [UNK].
        positions = tf.gather_nd(starts, owners) + tf.where(uncuttable, np.int64(0), steps)[:, tf.newaxis]
        return tf.tensor_scatter_nd_update(pieces, positions, tf.where(uncuttable, self._unk_id, piece_ids)), splits

    def _cut(self, words, owners):
        """Cut words that are no tokens, all of them at once, one piece each in a step.

        Args:
            words: string (words,).
            owners: the number of each word, int64 (words, 1).

        Returns:
            For each piece the number of its word, int64 (pieces, 1), its place in the word and its id, int64
            (pieces,). Where no piece was found the id is `_NO_PIECE`, and the word is to be [UNK].
        """
        too_long = tf.strings.length(words, unit="UTF8_CHAR") > MAX_WORD_CHARACTERS
        state = self._take_pieces(
            tf.where(too_long, "", words), owners[:, 0] * (1 << _WORD_SHIFT), tf.zeros([0], tf.int64), prefix=""
        )
        _, _, pieces = tf.while_loop(
            lambda remainders, *_: tf.size(remainders) > 0,
            lambda *state: self._take_pieces(*state, prefix=_PREFIX),
            state,
            shape_invariants=(tf.TensorShape([None]),) * 3,
        )
        return (
            tf.bitwise.right_shift(pieces, _WORD_SHIFT)[:, tf.newaxis],
            tf.bitwise.bitwise_and(tf.bitwise.right_shift(pieces, _PLACE_SHIFT), 0xFF),
            tf.bitwise.bitwise_and(pieces, _ID_BITS),
        )

    def _take_pieces(self, remainders, slots, pieces, *, prefix):
        """Find the longest piece at the start of each remainder; go on with the remainders that have more."""
        sizes = np.arange(len(prefix) + 1, self._max_token_bytes + 1, dtype=np.int64)[np.newaxis]
        # A size beyond the end gives the whole remainder. A size that cuts a character in two gives no UTF-8, and so
        # no token: bytes serve as well as characters.
        candidates = tf.strings.substr(remainders[:, tf.newaxis], np.zeros_like(sizes), sizes)
        best = tf.reduce_max(self._table.lookup(candidates) + (sizes << _SIZE_SHIFT), axis=1)
        pieces = tf.concat([pieces, slots + tf.bitwise.bitwise_and(best, _ID_BITS)], axis=0)
        taken = tf.cast(tf.bitwise.right_shift(best, _SIZE_SHIFT), tf.int32)
        more = tf.where((taken > 0) & (taken < tf.strings.length(remainders)))
        taken = tf.gather_nd(taken, more)
        rest = tf.strings.substr(tf.gather_nd(remainders, more), taken, taken + _ANY_LENGTH)
        return tf.strings.join([_PREFIX, rest]), tf.gather_nd(slots, more) + (1 << _PLACE_SHIFT), pieces
