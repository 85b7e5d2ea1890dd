"""Times taken in turns, and what they say: medians, quartiles, ratios with their intervals."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

_SECONDS = 0.3  # a run is at least so long, so that clocks and what surrounds it do not count
_LONG_SECONDS = 10.0  # a first run of so many seconds is preparation enough
_PAUSE_SECONDS = 0.05  # threads of the one before still wait for work for a moment
_DRAWS = 2000


class Run(NamedTuple):
    """What some iterations took together."""

    wall: float
    cpu: float
    peak_bytes: int


@dataclasses.dataclass
class Timings:
    """Seconds of one iteration in each round, and the most memory that any of them held."""

    wall: list[float] = dataclasses.field(default_factory=list)
    cpu: list[float] = dataclasses.field(default_factory=list)
    iterations: int = 1
    peak_bytes: int = 0


def measure(
    systems: Mapping[str, Callable[[int], Run]],
    rounds: int,
    *,
    iterations: int | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Timings]:
    """Time all systems in each round, one after the other, in the opposite order in every other round: A B B A.

    So a machine that grows slower or faster meanwhile does it to all of them.

    Args:
        systems: by name, what runs so many iterations.
        rounds: in which each is timed once.
        iterations: in a run; None for as many as clocks need.
        pause: waits so many seconds between two of them.
    """
    timings = {name: Timings(iterations=_iterations(run, iterations)) for name, run in systems.items()}
    for order in turns(list(systems), rounds):
        for name in order:
            pause(_PAUSE_SECONDS)
            found = timings[name]
            run = systems[name](found.iterations)
            found.wall.append(run.wall / found.iterations)
            found.cpu.append(run.cpu / found.iterations)
            found.peak_bytes = max(found.peak_bytes, run.peak_bytes)
    return timings


def turns(names: Sequence[str], rounds: int) -> Iterator[list[str]]:
    """Yield who comes when in each round.

    >>> list(turns(["a", "b"], 3))
    [['a', 'b'], ['b', 'a'], ['a', 'b']]
    """
    for number in range(rounds):
        yield list(names[:: -1 if number % 2 else 1])


def _iterations(run: Callable[[int], Run], given: int | None) -> int:
    """Return how many iterations a run is to have; prepares memory and compiles on the way."""
    first = run(1)
    if given:
        return given
    wall = first.wall if first.wall > _LONG_SECONDS else run(1).wall
    return max(1, math.ceil(_SECONDS / max(wall, 1e-6)))


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the first, the median, the third.

    >>> quartiles([1.0, 2.0, 3.0, 4.0, 100.0])
    (2.0, 3.0, 4.0)
    """
    first, median, third = np.percentile(values, [25, 50, 75]).tolist()
    return first, median, third


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> tuple[float, float, float]:
    """Return the median of theirs over that of ours, above 1 where ours is faster, and its 95 % interval.

    The interval is that of the bootstrap over rounds: both times of a round are drawn together.
    """
    pairs = np.array([theirs, ours])
    drawn = np.random.default_rng(0).integers(pairs.shape[1], size=(_DRAWS, pairs.shape[1]))
    above, below = np.median(pairs[:, drawn], axis=-1)
    low, high = np.percentile(above / below, [2.5, 97.5]).tolist()
    return float(np.median(theirs) / np.median(ours)), low, high
