"""Which sentences fill which row: Google's algorithm, run once when a shard is written."""

import itertools
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

NUM_SPECIAL_TOKENS = 3
"""[CLS], [SEP] and [SEP]: a row of a sequence length has room for so many tokens less."""


class RowPlan(NamedTuple):
    """The rows of one shard for one sequence length."""

    rows: np.ndarray
    """int32 (rows, 3): the document, the first sentence and the one after the last; counted in the shard from 0."""
    dropped: int
    """Chunks left out because they hold fewer than two words: they can be neither split nor masked in context."""


def plan_rows(
    sentence_starts: np.ndarray,
    document_starts: np.ndarray,
    word_starts: np.ndarray,
    sequence_length: int,
    *,
    random: np.random.Generator,
    short_row_rate: float = 0.1,
    random_rate: float = 0.5,
) -> RowPlan:
    """Cut documents into rows as google-research/bert's `create_pretraining_data.py` does.

    Devlin et al. 2019, appendix A.2. Sentences of one document accumulate until they hold `target` tokens or the
    document ends; that chunk is a row. `target` is sequence_length - 3, or with probability `short_row_rate` a number
    drawn from 2 .. sequence_length - 3. With probability `random_rate` a chunk of two sentences or more counts as one
    whose second half another document replaces: the next row then starts at a split drawn inside this chunk, so that
    no sentence is lost (Google's "put back"); else it starts behind it. What is drawn here decides the plan alone:
    split, pairing and masks of a row are drawn anew each epoch by who reads it.

    Google draws `target` once a document. Its data is made several times over; ours once, which would leave a long
    document with a target of 2 in rows of one sentence for good: here each row draws its own.

    Args:
        sentence_starts: int (sentences + 1,), the offset of each sentence in tokens; no sentence is empty.
        document_starts: int (documents + 1,), the offset of each document in sentences.
        word_starts: int (sentences + 1,), how many words start before each sentence.
        sequence_length: tokens in a row with its special ones, at least 5.
        random: fixes every draw.
        short_row_rate: see above, in 0 .. 1.
        random_rate: see above, in 0 .. 1.
    """
    budget = sequence_length - NUM_SPECIAL_TOKENS
    tokens, words = sentence_starts.tolist(), word_starts.tolist()
    draws = _uniform_pairs(random)
    rows: list[int] = []
    dropped = 0
    for document, (first, last) in enumerate(itertools.pairwise(document_starts.tolist())):
        while first < last:
            short, random_second = next(draws)
            # A draw below the rate, divided by it, is uniform again: it serves for the number as well.
            target = 2 + int(short / short_row_rate * (budget - 1)) if short < short_row_rate else budget
            end = bisect_left(tokens, tokens[first] + target, first + 1, last)
            if words[end] - words[first] >= 2:
                rows += (document, first, end)
            else:
                dropped += 1
            num_sentences = end - first
            if num_sentences > 1 and random_second < random_rate:
                first += 1 + int(random_second / random_rate * (num_sentences - 1))
            else:
                first = end
    return RowPlan(np.array(rows, np.int32).reshape(-1, 3), dropped)


def row_tokens(rows: np.ndarray, sentence_starts: np.ndarray, sequence_length: int) -> int:
    """Return how many tokens the rows hold together with their special ones, each cut to the sequence length."""
    spans = sentence_starts[rows[:, 2]] - sentence_starts[rows[:, 1]]
    return int((np.minimum(spans, sequence_length - NUM_SPECIAL_TOKENS) + NUM_SPECIAL_TOKENS).sum())


def _uniform_pairs(random: np.random.Generator) -> Iterator[list[float]]:
    while True:
        yield from random.random((4096, 2)).tolist()
