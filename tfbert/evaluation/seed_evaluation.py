"""A trained classifier's figures: calibrated on validation rows, measured on test rows."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfbert.evaluation.calibration import expected_calibration_error, fit_temperature, softmax
from tfbert.evaluation.classification import evaluate_classification
from tfbert.evaluation.review_report import SeedResult


@dataclasses.dataclass(frozen=True, eq=False)
class SeedEvaluation:
    """One seed's result, and what else the report and the export need of it.

    Attributes:
        result: the figures.
        validation_loss: the least over the epochs, that of the kept weights.
        probabilities_before, probabilities_after: float64 (test rows, classes), before and after temperature scaling.
    """

    result: SeedResult
    validation_loss: float
    probabilities_before: np.ndarray
    probabilities_after: np.ndarray


def evaluate_seed(
    seed: int,
    history: Sequence[Mapping[str, float]],
    *,
    validation: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    label_names: Sequence[str],
    steps_per_epoch: int,
) -> SeedEvaluation:
    """Fit the temperature on `validation` and measure on `test`, each the logits (rows, classes) and labels (rows,).

    Args:
        seed: of the training.
        history: the logs of each epoch, with `loss`, `accuracy`, `val_loss` and `val_accuracy`.
        validation, test: see above.
        label_names: one name a class.
        steps_per_epoch: optimizer steps an epoch.
    """
    temperature = fit_temperature(*validation)
    logits, labels = test
    before, after = softmax(logits), softmax(logits, temperature)
    result = SeedResult(
        seed=seed,
        history=[{**logs, "epoch": i, "step": i * steps_per_epoch} for i, logs in enumerate(history, 1)],
        metrics=evaluate_classification(after, labels, label_names),
        ece_before=expected_calibration_error(before, labels),
        ece_after=expected_calibration_error(after, labels),
        temperature=temperature,
    )
    return SeedEvaluation(result, min(logs["val_loss"] for logs in history), before, after)


def predict_logits(classifier: Any, rows: Any) -> np.ndarray:
    """Return the classifier's logits of `rows`, a `LengthBatches`, float32 (rows, classes) in their own order."""
    # Here, since the rest of this package needs no TensorFlow.
    import tensorflow as tf

    from tfbert.training.workers import Workers

    if Workers(classifier.distribute_strategy).count > 1:
        # Keras's `predict` needs every worker, and puts their rows in an order that depends on their devices.
        forward = tf.function(lambda inputs: classifier(inputs, training=False), reduce_retracing=True)
        logits = np.concatenate([forward(inputs).numpy() for inputs, _, _ in rows.evaluation_dataset()])
    else:
        logits = classifier.predict(rows.evaluation_dataset(), verbose=0)
    in_order = np.empty_like(logits)
    in_order[rows.evaluation_order()] = logits
    return in_order
