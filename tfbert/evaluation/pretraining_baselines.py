"""What a pre-trained model must beat: the words' frequencies, the commonest answer, and chance with its interval."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tfbert.errors import InputError
from tfbert.evaluation.classification import wilson_interval


def unigram_cross_entropy(token_counts: ArrayLike, labels: ArrayLike, weights: ArrayLike) -> float:
    """The masked-LM loss of a model that knows how often each token occurs, and nothing of the context.

        H = - Σ wᵢ · ln p(yᵢ) / Σ wᵢ        p(y) = max(c(y) - d, 0) / N + d · K / (N · V)

    with c the counts in the training texts, N their sum, K the number of tokens that occur there and V the
    vocabulary's size: absolute discounting, which takes d from each count and spreads it over the whole vocabulary, so
    that tokens which training never saw have a probability. d = (n₁ + 1) / (n₁ + 2 n₂ + 2), from the numbers of tokens
    that occur once and twice, is about the discount under which the training texts are likeliest with each token left
    out in turn (Ney, Essen and Kneser 1994); the ones added keep it between 0 and 1.

    Args:
        token_counts: c, integer (vocabulary,).
        labels: y, integer, of any shape: the masked tokens of held-out rows.
        weights: w, of the same shape; 0 where a slot holds no mask.

    Returns:
        Nats a masked token.

    >>> round(unigram_cross_entropy([6, 1, 1, 2, 0], [[0, 3]], [[1.0, 0.0]]), 4)  # d = 3 / 6, -ln(5.5 / 10 + 2 / 50)
    0.5276
    """
    counts, labels, weights = _check(token_counts, labels, weights)
    return float(-(weights * np.log(_probabilities(counts))[labels]).sum() / weights.sum())


def _probabilities(counts: np.ndarray) -> np.ndarray:
    total, seen = counts.sum(), (counts > 0).sum()
    if not total:
        return np.full(len(counts), 1 / len(counts))
    discount = ((counts == 1).sum() + 1) / ((counts == 1).sum() + 2 * (counts == 2).sum() + 2)
    return (np.maximum(counts - discount, 0) + discount * seen / len(counts)) / total


def majority_accuracy(token_counts: ArrayLike, labels: ArrayLike, weights: ArrayLike) -> float:
    """The weighted share of `labels` that equal the commonest token of training; arguments as above.

    >>> majority_accuracy([5, 9], [[1, 0, 1]], [[1.0, 1.0, 2.0]])
    0.75
    """
    counts, labels, weights = _check(token_counts, labels, weights)
    return float((weights * (labels == counts.argmax())).sum() / weights.sum())


def balanced_accuracy_interval(recalls: Sequence[float], counts: Sequence[int]) -> tuple[float, float]:
    """The 95 % interval of a balanced accuracy, the mean of the classes' recalls.

    Each recall r has its Wilson interval (l, u) from the rows of its class; the mean of K of them has the interval from
    mean r - √(Σ (r - l)²) / K to mean r + √(Σ (u - r)²) / K (Zou and Donner 2008). Where only the balanced accuracy is
    known, give it for each class: that is the widest interval of all recalls with this mean.

    Args:
        recalls: each in [0, 1], one a class.
        counts: rows of each class, at least 1.

    >>> low, high = balanced_accuracy_interval([0.6, 0.6], [500, 500])
    >>> round(low, 3), round(high, 3)
    (0.569, 0.63)
    """
    if len(recalls) != len(counts) or not recalls or min(counts) < 1 or not all(0 <= one <= 1 for one in recalls):
        raise InputError(
            "balanced_accuracy_interval takes one recall in [0, 1] and at least one row a class; received recalls "
            f"{list(recalls)} and counts {list(counts)}."
        )
    bounds = [wilson_interval(recall * count, count) for recall, count in zip(recalls, counts, strict=True)]
    mean = sum(recalls) / len(recalls)
    below = math.hypot(*(recall - low for recall, (low, _) in zip(recalls, bounds, strict=True)))
    above = math.hypot(*(high - recall for recall, (_, high) in zip(recalls, bounds, strict=True)))
    return mean - below / len(recalls), mean + above / len(recalls)


def _check(token_counts, labels, weights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    counts, labels, weights = np.asarray(token_counts), np.asarray(labels), np.asarray(weights, np.float64)
    if counts.ndim != 1 or not np.issubdtype(counts.dtype, np.integer) or not len(counts) or counts.min() < 0:
        raise InputError(
            "token_counts must be how often each token occurs, integers of shape (vocabulary,) and none negative; "
            f"received shape {counts.shape} and dtype {counts.dtype}."
        )
    if labels.shape != weights.shape or not np.issubdtype(labels.dtype, np.integer) or not weights.sum() > 0:
        raise InputError(
            "labels must be integers with a weight each, some above 0; received labels of shape "
            f"{labels.shape} and dtype {labels.dtype}, weights of shape {weights.shape} that add up to {weights.sum()}."
        )
    if labels.min() < 0 or labels.max() >= len(counts):
        raise InputError(
            f"labels must be ids of the counted vocabulary, in [0, {len(counts) - 1}]; received {labels.min()} to "
            f"{labels.max()}. Take the counts of the corpus the labels come from."
        )
    return counts, labels, weights
