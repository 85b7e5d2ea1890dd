"""How far confidence can be believed: expected calibration error, reliability bins and temperature scaling."""

import math
from dataclasses import dataclass

import numpy as np

from tfbert.errors import InputError
from tfbert.evaluation.classification import check_labels, check_predictions, wilson_interval

MIN_TEMPERATURE = 0.05
MAX_TEMPERATURE = 20.0


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows of similar confidence: their mean `confidence`, their `accuracy` with its 95 % Wilson interval, `count`."""

    confidence: float
    accuracy: float
    accuracy_interval: tuple[float, float]
    count: int


def reliability_bins(probabilities: np.ndarray, labels: np.ndarray, num_bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """Sort the rows by confidence and cut them into `num_bins` bins of equal size.

    Confidence is the highest probability of a row; a row is correct if that class is its label. Equal size means equal
    numbers of rows (they differ by one where the rows do not divide evenly), the adaptive bins of Nguyen and O'Connor
    2015: bins of equal width would leave most of a fine-tuned model's bins almost empty. With fewer rows than bins each
    row is its own bin. Rows of exactly equal confidence each count with their common accuracy, so the result does not
    depend on the order of the rows.

    Args:
        probabilities: float (rows, classes), each row summing to 1.
        labels: integer (rows,).
        num_bins: at least 1.

    Returns:
        The bins in the order of rising confidence.
    """
    probabilities, labels = check_predictions(probabilities, labels)
    if num_bins < 1:
        raise InputError(f"num_bins must be at least 1; received {num_bins}.")
    confidences = probabilities.max(axis=1)
    _, groups = np.unique(confidences, return_inverse=True)
    correct = np.bincount(groups, weights=probabilities.argmax(axis=1) == labels) / np.bincount(groups)
    bins = []
    for rows in np.array_split(np.argsort(confidences), min(num_bins, len(labels))):
        accuracy = float(correct[groups[rows]].mean())
        interval = wilson_interval(accuracy * len(rows), len(rows))
        bins.append(ReliabilityBin(float(confidences[rows].mean()), accuracy, interval, len(rows)))
    return tuple(bins)


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, num_bins: int = 10) -> float:
    """ECE = Σ_b (n_b / n) · |accuracy_b - confidence_b| over the bins of `reliability_bins` (Naeini et al. 2015).

    >>> expected_calibration_error([[0.8, 0.2], [0.8, 0.2]], [0, 1], num_bins=1)
    0.30000000000000004
    """
    bins = reliability_bins(probabilities, labels, num_bins)
    gaps = [one.count * abs(one.accuracy - one.confidence) for one in bins]
    return math.fsum(gaps) / sum(one.count for one in bins)


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """softmax(z / T) in float64 over the last axis; T must be finite and above 0."""
    if not (math.isfinite(temperature) and temperature > 0):
        raise InputError(f"temperature must be a finite number above 0; received {temperature}.")
    logits = np.asarray(logits, np.float64)
    shifted = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    return shifted / shifted.sum(axis=-1, keepdims=True)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature T that minimises the mean of -log softmax(z / T)[label] (Guo et al. 2017, section 4.2).

    Fit it on validation rows, never on the rows it is judged by. The negative log-likelihood is convex in 1/T, so the
    sign of its slope, mean(E_p[z] - z_label), is bisected over log T until T is known to a relative 1e-9.

    T stays within [0.05, 20]. The lower bound is returned where every row is classified correctly (sharper is always
    better), the upper one where the logits tell less than a uniform guess; `temperature_warning` puts both into words.
    T is 1 where the likelihood does not depend on it: constant logits, or all rows right with confidence 1 in float64.

    Args:
        logits: float (rows, classes), finite.
        labels: integer (rows,).
    """
    labels = check_labels(labels, logits, "logits")
    logits = np.asarray(logits, np.float64)
    if not np.isfinite(logits).all():
        row = int(np.argmax(~np.isfinite(logits).all(axis=1)))
        raise InputError(f"logits must be finite; row {row} is {logits[row].tolist()}. Find the step that diverged.")
    logits = logits - logits.max(axis=1, keepdims=True)
    true_logits = logits[np.arange(len(labels)), labels]

    def slope(temperature: float) -> float:  # of the mean negative log-likelihood in 1 / temperature
        return float(((softmax(logits, temperature) * logits).sum(axis=1) - true_logits).mean())

    at_one = slope(1.0)
    if at_one == 0:
        return 1.0
    sharpen = at_one < 0
    bound = MIN_TEMPERATURE if sharpen else MAX_TEMPERATURE
    if (slope(bound) <= 0) == sharpen:
        return bound
    low, high = sorted((0.0, math.log(bound)))
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if slope(math.exp(middle)) < 0 else (middle, high)
    return math.exp((low + high) / 2)


def temperature_warning(temperature: float) -> str | None:
    """A sentence for the reader where `fit_temperature` stopped at a bound, otherwise None."""
    if temperature <= MIN_TEMPERATURE:
        return (
            f"The temperature stands at its lower bound {MIN_TEMPERATURE:g}: every validation row is classified "
            "correctly, so the probabilities are not calibrated. Use more validation rows."
        )
    if temperature >= MAX_TEMPERATURE:
        return (
            f"The temperature stands at its upper bound {MAX_TEMPERATURE:g}: on validation rows the model tells no "
            "more than a uniform guess, so the probabilities are nearly uniform. Train longer or look at the data."
        )
    return None
