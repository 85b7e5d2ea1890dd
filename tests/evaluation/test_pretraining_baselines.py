import math

import numpy as np
import pytest

from tfbert.errors import InputError
from tfbert.evaluation.classification import wilson_interval
from tfbert.evaluation.pretraining_baselines import (
    balanced_accuracy_interval,
    majority_accuracy,
    unigram_cross_entropy,
)


def test_unigram_cross_entropy_against_a_loop():
    generator = np.random.default_rng(0)
    counts = [0, 1, 1, 1, 2, 2, 5, 9, 0, 30]
    labels = generator.integers(0, 10, (5, 4))
    labels[0, 0] = 8  # never seen in training
    weights = generator.uniform(0, 2, (5, 4))
    discount = (3 + 1) / (3 + 2 * 2 + 2)  # three tokens occur once, two twice
    expected = sum(
        weight * -math.log(max(counts[label] - discount, 0) / 51 + discount * 8 / (51 * 10))
        for label, weight in zip(labels.ravel(), weights.ravel(), strict=True)
    ) / sum(weights.ravel())
    assert unigram_cross_entropy(np.array(counts), labels, weights) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("counts", [[0, 0, 0], [1, 1, 0], [2, 0, 0], [7, 9, 3], [1, 2, 0, 500]])
def test_the_probabilities_are_some_for_every_token_and_one_together(counts):
    probabilities = [math.exp(-unigram_cross_entropy(counts, [token], [1.0])) for token in range(len(counts))]
    assert min(probabilities) > 0
    assert sum(probabilities) == pytest.approx(1.0)


@pytest.mark.parametrize(("size", "tokens"), [(1_500, 60_000), (30_000, 300_000), (30_000, 10_000)])
def test_no_weight_added_to_the_counts_makes_a_baseline_that_is_much_stronger(size, tokens):
    """On words as frequent as Zipf has them, whatever the weight; adding one is half a nat weaker on few of many."""
    generator = np.random.default_rng(0)
    truth = 1 / np.arange(1, size + 1) ** 1.05
    truth /= truth.sum()
    counts, labels = generator.multinomial(tokens, truth), generator.choice(size, 20_000, p=truth)
    reached = unigram_cross_entropy(counts, labels, np.ones(len(labels)))
    weights = np.geomspace(0.001, 10, 50)
    added = [-np.log((counts + weight) / (tokens + weight * size))[labels].mean() for weight in weights]
    assert reached < min(added) + 0.006
    if tokens < size:
        assert reached < -np.log((counts + 1) / (tokens + size))[labels].mean() - 0.5


def test_slots_of_weight_zero_do_not_count():
    full = unigram_cross_entropy([4, 1, 0], [[0, 1]], [[1.0, 1.0]])
    assert unigram_cross_entropy([4, 1, 0], [[0, 1, 2], [2, 2, 2]], [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]) == full
    assert majority_accuracy([4, 1, 0], [[0, 1, 0]], [[1.0, 1.0, 0]]) == 0.5


def test_on_its_own_distribution_it_is_about_the_entropy():
    counts = np.array([5000, 3000, 2000])
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    entropy = -sum(p * math.log(p) for p in (0.5, 0.3, 0.2))
    assert unigram_cross_entropy(counts, labels, np.ones(100)) == pytest.approx(entropy, rel=1e-4)


def test_the_interval_of_one_class_is_wilsons():
    assert balanced_accuracy_interval([0.7], [40]) == pytest.approx(wilson_interval(28, 40))


def test_the_interval_by_hand():
    low, high = balanced_accuracy_interval([1.0, 0.5], [10, 20])
    bounds = [wilson_interval(10, 10), wilson_interval(10, 20)]
    assert low == pytest.approx(0.75 - math.sqrt((1 - bounds[0][0]) ** 2 + (0.5 - bounds[1][0]) ** 2) / 2)
    assert high == pytest.approx(0.75 + (bounds[1][1] - 0.5) / 2)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(1)
    recalls, counts = np.array([0.75, 0.45]), np.array([60, 90])
    found = 0
    for _ in range(2000):
        low, high = balanced_accuracy_interval((generator.binomial(counts, recalls) / counts).tolist(), counts.tolist())
        found += low <= recalls.mean() <= high
    assert abs(found / 2000 - 0.95) < 0.02


def test_equal_recalls_give_the_widest_interval():
    low, high = balanced_accuracy_interval([0.6, 0.6], [500, 500])
    for first in (0.2, 0.35, 0.5, 0.59):
        other = balanced_accuracy_interval([first, 1.2 - first], [500, 500])
        assert low < other[0]
        assert other[1] < high


def test_the_interval_stays_within_shares():
    assert balanced_accuracy_interval([1.0, 1.0], [5, 5])[1] == 1.0
    assert balanced_accuracy_interval([0.0, 0.0], [5, 5])[0] == 0.0


@pytest.mark.parametrize("function", [unigram_cross_entropy, majority_accuracy])
@pytest.mark.parametrize(
    ("counts", "labels", "weights", "message"),
    [
        ([[1, 2]], [0], [1.0], "shape \\(1, 2\\)"),
        ([1.0, 2.0], [0], [1.0], "float64"),
        ([1, -2], [0], [1.0], "none negative"),
        ([1, 2], [0, 1], [1.0], "shape \\(2,\\)"),
        ([1, 2], [0.5], [1.0], "float64"),
        ([1, 2], [0], [0.0], "add up to 0.0"),
        ([1, 2], [2], [1.0], r"in \[0, 1\]; received 2"),
        ([1, 2], [-1], [1.0], "received -1"),
    ],
)
def test_bad_input_is_refused(function, counts, labels, weights, message):
    with pytest.raises(InputError, match=message):
        function(np.array(counts), np.array(labels), np.array(weights))


@pytest.mark.parametrize(("recalls", "counts"), [([], []), ([0.5], [1, 2]), ([1.2], [3]), ([0.5, 0.5], [3, 0])])
def test_bad_recalls_are_refused(recalls, counts):
    with pytest.raises(InputError, match="recalls"):
        balanced_accuracy_interval(recalls, counts)
