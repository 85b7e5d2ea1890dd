"""What a task is: work that several systems do, each from the same files."""

import dataclasses
import functools
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfbert.errors import InputError

OURS = "tfbert"
"""The system that all others are compared with."""

TASKS = (
    "serving",
    "tokenizing",
    "pretraining_step",
    "fine_tuning",
    "pretraining_inputs",
    "preparing",
    "starting",
)
"""Each is a module here with `write`, `SYSTEMS` `PRECISIONS`, `TOLERANCES` by precision and, where it is not
`relative_differences`, a function `differences`."""

PRECISIONS = ("float32", "bfloat16", "int8")


class DisagreementError(InputError):
    """Two systems give different outputs for the same work; what they need for it says nothing then."""


@dataclasses.dataclass(frozen=True)
class Setup:
    """What the contestants of one task are given, beside the files in their folder.

    Args:
        model: a size of `material.SIZES`, or a checkpoint folder.
        data: sample, or a CSV of reviews.
        precision: one of `PRECISIONS`.
        threads: of each system.
        batches: of fine-tuning in an epoch.
        length: tokens in a row of pre-training.
        rows: in a step of pre-training.
    """

    model: str
    data: str
    precision: str
    threads: int
    batches: int
    length: int
    rows: int

    def write(self, folder: Path) -> None:
        """Leave it in `folder`, for `read`."""
        (folder / "setup.json").write_text(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> "Setup":
        """Return what `write` left."""
        return cls(**json.loads((folder / "setup.json").read_text()))


@dataclasses.dataclass(frozen=True)
class Work:
    """What one iteration of a case is.

    Args:
        each: what it consists of, such as request.
        times: how many of them.
        amount: how many of `unit` they hold together.
        unit: in the plural, such as reviews.
        useful_flops: multiplications and additions that the mathematics asks for, padding left out; None for work that
            is no matrix product.
        iterations: in a run; None for as many as clocks need.
    """

    each: str
    times: int
    amount: float
    unit: str
    useful_flops: float | None = None
    iterations: int | None = None


@dataclasses.dataclass(frozen=True)
class Built:
    """A system that is ready.

    Args:
        cases: by name, a function that does one iteration. It returns nothing; or the wall and CPU seconds, where what
            is to be timed is only part of what it does.
        outputs: returns what it gives for the same work as the others, by name; called in a process of its own.
    """

    cases: Mapping[str, Callable[[], tuple[float, float] | None]]
    outputs: Callable[[], Mapping[str, np.ndarray]] = dict


@dataclasses.dataclass(frozen=True)
class System:
    """A contestant.

    Args:
        build: from the task's folder and setup.
        packages: what must be installed; versions are kept with the times.
        precisions: that it knows. In another one it takes part with its first.
    """

    build: Callable[[Path, Setup], Built]
    packages: tuple[str, ...]
    precisions: tuple[str, ...] = ("float32", "bfloat16")


def answerless(function: Callable[[], Any]) -> Callable[[], None]:
    """Return a case's function that does the same and returns nothing."""

    def iteration() -> None:
        function()

    return iteration


def asking(answer: Callable[[Any], Any], requests: Mapping[str, Sequence]) -> dict[str, Callable[[], None]]:
    """Return each case's function: it has its requests answered one after the other, and returns nothing."""

    def iteration(asked: Sequence) -> None:
        for request in asked:
            answer(request)

    return {case: functools.partial(iteration, asked) for case, asked in requests.items()}


def task_named(name: str) -> Any:
    """Return the module of a task: one here by its name, another by its path."""
    return importlib.import_module(name if "." in name else f"tfbert.benchmarks.{name}")


def relative_differences(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return ‖ours - theirs‖ / ‖ours‖ of each output that both have.

    >>> relative_differences({"a": np.array([3.0, 4.0])}, {"a": np.array([3.0, 4.5]), "b": np.zeros(1)})
    {'a': 0.1}
    """
    differences = {}
    for name in ours:
        if name in theirs:
            if ours[name].shape != theirs[name].shape:
                raise DisagreementError(f"{name} has the shapes {ours[name].shape} and {theirs[name].shape}.")
            exact = ours[name].astype(np.float64)
            differences[name] = float(np.linalg.norm(exact - theirs[name]) / np.linalg.norm(exact))
    return differences
