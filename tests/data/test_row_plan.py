import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfbert.data.row_plan import plan_rows, row_tokens

LENGTH = 16
BUDGET = 13
DOCUMENTS = st.lists(st.lists(st.integers(1, 20), min_size=1, max_size=9), min_size=1, max_size=6)


def offsets(documents):
    """Sentence starts, document starts and word starts of documents given as their sentences' tokens; all are words."""
    sentences = [length for document in documents for length in document]
    starts = np.cumsum([0, *sentences])
    return starts, np.cumsum([0, *map(len, documents)]), starts


def plan(documents, seed=0, words=None, **rates):
    starts, document_starts, word_starts = offsets(documents)
    word_starts = word_starts if words is None else words
    return plan_rows(starts, document_starts, word_starts, LENGTH, random=np.random.default_rng(seed), **rates)


def google(documents, short_rate, random_rate, rng):
    """google-research/bert's loop, word for word but for a target of each row's own, and no text."""
    rows = []
    first_of_document = 0
    for index, document in enumerate(documents):
        chunk, length, i = [], 0, 0
        target = None
        while i < len(document):
            if target is None:
                target = rng.randint(2, BUDGET) if rng.random() < short_rate else BUDGET
            chunk.append(i)
            length += document[i]
            if i == len(document) - 1 or length >= target:
                rows.append((index, first_of_document + chunk[0], first_of_document + i + 1))
                if len(chunk) >= 2:
                    a_end = rng.randint(1, len(chunk) - 1)
                    if rng.random() < random_rate:
                        i -= len(chunk) - a_end
                chunk, length, target = [], 0, None
            i += 1
        first_of_document += len(document)
    return rows


@given(DOCUMENTS)
def test_without_chance_the_rows_are_those_of_googles_loop(documents):
    import random

    expected = google(documents, 0, 0, random.Random(0))
    rows = plan(documents, short_row_rate=0, random_rate=0).rows
    kept = [row for row in expected if offsets(documents)[0][row[2]] - offsets(documents)[0][row[1]] >= 2]
    assert rows.tolist() == [list(row) for row in kept]


@given(DOCUMENTS, st.integers(0, 5))
def test_rows_are_spans_of_one_document_that_lose_no_sentence(documents, seed):
    starts, document_starts, _ = offsets(documents)
    rows, dropped = plan(documents, seed)
    for document, first, end in rows.tolist():
        assert document_starts[document] <= first < end <= document_starts[document + 1]
        # The sentence that reaches the target is the last one.
        assert starts[end - 1] - starts[first] < BUDGET
    for one, other in itertools.pairwise(rows.tolist()):
        assert other[1] > one[1]
    covered = {sentence for _, first, end in rows.tolist() for sentence in range(first, end)}
    lost = [sentence for sentence in range(len(starts) - 1) if sentence not in covered]
    # What is dropped is a chunk of one word, and here one of one token.
    assert len(lost) <= dropped
    assert all(starts[sentence + 1] - starts[sentence] == 1 for sentence in lost)


def test_chunks_of_fewer_than_two_words_are_dropped_and_counted():
    # Sentences of 13, 1 and 5 tokens; the words of the last one are a single one of five pieces.
    found = plan([[13], [1], [5]], words=np.array([0, 13, 14, 15]), short_row_rate=0, random_rate=0)
    assert found.rows.tolist() == [[0, 0, 1]]
    assert found.dropped == 2


def test_the_seed_fixes_the_plan_and_changes_it():
    documents = [[5] * 200]
    assert np.array_equal(plan(documents, 1).rows, plan(documents, 1).rows)
    assert not np.array_equal(plan(documents, 1).rows, plan(documents, 2).rows)
    assert plan([[5, 5, 5, 5, 5]], 0).rows.tolist() == [[0, 0, 3], [0, 2, 4], [0, 3, 5]]


def test_no_documents_have_no_rows():
    found = plan_rows(np.array([0]), np.array([0]), np.array([0]), LENGTH, random=np.random.default_rng(0))
    assert found.rows.shape == (0, 3)
    assert found.rows.dtype == np.int32


def test_short_rows_and_put_back_sentences_are_as_frequent_as_declared():
    """Sentences of one word: a row's number of them is its target, and the next row's start tells what was put back."""
    rows = plan([[1] * 400_000], short_row_rate=0.1, random_rate=0.5).rows[:-1]
    lengths = rows[:, 2] - rows[:, 1]
    # A short target is 13 itself in one of 12 draws.
    counts = np.bincount(lengths, minlength=BUDGET + 1)[2:]
    expected = len(rows) * np.array([0.1 / 12] * 11 + [0.9 + 0.1 / 12])
    assert np.all(np.abs(counts - expected) < 4 * np.sqrt(expected))
    put_back = (rows[:-1, 2] - rows[1:, 1])[lengths[:-1] == BUDGET]
    share = (put_back > 0).mean()
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / len(put_back))
    splits = BUDGET - put_back[put_back > 0]
    counts = np.bincount(splits, minlength=BUDGET)[1:]
    assert len(counts) == BUDGET - 1
    assert np.all(np.abs(counts - len(splits) / 12) < 4 * np.sqrt(len(splits) / 12))


@pytest.mark.parametrize(("short_row_rate", "random_rate"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_rates_of_none_and_all(short_row_rate, random_rate):
    rows = plan([[1] * 3000], short_row_rate=short_row_rate, random_rate=random_rate).rows
    rows = rows[: np.argmax(rows[:, 2] == 3000)]
    lengths = rows[:, 2] - rows[:, 1]
    assert (lengths == BUDGET).all() == (not short_row_rate)
    assert (rows[1:, 1] < rows[:-1, 2]).all() == bool(random_rate)
    assert (rows[1:, 1] == rows[:-1, 2]).all() == (not random_rate)


def test_row_tokens_count_special_ones_and_stop_at_the_length():
    starts, _, _ = offsets([[5, 4], [20]])
    assert row_tokens(np.array([[0, 0, 2], [1, 2, 3]]), starts, LENGTH) == (9 + 3) + 16
