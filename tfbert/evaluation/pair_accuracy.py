"""How well sentence pairs are told apart, when several pairs are made of each held-out text."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tfbert.errors import InputError

_DEVIATIONS = 1.959964  # of a normal distribution, for 95 %


@dataclass(frozen=True)
class PairAccuracy:
    """A balanced accuracy, the mean of both labels' recalls, with its 95 % interval.

    Attributes:
        balanced_accuracy: in [0, 1].
        low: lower end of the interval.
        high: upper end.
        num_pairs: pairs that were guessed.
        num_texts: texts that they were made of.
    """

    balanced_accuracy: float
    low: float
    high: float
    num_pairs: int
    num_texts: int

    @classmethod
    def measure(cls, guesses: ArrayLike, labels: ArrayLike, texts: ArrayLike) -> "PairAccuracy":
        """Measure guesses of labels.

        Pairs of one text are not independent, so texts count and not pairs: the variance is that of the texts' summed
        shares in the linearised figure, G/(G − 1) · Σ u², with u = ½ Σ_label (hits − recall · pairs) / all pairs of the
        label over a text's pairs (Liang and Zeger 1986, section 3).

        Args:
            guesses: 0 or 1, integers (pairs,).
            labels: 0 or 1, integers (pairs,); both must occur.
            texts: which text a pair is made of, integers (pairs,); at least two.

        >>> PairAccuracy.measure([0, 0, 1, 1], [0, 0, 1, 0], [7, 8, 7, 8]).balanced_accuracy
        0.8333333333333333
        """
        guesses, labels, texts = (np.asarray(each) for each in (guesses, labels, texts))
        names, texts = np.unique(texts, return_inverse=True)
        if not len(guesses) == len(labels) == len(texts) or set(labels.tolist()) != {0, 1} or len(names) < 2:
            raise InputError(
                "PairAccuracy takes a guess, a label and a text for each pair, both labels and at least two texts; "
                f"received {len(guesses)} guesses, {len(labels)} labels {sorted(set(labels.tolist()))} of {len(names)} "
                "texts."
            )
        recalls, shares = [], np.zeros(len(names))
        for label in (0, 1):
            rows = labels == label
            recalls.append(float(np.mean(guesses[rows] == label)))
            np.add.at(shares, texts[rows], ((guesses[rows] == label) - recalls[-1]) / (2 * rows.sum()))
        accuracy = sum(recalls) / 2
        error = _DEVIATIONS * float(np.sqrt(len(names) / (len(names) - 1) * np.square(shares).sum()))
        return cls(accuracy, max(accuracy - error, 0.0), min(accuracy + error, 1.0), len(guesses), len(names))
