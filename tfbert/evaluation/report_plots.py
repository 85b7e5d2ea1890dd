"""The review report's plots; each function returns one `<svg>` element with its alternative text."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from tfbert.evaluation.calibration import ReliabilityBin
from tfbert.evaluation.report_drawing import BLUE, INK, ORANGE, QUIET, label, new_figure, percent, to_svg

SEED_STYLES = ("solid", "dashed", "dotted", "dashdot")


def learning_curves(histories: Mapping[int, Sequence[Mapping[str, float]]], quantity: str) -> str:
    """`quantity` ("loss" or "accuracy") and `val_` + quantity by step, one line style a seed.

    `histories` maps a seed to its records, each with `step`, `epoch` and the two quantities.
    """
    figure, axes = new_figure()
    for records, style in zip(histories.values(), itertools.cycle(SEED_STYLES), strict=False):
        steps = [record["step"] for record in records]
        for key, colour in ((quantity, BLUE), (f"val_{quantity}", ORANGE)):
            values = [record[key] for record in records]
            axes.plot(steps, values, color=colour, linestyle=style, linewidth=1.8, marker="o", markersize=4)
    longest = max(histories.values(), key=len)
    shown = [longest[index] for index in np.unique(np.linspace(0, len(longest) - 1, 5).round().astype(int))]
    axes.set_xticks(
        [record["step"] for record in shown], [f"{record['step']:,}\nepoch {record['epoch']:g}" for record in shown]
    )
    if quantity == "accuracy":
        axes.yaxis.set_major_formatter(percent)
    label(axes, "step", quantity)
    axes.legend(axes.lines[:2], ["training", "validation"], fontsize=10, frameon=False, labelcolor=INK)
    finals = "; ".join(
        f"seed {seed}: training {records[-1][quantity]:.3f}, validation {records[-1]['val_' + quantity]:.3f}"
        for seed, records in histories.items()
    )
    return to_svg(figure, f"Learning curve of {quantity} by training step. At the end, {finals}.")


def length_histogram(token_lengths: np.ndarray, max_length: int) -> str:
    """How many tokens the reviews have, with a line where they are cut."""
    figure, axes = new_figure()
    token_lengths = np.asarray(token_lengths)
    longest = int(token_lengths.max())
    width = max(1, -(-longest // 60))
    counts, edges = np.histogram(token_lengths, np.arange(0, longest + width + 1, width))
    axes.bar(edges[:-1], counts, width=0.9 * width, align="edge", color=BLUE, linewidth=0)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    if max_length <= 1.5 * longest:  # further right it would squeeze the bars
        axes.axvline(max_length, color=ORANGE, linewidth=1.8)
        axes.annotate(
            f"cut at {max_length}", (max_length, 1), xycoords=("data", "axes fraction"), xytext=(5, -12),
            textcoords="offset points", color=ORANGE, fontsize=10,
        )  # fmt: skip
    label(axes, "tokens", "reviews" if width == 1 else f"reviews per {width} tokens")
    return to_svg(
        figure,
        f"Histogram of tokens a review: median {np.median(token_lengths):.0f}, longest {longest}; cut at {max_length}.",
    )


def reliability_diagram(bins: Sequence[ReliabilityBin], name: str, start: float) -> str:
    """Accuracy against confidence, from `start` to 1, for each bin with its interval, and the diagonal of the ideal."""
    figure, axes = new_figure()
    confidences, accuracies = ([getattr(one, key) for one in bins] for key in ("confidence", "accuracy"))
    lows, highs = zip(*(one.accuracy_interval for one in bins), strict=True)
    below, above = np.subtract(accuracies, lows), np.subtract(highs, accuracies)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    axes.errorbar(
        confidences, accuracies, yerr=np.maximum([below, above], 0), fmt="o-", color=BLUE, linewidth=1.8,
        markersize=4.5, elinewidth=1, capsize=0,
    )  # fmt: skip
    axes.set_xlim(start - 0.02, 1.02)
    axes.set_ylim(start - 0.02, 1.02)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(percent)
    label(axes, "confidence", "accuracy")
    points = ", ".join(f"{one.confidence:.0%} sure: {one.accuracy:.0%} right" for one in bins)
    return to_svg(figure, f"Reliability {name}, one point a bin of equal size: {points}.")
