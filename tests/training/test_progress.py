import io
import re

import numpy as np

from tfbert.data.batching import LengthBatches
from tfbert.training.progress import Progress


def batches():
    return LengthBatches([np.ones(10, np.int32)] * 8, np.zeros(8, int), 2)


def run(progress, first_step=0):
    progress.on_epoch_begin(0)
    for step in range(4):
        progress.on_train_batch_end(step, {"loss": 0.5} if step >= first_step else {})
    progress.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.25})


def test_lines(monkeypatch):
    """One second a step, 20 tokens each: 20 tokens/s, and the steps left times a second."""
    clock = iter(range(1, 100))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    run(Progress(batches(), epochs=2, every_seconds=1.0, stream=stream))
    assert stream.getvalue().splitlines() == [
        "  epoch 1/2  step 2/4  loss 0.500  20 tokens/s  6 s left",
        "  epoch 1/2  step 3/4  loss 0.500  20 tokens/s  5 s left",
        "  epoch 1/2  step 4/4  loss 0.500  20 tokens/s  4 s left",
        "  epoch 1/2  loss 0.500  val loss 0.250",
    ]


def test_skipped_steps_are_not_counted(monkeypatch):
    clock = iter(range(1, 100))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    run(Progress(batches(), epochs=1, every_seconds=1.0, stream=stream), first_step=2)
    assert re.findall(r"step (\d)/4 .* (\d+) tokens/s", stream.getvalue()) == [("4", "20")]


def test_a_terminal_line_is_rewritten():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    progress = Progress(batches(), epochs=1, stream=stream)
    progress.every_seconds = 0.0
    run(progress)
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().count("\r") == 4
