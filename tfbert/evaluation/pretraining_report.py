"""What a pre-training run hands in for its report, and the verdict drawn from it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfbert.errors import InputError
from tfbert.evaluation.pair_accuracy import PairAccuracy
from tfbert.evaluation.pair_and_mask_statistics import PairAndMaskStatistics
from tfbert.evaluation.pretraining_baselines import balanced_accuracy_interval
from tfbert.evaluation.pretraining_health import Finding, health

OBJECTIVES = {
    "next_sentence": "next sentence prediction",
    "sentence_order": "sentence order prediction",
    "none": "no sentence objective",
}
_NEEDED = ("step", "tokens", "seconds", "learning_rate", "val_masked_lm_loss", "val_masked_lm_accuracy")
_NEEDED_OF_PAIRS = "val_next_sentence_balanced_accuracy"


@dataclass(frozen=True)
class PretrainingReport:
    """Everything the report of a pre-training run shows.

    Attributes:
        title: the page's heading.
        model_name: what the verdict calls the model, for example "BERT mini from scratch".
        objective: "next_sentence", "sentence_order" or "none".
        total_steps: optimizer steps planned.
        history: one record an evaluation, in order; all values finite. Needed in each: `step` (optimizer steps done),
            `tokens` (real tokens trained on so far), `seconds` (of training so far, restarts added up),
            `learning_rate`, `val_masked_lm_loss` (nats), `val_masked_lm_accuracy` and, with a sentence objective,
            `val_next_sentence_balanced_accuracy`. Shown where present (a record of step 0 has none of training):
            `loss`, `masked_lm_loss`, `masked_lm_accuracy`, `masked_lm_perplexity`, `next_sentence_loss`,
            `next_sentence_accuracy`, `next_sentence_balanced_accuracy` of training since the last record, and the same
            with `val_`, on held-out rows with fixed masks.
        samples: `{"step": step, "rows": [{"pieces": [token, ...], "masks": [{"position": p, "answer": token,
            "top": [[token, probability], ...]}, ...]}, ...]}` for each step at which the same sentences were filled in;
            position p in `pieces` is what the model had to guess.
        statistics: of the training rows.
        unigram_cross_entropy: nats, on the held-out masks.
        majority_accuracy: share of the held-out masks that are the commonest token.
        held_out_label_counts: held-out rows of label 0 and label 1; None where there is no sentence objective.
        settings: setting name to value, as the run used them.
        versions: package (and hardware) name to version.
        outputs: what lies where, for example "checkpoint" to its path.
        corpus: what the model was trained on, from a fact's name to its value.
        pair_accuracy: of the trained model, on more pairs than an evaluation looks at; None where it was not measured.
        non_finite_step: the step whose loss was not finite, where training stopped; else None.
    """

    title: str
    model_name: str
    objective: str
    total_steps: int
    history: Sequence[Mapping[str, float]]
    samples: Sequence[Mapping[str, Any]]
    statistics: PairAndMaskStatistics
    unigram_cross_entropy: float
    majority_accuracy: float
    held_out_label_counts: tuple[int, int] | None
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    outputs: Mapping[str, str]
    corpus: Mapping[str, Any] = field(default_factory=dict)
    pair_accuracy: PairAccuracy | None = None
    non_finite_step: int | None = None

    def __post_init__(self):
        if self.objective not in OBJECTIVES:
            raise InputError(f"objective must be one of {', '.join(OBJECTIVES)}; received {self.objective!r}.")
        if self.has_pairs == (self.held_out_label_counts is None):
            raise InputError(
                f"held_out_label_counts are the held-out rows of each label, None without a sentence objective; "
                f"received {self.held_out_label_counts} with objective {self.objective!r}."
            )
        if not self.history:
            raise InputError("The history is empty; the report needs at least one evaluation.")
        needed = [*_NEEDED, *([_NEEDED_OF_PAIRS] if self.has_pairs else [])]
        for index, record in enumerate(self.history):
            wrong = [name for name in needed if name not in record]
            wrong += [name for name, value in record.items() if not math.isfinite(value)]
            if wrong:
                raise InputError(
                    f"Each history record holds {', '.join(needed)}, and finite values only; record {index} lacks "
                    f"{', '.join(wrong)}: {dict(record)}. A step that diverged goes into non_finite_step instead."
                )

    @property
    def has_pairs(self) -> bool:
        """Whether the model was trained on pairs of sentences."""
        return self.objective != "none"

    @property
    def last(self) -> Mapping[str, float]:
        """The last record."""
        return self.history[-1]

    def pair_interval(self, record: Mapping[str, float]) -> tuple[float, float]:
        """The 95 % interval of an evaluation's balanced accuracy, the widest, since the recalls are not known."""
        accuracy = record[_NEEDED_OF_PAIRS]
        return balanced_accuracy_interval([accuracy, accuracy], self.held_out_label_counts or ())

    def findings(self) -> list[Finding]:
        """What is wrong with the run; empty if nothing."""
        return health(
            self.history,
            self.statistics,
            total_steps=self.total_steps,
            unigram_cross_entropy=self.unigram_cross_entropy,
            held_out_label_counts=self.held_out_label_counts,
            pair_accuracy=self.pair_accuracy,
            non_finite_step=self.non_finite_step,
        )

    def to_metrics(self) -> dict[str, Any]:
        """The figures of the page, for `write_metrics`."""
        return {
            "verdict": verdict(self),
            "findings": self.findings(),
            "objective": self.objective,
            "total_steps": self.total_steps,
            "non_finite_step": self.non_finite_step,
            "final": self.last,
            "pair_accuracy": self.pair_accuracy,
            "baselines": {
                "unigram_cross_entropy": self.unigram_cross_entropy,
                "majority_accuracy": self.majority_accuracy,
                "held_out_label_counts": self.held_out_label_counts,
            },
            "statistics": self.statistics,
            "history": self.history,
            "samples": self.samples,
            "corpus": self.corpus,
            "settings": self.settings,
            "versions": self.versions,
            "outputs": self.outputs,
        }


