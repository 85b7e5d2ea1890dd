"""The figures of a run as a few lines for the terminal."""

from tfbert.evaluation.review_report import ReviewReport, verdict


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
