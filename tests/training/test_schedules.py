import keras
import numpy as np
import pytest

from tfbert.errors import InputError
from tfbert.training import LinearWarmupDecay


def test_as_google_computes_it():
    """`optimization.py`: polynomial decay over all steps, replaced by step/warmup while step < warmup."""
    schedule = LinearWarmupDecay(2e-5, total_steps=40, warmup_steps=4)
    expected = [2e-5 * (s / 4 if s < 4 else 1 - s / 40) for s in range(41)]
    np.testing.assert_allclose([float(schedule(s)) for s in range(41)], expected, rtol=1e-5, atol=1e-12)


def test_continuous():
    schedule = LinearWarmupDecay(2e-5, 40, 4, continuous=True)
    expected = [2e-5 * (s / 4 if s < 4 else (40 - s) / 36) for s in range(41)]
    np.testing.assert_allclose([float(schedule(s)) for s in range(41)], expected, rtol=1e-5, atol=1e-12)


def test_without_warmup_and_past_the_end():
    schedule = LinearWarmupDecay(1.0, 10)
    assert [float(schedule(step)) for step in (0, 5, 10, 11)] == [1.0, 0.5, 0.0, 0.0]


def test_config_round_trip():
    schedule = LinearWarmupDecay(2e-5, 40, 4, True, "mine")
    config = keras.saving.serialize_keras_object(schedule)
    assert keras.saving.deserialize_keras_object(config).get_config() == schedule.get_config()


@pytest.mark.parametrize("arguments", [(0.0, 10, 0), (1.0, 0, 0), (1.0, 10, 10), (1.0, 10, -1)])
def test_bad_settings(arguments):
    with pytest.raises(InputError, match="LinearWarmupDecay needs"):
        LinearWarmupDecay(*arguments)
