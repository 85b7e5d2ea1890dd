"""What a person sees while a model trains: loss, tokens a second, time left."""

import sys
import time
from collections.abc import Sequence
from typing import Protocol, TextIO

import keras

from tfbert.durations import duration


class CountedBatches(Protocol):
    """Batches that know how many real tokens they hold, such as `tfbert.data.LengthBatches`."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches an epoch."""

    @property
    def tokens_per_epoch(self) -> int:
        """Real tokens an epoch."""

    def tokens_of_steps(self, epoch: int) -> Sequence[int]:
        """Return the real tokens of each batch of an epoch."""


class Progress(keras.callbacks.Callback):
    """Prints a line now and then, and one for each epoch.

    Args:
        batches: the training rows, which tell the real tokens of each step.
        epochs: how many epochs the training has.
        unit: what an epoch is called.
        every_seconds: seconds between two lines; on a terminal one line is rewritten each second instead.
        stream: where to print; default standard output.
    """

    def __init__(
        self,
        batches: CountedBatches,
        epochs: int,
        every_seconds: float = 15.0,
        stream: TextIO | None = None,
        unit: str = "epoch",
    ):
        super().__init__()
        self.batches = batches
        self.epochs = epochs
        self.unit = unit
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()
        self.every_seconds = 1.0 if self.live else every_seconds
        self._tokens = 0
        self._start = self._last_line = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._tokens_of_step = self.batches.tokens_of_steps(epoch)

    def on_train_batch_end(self, batch, logs=None):
        if not logs:
            # An earlier run did this step.
            return
        now = time.monotonic()
        if not self._start:
            # The first step also traces and compiles: the rate counts from its end.
            self._start = self._last_line = now
            return
        self._tokens += self._tokens_of_step[batch]
        if now - self._last_line < self.every_seconds:
            return
        self._last_line = now
        rate = self._tokens / (now - self._start)
        left = sum(self._tokens_of_step[batch + 1 :]) + (self.epochs - self._epoch - 1) * self.batches.tokens_per_epoch
        self._print(
            f"{self.unit} {self._epoch + 1}/{self.epochs}  step {batch + 1}/{self.batches.steps_per_epoch}  "
            f"loss {float(logs['loss']):.3f}  {rate:,.0f} tokens/s  {duration(left / rate)} left",
            end="" if self.live else "\n",
        )

    def on_epoch_end(self, epoch, logs=None):
        values = "  ".join(f"{name.replace('_', ' ')} {float(value):.3f}" for name, value in (logs or {}).items())
        self._print(f"{self.unit} {epoch + 1}/{self.epochs}  {values}", end="\n")

    def _print(self, line: str, end: str) -> None:
        print(f"\r\033[K  {line}" if self.live else f"  {line}", end=end, file=self.stream, flush=True)
