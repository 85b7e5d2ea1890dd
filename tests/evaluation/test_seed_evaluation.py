import numpy as np
import pytest

from tfbert.data.batching import LengthBatches
from tfbert.evaluation import (
    evaluate_classification,
    evaluate_seed,
    expected_calibration_error,
    fit_temperature,
    predict_logits,
    softmax,
)

NAMES = ("a", "b", "c")
INPUTS = ("token_ids", "segment_ids", "padding_mask")
LOGS = {"loss": 1.0, "accuracy": 0.5, "val_loss": 0.9, "val_accuracy": 0.6}


def answers(seed, rows=200):
    """Logits three times too confident, and the labels drawn from what they should have been."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(logits)])
    return 3 * logits, labels


def test_temperature_comes_from_validation_and_figures_from_test():
    validation, test = answers(0), answers(1)
    evaluated = evaluate_seed(
        7,
        [LOGS, {**LOGS, "val_loss": 0.7}, {**LOGS, "val_loss": 0.8}],
        validation=validation,
        test=test,
        label_names=NAMES,
        steps_per_epoch=10,
    )
    result = evaluated.result
    assert result.temperature == fit_temperature(*validation)
    assert 2 < result.temperature < 4.5
    after = softmax(test[0], result.temperature)
    np.testing.assert_array_equal(evaluated.probabilities_after, after)
    np.testing.assert_array_equal(evaluated.probabilities_before, softmax(test[0]))
    assert result.metrics == evaluate_classification(after, test[1], NAMES)
    assert result.ece_before == expected_calibration_error(softmax(test[0]), test[1]) > result.ece_after
    assert evaluated.validation_loss == 0.7
    assert [(record["epoch"], record["step"]) for record in result.history] == [(1, 10), (2, 20), (3, 30)]
    assert result.seed == 7


def test_logits_come_back_in_the_order_of_the_rows():
    import keras

    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in INPUTS}
    total = keras.ops.sum(inputs["token_ids"] * inputs["padding_mask"], axis=1, keepdims=True)
    model = keras.Model(inputs, keras.ops.cast(total, "float32"))
    rows = [np.full(length, length, np.int32) for length in (5, 2, 9, 3, 7)]
    logits = predict_logits(model, LengthBatches(rows, np.zeros(5, int), 2))
    assert logits.ravel().tolist() == pytest.approx([25, 4, 81, 9, 49])
