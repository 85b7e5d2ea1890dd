"""The review report as one HTML page: sections of tables and plots."""

import itertools
from collections.abc import Sequence

import numpy as np

from tfbert.evaluation import report_plots
from tfbert.evaluation.calibration import reliability_bins
from tfbert.evaluation.mistakes import Mistake
from tfbert.evaluation.report_html import escape, facts, figure, page, row, table
from tfbert.evaluation.review_report import ReviewReport, verdict

_SHOWN_CHARACTERS = 180
_SEED_FORMATS = {
    "accuracy": "{:.1%}",
    "macro_f1": "{:.3f}",
    "log_loss": "{:.3f}",
    "ece_before": "{:.3f}",
    "ece_after": "{:.3f}",
    "temperature": "{:.2f}",
}


def render_page(report: ReviewReport) -> str:
    """The whole page as HTML text; the same report gives the same text."""
    low, high = report.accuracy_interval()
    seeds = f"Mean of {len(report.seeds)} seeds" if len(report.seeds) > 1 else "One seed"
    certainty = f"{seeds} on {report.shown.metrics.num_rows:,} test reviews; 95% interval {low:.1%} to {high:.1%}."
    warnings = "".join(f"<li>{escape(note)}</li>" for note in report.warnings())
    return page(
        report.title,
        verdict(report),
        certainty,
        f'<ul class="warnings">{warnings}</ul>\n' if warnings else "",
        {
            "How good it is": _scores(report),
            "Where it errs": _errors(report),
            "How far its confidence can be believed": _calibration(report),
            "How it learned": _learning(report),
            "What is in the data": _data(report),
            "How it was made, and what lies where": _making(report),
        },
    )


def _scores(report: ReviewReport) -> str:
    summary = report.summary()
    means = [summary[name].mean for name in ("accuracy", "macro_f1", "log_loss", "ece_after")]
    rows = [_score_row(report.model_name, *means, style="strong")]
    for name, baseline in report.baselines.items():
        metrics = baseline.metrics
        figures = (metrics.accuracy, metrics.macro_f1, metrics.log_loss, baseline.ece)
        rows.append(_score_row(name[:1].upper() + name[1:], *figures))
    return (
        "<p>Accuracy is the share of reviews given the right label. Macro F1 weighs each label alike, however rare. "
        "Log loss and ECE (expected calibration error) judge the probabilities; lower is better.</p>"
        + table("scores", ["", "Accuracy", "Macro F1", "Log loss", "ECE", "Accuracy, 0 to 100%"], rows)
        + "<h3>Seed by seed</h3><p>The same training from other random numbers; ECE before and after temperature "
        "scaling, all else after it.</p>" + _seeds(report)
    )


def _score_row(name: str, accuracy: float, *others: float, style: str = "") -> str:
    line = row(name, f"{accuracy:.1%}", *(f"{value:.3f}" for value in others), style=style)
    bar = f'<td class="bar" aria-hidden="true"><span style="width:{accuracy:.1%}"></span></td>'
    return line.replace("</tr>", f"{bar}</tr>")


def _seeds(report: ReviewReport) -> str:
    spreads = [report.summary()[name] for name in _SEED_FORMATS]
    names = [f"{one.seed}, exported" if one.seed == report.shown_seed else f"{one.seed}" for one in report.seeds]
    lines = list(zip(names, zip(*(spread.values for spread in spreads), strict=True), strict=True))
    if len(report.seeds) > 1:
        lines.append(("mean", tuple(spread.mean for spread in spreads)))
        lines.append(("standard deviation", tuple(spread.standard_deviation for spread in spreads)))
    rows = []
    for name, values in lines:
        figures = (pattern.format(value) for pattern, value in zip(_SEED_FORMATS.values(), values, strict=True))
        rows.append(row(name, *figures, style="strong" if name == "mean" else ""))
    return table("", ["Seed", "Accuracy", "Macro F1", "Log loss", "ECE before", "ECE after", "Temperature"], rows)


def _errors(report: ReviewReport) -> str:
    metrics = report.shown.metrics
    baselines = {name: result.metrics.per_class for name, result in report.baselines.items()}
    rows = []
    for name, one in metrics.per_class.items():
        others = (f"{per_class[name].f1:.3f}" for per_class in baselines.values())
        figures = (f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}")
        rows.append(row(name, f"{one.support:,}", *figures, *others))
    names = ["Label", "Reviews", "Precision", "Recall", "F1", *(f"F1 of {name}" for name in baselines)]
    mistakes = "".join(_mistake_row(mistake) for mistake in report.mistakes)
    return (
        f"<p>Of the exported model, seed {report.shown_seed}.</p>"
        '<h3>By label</h3><p class="note">Precision: of the reviews given this label, the share that deserve it. '
        "Recall: of the reviews that deserve it, the share found. F1 joins the two.</p>"
        f"{table('', names, rows)}<h3>What is taken for what</h3>"
        '<p class="note">A row is a true label, a column a prediction; percentages are of the row.</p>'
        f"{_confusion(metrics.label_names, np.array(metrics.confusion_matrix))}"
        "<h3>The most confident mistakes</h3><p>Look here first: some may be stars that do not match the words.</p>"
        + (
            f'<table class="mistakes"><thead><tr><th>Review</th><th>Its label</th><th>Predicted</th>'
            f'<th class="number">Probability</th></tr></thead><tbody>{mistakes}</tbody></table>'
            if report.mistakes
            else "<p>None.</p>"
        )
    )


