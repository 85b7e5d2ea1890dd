import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfbert.errors import InputError
from tfbert.training.pretraining_batches import PretrainingBatches


@dataclasses.dataclass
class Numbered:
    """Stands for the inputs of a phase: batch i is the number start + i."""

    start: int
    batch_size: int = 2
    tokens_per_row: float = 5.0

    def dataset(self, first_step, num_steps):
        return tf.data.Dataset.range(self.start + first_step, self.start + first_step + num_steps)


TWO = PretrainingBatches(((Numbered(0), 7), (Numbered(100, 1, 50.0), 5)), rounds=3)


def test_rounds_of_equal_length_over_both_phases():
    assert (TWO.num_steps, TWO.steps_per_epoch) == (12, 4)
    every = [*range(7), *range(100, 105)]
    for first_epoch, first_step, epochs in ((0, 0, 3), (1, 0, 3), (1, 3, 3), (2, 1, 3), (0, 2, 2)):
        read = list(TWO.training_dataset(epochs, first_epoch, first_step).as_numpy_iterator())
        assert read == every[first_epoch * 4 + first_step : epochs * 4]


def test_tokens_are_counted_as_planned():
    assert [TWO.tokens_before(step) for step in (0, 1, 7, 8, 12)] == [0, 10, 70, 120, 320]
    assert TWO.tokens_of_steps(1) == [10, 10, 10, 50]
    assert TWO.tokens_per_epoch == 106
    assert np.sum([TWO.tokens_of_steps(epoch) for epoch in range(3)]) == 320


def test_steps_that_do_not_divide_are_refused():
    with pytest.raises(InputError, match=r"received 12 steps and 5 evaluations. Take 10 or 15 steps"):
        PretrainingBatches(TWO.phases, rounds=5)
    with pytest.raises(InputError, match="0 evaluations"):
        PretrainingBatches(TWO.phases, rounds=0)
