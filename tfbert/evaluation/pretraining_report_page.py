"""The pre-training report as one HTML page: sections of tables and plots."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfbert.evaluation import pretraining_report_plots as plots
from tfbert.evaluation.pair_and_mask_statistics import Measured, PairAndMaskStatistics
from tfbert.evaluation.pretraining_report import OBJECTIVES, PretrainingReport, comparisons, verdict
from tfbert.evaluation.report_html import escape, facts, figure, page, row, table

_SHOWN_STEPS = 4


def render_pretraining_page(report: PretrainingReport) -> str:
    """The whole page as HTML text; the same report gives the same text."""
    last = report.last
    done = (
        f"Step {last['step']:,.0f} of {report.total_steps:,}, {plots.short(last['tokens'])} tokens in "
        f"{last['seconds'] / 60:,.1f} minutes of training; judged on held-out rows whose masks never change. "
        f"Trained with {OBJECTIVES[report.objective]}."
    )
    return page(
        report.title,
        verdict(report),
        done,
        _findings(report),
        {
            "How far it came": _comparisons(report),
            "How it learned": _learning(report),
            "What it fills in": _samples(report.samples),
            "What the rows are made of": _rows(report),
            "How it was made, and what lies where": _making(report),
        },
    )


def _findings(report: PretrainingReport) -> str:
    items = "".join(
        f"<li><strong>{escape(one.level.capitalize())}.</strong> {escape(one.what)} "
        f"<em>What to do:</em> {escape(one.to_do)}</li>"
        for one in report.findings()
    )
    return f'<ul class="warnings">{items}</ul>\n' if items else '<p class="healthy">No warnings.</p>\n'


def _comparisons(report: PretrainingReport) -> str:
    rows = [
        row(one.name[:1].upper() + one.name[1:], one.training, one.held_out, one.baseline, one.gap, style="")
        for one in comparisons(report)
    ]
    notes = [
        "The baselines know no context. For the masked tokens: how often each token occurs in the training text (the "
        "unigram level), and its commonest token for the accuracy."
    ]
    if report.has_pairs:
        low, high = report.pair_interval(report.last)
        notes.append(
            "For the pairs: the commoner label. Balanced accuracy weighs both labels alike, so a constant answer has "
            f"50%; its 95% interval here, from the number of held-out rows, is {low:.1%} to {high:.1%}."
        )
        if pairs := report.pair_accuracy:
            notes.append(
                f"With {pairs.num_pairs:,} pairs made anew of {pairs.num_texts:,} held-out rows it is "
                f"{pairs.balanced_accuracy:.1%}, {pairs.low:.1%} to {pairs.high:.1%} (rows count, not pairs)."
            )
    names = ["At the last evaluation", "Training", "Held out", "Baseline", "Gap"]
    return "".join(f"<p>{escape(note)}</p>" for note in notes) + table("", names, rows)


def _learning(report: PretrainingReport) -> str:
    history = report.history
    drawings = [
        figure(
            plots.masked_lm_curve(history, report.unigram_cross_entropy),
            "Masked language model. Staying at the dashed line means that no context is learned.",
        )
    ]
    if report.has_pairs:
        by_length = report.statistics.length_balanced_accuracy
        intervals = [report.pair_interval(record) for record in history]
        drawings.append(
            figure(
                plots.pair_curve(history, intervals, by_length.value if by_length else None),
                "Sentence objective, with the 95% interval of the held-out rows. A band that holds 50% shows nothing "
                "learned.",
            )
        )
    drawings.append(figure(plots.learning_rate_curve(history), "Learning rate at each evaluation."))
    if history[-1]["seconds"] > 0:
        caption = (
            f"Throughput, padding left out: median {np.median(plots.throughput(history)):,.0f}. The first stretch "
            "includes building graphs."
        )
        drawings.append(figure(plots.throughput_curve(history), caption))
    return (
        "<p>Steps are updates of the weights; below each stands how many tokens had been seen by then.</p>"
        f'<div class="pair">{"".join(drawings)}</div>'
    )


def _samples(samples: Sequence[Mapping[str, Any]]) -> str:
    if not samples:
        return "<p>No sentences were filled in.</p>"
    places = np.unique(np.linspace(0, len(samples) - 1, _SHOWN_STEPS).round().astype(int))
    chosen = [samples[place] for place in places]
    parts = [
        '<p>The same held-out sentences at several steps. What is <mark class="gap">marked</mark> was hidden; below '
        'are the three likeliest tokens with their probabilities, the <span class="hit">right one</span> in bold.</p>'
    ]
    for number, final in enumerate(chosen[-1]["rows"]):
        rows = []
        for index, gap in enumerate(final["masks"]):
            cells = "".join(_guesses(sample["rows"][number]["masks"][index]) for sample in chosen)
            rows.append(f'<tr><th scope="row" dir="auto">{escape(gap["answer"])}</th>{cells}</tr>')
        names = ["Hidden", *(f"step {sample['step']:,}" for sample in chosen)]
        parts.append(f'<p class="sentence" dir="auto">{_sentence(final)}</p>{table("samples", names, rows)}')
    return "".join(parts)


def _sentence(sample: Mapping[str, Any]) -> str:
    """Join the pieces of a row to words, what was hidden marked, a bar between its two texts."""
    hidden = {gap["position"]: gap["answer"] for gap in sample["masks"]}
    pieces = [hidden.get(position, piece) for position, piece in enumerate(sample["pieces"])]
    words = ""
    for position, piece in enumerate(pieces):
        if piece == "[CLS]" or (piece == "[SEP]" and position == len(pieces) - 1):
            continue
        text = escape("|" if piece == "[SEP]" else piece.removeprefix("##"))
        joint = "" if not words or (piece.startswith("##") and piece != "##") else " "
        words += joint + (f'<mark class="gap">{text}</mark>' if position in hidden else text)
    return words


def _guesses(gap: Mapping[str, Any]) -> str:
    lines = []
    for token, probability in gap["top"][:3]:
        style = "hit" if token == gap["answer"] else "miss"
        share = f"{probability:.0%}" if probability >= 0.005 else "&lt;1%"
        lines.append(f'<span class="{style}"><bdi>{escape(token)}</bdi> <small>{share}</small></span>')
    return f"<td>{' '.join(lines)}</td>"


def _rows(report: PretrainingReport) -> str:
    statistics = report.statistics
    shares = {
        "Masked, of the tokens that can be": statistics.masked,
        "… now [MASK]": statistics.became_mask,
        "… left as they were": statistics.kept,
        "… now another token": statistics.became_random,
        "Pairs where the second does not follow"
        if report.objective != "sentence_order"
        else "Pairs in the wrong order": statistics.not_next,
        "[UNK], of the tokens that can be masked": statistics.unknown,
        "Padding, of all places": statistics.padding,
        "Balanced accuracy from lengths alone": statistics.length_balanced_accuracy,
    }
    rows = [_measured_row(name, measured, "{:.2%}") for name, measured in shares.items() if measured is not None]
    rows.append(_measured_row("Tokens a row", statistics.tokens_per_row, "{:.1f}"))
    names = ["", "Measured", "Standard error", "Declared"]
    counts = {name: f"{value:,}" if isinstance(value, int) else value for name, value in report.corpus.items()}
    corpus = facts("Corpus", counts) if counts else ""
    return (
        f"<p>Measured on {statistics.num_rows:,} training rows of {statistics.num_tokens:,} tokens.</p>"
        f"{table('', names, rows)}{_lengths(statistics)}{corpus}"
    )


def _measured_row(name: str, measured: Measured, pattern: str) -> str:
    declared = "" if measured.declared is None else pattern.format(measured.declared)
    return row(name, pattern.format(measured.value), pattern.format(measured.standard_error), declared)


def _lengths(statistics: PairAndMaskStatistics) -> str:
    if statistics.first_tokens is None or statistics.second_tokens is None:
        return ""
    rows = [
        row(name, *(f"{one.value:.1f} ± {one.standard_error:.1f}" for one in sides))
        for name, sides in (("First text", statistics.first_tokens), ("Second text", statistics.second_tokens))
    ]
    return (
        "<h3>Lengths by label</h3><p>Mean tokens with their standard errors. Where they differ much, the label can be "
        "told without reading.</p>" + table("", ["", "Label 0, as written", "Label 1"], rows)
    )


def _making(report: PretrainingReport) -> str:
    return (
        facts("Outputs", {name: str(path) for name, path in report.outputs.items()}, code=True)
        + '<div class="pair">'
        + f"<div>{facts('Settings', report.settings)}</div><div>{facts('Versions', report.versions)}</div></div>"
    )