def _confusion(names: Sequence[str], counts: np.ndarray) -> str:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    body = ""
    for name, row_counts, row_shares in zip(names, counts, shares, strict=True):
        cells = "".join(
            f'<td style="background:rgb(var(--blue-rgb) / {0.6 * share:.3f})">{count:,}<small>{share:.0%}</small></td>'
            for count, share in zip(row_counts, row_shares, strict=True)
        )
        body += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return (
        f'<div class="wide"><table class="confusion"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _mistake_row(mistake: Mistake) -> str:
    text = mistake.text.strip()
    shown = escape(text)
    if len(text) > _SHOWN_CHARACTERS:
        start = text[:_SHOWN_CHARACTERS].rsplit(maxsplit=1)[0]
        shown = f"<details><summary>{escape(start)} …</summary>… {escape(text[len(start) :].strip())}</details>"
    return (
        f'<tr><td dir="auto">{shown}</td><td data-name="is">{escape(mistake.label)}</td>'
        f'<td data-name="predicted">{escape(mistake.predicted)}</td>'
        f'<td class="number">{mistake.probability:.1%}</td></tr>'
    )


def _calibration(report: ReviewReport) -> str:
    shown = report.shown
    panels = (
        ("before temperature scaling", report.probabilities_before, shown.ece_before),
        (f"after temperature scaling, T = {shown.temperature:.2f}", report.probabilities_after, shown.ece_after),
    )
    bins = [reliability_bins(probabilities, report.labels) for _, probabilities, _ in panels]
    start = min(min(one.accuracy_interval[0], one.confidence) for one in (*bins[0], *bins[1]))
    figures = [
        figure(
            report_plots.reliability_diagram(points, name, start),
            f"<strong>{name[0].upper()}{name[1:]}.</strong> Expected calibration error {error:.3f}.",
        )
        for (name, _, error), points in zip(panels, bins, strict=True)
    ]
    return (
        "<p>Of the reviews the model is 80% sure of, 80% should be right: points on the dashed line. Each point is a "
        "tenth of the test reviews, sorted by confidence, with its 95% interval. The expected calibration error (ECE) "
        "is the mean distance from that line. The temperature is fitted on validation reviews and is part of the "
        f'exported model.</p><div class="pair">{"".join(figures)}</div>'
    )


def _learning(report: ReviewReport) -> str:
    histories = {result.seed: result.history for result in report.seeds}
    figures = [
        figure(report_plots.learning_curves(histories, quantity), caption)
        for quantity, caption in (
            ("loss", "Loss. Validation rising while training falls means the model begins to memorise."),
            ("accuracy", "Accuracy on training and on validation reviews."),
        )
    ]
    styles = zip(histories, itertools.cycle(report_plots.SEED_STYLES), strict=False)
    seeds = ", ".join(f"seed {seed} {style}" for seed, style in styles)
    return f"<p>One line a seed: {seeds}.</p>" + f'<div class="pair">{"".join(figures)}</div>'


def _data(report: ReviewReport) -> str:
    labels = report.shown.metrics.label_names
    rows = []
    for split, counts in report.class_counts.items():
        total = sum(counts.values())
        cells = (f"{counts.get(label, 0):,} ({counts.get(label, 0) / max(total, 1):.0%})" for label in labels)
        rows.append(row(split, *cells, f"{total:,}"))
    lengths = np.asarray(report.token_lengths)
    cut = int((lengths > report.max_length).sum())
    caption = (
        f"Tokens a review: median {np.median(lengths):.0f}, longest {lengths.max():,}. Cut at {report.max_length}: "
        f"{cut:,} reviews ({cut / len(lengths):.1%}) lose their end."
    )
    histogram = figure(report_plots.length_histogram(lengths, report.max_length), caption)
    return (
        table("", ["Reviews", *labels, "All"], rows)
        + f'<div class="pair"><div>{facts("Audit", report.audit)}</div>{histogram}</div>'
    )


def _making(report: ReviewReport) -> str:
    return (
        facts("Outputs", {name: str(path) for name, path in report.outputs.items()}, code=True)
        + '<div class="pair">'
        + f"<div>{facts('Settings', report.settings)}</div><div>{facts('Versions', report.versions)}</div></div>"
    )
