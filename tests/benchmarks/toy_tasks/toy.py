"""A task for tests: the systems differ in what they answer."""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from tfbert.benchmarks.task import Built, System, Work

TOLERANCES = {"float32": 0.01}
KEPT: list[np.ndarray] = []


def write(folder, setup):
    (folder / "value").write_text("3")
    return {"a first case": Work("step", 1, 10, "rows", 100.0), "a second": Work("request", 2, 4, "reviews")}


def built(value, others=None):
    def build(folder: Path, setup) -> Built:
        def iteration():
            with open(folder / "timed", "a") as file:
                file.write(f"{value}\n")

        threads = [os.environ["OMP_NUM_THREADS"], os.environ["RAYON_NUM_THREADS"], setup.threads]
        values = np.full(4, float((folder / "value").read_text()) * value)
        outputs = {"value": values, "threads": np.array(threads, float)} | (others or {})
        return Built({"a first case": iteration, "a second": lambda: (0.5, 0.25)}, lambda: outputs)

    return build


def dying(folder, setup):
    print("one line")
    sys.exit("no more of this")


def wordless(folder, setup):
    return Built(built(1.0)(folder, setup).cases, lambda: sys.exit("no outputs of this"))


def killed(folder, setup):
    os.kill(os.getpid(), signal.SIGKILL)


def wasteful(folder, setup):
    """What it computed for its outputs stays with its process."""
    modest = built(1.0)(folder, setup)

    def outputs():
        KEPT.append(np.ones(50_000_000))
        return modest.outputs()

    return Built(modest.cases, outputs)


def loud(folder, setup):
    print("a library says hello")
    os.write(1, b"so does its C++\n")
    return built(1.0)(folder, setup)


SYSTEMS = {
    "tfbert": System(built(1.0), ()),
    "near": System(built(1.001), ("numpy",)),
    "far": System(built(1.1), ()),
    "not_a_number": System(built(float("nan")), ()),
    "misshapen": System(built(1.0, {"value": np.ones(3)}), ()),
    "silent": System(lambda folder, setup: Built({}), ()),
    "dying": System(dying, ()),
    "wordless": System(wordless, ()),
    "killed": System(killed, ()),
    "wasteful": System(wasteful, ()),
    "loud": System(loud, ()),
    "absent": System(built(1.0), ("no_such_package",)),
}