@dataclass(frozen=True)
class Comparison:
    """A figure of the last record beside its baseline, each as text; `gap` is held-out against baseline."""

    name: str
    training: str
    held_out: str
    baseline: str
    gap: str


def comparisons(report: PretrainingReport) -> list[Comparison]:
    """Each figure of the last record beside what a model without context reaches."""
    unigram = report.unigram_cross_entropy

    def loss(name: str, key: str, baseline: float, pattern: str = "{:.3f}") -> Comparison:
        return _compare(report, name, key, baseline, pattern, lambda value: f"{value / baseline - 1:+.1%}")

    def accuracy(name: str, key: str, baseline: float) -> Comparison:
        return _compare(report, name, key, baseline, "{:.1%}", lambda value: f"{100 * (value - baseline):+.1f} points")

    found = [
        loss("masked-LM loss, nats", "masked_lm_loss", unigram),
        loss("masked-LM perplexity", "masked_lm_perplexity", math.exp(unigram), "{:,.1f}"),
        accuracy("masked-LM accuracy", "masked_lm_accuracy", report.majority_accuracy),
    ]
    if report.held_out_label_counts is not None:
        counts = report.held_out_label_counts
        majority = max(counts) / sum(counts)
        entropy = -sum(count / sum(counts) * math.log(count / sum(counts)) for count in counts if count)
        found += [
            loss("sentence loss, nats", "next_sentence_loss", entropy),
            accuracy("sentence accuracy", "next_sentence_accuracy", majority),
            accuracy("sentence balanced accuracy", "next_sentence_balanced_accuracy", 0.5),
        ]
    return [one for one in found if one.held_out]


def _compare(report, name, key, baseline, pattern, gap) -> Comparison:
    training, held_out = (report.last.get(one) for one in (key, f"val_{key}"))
    return Comparison(
        name,
        "" if training is None else pattern.format(training),
        "" if held_out is None else pattern.format(held_out),
        pattern.format(baseline),
        "" if held_out is None else gap(held_out),
    )


def verdict(report: PretrainingReport) -> str:
    """One or two sentences: the held-out figures of the last record beside their baselines."""
    last, unigram = report.last, report.unigram_cross_entropy
    loss = last["val_masked_lm_loss"]
    side = "below" if loss <= unigram else "above"
    words = (
        f"{report.model_name} guesses {last['val_masked_lm_accuracy']:.1%} of the masked tokens of unseen text: loss "
        f"{loss:.3f}, {abs(1 - loss / unigram):.1%} {side} the unigram level ({unigram:.3f})."
    )
    if report.has_pairs:
        accuracy, (low, high) = last[_NEEDED_OF_PAIRS], report.pair_interval(last)
        pairs = report.pair_accuracy
        if pairs:
            accuracy, low, high = pairs.balanced_accuracy, pairs.low, pairs.high
        words += (
            f" {OBJECTIVES[report.objective].capitalize()}: balanced accuracy {accuracy:.1%} "
            f"({low:.1%} to {high:.1%}"
            + (f", from {pairs.num_pairs:,} pairs of {pairs.num_texts:,} rows" if pairs else "")
            + "), chance 50%."
        )
    return words
