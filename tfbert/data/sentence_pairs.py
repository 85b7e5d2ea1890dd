"""Rows of two texts for the next sentence prediction, drawn in the graph."""

import dataclasses
from typing import NamedTuple

import tensorflow as tf

from tfbert.errors import InputError
from tfbert.tokenization.packing import lay_out, truncated_lengths
from tfbert.tokenization.vocabulary import Vocabulary

OBJECTIVES = ("next_sentence", "sentence_order", "none")
_NUM_SCALARS = 4
# Rows whose lengths differ by less stand in for each other. With 16 lengths alone told the label of real reviews for
# 53.0 % of the rows (gradient boosting, cross-validated), with 4 for 51.3 %, and padding fell from 39 % to 27 %.
_LENGTH_STEP = 4


class OpenShards(NamedTuple):
    """The shards that are open at one time, put end to end, their rows sorted by what may stand in for what.

    Rows are sorted by `group`, that is whether they hold one sentence or several and how long they are, then by
    document.
    """

    token_ids: tf.Tensor
    """int32 (tokens,)"""
    sentence_starts: tf.Tensor
    """int64 (sentences,), places in `token_ids`"""
    word_starts: tf.Tensor
    """int64 (words,), places in `token_ids` at which a word begins"""
    row_numbers: tf.Tensor
    """int64 (rows,), each row's number in the corpus"""
    documents: tf.Tensor
    """int64 (rows,), numbered over the open shards"""
    first: tf.Tensor
    """int64 (rows,), the place of each row's first token"""
    last: tf.Tensor
    """int64 (rows,), the place after each row's last token"""
    groups: tf.Tensor
    """int64 (rows,), increasing"""
    by_document: tf.Tensor
    """int64 (rows,), the rows in the order of their documents"""

    @classmethod
    def make(cls, token_ids, sentence_starts, rows, row_numbers, continues, budget: int) -> "OpenShards":
        """Sort the rows.

        Args:
            token_ids: int32 (tokens,).
            sentence_starts: int64 (sentences + 1,).
            rows: int64 (rows, 3): document, first sentence and the one after the last; documents do not decrease.
            row_numbers: int64 (rows,).
            continues: bool (vocabulary,), which tokens go on with the word before.
            budget: tokens of text in a row, for which longer rows count as equally long.
        """
        first, last = tf.gather(sentence_starts, rows[:, 1]), tf.gather(sentence_starts, rows[:, 2])
        several = tf.cast(rows[:, 2] - rows[:, 1] > 1, tf.int64)
        length_group = (tf.minimum(last - first, budget) + _LENGTH_STEP - 1) // _LENGTH_STEP
        groups = 2 * length_group + several
        order = tf.argsort(groups, stable=True)
        return cls(
            token_ids=token_ids,
            sentence_starts=sentence_starts,
            word_starts=tf.where(~tf.gather(continues, token_ids))[:, 0],
            row_numbers=tf.gather(row_numbers, order),
            documents=tf.gather(rows[:, 0], order),
            first=tf.gather(first, order),
            last=tf.gather(last, order),
            groups=tf.gather(groups, order),
            by_document=tf.cast(tf.argsort(order), tf.int64),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class SentencePairs:
    """Makes rows `[CLS] A [SEP] B [SEP]` out of planned rows of text (Devlin et al. 2019, section 3.1 and A.2).

    A planned row is a run of sentences of one document. It is split in two at a sentence, or at a word where it is one
    sentence alone: A before, B behind. With objective "next_sentence" a coin that knows nothing of the row
    (`random_rate`) says whether B is replaced by the end of a row of another document. That row is about as long, is
    split at a sentence or a word like this one, and there where its end is nearest in length to B. So no length and no
    way of cutting tells the label, whatever the length of the documents. (Google's code fills B up to the row's
    length from any document, and labels every row of one sentence as random: on texts of one to three sentences three
    quarters of the labels are, and the length gives them away.)

    With "sentence_order" A and B change places where the coin says so (Lan et al. 2020, section 3.1). With "none" a row
    is `[CLS] A [SEP]` with all its sentences, and there is no label.

    What is too long loses tokens one by one from the longer of A and B, each at the front or the end as a coin says.

    Args:
        vocabulary: that of the ids.
        sequence_length: tokens in a row at most.
        objective: "next_sentence", "sentence_order" or "none".
        random_rate: share of the labels that are 1, in 0 … 1.

    Raises:
        InputError: an argument is out of range.
    """

    vocabulary: Vocabulary
    sequence_length: int
    objective: str = "next_sentence"
    random_rate: float = 0.5

    def __post_init__(self):
        if self.objective not in OBJECTIVES:
            raise InputError(f"objective must be one of {', '.join(OBJECTIVES)}; received {self.objective!r}.")
        if not 0 <= self.random_rate <= 1 or self.sequence_length < 5:
            raise InputError(
                "sentence pairs need random_rate in 0 … 1 and sequence_length of at least 5; received "
                f"random_rate={self.random_rate}, sequence_length={self.sequence_length}."
            )

    @property
    def budget(self) -> int:
        """Tokens of text that a row of two texts has room for."""
        return self.sequence_length - 3

    @property
    def num_draws(self) -> int:
        """How many uniform numbers a row takes."""
        return _NUM_SCALARS + 2 * self.sequence_length

    def __call__(self, shards: OpenShards, rows: tf.Tensor, draws: tf.Tensor) -> dict[str, tf.Tensor]:
        """Make a batch.

        Args:
            shards: the open shards.
            rows: int64 (batch,), which of their rows.
            draws: float32 (batch, num_draws) in [0, 1): all the randomness there is.

        Returns:
            `token_ids`, `segment_ids`, `padding_mask`, int32 (batch, length), the length a multiple of 8 or
            `sequence_length`; with a label `next_sentence_labels`, int32 (batch,): 0 = B follows A, 1 = it does not.
        """
        split_draw, label_draw, row_draw, _ = tf.unstack(draws[:, :_NUM_SCALARS], axis=1)
        coins = draws[:, _NUM_SCALARS:] < 0.5
        first, last = tf.gather(shards.first, rows), tf.gather(shards.last, rows)
        if self.objective == "none":
            spans = [(first, last - first)]
        else:
            split = _random_cut(shards, rows, split_draw)
            labels = tf.cast(label_draw < self.random_rate, tf.int32)
            spans = [(first, split - first), (split, last - split)]
            if self.objective == "sentence_order":
                swapped = labels == 1
                (a_start, a_count), (b_start, b_count) = spans
                spans = [
                    (tf.where(swapped, b_start, a_start), tf.where(swapped, b_count, a_count)),
                    (tf.where(swapped, a_start, b_start), tf.where(swapped, a_count, b_count)),
                ]
            else:
                others = _rows_of_other_documents(shards, rows, row_draw)
                # A row that is full stays full: its second text has to be long enough, and is cut.
                full = last - first >= self.budget
                other_split = _nearest_cut(shards, others, last - split, at_least=full)
                other_last = tf.gather(shards.last, others)
                random = labels == 1
                spans[1] = (
                    tf.where(random, other_split, split),
                    tf.where(random, other_last - other_split, last - split),
                )
        kept = truncated_lengths([count for _, count in spans], self.sequence_length - 1 - len(spans))
        segments = []
        for (start, count), keep, coin in zip(spans, kept, tf.split(coins, 2, axis=1), strict=False):
            front = tf.cast(coin, tf.int64) * tf.sequence_mask(count - keep, tf.shape(coin)[1], tf.int64)
            segments.append((shards.token_ids, start + tf.reduce_sum(front, axis=1), keep))
        longest = tf.reduce_max(tf.add_n(kept)) + 1 + len(spans)
        length = tf.minimum(-(-longest // 8) * 8, self.sequence_length)
        vocabulary = self.vocabulary
        ids = {"cls_id": vocabulary.cls_id, "sep_id": vocabulary.sep_id, "pad_id": vocabulary.pad_id}
        inputs = lay_out(segments, length, **ids)
        return inputs if self.objective == "none" else {**inputs, "next_sentence_labels": labels}


def _below(draws, counts):
    """Return whole numbers int64 (batch,) from 0 to counts − 1."""
    return tf.minimum(tf.cast(draws * tf.cast(counts, tf.float32), tf.int64), counts - 1)


def _cuts(shards: OpenShards, rows):
    """Yield where rows may be cut, at sentences and at words: whether a row is cut so, the places, and which of them.

    Each is (bool (batch,), int64 (places,) increasing, lowest int64 (batch,), count int64 (batch,)).
    """
    first, last = tf.gather(shards.first, rows), tf.gather(shards.last, rows)
    several = tf.gather(shards.groups, rows) % 2 == 1
    for applies, places in ((several, shards.sentence_starts), (~several, shards.word_starts)):
        lowest = tf.searchsorted(places, first, side="right", out_type=tf.int64)
        count = tf.searchsorted(places, last, side="left", out_type=tf.int64) - lowest
        # Where this kind does not apply there may be none to choose from.
        yield applies, places, tf.minimum(lowest, tf.size(places, tf.int64) - 1), tf.maximum(count, 1)


def _random_cut(shards: OpenShards, rows, draws):
    """Return a place to cut each row at, all equally likely."""
    cut = tf.zeros_like(rows)
    for applies, places, lowest, count in _cuts(shards, rows):
        cut = tf.where(applies, tf.gather(places, lowest + tf.where(applies, _below(draws, count), 0)), cut)
    return cut


def _nearest_cut(shards: OpenShards, rows, wanted, at_least):
    """Return the place to cut each row at that leaves nearest to `wanted` int64 (batch,) tokens behind it.

    Where `at_least`, bool (batch,), no fewer than wanted are left, if the row has so many; it may then be left whole.
    """
    last = tf.gather(shards.last, rows)
    cut = tf.zeros_like(rows)
    for applies, places, lowest, count in _cuts(shards, rows):
        place = tf.searchsorted(places, last - wanted, out_type=tf.int64)
        highest = tf.where(applies, lowest + count - 1, lowest)
        least = lowest - tf.cast(at_least & applies, tf.int64)
        upper = tf.gather(places, tf.clip_by_value(place, least, highest))
        lower = tf.gather(places, tf.clip_by_value(place - 1, least, highest))
        upper_is_nearer = tf.abs(last - upper - wanted) <= tf.abs(last - lower - wanted)
        enough = (last - upper >= wanted) | ~at_least
        cut = tf.where(applies, tf.where(upper_is_nearer & enough, upper, lower), cut)
    return cut


def _rows_of_other_documents(shards: OpenShards, rows, draws):
    """Return a row of the same group and another document for each row, or of any group where there is none."""
    groups, documents = tf.gather(shards.groups, rows), tf.gather(shards.documents, rows)
    num_documents = tf.reduce_max(shards.documents) + 1
    keys = shards.groups * num_documents + shards.documents
    start, count = _range(shards.groups, groups)
    own_start, own_count = _range(keys, groups * num_documents + documents)
    place = start + _below(draws, tf.maximum(count - own_count, 1))
    alike = place + tf.where(place >= own_start, own_count, 0)
    own_start, all_own = _range(tf.gather(shards.documents, shards.by_document), documents)
    others = tf.size(shards.documents, tf.int64) - all_own
    message = "the open shards hold one document with rows: no other text can follow it"
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(others > 0), [message])]):
        place = _below(draws, others)
    any_row = tf.gather(shards.by_document, place + tf.where(place >= own_start, all_own, 0))
    return tf.where(count > own_count, tf.minimum(alike, tf.size(keys, tf.int64) - 1), any_row)


def _range(values, wanted):
    """Return where each of `wanted` begins in the sorted `values`, and how often it is there, int64 (batch,)."""
    start = tf.searchsorted(values, wanted, side="left", out_type=tf.int64)
    return start, tf.searchsorted(values, wanted, side="right", out_type=tf.int64) - start
