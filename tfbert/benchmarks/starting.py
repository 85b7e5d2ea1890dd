"""What starting costs: importing tfbert where TensorFlow and Keras are imported already, and a recipe's `--help`."""

import collections
import functools
import os
import subprocess
import sys
from pathlib import Path

from tfbert.benchmarks.task import Built, Setup, System, Work, answerless

PRECISIONS = ("float32",)
TOLERANCES = {"float32": 0.0}

_IMPORTS = {
    "import tfbert": "import tfbert",
    "all that tfbert offers": "[getattr(tfbert, name) for name in dir(tfbert)]",
}
_TIMED = f"""
import time
import tensorflow, keras
for statement in {tuple(_IMPORTS.values())}:
    wall, cpu = time.perf_counter(), time.process_time()
    exec(statement)
    print(time.perf_counter() - wall, time.process_time() - cpu)
"""
_HELP = "--help of a recipe"


def write(folder: Path, setup: Setup) -> dict[str, Work]:
    """There is nothing to write."""
    return dict.fromkeys(_IMPORTS, Work("import", 1, 1, "imports", iterations=1)) | {
        _HELP: Work("start", 1, 1, "starts")
    }


def _tfbert(folder: Path, setup: Setup) -> Built:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}

    def output_of(program: str, *arguments: str) -> str:
        done = subprocess.run([program, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout

    # The installed command: where this process was started in a checkout, its own `tfbert` has no recipes.
    command = str(Path(sys.executable).with_name("tfbert"))

    waiting: dict[str, collections.deque] = {case: collections.deque() for case in _IMPORTS}

    def importing(case: str) -> tuple[float, float]:
        if not waiting[case]:
            # One process measures both, since importing TensorFlow is most of its work.
            for each, line in zip(_IMPORTS, output_of(sys.executable, "-c", _TIMED).splitlines(), strict=True):
                waiting[each].append(tuple(map(float, line.split())))
        return waiting[case].popleft()

    cases = {case: functools.partial(importing, case) for case in _IMPORTS}
    help_case = {_HELP: answerless(lambda: output_of(command, "pretrain", "--help"))}
    return Built({**cases, **help_case})


SYSTEMS = {"tfbert": System(_tfbert, (), ("float32",))}
