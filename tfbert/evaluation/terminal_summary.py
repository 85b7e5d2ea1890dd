"""The figures of a run as a few lines for the terminal."""

import textwrap

from tfbert.evaluation.pretraining_report import PretrainingReport, comparisons
from tfbert.evaluation.pretraining_report import verdict as pretraining_verdict
from tfbert.evaluation.review_report import ReviewReport, verdict

_COLUMNS = 100


def terminal_summary(report: ReviewReport) -> str:
    """Return a table of the model beside each baseline, and the verdict; at most 100 characters wide."""
    columns = ("accuracy", "macro F1", "log loss", "ECE")
    summary = report.summary()
    rows = [
        (name, result.metrics.accuracy, result.metrics.macro_f1, result.metrics.log_loss, result.ece)
        for name, result in report.baselines.items()
    ]
    spread = summary["accuracy"].standard_deviation
    name = report.model_name + ("" if spread is None else f", mean of {len(report.seeds)} seeds")
    accuracy, macro_f1, log_loss, ece = (summary[key].mean for key in ("accuracy", "macro_f1", "log_loss", "ece_after"))
    rows.append((name, accuracy, macro_f1, log_loss, ece))
    width = max(len(row[0]) for row in rows)
    lines = [" " * width + "".join(f"{column:>10}" for column in columns)]
    lines += [f"{row[0]:<{width}}" + "".join(f"{value:>10.3f}" for value in row[1:]) for row in rows]
    notes = [] if spread is None else [f"standard deviation of the accuracy over seeds: {spread:.3f}"]
    return "\n".join([*lines, *notes, "", verdict(report), *report.warnings()])


def pretraining_summary(report: PretrainingReport) -> str:
    """Return a table of the last record beside its baselines, the verdict and what is wrong."""
    rows = [("", "training", "held out", "baseline", "gap")]
    rows += [(one.name, one.training, one.held_out, one.baseline, one.gap) for one in comparisons(report)]
    width = max(len(name) for name, *_ in rows)
    lines = [f"{name:<{width}}" + "".join(f"{value:>13}" for value in values) for name, *values in rows]
    last = report.last
    a_second = last["tokens"] / max(last["seconds"], 1e-9)
    speed = f"{last['tokens']:,.0f} tokens in {last['seconds']:,.0f} s of training: {a_second:,.0f} a second"
    said = [pretraining_verdict(report), *([f"{one.level}: {one}" for one in report.findings()] or ["no warnings"])]
    return "\n".join([*lines, speed, "", *(textwrap.fill(words, _COLUMNS, subsequent_indent="  ") for words in said)])
