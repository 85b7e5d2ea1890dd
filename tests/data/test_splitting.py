import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfbert.data.reviews import Reviews, read_reviews
from tfbert.data.splitting import normalized_text, split_reviews
from tfbert.errors import InputError

PARTS = ("train", "validation", "test")
PINNED_RANDOM = [8, 13, 15, 16, 19, 28]
PINNED_GROUPED = [2, 3, 7, 21, 25, 26]


def make(texts, labels, classes=3) -> Reviews:
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object), "label": pd.Series(labels, dtype="int32")})
    names = ("negative", "neutral", "positive")[:classes]
    return Reviews(frame, names, "test", len(frame), 0, 0)


def many(seed=0, rows=3000, distinct=2000) -> Reviews:
    """Rows with repeated texts in several spellings, some with other labels, classes of 0.2, 0.3 and 0.5."""
    random = np.random.default_rng(seed)
    number = random.integers(distinct, size=rows)
    label = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2, 2])[number % 10]
    label = np.where(random.random(rows) < 0.05, random.integers(3, size=rows), label)
    spelling = random.integers(3, size=rows)
    return make(
        [(f"Text {n}!", f"text {n}", f"TEXT  {n} ...")[s] for n, s in zip(number, spelling, strict=True)], label
    )


def test_every_row_is_in_one_part():
    for grouped in (True, False):
        reviews = many()
        split = split_reviews(reviews, seed=1, grouped=grouped)
        rows = np.concatenate([getattr(split, part) for part in PARTS])
        assert sorted(rows) == list(range(len(reviews)))
        for part in PARTS:
            assert getattr(split, part).dtype == np.int64
            assert (np.diff(getattr(split, part)) > 0).all()


def texts_of(reviews, rows):
    return {normalized_text(text) for text in reviews.texts[rows]}


def test_no_text_is_in_two_parts_when_grouped_and_some_are_when_not():
    reviews = many()
    for seed in range(5):
        split = split_reviews(reviews, seed=seed)
        texts = [texts_of(reviews, getattr(split, part)) for part in PARTS]
        assert sum(map(len, texts)) == len(set.union(*texts))
    split = split_reviews(reviews, seed=0, grouped=False)
    assert texts_of(reviews, split.train) & texts_of(reviews, split.test)


@pytest.mark.parametrize("shares", [(0.1, 0.2), (0.25, 0.5), (0.05, 0.05)])
def test_shares_of_rows_and_of_classes(shares):
    reviews = many()
    split = split_reviews(reviews, seed=3, validation_share=shares[0], test_share=shares[1])
    whole = np.bincount(reviews.labels) / len(reviews)
    for part, share in zip(PARTS, (1 - sum(shares), *shares), strict=True):
        rows = getattr(split, part)
        assert abs(len(rows) - share * len(reviews)) <= 3  # one row for the rounding of each class
        assert np.abs(np.bincount(reviews.labels[rows]) / len(rows) - whole).max() < 0.04


def test_singletons_are_divided_to_the_row():
    reviews = make([f"text {i}" for i in range(1000)], [0] * 100 + [1] * 300 + [2] * 600)
    split = split_reviews(reviews, seed=0)
    counts = [np.bincount(reviews.labels[getattr(split, part)]).tolist() for part in PARTS]
    assert counts == [[70, 210, 420], [10, 30, 60], [20, 60, 120]]


@pytest.mark.parametrize("grouped", [True, False])
def test_the_seed_decides_and_nothing_else_random(grouped):
    reviews = many()
    first = split_reviews(reviews, seed=7, grouped=grouped)
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    again = split_reviews(reviews, seed=7, grouped=grouped)
    assert (np.random.get_state()[1] == before).all()
    other = split_reviews(reviews, seed=8, grouped=grouped)
    assert all((getattr(first, part) == getattr(again, part)).all() for part in PARTS)
    assert set(first.test) != set(other.test)


def test_the_split_of_random_rows_is_not_stratified_and_pinned():
    reviews = make([f"text {i}" for i in range(30)], [0, 1, 2] * 10)
    assert split_reviews(reviews, seed=8, grouped=False).test.tolist() == PINNED_RANDOM
    assert split_reviews(reviews, seed=5).test.tolist() == PINNED_GROUPED


def test_a_grouped_split_does_not_depend_on_the_order_of_the_rows():
    reviews = many()
    order = np.random.default_rng(9).permutation(len(reviews))
    shuffled = make(reviews.texts[order], reviews.labels[order])
    first, second = split_reviews(reviews, seed=4), split_reviews(shuffled, seed=4)
    for part in PARTS:
        assert sorted(order[getattr(second, part)]) == getattr(first, part).tolist()


