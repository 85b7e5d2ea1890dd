"""The steps of a pre-training run as batches, in one phase of short rows or two (Devlin et al. 2019, appendix A.2)."""

import dataclasses
import functools

import tensorflow as tf

from tfbert.data.data_service import served_dataset
from tfbert.data.inputs import PretrainingInputs
from tfbert.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class PretrainingBatches:
    """All steps of a run, cut into `rounds` of equally many steps, each followed by an evaluation.

    Args:
        phases: the inputs of each phase and its number of steps.
        rounds: how many; it must divide the number of all steps.
        data_services: addresses of the services that make the batches, see `served_dataset`; none makes them here.

    Raises:
        InputError: if it does not.
    """

    phases: tuple[tuple[PretrainingInputs, int], ...]
    rounds: int
    data_services: tuple[str, ...] = ()
    _tokens_per_row: tuple[float, ...] = dataclasses.field(init=False)

    def __post_init__(self):
        if self.rounds < 1 or not self.num_steps or self.num_steps % self.rounds:
            lower = self.num_steps // max(self.rounds, 1) * self.rounds
            raise InputError(
                f"the number of evaluations must divide the steps; received {self.num_steps} steps and {self.rounds} "
                f"evaluations. Take {lower or self.rounds} or {lower + self.rounds} steps."
            )
        object.__setattr__(self, "_tokens_per_row", tuple(inputs.tokens_per_row for inputs, _ in self.phases))

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return sum(steps for _, steps in self.phases)

    @property
    def steps_per_epoch(self) -> int:
        """Steps a round, which is what Keras's `fit` calls an epoch."""
        return self.num_steps // self.rounds

    @property
    def tokens_per_epoch(self) -> int:
        """Real tokens a round, on average."""
        return self.tokens_before(self.num_steps) // self.rounds

    def tokens_before(self, step: int) -> int:
        """Return the real tokens of the steps before `step`, as their rows are planned."""
        tokens = 0.0
        for (inputs, steps), per_row in zip(self.phases, self._tokens_per_row, strict=True):
            done = min(step, steps)
            tokens += done * inputs.batch_size * per_row
            step -= done
        return int(tokens)

    def tokens_of_steps(self, epoch: int) -> list[int]:
        """Return the real tokens of each step of a round, as their rows are planned."""
        steps = range(epoch * self.steps_per_epoch, (epoch + 1) * self.steps_per_epoch)
        return [self.tokens_before(step + 1) - self.tokens_before(step) for step in steps]

    def training_dataset(self, epochs: int, first_epoch: int = 0, first_step: int = 0) -> tf.data.Dataset:
        """Return the batches of rounds `first_epoch` to `epochs - 1`, the first `first_step` left out."""
        first = first_epoch * self.steps_per_epoch + first_step
        end = epochs * self.steps_per_epoch
        parts = []
        for inputs, steps in self.phases:
            begin, stop = max(first, 0), min(end, steps)
            if begin < stop:
                make = functools.partial(served_dataset, inputs, services=self.data_services)
                parts.append((make if self.data_services else inputs.dataset)(begin, stop - begin))
            first, end = first - steps, end - steps
        dataset = parts[0]
        for part in parts[1:]:
            dataset = dataset.concatenate(part)
        return dataset


@dataclasses.dataclass(frozen=True, eq=False)
class FixedBatches:
    """The first `steps` batches of some inputs, the same at every evaluation."""

    inputs: PretrainingInputs
    steps: int

    def evaluation_dataset(self) -> tf.data.Dataset:
        """Return the batches."""
        return self.inputs.dataset(0, self.steps)
