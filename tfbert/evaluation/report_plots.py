"""The report's plots as inline SVG: matplotlib draws, the page's CSS variables colour.

Each function returns one `<svg>` element with its alternative text as `aria-label`. Colours are drawn as stand-ins and
replaced by `var(--...)`, so that one drawing serves light and dark pages; text stays text, in the page's font.
"""

import html
import io
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfbert.evaluation.calibration import ReliabilityBin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _QUIET, _LINE, _TRAIN, _VALIDATION = "#010203", "#010204", "#010205", "#010206", "#010207"
_VARIABLES = {_INK: "--ink", _QUIET: "--quiet", _LINE: "--line", _TRAIN: "--blue", _VALIDATION: "--orange"}
SEED_STYLES = ("solid", "dashed", "dotted", "dashdot")


def _new_figure() -> "tuple[Figure, Axes]":
    try:
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("The report's plots need matplotlib: pip install 'tfbert[report]'") from error
    figure = Figure(figsize=(5.2, 3.3))
    FigureCanvasSVG(figure)
    axes = figure.add_axes((0.1, 0.19, 0.87, 0.72))  # the same frame in each plot, so that neighbours align
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_LINE)
    axes.tick_params(colors=_QUIET, labelsize=10, length=0, pad=6)
    axes.grid(axis="y", color=_LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _to_svg(figure: "Figure", alternative: str) -> str:
    import matplotlib

    buffer = io.StringIO()
    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": alternative,
    }  # the salt makes ids repeatable, and unlike others'
    with matplotlib.rc_context(settings):  # type: ignore[arg-type]
        figure.savefig(
            buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'<g id="[^"]*"', "<g", drawing)  # names such as axes_1, the same in each plot of the page
    drawing = re.sub(r" font-family: [^;\"]*;?", "", drawing)  # the page's font instead
    for stand_in, variable in _VARIABLES.items():
        drawing = drawing.replace(stand_in, f"var({variable})")
    attributes = f'<svg role="img" aria-label="{html.escape(alternative)}" '
    return re.sub(r'^<svg (?:width="[^"]*" |height="[^"]*" )*', attributes, drawing)


def _label(axes: "Axes", across: str, up: str) -> None:
    axes.set_xlabel(across, color=_QUIET, fontsize=10)
    axes.set_title(up, color=_QUIET, fontsize=10, loc="left")  # reads without turning the head


def _percent(value: float, _position: float) -> str:
    return f"{100 * value:.3g}%"


def learning_curves(histories: Mapping[int, Sequence[Mapping[str, float]]], quantity: str) -> str:
    """`quantity` ("loss" or "accuracy") and `val_` + quantity by step, one line style a seed.

    `histories` maps a seed to its records, each with `step`, `epoch` and the two quantities.
    """
    figure, axes = _new_figure()
    for records, style in zip(histories.values(), itertools.cycle(SEED_STYLES), strict=False):
        steps = [record["step"] for record in records]
        for key, colour in ((quantity, _TRAIN), (f"val_{quantity}", _VALIDATION)):
            values = [record[key] for record in records]
            axes.plot(steps, values, color=colour, linestyle=style, linewidth=1.8, marker="o", markersize=4)
    longest = max(histories.values(), key=len)
    shown = [longest[index] for index in np.unique(np.linspace(0, len(longest) - 1, 5).round().astype(int))]
    axes.set_xticks(
        [record["step"] for record in shown], [f"{record['step']:,}\nepoch {record['epoch']:g}" for record in shown]
    )
    if quantity == "accuracy":
        axes.yaxis.set_major_formatter(_percent)
    _label(axes, "step", quantity)
    axes.legend(axes.lines[:2], ["training", "validation"], fontsize=10, frameon=False, labelcolor=_INK)
    finals = "; ".join(
        f"seed {seed}: training {records[-1][quantity]:.3f}, validation {records[-1]['val_' + quantity]:.3f}"
        for seed, records in histories.items()
    )
    return _to_svg(figure, f"Learning curve of {quantity} by training step. At the end, {finals}.")


def length_histogram(token_lengths: np.ndarray, max_length: int) -> str:
    """How many tokens the reviews have, with a line where they are cut."""
    figure, axes = _new_figure()
    token_lengths = np.asarray(token_lengths)
    longest = int(token_lengths.max())
    width = max(1, -(-longest // 60))
    counts, edges = np.histogram(token_lengths, np.arange(0, longest + width + 1, width))
    axes.bar(edges[:-1], counts, width=0.9 * width, align="edge", color=_TRAIN, linewidth=0)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    if max_length <= 1.5 * longest:  # further right it would squeeze the bars
        axes.axvline(max_length, color=_VALIDATION, linewidth=1.8)
        axes.annotate(
            f"cut at {max_length}", (max_length, 1), xycoords=("data", "axes fraction"), xytext=(5, -12),
            textcoords="offset points", color=_VALIDATION, fontsize=10,
        )  # fmt: skip
    _label(axes, "tokens", "reviews" if width == 1 else f"reviews per {width} tokens")
    return _to_svg(
        figure,
        f"Histogram of tokens a review: median {np.median(token_lengths):.0f}, longest {longest}; cut at {max_length}.",
    )


def reliability_diagram(bins: Sequence[ReliabilityBin], name: str, start: float) -> str:
    """Accuracy against confidence, from `start` to 1, for each bin with its interval, and the diagonal of the ideal."""
    figure, axes = _new_figure()
    confidences, accuracies = ([getattr(one, key) for one in bins] for key in ("confidence", "accuracy"))
    lows, highs = zip(*(one.accuracy_interval for one in bins), strict=True)
    below, above = np.subtract(accuracies, lows), np.subtract(highs, accuracies)
    axes.plot([0, 1], [0, 1], color=_QUIET, linewidth=1, linestyle=(0, (4, 3)))
    axes.errorbar(
        confidences, accuracies, yerr=np.maximum([below, above], 0), fmt="o-", color=_TRAIN, linewidth=1.8,
        markersize=4.5, elinewidth=1, capsize=0,
    )  # fmt: skip
    axes.set_xlim(start - 0.02, 1.02)
    axes.set_ylim(start - 0.02, 1.02)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_percent)
    _label(axes, "confidence", "accuracy")
    points = ", ".join(f"{one.confidence:.0%} sure: {one.accuracy:.0%} right" for one in bins)
    return _to_svg(figure, f"Reliability {name}, one point a bin of equal size: {points}.")
