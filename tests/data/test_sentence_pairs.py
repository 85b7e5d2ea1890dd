import numpy as np
import pytest
import tensorflow as tf
from unique_corpus import FIRST_ID, make_unique_corpus, some_shards

from tfbert.data.inputs import PretrainingInputs
from tfbert.data.masking import Masking
from tfbert.data.sentence_pairs import SentencePairs
from tfbert.errors import InputError

LENGTH = 32


class Pairs:
    """All rows of an epoch, each as (first tokens, second tokens, label)."""

    def __init__(self, made, objective="next_sentence", random_rate=0.5, epochs=1):
        corpus, vocabulary, self.document_of, self.sentence_of = made
        self.is_piece = np.array([token.startswith("##") for token in vocabulary.tokens])
        inputs = PretrainingInputs(
            corpus,
            SentencePairs(vocabulary, LENGTH, objective, random_rate),
            Masking(vocabulary, mask_share=0.0, random_share=0.0),
            batch_size=16,
        )
        self.rows, self.labels, self.longest = [], [], 0
        steps = sum(inputs.steps_in_epoch(epoch) for epoch in range(epochs))
        for batch in inputs.dataset(0, steps):
            batch = {name: value.numpy() for name, value in batch.items()}
            token_ids, real = batch["token_ids"], batch["padding_mask"].astype(bool)
            self.longest = max(self.longest, token_ids.shape[1])
            self.labels += batch.get("next_sentence_labels", np.zeros(len(token_ids))).tolist()
            for ids, segments, mask in zip(token_ids, batch["segment_ids"], real, strict=True):
                assert ids[0] == vocabulary.cls_id
                assert ids[mask][-1] == vocabulary.sep_id
                assert not mask[mask.sum() :].any()
                assert (ids[~mask] == vocabulary.pad_id).all()
                assert (segments[~mask] == 0).all()
                text = mask & (ids >= FIRST_ID)
                assert text.sum() == mask.sum() - (2 if objective == "none" else 3)
                self.rows.append((ids[text & (segments == 0)], ids[text & (segments == 1)]))
        self.labels = np.array(self.labels)
        self.documents = np.array(
            [[self.document_of[part[0]] if len(part) else -1 for part in row] for row in self.rows]
        )

    def follows(self, row):
        first, second = self.rows[row]
        return second[0] == first[-1] + 1


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """No row is cut: documents of at most four sentences of at most seven tokens."""
    shards = some_shards(5, 300, longest_document=5, longest_sentence=8)
    return make_unique_corpus(tmp_path_factory.mktemp("short"), shards, LENGTH)


@pytest.fixture(scope="module")
def long_made(tmp_path_factory):
    return make_unique_corpus(tmp_path_factory.mktemp("long"), some_shards(4, 20, longest_document=90), LENGTH)


def check_texts(pairs):
    for first, second in pairs.rows:
        for part in (first, second):
            assert len(part) > 0
            assert (np.diff(part) == 1).all()
            assert len({*pairs.document_of[part]}) == 1
    assert pairs.longest <= LENGTH


@pytest.mark.parametrize("which", ["made", "long_made"])
def test_label_0_goes_on_and_label_1_comes_from_another_document(which, request):
    pairs = Pairs(request.getfixturevalue(which))
    check_texts(pairs)
    same_document = pairs.documents[:, 0] == pairs.documents[:, 1]
    np.testing.assert_array_equal(same_document, pairs.labels == 0)
    if which == "made":
        assert all(pairs.follows(row) for row in np.flatnonzero(pairs.labels == 0))


@pytest.mark.slow
@pytest.mark.parametrize("random_rate", [0.0, 0.3, 0.5, 1.0])
def test_the_share_of_labels_is_as_declared(made, random_rate):
    labels = Pairs(made, random_rate=random_rate, epochs=2).labels
    assert len(labels) > 3000
    deviation = np.sqrt(random_rate * (1 - random_rate) / len(labels))
    assert abs(labels.mean() - random_rate) <= 3 * deviation


def test_the_label_is_drawn_whatever_the_document(tmp_path):
    """Also where every document is one sentence, of which Google's algorithm labels all as random."""
    made = make_unique_corpus(tmp_path, [[[int(n)] for n in np.arange(3000) % 9 + 3], [[5]]], LENGTH)
    pairs = Pairs(made)
    assert abs(pairs.labels.mean() - 0.5) < 3 * np.sqrt(0.25 / len(pairs.labels))
    assert all(pairs.follows(row) for row in np.flatnonzero(pairs.labels == 0))


