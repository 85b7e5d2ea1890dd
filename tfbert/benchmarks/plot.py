"""A picture of the results: how long each peer takes for what tfbert does in one."""

from collections.abc import Sequence
from pathlib import Path

from tfbert.benchmarks.contest import CaseResult
from tfbert.benchmarks.measurements import ratio
from tfbert.benchmarks.task import OURS
from tfbert.errors import InputError

_FASTER, _SLOWER, _QUIET = "#0072b2", "#c24f00", "#5b6570"


def check_matplotlib() -> None:
    """Refuse to start where the picture could not be drawn."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("The plot needs matplotlib: pip install 'tfbert[report]'.") from None


def draw(path: Path, results: Sequence[CaseResult]) -> None:
    """Write `path`, an SVG or PNG by its name: a bar for each peer of each case, with its interval, on a log scale."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    groups = [
        (
            each,
            [(name, ratio(other.cpu, each.timings[OURS].cpu)) for name, other in each.timings.items() if name != OURS],
        )
        for each in results
    ]
    groups = [(each, ratios) for each, ratios in groups if ratios]
    rows = sum(1 + len(ratios) for _, ratios in groups)
    figure = Figure(figsize=(8, 0.9 + 0.27 * max(rows, 3)), layout="constrained")
    axes = figure.add_subplot()
    height, labels = 0.0, []
    furthest = 2.0
    for each, ratios in groups:
        title = f"{each.task.replace('_', ' ')}: {each.case}, {each.precision}"
        axes.text(0, height, title, transform=axes.get_yaxis_transform(), va="center", fontsize=9, fontweight="bold")
        height += 1
        for name, (middle, low, high) in ratios:
            colour = _FASTER if middle >= 1 else _SLOWER
            axes.barh(height, middle - 1, left=1, height=0.7, color=colour)
            axes.plot([low, high], [height, height], color="#1c2127", linewidth=1)
            outside = max(middle, high) if middle >= 1 else min(middle, low)
            axes.annotate(
                f"{middle:.2f}", (outside, height), xytext=(4 if middle >= 1 else -4, 0), textcoords="offset points",
                va="center", ha="left" if middle >= 1 else "right", fontsize=8, color=_QUIET,
            )  # fmt: skip
            labels.append((height, name.replace("_", " ")))
            furthest = max(furthest, high, 1 / low)
            height += 1
    axes.set_xscale("log")
    axes.set_xlim(1 / (1.6 * furthest), 1.6 * furthest)
    axes.set_ylim(height, -1)
    axes.set_yticks([place for place, _ in labels], [name for _, name in labels], fontsize=8)
    ticks = [
        step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if 1 / furthest <= step <= furthest
    ]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.axvline(1, color="#1c2127", linewidth=1)
    axes.tick_params(length=0, colors=_QUIET, labelsize=8)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.grid(axis="x", color="#dfe3e8", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("CPU time of the peer, where tfbert takes 1; lines are 95 % intervals", fontsize=9, color=_QUIET)
    figure.savefig(path, dpi=150)
