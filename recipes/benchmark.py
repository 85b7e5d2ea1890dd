"""Measure tfbert's speed beside its peers': the same weights, rows and threads, in turns, each in its own process.

  python recipes/benchmark.py                                    every task at a tiny size, on the sample
  python recipes/benchmark.py --model minilm --tasks pretraining_step --precision float32,bfloat16 --rounds 15
  python recipes/benchmark.py --model FOLDER --data reviews.csv --tasks serving,tokenizing --peers onnxruntime
  tox -e peers -- --model FOLDER --data reviews.csv              with every peer: torch, transformers, ONNX Runtime

FOLDER is a checkpoint with its vocabulary. Outputs are compared first, and a disagreement ends the run. Then the
systems do the task in turns, A B B A; the others idle meanwhile. Each line has medians with their quartiles, ratios of
medians with their 95 % interval, and the share of the matrix products that the machine does in the same run. Nothing
else should run beside it. The first command takes some 5 minutes on two cores.
"""

import dataclasses
import json
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from tfbert.cli import run_recipe, setting
from tfbert.errors import InputError

_FILES = ("benchmark.json", "table.md", "benchmark.svg")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run depends on."""

    tasks: str = setting(
        "serving,tokenizing,pretraining_step,fine_tuning,pretraining_inputs,preparing,starting",
        "tasks, with commas between them",
    )
    peers: str | None = setting(None, "peers, with commas between them; by default all that are installed")
    model: str = setting("tiny", "tiny, minilm (6 x 384), base (12 x 768), or a checkpoint folder")
    data: str = setting("sample", "sample, or a CSV of reviews")
    precision: str = setting("float32", "float32, bfloat16 or int8 (of the export's weights), with commas between them")
    rounds: int = setting(5, "times that each system does each case")
    threads: int = setting(2, "threads of each system")
    batches: int = setting(32, "batches of 16 reviews in an epoch of fine-tuning")
    length: int = setting(128, "tokens in a row of pre-training")
    peer_python: str = setting("", "another interpreter, for peers that are not installed here")
    output: str = setting("runs/benchmark", "folder for the figures, the table and the plot")

    def __post_init__(self):
        from tfbert.benchmarks.task import OURS, PRECISIONS, TASKS, task_named

        _check_words("--tasks", self.tasks, TASKS)
        _check_words("--precision", self.precision, PRECISIONS)
        if self.peers is not None:
            systems = {name for task in TASKS for name in task_named(task).SYSTEMS} - {OURS}
            _check_words("--peers", self.peers, sorted(systems))
        for name in ("rounds", "threads", "batches"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name} must be at least 1; received {getattr(self, name)}.")
        if self.length < 32:
            raise InputError(f"--length must be at least 32, for 20 masks; received {self.length}.")


def _check_words(flag: str, given: str, known) -> None:
    """Refuse unknown and repeated words."""
    words = given.split(",")
    if not {*words} <= {*known} or len({*words}) < len(words):
        raise InputError(f"{flag} must be some of {', '.join(known)}, each once; received {given!r}.")


def main(settings: Settings) -> None:
    """Run the recipe."""
    from tfbert.benchmarks import contest, material, plot, table
    from tfbert.benchmarks.task import Setup

    material.check_model(settings.model)
    plot.check_matplotlib()
    output = Path(settings.output)
    if output.exists():
        raise InputError(f"{output} is there already: name a new folder, or delete it first.")
    results: list[contest.CaseResult] = []
    ceiling_results: list[contest.CaseResult] = []
    about = {
        "settings": dataclasses.asdict(settings),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {"tfbert": version("tfbert")},
        "not_measured": {},
    }

    with ExitStack() as stack:
        # 1. What the machine can do: measured before each task, so that it is that of the same minutes.
        setup = Setup(
            model=settings.model,
            data=settings.data,
            precision="float32",
            threads=settings.threads,
            batches=settings.batches,
            length=settings.length,
            rows=8 if settings.model == "base" else 32,
        )
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tfbert-benchmark-")))
        ceiling = stack.enter_context(contest.Ceiling(scratch, setup))

        # 2. Each task in each precision that it knows.
        for task, precision in _tasks_and_precisions(settings):
            ceiling_results += ceiling.measure()
            limits = table.ceilings(ceiling_results)
            print(f"{task.replace('_', ' ')}", flush=True)
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                found = contest.hold(
                    task,
                    dataclasses.replace(setup, precision=precision),
                    Path(folder),
                    rounds=settings.rounds,
                    peers=settings.peers and settings.peers.split(","),
                    peer_python=settings.peer_python,
                )
            for name, difference in found.differences.items():
                print(f"  {name}: outputs differ by {difference:.1e}")
            for name, reason in found.not_measured.items():
                print(f"  {name}: not measured, {reason}")
            for case in found.cases:
                print("\n".join(table.lines(case, limits)))
            results += found.cases
            about["versions"] |= found.versions
            about["not_measured"] |= found.not_measured

            # 3. Figures, table and plot, of all tasks so far.
            _write(output, about, results, limits)
    print(f"ceiling\n  {_ceiling_words(settings.threads, limits)}\nwritten\n  {output}: {', '.join(_FILES)}")


def _tasks_and_precisions(settings: Settings) -> Iterator[tuple[str, str]]:
    from tfbert.benchmarks.task import task_named

    for task in settings.tasks.split(","):
        known = task_named(task).PRECISIONS
        for precision in [each for each in settings.precision.split(",") if each in known] or known[:1]:
            yield task, precision


def _write(output: Path, about: dict, results: Sequence, limits: dict[str, float]) -> None:
    """Write what is known so far; each file is whole at any moment."""
    from tfbert.atomic import written_beside
    from tfbert.benchmarks import plot, table

    figures = about | {
        "operations_a_cpu_second": limits,
        "results": [table.to_json(each, limits) for each in results],
    }
    words = f"{about['machine']['processor']}, {_ceiling_words(about['settings']['threads'], limits)}"
    output.mkdir(parents=True, exist_ok=True)
    for name, write in (
        (_FILES[0], lambda path: path.write_text(json.dumps(figures, indent=2) + "\n")),
        (_FILES[1], lambda path: path.write_text(f"{table.markdown(results, limits)}\n{words}.\n", encoding="utf-8")),
        (_FILES[2], lambda path: plot.draw(path, results)),
    ):
        with written_beside(output / name) as partial:
            write(partial)


def _ceiling_words(threads: int, limits: dict[str, float]) -> str:
    rates = ", ".join(f"{rate * threads / 1e9:,.0f} GFLOP/s in {name}" for name, rate in limits.items())
    return f"{threads} threads; matrix products {rates}"


def _processor() -> str:
    """Return the processor's name, where the system tells it."""
    path = Path("/proc/cpuinfo")
    names = [line for line in path.read_text().splitlines() if line.startswith("model name")] if path.exists() else []
    return names[0].split(":")[1].strip() if names else platform.machine()


if __name__ == "__main__":
    run_recipe(main, Settings)
