"""What a fine-tuning run hands in for its report, and the verdict drawn from it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfbert.errors import InputError
from tfbert.evaluation.calibration import expected_calibration_error, temperature_warning
from tfbert.evaluation.classification import (
    ClassificationMetrics,
    Spread,
    check_predictions,
    evaluate_classification,
    summarize_seeds,
    wilson_interval,
)
from tfbert.evaluation.mistakes import Mistake

_HISTORY_KEYS = ("step", "epoch", "loss", "accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class SeedResult:
    """One seed's run.

    Attributes:
        seed: the seed.
        history: one record an epoch (or more often), in order: `step` (optimizer steps done), `epoch` (epochs done),
            `loss` and `accuracy` on training rows, `val_loss` and `val_accuracy` on validation rows; all finite.
        metrics: on the test rows, after temperature scaling.
        ece_before: expected calibration error on the test rows, before temperature scaling.
        ece_after: the same, after it.
        temperature: fitted on the validation rows.
    """

    seed: int
    history: Sequence[Mapping[str, float]]
    metrics: ClassificationMetrics
    ece_before: float
    ece_after: float
    temperature: float

    def __post_init__(self):
        if not self.history:
            raise InputError(f"Seed {self.seed} has no history; learning curves need at least one record.")
        for index, record in enumerate(self.history):
            wrong = [key for key in _HISTORY_KEYS if not math.isfinite(record.get(key, math.nan))]
            if wrong:
                raise InputError(
                    f"Each history record holds finite {', '.join(_HISTORY_KEYS)}; record {index} of seed {self.seed} "
                    f"lacks {', '.join(wrong)}: {dict(record)}."
                )


@dataclass(frozen=True)
class BaselineResult:
    """A baseline's `metrics` and expected calibration error (`ece`) on the test rows."""

    metrics: ClassificationMetrics
    ece: float

    @classmethod
    def measure(cls, probabilities: np.ndarray, labels: np.ndarray, label_names: Sequence[str]) -> "BaselineResult":
        """Measure float (rows, classes) `probabilities` against integer (rows,) `labels`."""
        metrics = evaluate_classification(probabilities, labels, label_names)
        return cls(metrics, expected_calibration_error(probabilities, labels))


@dataclass(frozen=True)
class ReviewReport:
    """Everything the report shows.

    Attributes:
        title: the page's heading.
        model_name: what the verdict calls the model, for example "BERT (MiniLM)".
        settings: setting name to value, as the run used them.
        versions: package (and hardware) name to version.
        audit: what is in the data, from a finding's name to its value.
        class_counts: split name ("training", "validation", "test") to label name to rows.
        seeds: one result a seed, all on the same test rows.
        baselines: baseline name to its result on the same test rows, for example "TF-IDF + logistic regression"; the
            verdict compares with each.
        shown_seed: the seed that is exported and whose test rows the diagrams below show.
        probabilities_before: float (rows, classes), the shown seed's test probabilities before temperature scaling.
        probabilities_after: the same after it.
        labels: integer (rows,), the true classes of those rows.
        mistakes: from `most_confident_mistakes`, on `probabilities_after`.
        token_lengths: integer (reviews,), tokens of each review with [CLS] and [SEP], before truncation.
        max_length: tokens at which a review is cut.
        outputs: what lies where, for example "SavedModel" to its path.
    """

    title: str
    model_name: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    audit: Mapping[str, Any]
    class_counts: Mapping[str, Mapping[str, int]]
    seeds: Sequence[SeedResult]
    baselines: Mapping[str, BaselineResult]
    shown_seed: int
    probabilities_before: np.ndarray
    probabilities_after: np.ndarray
    labels: np.ndarray
    mistakes: Sequence[Mistake]
    token_lengths: np.ndarray
    max_length: int
    outputs: Mapping[str, str]

    def __post_init__(self):
        if self.shown_seed not in [result.seed for result in self.seeds]:
            raise InputError(f"shown_seed {self.shown_seed} is not among {[result.seed for result in self.seeds]}.")
        check_predictions(self.probabilities_before, self.labels)
        check_predictions(self.probabilities_after, self.labels)
        measured = [result.metrics for result in self.seeds] + [result.metrics for result in self.baselines.values()]
        summarize_seeds(measured)  # refuses results that are not of the same test rows
        if len(self.token_lengths) == 0:
            raise InputError("token_lengths holds no review; pass the length of each review of the data.")

    @property
    def shown(self) -> SeedResult:
        """The result of `shown_seed`."""
        return next(result for result in self.seeds if result.seed == self.shown_seed)

    def summary(self) -> dict[str, Spread]:
        """`summarize_seeds`, and the spread of `ece_before`, `ece_after` and `temperature`."""
        calibration = ("ece_before", "ece_after", "temperature")
        return summarize_seeds([result.metrics for result in self.seeds]) | {
            name: Spread.over([getattr(result, name) for result in self.seeds]) for name in calibration
        }

    def accuracy_interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the mean accuracy over seeds, from the number of test rows."""
        num_rows = self.shown.metrics.num_rows
        return wilson_interval(self.summary()["accuracy"].mean * num_rows, num_rows)

    def warnings(self) -> tuple[str, ...]:
        """What the reader must know before believing the figures; empty if nothing."""
        notes = []
        for result in self.seeds:
            note = temperature_warning(result.temperature)
            notes += [f"Seed {result.seed}: {note}"] if note else []
            unused = [
                label
                for column, label in enumerate(result.metrics.label_names)
                if not any(row[column] for row in result.metrics.confusion_matrix)
            ]
            notes += [f"Seed {result.seed} never predicts {', '.join(unused)}."] if unused else []
        return tuple(notes)

    def to_metrics(self) -> dict[str, Any]:
        """The figures of the page, for `write_metrics`."""
        return {
            "verdict": verdict(self),
            "warnings": self.warnings(),
            "accuracy_interval": self.accuracy_interval(),
            "summary": self.summary(),
            "seeds": self.seeds,
            "shown_seed": self.shown_seed,
            "baselines": self.baselines,
            "class_counts": self.class_counts,
            "audit": self.audit,
            "settings": self.settings,
            "versions": self.versions,
            "outputs": self.outputs,
        }


def verdict(report: ReviewReport) -> str:
    """One sentence: the mean accuracy over seeds beside each baseline.

    "Not clearly different" is said where the baseline's accuracy lies inside `accuracy_interval`.
    """
    mean = report.summary()["accuracy"].mean
    low, high = report.accuracy_interval()
    comparisons = []
    for name, baseline in ((name, result.metrics) for name, result in report.baselines.items()):
        relation = "not clearly different from"
        if not low <= baseline.accuracy <= high:
            side = "above" if mean > baseline.accuracy else "below"
            relation = f"{100 * abs(mean - baseline.accuracy):.1f} points {side}"
        comparisons.append(f"{relation} {name} ({baseline.accuracy:.1%})")
    beside = ": " + " and ".join(comparisons) if comparisons else ""
    return f"{report.model_name} labels {mean:.1%} of unseen reviews correctly{beside}."
