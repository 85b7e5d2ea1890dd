"""Accuracy, per-class figures and log loss of a classifier, and their spread over seeds."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tfbert.errors import InputError

_NORMAL_QUANTILE_95 = 1.959963984540054  # the standard normal's 97.5 % point
_SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class ClassMetrics:
    """One class: `precision`, `recall` and `f1` in [0, 1] (0 where undefined), `support` = rows of that true class."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ClassificationMetrics:
    """What `evaluate_classification` measured; `to_dict()` is ready for JSON.

    `accuracy_interval` is the 95 % Wilson score interval: the uncertainty from having this many test rows, not from the
    seed. `confusion_matrix[i][j]` counts the rows of true class i predicted as class j, in the order of `label_names`.
    `log_loss` is in nats a row.
    """

    label_names: tuple[str, ...]
    num_rows: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    log_loss: float
    per_class: dict[str, ClassMetrics]
    confusion_matrix: tuple[tuple[int, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """The same fields as plain dicts, lists, strings and numbers."""
        plain = asdict(self)
        plain["label_names"] = list(self.label_names)
        plain["accuracy_interval"] = list(self.accuracy_interval)
        plain["confusion_matrix"] = [list(row) for row in self.confusion_matrix]
        return plain


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (n - 1 in the denominator) over seeds; the latter is None for one seed."""

    mean: float
    standard_deviation: float | None
    values: tuple[float, ...]

    @classmethod
    def over(cls, values: Sequence[float]) -> "Spread":
        """The spread of `values`, one per seed.

        >>> Spread.over([0.5, 0.75])
        Spread(mean=0.625, standard_deviation=0.1767766952966369, values=(0.5, 0.75))
        """
        if not len(values):
            raise InputError("A spread over seeds needs at least one seed; received none.")
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return cls(float(np.mean(values)), deviation, tuple(float(value) for value in values))


def wilson_interval(successes: float, trials: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a proportion (Wilson 1927).

    With p = successes / trials and z = 1.96: (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n). Unlike p ± z·s it
    stays within [0, 1] and keeps a width at p = 0 and p = 1.
    """
    z = _NORMAL_QUANTILE_95
    proportion = successes / trials
    scale = 1 + z**2 / trials
    centre = (proportion + z**2 / (2 * trials)) / scale
    half_width = z * math.sqrt(proportion * (1 - proportion) / trials + z**2 / (4 * trials**2)) / scale
    return max(0.0, centre - half_width), min(1.0, centre + half_width)


def check_predictions(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `probabilities` as float64 (rows, classes) and `labels` as int64 (rows,), or raise `InputError`.

    The rules: at least one row and two classes, one label a row within the classes, and each row of probabilities
    finite, not negative and summing to 1 (within 1e-3, which bfloat16 rounding needs).
    """
    labels = check_labels(labels, probabilities, "probabilities")
    probabilities = np.asarray(probabilities, np.float64)
    wrong = ~((probabilities >= 0).all(axis=1) & (np.abs(probabilities.sum(axis=1) - 1) <= 1e-3))  # NaN counts as wrong
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"Each row of probabilities must be finite, not negative and sum to 1; row {row} is "
            f"{probabilities[row].tolist()}. Pass softmax outputs rather than logits."
        )
    return probabilities, labels


def check_labels(labels: np.ndarray, scores: np.ndarray, scores_name: str) -> np.ndarray:
    """Return `labels` as int64 (rows,) if they fit `scores` (rows, classes), or raise `InputError`."""
    labels, scores = np.asarray(labels), np.asarray(scores)
    if scores.ndim != 2 or scores.shape[0] == 0 or scores.shape[1] < 2:
        raise InputError(
            f"{scores_name} must have the shape (rows, classes) with at least one row and two classes; received "
            f"{scores.shape}."
        )
    if labels.shape != scores.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"labels must be one integer a row, here of shape {scores.shape[:1]}; received shape {labels.shape} and "
            f"dtype {labels.dtype}."
        )
    outside = (labels < 0) | (labels >= scores.shape[1])
    if outside.any():
        row = int(np.argmax(outside))
        raise InputError(f"labels must lie in [0, {scores.shape[1] - 1}]; row {row} holds {labels[row]}.")
    return labels.astype(np.int64)


def evaluate_classification(
    probabilities: np.ndarray, labels: np.ndarray, label_names: Sequence[str]
) -> ClassificationMetrics:
    """Measure predictions against true labels.

    The prediction is the class of the highest probability (the first one among equals). A class never predicted has
    precision 0, one without rows recall 0, and f1 is 0 where both are; macro F1 is the plain mean over all classes.
    Log loss takes a probability below 2.2e-16 as 2.2e-16, so that it stays finite.

    Args:
        probabilities: float (rows, classes), each row summing to 1.
        labels: integer (rows,), the true class of each row.
        label_names: one distinct name a class.

    Raises:
        InputError: for no rows, shapes that disagree, rows that are not distributions, labels outside the classes.

    >>> metrics = evaluate_classification([[0.9, 0.1], [0.6, 0.4]], [0, 1], ("bad", "good"))
    >>> metrics.accuracy, metrics.per_class["bad"].precision, metrics.confusion_matrix
    (0.5, 0.5, ((1, 0), (1, 0)))
    """
    probabilities, labels = check_predictions(probabilities, labels)
    num_rows, num_classes = probabilities.shape
    names = tuple(str(name) for name in label_names)
    if len(names) != num_classes or len(set(names)) != num_classes:
        raise InputError(f"label_names must be {num_classes} distinct names, one a class; received {names}.")

    confusion = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(confusion, (labels, probabilities.argmax(axis=1)), 1)
    hits, supports, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precisions, recalls = hits / np.maximum(predicted, 1), hits / np.maximum(supports, 1)
    f1s = 2 * hits / np.maximum(predicted + supports, 1)
    true_probabilities = probabilities[np.arange(num_rows), labels]
    return ClassificationMetrics(
        label_names=names,
        num_rows=num_rows,
        accuracy=float(hits.sum() / num_rows),
        accuracy_interval=wilson_interval(int(hits.sum()), num_rows),
        macro_f1=float(f1s.mean()),
        log_loss=float(-np.log(np.maximum(true_probabilities, _SMALLEST_PROBABILITY)).mean()),
        per_class={
            name: ClassMetrics(float(precision), float(recall), float(f1), int(support))
            for name, precision, recall, f1, support in zip(names, precisions, recalls, f1s, supports, strict=True)
        },
        confusion_matrix=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def summarize_seeds(metrics: Sequence[ClassificationMetrics]) -> dict[str, Spread]:
    """Spread over seeds of `accuracy`, `macro_f1`, `log_loss` and, as `f1[NAME]`, of each class's F1.

    Every element must come from the same test rows; other label names or row counts are refused.
    """
    if len({(one.label_names, one.num_rows) for one in metrics}) > 1:
        raise InputError(
            "Seeds are summarized over the same test rows; received "
            + "; ".join(f"{one.num_rows} rows of {one.label_names}" for one in metrics)
            + "."
        )
    summary = {
        name: Spread.over([getattr(one, name) for one in metrics]) for name in ("accuracy", "macro_f1", "log_loss")
    }
    for label in metrics[0].label_names:
        summary[f"f1[{label}]"] = Spread.over([one.per_class[label].f1 for one in metrics])
    return summary
