"""Which tokens the masked language model has to guess, drawn in the graph."""

import dataclasses

import tensorflow as tf

from tfbert.errors import InputError
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS, Vocabulary


@dataclasses.dataclass(frozen=True, eq=False)
class Masking:
    """Masks a share of each row's tokens (Devlin et al. 2019, section 3.1, task 1 and appendix A.1).

    Of a row with n tokens, special ones counted, min(slots, max(1, round(rate · n))) are picked without replacement, as
    google-research/bert counts them (halves round to even); never [CLS], [SEP] or [PAD]. Of the picked, a share
    `mask_share` becomes [MASK], `random_share` any token that is neither special nor [unusedN], the rest stays.

    With `whole_words` a word is picked with all its pieces or not at all; one that has more pieces than are left to
    pick is passed over. With `max_ngram` = N > 1 runs of n words are picked, n drawn from 1 … N with probability ∝ 1/n
    (Joshi et al. 2020 mask spans; the odds are those of ALBERT, Lan et al. 2020, section 4.1), never across [SEP].

    Args:
        vocabulary: that of the ids.
        rate: share of tokens to pick, in (0, 1).
        mask_share: share of the picked that become [MASK], default 0.8.
        random_share: share of the picked that become random tokens, default 0.1.
        whole_words: pick whole words.
        max_ngram: words in the longest run; above 1 it needs `whole_words`.
        max_masks: most tokens to pick in a row; None for no other limit than the rate's.

    Raises:
        InputError: a share is out of range, or the vocabulary has no token to put at random.
    """

    vocabulary: Vocabulary
    rate: float = 0.15
    mask_share: float = 0.8
    random_share: float = 0.1
    whole_words: bool = False
    max_ngram: int = 1
    max_masks: int | None = None
    _ordinary: tuple[int, ...] = dataclasses.field(init=False)
    _continues: tuple[bool, ...] = dataclasses.field(init=False)

    def __post_init__(self):
        if not (0 < self.rate < 1 and self.mask_share >= 0 and self.random_share >= 0) or (
            self.mask_share + self.random_share > 1
        ):
            raise InputError(
                "masking needs a rate in (0, 1) and shares of at least 0 that add up to at most 1; received "
                f"rate={self.rate}, mask_share={self.mask_share}, random_share={self.random_share}."
            )
        if self.max_ngram < 1 or (self.max_ngram > 1 and not self.whole_words):
            raise InputError(
                "max_ngram must be at least 1, and 1 unless whole words are masked; received "
                f"max_ngram={self.max_ngram}, whole_words={self.whole_words}."
            )
        if self.max_masks is not None and self.max_masks < 1:
            raise InputError(f"max_masks must be at least 1; received {self.max_masks}.")
        tokens = self.vocabulary.tokens
        ordinary = tuple(
            index
            for index, token in enumerate(tokens)
            if token not in SPECIAL_TOKENS and not (token.startswith("[unused") and token.endswith("]"))
        )
        if not ordinary:
            raise InputError(f"{self.vocabulary.source} has no token but special ones: there is nothing to mask with.")
        object.__setattr__(self, "_ordinary", ordinary)
        object.__setattr__(self, "_continues", tuple(token.startswith("##") for token in tokens))

    def num_draws(self, length: int) -> int:
        """Return how many uniform numbers a row of at most `length` tokens takes."""
        return 4 * length

    def num_slots(self, length):
        """Return how many slots rows of `length` tokens (an int or an int tensor) have: the most that is picked."""
        slots = tf.maximum(1, _rounded(self.rate, length))
        return slots if self.max_masks is None else tf.minimum(slots, self.max_masks)

    def __call__(self, rows: dict[str, tf.Tensor], draws: tf.Tensor) -> dict[str, tf.Tensor]:
        """Mask a batch.

        Args:
            rows: `token_ids`, `padding_mask`, `segment_ids`, int32 (batch, length).
            draws: float32 (batch, num_draws(longest length)) in [0, 1): all the randomness there is.

        Returns:
            The rows, their `token_ids` masked, with `mask_positions` int32 (increasing), `mask_ids` int32 and
            `mask_weights` float32, each (batch, slots); slots that are not used have 0 in all three.
        """
        token_ids, padding_mask = rows["token_ids"], rows["padding_mask"]
        length = tf.shape(token_ids)[1]
        pick_draws, action_draws, token_draws, ngram_draws = (part[:, :length] for part in tf.split(draws, 4, axis=1))
        maskable = (
            tf.cast(padding_mask, tf.bool)
            & (token_ids != self.vocabulary.cls_id)
            & (token_ids != self.vocabulary.sep_id)
            & (token_ids != self.vocabulary.pad_id)
        )
        slots = self.num_slots(length)
        wanted = tf.minimum(tf.maximum(1, _rounded(self.rate, tf.reduce_sum(padding_mask, axis=1))), slots)
        if self.whole_words:
            picked = self._picked_words(token_ids, maskable, wanted, pick_draws, ngram_draws)
        else:
            picked = _first(wanted, tf.where(maskable, pick_draws, 2.0)) & maskable
        columns = tf.broadcast_to(tf.range(length), tf.shape(token_ids))
        positions = tf.sort(tf.where(picked, columns, length), axis=1)[:, :slots]
        used = positions < length
        positions = tf.where(used, positions, 0)
        mask_ids = tf.where(used, tf.gather(token_ids, positions, batch_dims=1), 0)
        ordinary = tf.constant(self._ordinary, tf.int32)
        random_ids = tf.gather(ordinary, tf.cast(token_draws * len(self._ordinary), tf.int32))
        masked = tf.where(action_draws < self.mask_share, self.vocabulary.mask_id, token_ids)
        masked = tf.where(action_draws >= 1 - self.random_share, random_ids, masked)
        return {
            **rows,
            "token_ids": tf.where(picked, masked, token_ids),
            "mask_positions": positions,
            "mask_ids": mask_ids,
            "mask_weights": tf.cast(used, tf.float32),
        }

    def _picked_words(self, token_ids, maskable, wanted, pick_draws, ngram_draws):
        """Return bool (batch, length): words in the order of their draws, each if it fits into what is still wanted."""
        batch, length = tf.unstack(tf.shape(token_ids))
        before = tf.pad(maskable, [[0, 0], [1, 0]])[:, :-1]
        starts = maskable & ~(tf.gather(tf.constant(self._continues), token_ids) & before)
        columns = tf.range(length)
        # A word ends where the next one begins or what is no word does.
        boundary = starts | ~maskable
        boundaries = tf.sort(tf.where(boundary, columns, length), axis=1)
        boundaries = tf.pad(boundaries, [[0, 0], [0, 1]], constant_values=length)
        next_boundary = tf.gather(boundaries, tf.cumsum(tf.cast(boundary, tf.int32), axis=1), batch_dims=1)
        ends = next_boundary
        words = 1 + tf.searchsorted(self._ngram_thresholds(), tf.reshape(ngram_draws, [-1]), side="right")
        words = tf.reshape(words, tf.shape(ngram_draws))
        padded_starts = tf.pad(starts, [[0, 0], [0, 1]])
        padded_next = tf.pad(next_boundary, [[0, 0], [0, 1]], constant_values=length)
        for count in range(2, self.max_ngram + 1):
            longer = tf.gather(padded_starts, ends, batch_dims=1) & (words >= count)
            ends = tf.where(longer, tf.gather(padded_next, ends, batch_dims=1), ends)
        order = tf.argsort(tf.where(starts, pick_draws, 2.0), axis=1)
        num_words = tf.reduce_sum(tf.cast(starts, tf.int32), axis=1)

        def consider(rank, picked, count):
            start = order[:, rank]
            end = tf.gather(ends, start, batch_dims=1)
            span = (columns >= start[:, tf.newaxis]) & (columns < end[:, tf.newaxis])
            fits = (rank < num_words) & (count + end - start <= wanted) & ~tf.reduce_any(span & picked, axis=1)
            return rank + 1, picked | (span & fits[:, tf.newaxis]), count + tf.where(fits, end - start, 0)

        _, picked, _ = tf.while_loop(
            lambda rank, picked, count: (rank < tf.reduce_max(num_words)) & tf.reduce_any(count < wanted),
            consider,
            (0, tf.zeros_like(maskable), tf.zeros([batch], tf.int32)),
        )
        return picked

    def _ngram_thresholds(self) -> tf.Tensor:
        """Return the cumulative probabilities of runs of 1 … N − 1 words."""
        odds = [1 / count for count in range(1, self.max_ngram + 1)]
        return tf.constant([sum(odds[: count + 1]) / sum(odds) for count in range(self.max_ngram - 1)], tf.float32)


def _rounded(rate: float, length) -> tf.Tensor:
    # In float64, as Python computes it: in float32 0.15 · 10 is above 1.5.
    return tf.cast(tf.round(tf.constant(rate, tf.float64) * tf.cast(length, tf.float64)), tf.int32)


def _first(count, keys):
    """Return which of each row's keys are among its `count` (batch,) smallest."""
    ranks = tf.argsort(tf.argsort(keys, axis=1, stable=True), axis=1, stable=True)
    return ranks < count[:, tf.newaxis]
