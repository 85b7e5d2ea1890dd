import math

import keras
import pytest

from tfbert.models.pretraining_metrics import BalancedAccuracy, Perplexity


def test_perplexity_weighs_its_losses():
    metric = Perplexity()
    metric.update_state([1.0, 3.0], sample_weight=[3.0, 1.0])
    assert float(metric.result()) == pytest.approx(math.exp(1.5), rel=1e-6)


def test_balanced_accuracy_by_hand_over_two_updates():
    metric = BalancedAccuracy(3)
    metric.update_state([0, 0, 1], [[2.0, 1, 0], [0, 1, 0], [0, 1, 0]])
    metric.update_state([1, 1], [[0.0, 0, 1], [0, 3, 1]])
    # Class 0: 1 of 2, class 1: 2 of 3; class 2 does not occur.
    assert float(metric.result()) == pytest.approx((1 / 2 + 2 / 3) / 2, rel=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0


@pytest.mark.parametrize(("kind", "arguments"), [(Perplexity, {}), (BalancedAccuracy, {"num_classes": 4})])
def test_config_round_trip(kind, arguments):
    metric = kind(**arguments, name="other")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert copy.get_config() == metric.get_config()
