import numpy as np
import pytest

from tfbert.errors import InputError
from tfbert.evaluation import PairAccuracy, balanced_accuracy_interval


def draw(generator, texts, pairs_per_text, spread):
    """Pairs of texts that are more or less hard, guessed right with probability 0.55 on average."""
    ease = np.clip(generator.normal(0.55, spread, texts), 0, 1)
    text = np.repeat(np.arange(texts), pairs_per_text)
    labels = generator.integers(0, 2, len(text))
    right = generator.random(len(text)) < ease[text]
    return np.where(right, labels, 1 - labels), labels, text


def test_one_pair_a_text_has_the_interval_of_independent_rows():
    guesses, labels, texts = draw(np.random.default_rng(0), 4000, 1, 0.0)
    found = PairAccuracy.measure(guesses, labels, texts)
    recalls = [np.mean(guesses[labels == label] == label) for label in (0, 1)]
    low, high = balanced_accuracy_interval(recalls, [int((labels == label).sum()) for label in (0, 1)])
    assert found.balanced_accuracy == pytest.approx(np.mean(recalls))
    assert (found.low, found.high) == pytest.approx((low, high), abs=3e-4)
    assert (found.num_pairs, found.num_texts) == (4000, 4000)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(1)
    held, widths = 0, []
    for _ in range(400):
        found = PairAccuracy.measure(*draw(generator, 150, 8, 0.2))
        held += found.low <= 0.55 <= found.high
        widths.append(found.high - found.low)
    # 95 % of 400, within three standard deviations of that count and the interval's own error at 150 texts.
    assert 360 <= held <= 396
    # As if the pairs were independent, it would be half as wide at least and hold the truth too seldom.
    independent = np.subtract(*balanced_accuracy_interval([0.55, 0.55], [600, 600])[::-1])
    assert np.mean(widths) > 1.3 * independent


def test_the_interval_is_that_of_resampled_texts():
    guesses, labels, texts = draw(np.random.default_rng(2), 200, 10, 0.3)
    found = PairAccuracy.measure(guesses, labels, texts)
    generator = np.random.default_rng(3)
    by_text = [np.flatnonzero(texts == text) for text in range(200)]
    means = []
    for _ in range(2000):
        rows = np.concatenate([by_text[text] for text in generator.integers(0, 200, 200)])
        means.append(np.mean([np.mean(guesses[rows][labels[rows] == label] == label) for label in (0, 1)]))
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=0.004)


@pytest.mark.parametrize(
    ("guesses", "labels", "texts"),
    [([0, 1], [0, 0], [1, 2]), ([0, 1], [0, 1], [1, 1]), ([0, 1], [0, 1, 1], [1, 2, 3]), ([0, 1], [0, 2], [1, 2])],
)
def test_what_cannot_be_measured_is_refused(guesses, labels, texts):
    with pytest.raises(InputError, match="both labels and at least two texts"):
        PairAccuracy.measure(guesses, labels, texts)