@pytest.mark.slow
@pytest.mark.parametrize("which", ["made", "long_made"])
def test_splits_are_at_sentences_or_at_words(which, request):
    """Several sentences are split between two, one sentence at a word; random texts are cut in the same way."""
    pairs = Pairs(request.getfixturevalue(which))
    cut_in_sentence = []
    for (first, second), label in zip(pairs.rows, pairs.labels, strict=True):
        if len(first) + len(second) >= LENGTH - 4:
            continue  # may have been cut to fit
        assert not pairs.is_piece[second[0]]
        inside = pairs.sentence_of[second[0]] == pairs.sentence_of[second[0] - 1]
        cut_in_sentence.append((label, inside))
        if label == 0:
            assert inside == (len({*pairs.sentence_of[np.concatenate([first, second])]}) == 1)
    labels, inside = np.array(cut_in_sentence).T
    shares = [inside[labels == label].mean() for label in (0, 1)]
    assert abs(shares[0] - shares[1]) < 4 * np.sqrt(0.5 / len(labels))


@pytest.mark.slow
def test_every_split_is_equally_likely(tmp_path):
    made = make_unique_corpus(tmp_path, [[[3, 3, 3, 3]] * 1500, [[5]]], LENGTH, continues=0.0)
    pairs = Pairs(made, random_rate=0.0)
    # Put-back and short rows plan other runs too; those of all four sentences can be split in three places.
    sizes = [len(first) for first, second in pairs.rows if len(first) + len(second) == 12]
    counts = np.array([sizes.count(size) for size in (3, 6, 9)])
    assert counts.sum() == len(sizes) > 500
    assert np.abs(counts / len(sizes) - 1 / 3).max() < 3 * np.sqrt(2 / 9 / len(sizes))


@pytest.mark.slow
@pytest.mark.parametrize(("which", "most"), [("made", 0.04), ("long_made", 0.08)])
def test_lengths_hardly_tell_the_label(which, most, request):
    """No threshold on the length of the first, second or both texts is right much more often than a coin.

    In the long documents a random text is half a sentence too long before it is cut, of rows of four sentences.
    """
    pairs = Pairs(request.getfixturevalue(which), epochs=2)
    sizes = np.array([[len(first), len(second), len(first) + len(second)] for first, second in pairs.rows])
    for column, limit in zip(sizes.T, (most, most, 0.04), strict=True):
        for threshold in np.unique(column):
            guess = column >= threshold
            balanced = (guess[pairs.labels == 1].mean() + (~guess)[pairs.labels == 0].mean()) / 2
            assert abs(balanced - 0.5) < limit


def test_one_document_with_rows_is_said(tmp_path):
    made = make_unique_corpus(tmp_path, [[[9] * 9, [1]], [[5]]], LENGTH)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one document with rows"):
        Pairs(made)


def test_what_is_too_long_is_cut_at_both_ends(long_made):
    pairs = Pairs(long_made, epochs=2)
    sizes = np.array([[len(first), len(second)] for first, second in pairs.rows])
    full = sizes.sum(1) == LENGTH - 3
    assert full.mean() > 0.5
    assert sizes.sum(1).max() == LENGTH - 3
    # A text that begins inside a sentence has lost tokens in front.
    lost_in_front = [
        pairs.sentence_of[first[0]] == pairs.sentence_of[first[0] - 1]
        for (first, _), is_full in zip(pairs.rows, full, strict=True)
        if is_full and first[0] > FIRST_ID
    ]
    assert 0.05 < np.mean(lost_in_front) < 0.9


def test_sentence_order_swaps_the_two_texts(made):
    pairs = Pairs(made, "sentence_order", random_rate=0.4)
    check_texts(pairs)
    for (first, second), label in zip(pairs.rows, pairs.labels, strict=True):
        before, after = (second, first) if label else (first, second)
        assert after[0] == before[-1] + 1
    assert abs(pairs.labels.mean() - 0.4) < 3 * np.sqrt(0.24 / len(pairs.labels))


def test_without_a_label_a_row_is_one_text(made):
    pairs = Pairs(made, "none")
    assert all(len(second) == 0 and (np.diff(first) == 1).all() for first, second in pairs.rows)


@pytest.mark.slow
def test_two_documents_are_enough(tmp_path):
    """Where no row of the same kind is left, another one of another document stands in."""
    made = make_unique_corpus(tmp_path, [[[3, 4, 5, 6, 7, 8, 9] * 6, [5]], [[5]]], LENGTH, continues=0.0)
    pairs = Pairs(made, epochs=30)
    assert {0, 1} == {*pairs.labels.tolist()}
    np.testing.assert_array_equal(pairs.documents[:, 0] == pairs.documents[:, 1], pairs.labels == 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "nsp"}, "objective must be one of next_sentence, sentence_order, none; received 'nsp'"),
        ({"random_rate": 1.5}, "random_rate=1.5"),
        ({"sequence_length": 4}, "sequence_length=4"),
    ],
)
def test_wrong_settings(made, settings, message):
    with pytest.raises(InputError, match=message):
        SentencePairs(made[1], **{"sequence_length": LENGTH, **settings})
