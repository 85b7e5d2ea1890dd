"""The pre-training report's plots; each function returns one `<svg>` element with its alternative text."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfbert.evaluation.report_drawing import BLUE, INK, ORANGE, QUIET, label, new_figure, percent, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Records = Sequence[Mapping[str, float]]


def masked_lm_curve(history: Records, unigram_cross_entropy: float) -> str:
    """Masked-LM loss of training and held-out rows by step and tokens, and the unigram level."""
    figure, axes = new_figure()
    lines = _curves(axes, history, "masked_lm_loss")
    _baseline(axes, unigram_cross_entropy, "unigram level")
    _steps_and_tokens(axes, history)
    label(axes, "", "masked-LM loss, nats")
    axes.legend(*lines, fontsize=10, frameon=False, labelcolor=INK)
    first, last = history[0], history[-1]
    return to_svg(
        figure,
        f"Held-out masked-LM loss by training step: {first['val_masked_lm_loss']:.3f} at step {first['step']:,}, "
        f"{last['val_masked_lm_loss']:.3f} at step {last['step']:,}; the unigram level is {unigram_cross_entropy:.3f}.",
    )


def pair_curve(history: Records, intervals: Sequence[tuple[float, float]], by_length: float | None) -> str:
    """Balanced accuracy of the sentence objective with the held-out interval of each record, and its baselines."""
    figure, axes = new_figure()
    lows, highs = zip(*intervals, strict=True)
    steps = [record["step"] for record in history]
    axes.fill_between(steps, lows, highs, color=ORANGE, alpha=0.18, linewidth=0)
    lines = _curves(axes, history, "next_sentence_balanced_accuracy")
    _baseline(axes, 0.5, "chance")
    if by_length is not None and by_length > 0.52:  # else it would be written over the line of chance
        _baseline(axes, by_length, "lengths alone")
    _steps_and_tokens(axes, history)
    axes.yaxis.set_major_formatter(percent)
    label(axes, "", "balanced accuracy")
    axes.legend(*lines, fontsize=10, frameon=False, labelcolor=INK)
    last = history[-1]
    return to_svg(
        figure,
        "Held-out balanced accuracy of the sentence objective by training step: "
        f"{history[0]['val_next_sentence_balanced_accuracy']:.1%} at step {history[0]['step']:,}, "
        f"{last['val_next_sentence_balanced_accuracy']:.1%} ({lows[-1]:.1%} to {highs[-1]:.1%}) at step "
        f"{last['step']:,}; chance is 50%.",
    )


def learning_rate_curve(history: Records) -> str:
    """The learning rate by step and tokens."""
    figure, axes = new_figure()
    axes.plot([record["step"] for record in history], [record["learning_rate"] for record in history], color=BLUE)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _position: f"{value:.2g}" if value else "0")
    _steps_and_tokens(axes, history)
    label(axes, "", "learning rate")
    highest = max(record["learning_rate"] for record in history)
    return to_svg(figure, f"Learning rate by training step; the highest recorded is {highest:.3g}.")


def throughput_curve(history: Records) -> str:
    """Real tokens a second between each record and the one before it, by minutes of training."""
    figure, axes = new_figure()
    rates = throughput(history)
    minutes = [record["seconds"] / 60 for record in _from_the_start(history)]
    axes.step(minutes, [rates[0], *rates], color=BLUE, linewidth=1.8)
    axes.set_ylim(0, 1.15 * max(rates))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    label(axes, "minutes of training", "tokens a second")
    return to_svg(
        figure, f"Tokens trained on a second: from {min(rates):,.0f} to {max(rates):,.0f} between evaluations."
    )


def throughput(history: Records) -> list[float]:
    """Tokens a second from each record to the next, the first from the start, where graphs are built too."""
    return [
        (after["tokens"] - before["tokens"]) / max(after["seconds"] - before["seconds"], 1e-9)
        for before, after in itertools.pairwise(_from_the_start(history))
    ]


def _from_the_start(history: Records) -> Records:
    return history if history[0]["seconds"] == 0 else [{"tokens": 0, "seconds": 0}, *history]


def _curves(axes: "Axes", history: Records, quantity: str) -> tuple[list, list[str]]:
    """Draw training (where recorded) and held-out; return what the legend needs."""
    lines, names = [], []
    marker = "o" if len(history) <= 30 else None
    for key, colour, name in ((quantity, BLUE, "training"), (f"val_{quantity}", ORANGE, "held out")):
        records = [record for record in history if key in record]
        if records:
            steps, values = [record["step"] for record in records], [record[key] for record in records]
            lines += axes.plot(steps, values, color=colour, linewidth=1.8, marker=marker, markersize=3.5)
            names.append(name)
    return lines, names


def _baseline(axes: "Axes", value: float, name: str) -> None:
    axes.axhline(value, color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        name, (1, value), xycoords=("axes fraction", "data"), xytext=(0, 4), textcoords="offset points", color=QUIET,
        fontsize=10, ha="right",
    )  # fmt: skip


def _steps_and_tokens(axes: "Axes", history: Records) -> None:
    """Name five places of the axis by their step and by the tokens seen until then."""
    steps, tokens = ([record[key] for record in history] for key in ("step", "tokens"))
    axes.set_xlim(steps[0] - 0.02 * (steps[-1] - steps[0] or 1), steps[-1] + 0.02 * (steps[-1] - steps[0] or 1))
    places = np.unique(np.linspace(steps[0], steps[-1], 5).round())
    names = [f"{place:,.0f}\n{short(np.interp(place, steps, tokens))}" for place in places]
    names[0] = f"step {names[0]} tokens"
    axes.set_xticks(places, names)


def short(count: float) -> str:
    """Write a large count in three digits.

    >>> [short(count) for count in (0, 950, 12_345, 999_960, 2.5e9)]
    ['0', '950', '12.3 k', '1 M', '2.5 B']
    """
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * size:
            return f"{count / size:.3g} {letter}"
    return f"{count:.0f}"
