"""The results as JSON, as lines for the terminal and as the README's table."""

import dataclasses
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from tfbert.benchmarks.contest import CaseResult
from tfbert.benchmarks.measurements import Timings, quartiles, ratio
from tfbert.benchmarks.task import OURS

Ceilings = dict[str, float]
"""By precision, operations a CPU second."""


def ceilings(results: Sequence[CaseResult]) -> Ceilings:
    """Return the most that the machine did, from the runs of `matrix_product` before, between and after the tasks."""
    runs: dict[str, list[float]] = {}
    for each in results:
        runs.setdefault(each.case, []).extend((each.work.useful_flops or 0) / cpu for cpu in each.timings[OURS].cpu)
    return {case: statistics.median(rates) for case, rates in runs.items()}


def ceiling_share(result: CaseResult, timings: Timings, ceilings: Ceilings) -> float | None:
    """Return the useful operations a CPU second, as a share of the most that the machine does in this precision.

    That is float32's where the machine has no faster products for the other.
    """
    ceiling = max(ceilings.get("float32", 0), ceilings.get(result.precision, 0))
    if result.work.useful_flops is None or not ceiling:
        return None
    return result.work.useful_flops / statistics.median(timings.cpu) / ceiling


def to_json(result: CaseResult, ceilings: Ceilings) -> dict[str, Any]:
    """Return all that is known of a case, every single time included, in seconds an iteration."""
    ours = result.timings[OURS]
    systems = {}
    for name, timings in result.timings.items():
        systems[name] = dataclasses.asdict(timings) | {
            "wall_quartiles": quartiles(timings.wall),
            "cpu_quartiles": quartiles(timings.cpu),
            "share_of_ceiling": ceiling_share(result, timings, ceilings),
        }
        if name != OURS:
            systems[name] |= {
                "output_difference": result.differences[name],
                "wall_ratio": ratio(timings.wall, ours.wall),
                "cpu_ratio": ratio(timings.cpu, ours.cpu),
            }
    about = {name: getattr(result, name) for name in ("task", "case", "precision")}
    return {**about, "work": dataclasses.asdict(result.work), "systems": systems}


def lines(result: CaseResult, ceilings: Ceilings) -> Iterator[str]:
    """Yield what the terminal shows of a case."""
    work, ours = result.work, result.timings[OURS]
    yield f"  {result.case}, {result.precision}: wall and CPU seconds per {work.each}"
    for name, timings in result.timings.items():
        low, middle, high = (duration(each / work.times) for each in quartiles(timings.wall))
        cpu = duration(statistics.median(timings.cpu) / work.times)
        rate = f"{_three_digits(work.amount / statistics.median(timings.wall))} {work.unit}/s"
        words = [f"{middle} ({low} to {high})", f"CPU {cpu}", rate, f"{timings.peak_bytes / 2**20:,.0f} MiB"]
        share = ceiling_share(result, timings, ceilings)
        if share is not None:
            words.append(f"{share:.0%} of the ceiling")
        if name != OURS:
            words += [f"{_ratio(timings.wall, ours.wall)} x {OURS}, CPU {_ratio(timings.cpu, ours.cpu)} x"]
        yield f"    {name:<18} {'; '.join(words)}"


def markdown(results: Sequence[CaseResult], ceilings: Ceilings) -> str:
    """Return the README's table: a row for each peer of a case, and one for a case without peers."""
    rows = [
        "| what | precision | tfbert | peer | wall, peer / tfbert | CPU, peer / tfbert | share of the ceiling |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        work, ours = result.work, result.timings[OURS]

        def shown(timings: Timings, work=work) -> str:
            return f"{duration(statistics.median(timings.wall) / work.times)} per {work.each}"

        share = ceiling_share(result, ours, ceilings)
        what = f"{result.task.replace('_', ' ')}: {result.case}"
        last = "" if share is None else f"{share:.0%}"
        for name, timings in result.timings.items():
            if name != OURS:
                ratios = f"{_ratio(timings.wall, ours.wall)} | {_ratio(timings.cpu, ours.cpu)}"
                peer = f"{name.replace('_', ' ')}: {shown(timings)}"
                rows.append(f"| {what} | {result.precision} | {shown(ours)} | {peer} | {ratios} | {last} |")
        if len(result.timings) == 1:
            rows.append(f"| {what} | {result.precision} | {shown(ours)} | | | | {last} |")
    return "\n".join(rows) + "\n"


def duration(seconds: float) -> str:
    """Write seconds in three digits.

    >>> duration(0.01234), duration(1.5), duration(0.00008), duration(123.4)
    ('12.3 ms', '1.50 s', '80.0 µs', '123 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds / 1e-6)} µs"


def _three_digits(value: float) -> str:
    """Write 1234567 as 1,230,000 and 1.2 as 1.20."""
    places = 3 - len(str(int(value)))
    return f"{round(value, places):,.{max(0, places)}f}"


def _ratio(theirs: Sequence[float], ours: Sequence[float]) -> str:
    middle, low, high = ratio(theirs, ours)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"
