import numpy as np
import pytest

from tfbert.errors import InputError
from tfbert.evaluation.held_out_baselines import HeldOutBaselines


def batch(ids, weights, labels=None):
    made = {"mask_ids": np.array(ids, np.int32), "mask_weights": np.array(weights, np.float32)}
    return made if labels is None else {**made, "next_sentence_labels": np.array(labels, np.int32)}


def test_by_hand_over_two_batches():
    """Of four tokens seen 7, 0, 2 and 1 times, each less 2 / 5 and 3 / 4 of that more, masks ask for 0, 2 and 0."""
    batches = [batch([[0, 2]], [[1, 1]], [1]), batch([[0, 3]], [[1, 0]], [0]), batch([[0]], [[0]], [1])]
    measured = HeldOutBaselines.measure(batches, np.array([7, 0, 2, 1]))
    assert measured.unigram_cross_entropy == pytest.approx(-(2 * np.log(6.9 / 10) + np.log(1.9 / 10)) / 3)
    assert measured.majority_accuracy == pytest.approx(2 / 3)
    assert measured.label_counts == (1, 2)


def test_without_a_sentence_objective():
    assert HeldOutBaselines.measure([batch([[0]], [[1]])], np.array([1, 1])).label_counts is None


def test_pairs_of_one_label_alone_are_refused():
    with pytest.raises(InputError, match=r"of 2 measured all have the same.*--evaluation-rows"):
        HeldOutBaselines.measure([batch([[0], [1]], [[1], [1]], [1, 1])], np.array([1, 1]))
