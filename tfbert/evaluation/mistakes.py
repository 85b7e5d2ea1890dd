"""The wrong predictions a reader should look at first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfbert.errors import InputError
from tfbert.evaluation.classification import check_predictions


@dataclass(frozen=True)
class Mistake:
    """One wrong prediction: the `text`, its true `label`, the `predicted` label's name and its `probability`."""

    text: str
    label: str
    predicted: str
    probability: float


def most_confident_mistakes(
    texts: Sequence[str], probabilities: np.ndarray, labels: np.ndarray, label_names: Sequence[str], limit: int = 20
) -> tuple[Mistake, ...]:
    """The `limit` wrong predictions of the highest probability, highest first (in row order among equals).

    Many of them are wrong labels rather than wrong predictions: five stars on a complaint.

    Args:
        texts: one text a row.
        probabilities: float (rows, classes), each row summing to 1.
        labels: integer (rows,), the true classes.
        label_names: one name a class.
        limit: how many at most.
    """
    probabilities, labels = check_predictions(probabilities, labels)
    if len(texts) != len(labels) or len(label_names) != probabilities.shape[1]:
        raise InputError(
            f"{len(labels)} rows of {probabilities.shape[1]} classes need as many texts and label_names; received "
            f"{len(texts)} texts and {len(label_names)} names."
        )
    predictions, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    wrong = wrong[np.argsort(-confidences[wrong], kind="stable")][:limit]
    return tuple(
        Mistake(texts[row], label_names[labels[row]], label_names[predictions[row]], float(confidences[row]))
        for row in wrong.tolist()
    )
