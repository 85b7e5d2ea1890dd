"""One system doing one task, in a process of its own: `python -m tfbert.benchmarks.contestant TASK SYSTEM FOLDER`.

It writes FOLDER/outputs-SYSTEM.npz, builds the system from FOLDER and answers a line of JSON: its versions, or the
packages that are missing. Then it reads lines `CASE ITERATIONS` and answers each with wall and CPU seconds of all
iterations together, the processes that it started included, and the most memory that it held meanwhile, in bytes. It
ends with its input.
"""

import dataclasses
import importlib.util
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tfbert.benchmarks.task import Built, Setup, System, task_named
from tfbert.cli import import_tensorflow
from tfbert.memory_allocation import give_back_freed_memory, keep_freed_memory


def main(task: str, name: str, folder: Path) -> None:
    """Answer until the input ends."""
    # What libraries print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # In order with what is said at the end, which a buffer would come after.
    sys.stdout = sys.stderr

    def answer(**fields) -> None:
        answers.write(json.dumps(fields) + "\n")
        answers.flush()

    systems = task_named(task).SYSTEMS
    system: System = systems[name]
    missing = [package for package in system.packages if importlib.util.find_spec(package) is None]
    if missing:
        answer(missing=missing)
        return
    setup = Setup.read(folder)
    if setup.precision not in system.precisions:
        setup = dataclasses.replace(setup, precision=system.precisions[0])
    if len(systems) > 1:
        # What is compared is no part of the memory that the cases hold, and TensorFlow keeps the variables of a model
        # that was trained until its process ends (github.com/tensorflow/tensorflow/issues/62854).
        _in_a_process_of_its_own(lambda: _write_outputs(_build(system, folder, setup), folder / f"outputs-{name}.npz"))
    built = _build(system, folder, setup)
    give_back_freed_memory()
    answer(versions={package: version(package.replace("_", "-")) for package in system.packages})
    for line in sys.stdin:
        case, iterations = line.rsplit(maxsplit=1)
        _forget_peak_memory()
        wall, cpu = timed(built.cases[case], int(iterations))
        answer(wall=wall, cpu=cpu, peak_bytes=_peak_memory())


def _in_a_process_of_its_own(function: Callable[[], None]) -> None:
    """Do it in a fork, and end as that did if it failed. Libraries that start threads must not be loaded yet."""
    child = os.fork()
    if not child:
        function()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    if status:
        os._exit(os.WEXITSTATUS(status))


def _write_outputs(built: Built, path: Path) -> None:
    np.savez(path, **built.outputs())  # type: ignore[arg-type]


def _build(system: System, folder: Path, setup: Setup) -> Built:
    # For all alike; tfbert's recipes do so by themselves.
    keep_freed_memory()
    if "tensorflow" in system.packages:
        import_tensorflow()
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(setup.threads)
        tf.config.threading.set_inter_op_parallelism_threads(setup.threads)
    if "torch" in system.packages:
        import torch

        torch.set_num_threads(setup.threads)
    return system.build(folder, setup)


def timed(iteration: Callable[[], tuple[float, float] | None], count: int) -> tuple[float, float]:
    """Return the wall and CPU seconds of `count` iterations; their own figures where they have some."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    own = [seconds for _ in range(count) if (seconds := iteration()) is not None]
    if own:
        return sum(seconds[0] for seconds in own), sum(seconds[1] for seconds in own)
    return time.perf_counter() - wall, cpu_seconds() - cpu


def cpu_seconds() -> float:
    """Return the CPU seconds of this process, all threads, and of the processes that it started and that ended."""
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _forget_peak_memory() -> None:
    # Linux alone has this; elsewhere the peak is that since the start.
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory() -> int:
    if Path("/proc/self/status").exists():
        (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
