"""One task, done by tfbert and its peers in turns, after their outputs were compared."""

import contextlib
import dataclasses
import functools
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

import tfbert
from tfbert.benchmarks.measurements import Run, Timings, measure
from tfbert.benchmarks.task import (
    OURS,
    DisagreementError,
    Setup,
    System,
    Work,
    relative_differences,
    task_named,
)
from tfbert.errors import InputError
from tfbert.memory_allocation import give_back_freed_memory

_END_SECONDS = 10
_CEILING_ROUNDS = 3


class Contestant:
    """The process of one system; leaving the context ends it."""

    def __init__(self, task: str, system: str, folder: Path, *, python: str, threads: int):
        self.name = system
        self._log_path = folder / f"log-{system}.txt"
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
        environment = os.environ | {name: str(threads) for name in (*names, "TF_NUM_INTEROP_THREADS")}
        # Another interpreter finds this same package; one that has torch need not have it installed.
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(Path(tfbert.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        environment["TOKENIZERS_PARALLELISM"] = "true"
        # How long torch's threads look for work before they sleep. By default it is milliseconds: where anything else
        # runs, each product then waits for a thread that waits for its core, and takes ten times as long.
        environment.setdefault("GOMP_SPINCOUNT", "1000")
        with open(self._log_path, "w") as log:
            self._process = subprocess.Popen(
                [python, "-m", "tfbert.benchmarks.contestant", task, system, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )

    def __enter__(self) -> "Contestant":
        return self

    def __exit__(self, *_) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]

    def answer(self) -> dict:
        """Return its next answer.

        Raises:
            InputError: the process ended; with the last line that it said.
        """
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            # What it says last may come after it closed its output.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
            said = self._log_path.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            if self._process.returncode == -signal.SIGKILL:
                said = ["it was killed, as where memory runs out. Measure fewer peers at a time, with --peers."]
            raise InputError(f"{self.name} ended before its answer: {said[-1]}")
        return json.loads(line)

    def run(self, case: str, iterations: int) -> Run:
        """Let it do so many iterations of a case."""
        with contextlib.suppress(BrokenPipeError):  # then there is no answer
            self._process.stdin.write(f"{case} {iterations}\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        return Run(**self.answer())


@dataclasses.dataclass
class CaseResult:
    """What was measured of one case in one precision."""

    task: str
    case: str
    precision: str
    work: Work
    timings: dict[str, Timings]
    differences: dict[str, float]
    """Of the peers' outputs from tfbert's."""


@dataclasses.dataclass
class TaskResult:
    """What was measured of one task in one precision, and what was not."""

    cases: list[CaseResult] = dataclasses.field(default_factory=list)
    not_measured: dict[str, str] = dataclasses.field(default_factory=dict)
    """Why, by system."""
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    differences: dict[str, float] = dataclasses.field(default_factory=dict)


def hold(
    task: str, setup: Setup, folder: Path, *, rounds: int, peers: Iterable[str] | None = None, peer_python: str = ""
) -> TaskResult:
    """Let tfbert and its peers do a task in turns.

    Args:
        task: one of `task.TASKS`.
        setup: what all are given.
        folder: an empty one.
        rounds: in which each system is timed once a case.
        peers: those to measure, which must be installed then; None for all that are installed.
        peer_python: the interpreter for peers that are not installed where this one is; "" for none.

    Raises:
        DisagreementError: outputs differ by more than the task's tolerance; nothing was timed then.
        InputError: a peer that was asked for is not installed, or a system ended.
    """
    module = task_named(task)
    systems: Mapping[str, System] = module.SYSTEMS
    setup.write(folder)
    with contextlib.redirect_stdout(io.StringIO()):  # what saving says of dropped settings is of no use here
        works = module.write(folder, setup)
    # The models that were written; what they held is for the systems.
    give_back_freed_memory()
    names = [OURS, *(name for name in systems if name != OURS and (peers is None or name in peers))]
    result = TaskResult()
    with contextlib.ExitStack() as stack:
        ready: dict[str, Contestant] = {}
        for name in names:
            for python in [sys.executable, peer_python] if peer_python and name != OURS else [sys.executable]:
                contestant = stack.enter_context(Contestant(task, name, folder, python=python, threads=setup.threads))
                answer = contestant.answer()
                if "missing" not in answer:
                    break
            if "missing" in answer:
                result.not_measured[name] = f"{' and '.join(answer['missing'])} not installed"
                if name == OURS or peers is not None:
                    raise InputError(
                        f"{name} cannot be measured: {result.not_measured[name]}. Install it, run `tox -e peers`, or "
                        "leave it out of --peers."
                    )
                continue
            ready[name] = contestant
            result.versions |= answer["versions"]
        result.differences = _compare(module, setup, folder, list(ready))
        for case, work in works.items():
            runs = {name: functools.partial(each.run, case) for name, each in ready.items()}
            timings = measure(runs, rounds, iterations=work.iterations)
            result.cases.append(CaseResult(task, case, setup.precision, work, timings, result.differences))
    return result


def _compare(module, setup: Setup, folder: Path, names: list[str]) -> dict[str, float]:
    """Return how far each peer's outputs are from ours at most; see `hold` for what is raised."""
    if len(names) == 1:
        return {}
    outputs = {}
    for name in names:
        with np.load(folder / f"outputs-{name}.npz") as file:
            outputs[name] = dict(file)
    differences_of = getattr(module, "differences", relative_differences)
    tolerance = module.TOLERANCES[setup.precision]
    found = {}
    for name in names:
        if name == OURS:
            continue
        differences = differences_of(outputs[OURS], outputs[name])
        wrong = {output: each for output, each in differences.items() if not each <= tolerance}
        if wrong or not differences:
            said = ", ".join(f"{output} differs by {each:.2g}" for output, each in wrong.items())
            raise DisagreementError(
                f"{name} and {OURS} must give the same outputs, to {tolerance:g} of them in {setup.precision}; "
                f"{said or 'they share none'}. Nothing of this task was timed: find out which is wrong."
            )
        found[name] = max(differences.values())
    return found


class Ceiling:
    """The process that measures matrix products, kept ready between the tasks."""

    def __init__(self, folder: Path, setup: Setup):
        setup.write(folder)
        self._works = task_named("matrix_product").write(folder, setup)
        self._contestant = Contestant("matrix_product", OURS, folder, python=sys.executable, threads=setup.threads)

    def __enter__(self) -> "Ceiling":
        self._contestant.answer()
        return self

    def __exit__(self, *error) -> None:
        self._contestant.__exit__(*error)

    def measure(self) -> list[CaseResult]:
        """Return what a few rounds take now."""
        cases = {case: functools.partial(self._contestant.run, case) for case in self._works}
        timings = measure(cases, _CEILING_ROUNDS)
        return [
            CaseResult("matrix_product", case, case, work, {OURS: timings[case]}, {})
            for case, work in self._works.items()
        ]