def test_a_text_with_several_labels_counts_for_its_most_frequent_one():
    texts = ["same"] * 100 + [f"text {i}" for i in range(300)]
    reviews = make(texts, [2] * 60 + [0] * 40 + [0, 1, 2] * 100)
    for seed in range(10):
        split = split_reviews(reviews, seed=seed)
        counts = np.bincount(reviews.labels[split.test[split.test >= 100]])
        assert (split.train < 100).sum() == 100  # too large for the other parts
        # Class 2 counts 200 rows with the group, so its part of the test is 40; classes 0 and 1 have their 100.
        assert counts.tolist() == [20, 20, 40]


def test_repeated_texts_come_to_every_part_by_its_share():
    reviews = make([f"text {i // 3}" for i in range(3000)], [0, 1, 2] * 1000, classes=3)
    reviews = make(reviews.texts, np.repeat([0, 1, 2, 2], 750))
    split = split_reviews(reviews, seed=0)
    assert [round(len(getattr(split, part)), -1) for part in PARTS] == [2100, 300, 600]
    mixed = make([f"text {i // 3 if i < 1500 else i}" for i in range(3000)], [2] * 1500 + [0, 1] * 750)
    repeated = [(getattr(split_reviews(mixed, seed=0), part) < 1500).sum() for part in PARTS]
    assert np.allclose(repeated, [1050, 150, 300], atol=3)


def test_single_rows_top_up_what_repeated_texts_leave():
    # One class of 100 texts written twice and 400 written once: about 0.2 of the texts written twice go to the test.
    texts = [f"text {i // 2}" for i in range(200)] + [f"other {i}" for i in range(400)]
    reviews = make(texts + ["bad " + text for text in texts], [0] * 600 + [1] * 600, classes=2)
    repeated = []
    for seed in range(30):
        split = split_reviews(reviews, seed=seed)
        assert (reviews.labels[split.test] == 0).sum() == 120
        repeated.append((split.test < 200).sum())
    # 100 groups, chance 0.2: mean 40 rows, standard deviation of the mean over 30 seeds 8 / sqrt(30) = 1.5.
    assert abs(np.mean(repeated) - 40) < 4 * 1.5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 1)), min_size=1, max_size=60), st.integers(0, 2**32))
def test_a_split_is_whole_and_leak_free_or_refused(rows, seed):
    reviews = make([f"t{number}" for number, _ in rows], [label for _, label in rows], classes=2)
    try:
        split = split_reviews(reviews, seed=seed, validation_share=0.2, test_share=0.3)
    except InputError:
        return
    parts = [getattr(split, part) for part in PARTS]
    assert sorted(np.concatenate(parts)) == list(range(len(rows)))
    assert all(set(reviews.labels[part]) == {0, 1} for part in parts)
    texts = [texts_of(reviews, part) for part in parts]
    assert sum(map(len, texts)) == len(set.union(*texts))


@pytest.mark.parametrize("grouped", [True, False])
def test_a_class_that_is_missing_from_a_part_is_refused(grouped):
    reviews = make([f"text {i}" for i in range(60)], [0] * 30 + [1] * 28 + [2] * 2)
    with pytest.raises(InputError, match=r"part has no 'positive' \(negative \d+, neutral \d+, positive 0; 60 reviews"):
        split_reviews(reviews, seed=0, grouped=grouped)


@pytest.mark.parametrize("shares", [(0, 0.2), (0.1, 0), (-0.1, 0.2), (0.5, 0.5), (0.1, 1.0), (float("nan"), 0.2)])
def test_shares_that_leave_a_part_empty_are_refused(shares):
    with pytest.raises(InputError, match="above 0 and leave rows for training"):
        split_reviews(many(), seed=0, validation_share=shares[0], test_share=shares[1])


SAME = [
    ("Great app!!", "great app"),
    ("  great\tapp\n", "great app"),
    ("GREAT-APP", "great app"),
    ("Straße", "STRASSE"),
    ("ﬁne", "fine"),
    ("Ｗｉｄｅ", "wide"),
    ("cafe\u0301", "café"),
    ("snake_case", "snake case"),
    ("zero\u200bwidth\x07", "zerowidth"),
    ("❤️", "❤"),
]
DIFFERENT = [("good", "bad"), ("👍", "👎"), ("c", "c++"), ("5", "4"), ("?!", "..."), ("हि", "ह"), ("I", "I 👍")]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_texts_that_count_as_the_same(first, second):
    assert normalized_text(first) == normalized_text(second) != ""


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_texts_that_do_not(first, second):
    assert normalized_text(first) != normalized_text(second)
    assert normalized_text(first) != ""


@given(st.text())
def test_normalizing_twice_changes_nothing(text):
    once = normalized_text(text)
    assert normalized_text(once) == once


def test_real_reviews(real_data):
    reviews = read_reviews(real_data)
    split = split_reviews(reviews, seed=0)
    texts = [texts_of(reviews, getattr(split, part)) for part in PARTS]
    assert sum(map(len, texts)) == len(set.union(*texts))
    assert abs(len(split.test) / len(reviews) - 0.2) < 0.005
    leaky = split_reviews(reviews, seed=0, grouped=False)
    assert len(texts_of(reviews, leaky.train) & texts_of(reviews, leaky.test)) > 20
