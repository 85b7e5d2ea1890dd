"""Whether a pre-training run is healthy, in words, each with what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tfbert.evaluation.pair_accuracy import PairAccuracy
from tfbert.evaluation.pair_and_mask_statistics import PairAndMaskStatistics
from tfbert.evaluation.pretraining_baselines import balanced_accuracy_interval

PATIENCE = 0.3
"""Share of the planned steps after which a model should have left its baselines."""
UNIGRAM_SHARE = 0.98
"""A masked-LM loss above this share of the unigram cross-entropy has learned no context."""
LEAK_ACCURACY = 0.99
"""A next-sentence balanced accuracy from here on is too good: the published models end at 0.97 to 0.98."""
LENGTH_ACCURACY = 0.55
"""What the rows' lengths alone may give away of the label."""
PADDING_SHARE = 0.5
UNKNOWN_SHARE = 0.05


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its `level`, "error" or "warning", `what` was found and what `to_do`."""

    level: str
    what: str
    to_do: str

    def __str__(self) -> str:
        return f"{self.what} {self.to_do}"


def health(
    history: Sequence[Mapping[str, float]],
    statistics: PairAndMaskStatistics | None = None,
    *,
    total_steps: int,
    unigram_cross_entropy: float,
    held_out_label_counts: tuple[int, int] | None = None,
    pair_accuracy: PairAccuracy | None = None,
    non_finite_step: int | None = None,
) -> list[Finding]:
    """Return what is wrong with a run so far; nothing where it is healthy. The errors come first.

    Args:
        history: the records of `PretrainingReport`; the last one is judged.
        statistics: of the training rows.
        total_steps: steps planned. Before `PATIENCE` of them are done a model may still stand at its baselines.
        unigram_cross_entropy: in nats, on the held-out masks.
        held_out_label_counts: held-out rows of label 0 and label 1, where there is a sentence objective.
        pair_accuracy: of the trained model; it is judged in place of the last record's.
        non_finite_step: the step whose loss was not finite, where training stopped.
    """
    findings = [_non_finite(non_finite_step)] if non_finite_step is not None else []
    last = history[-1]
    if last["step"] >= PATIENCE * total_steps:
        findings += _at_unigram(last["val_masked_lm_loss"], unigram_cross_entropy, last["step"])
    if held_out_label_counts is not None:
        accuracy = last["val_next_sentence_balanced_accuracy"]
        findings += _too_good(accuracy)
        if last["step"] >= PATIENCE * total_steps:
            low, high = balanced_accuracy_interval([accuracy, accuracy], held_out_label_counts)
            if pair_accuracy:
                accuracy, low, high = pair_accuracy.balanced_accuracy, pair_accuracy.low, pair_accuracy.high
            findings += _at_chance(accuracy, low, high, last["step"])
    return findings + (_rows(statistics) if statistics is not None else [])


def _non_finite(step: int) -> Finding:
    return Finding(
        "error",
        f"The loss was not finite at step {step:,}; training stopped there and kept the last good state.",
        "Lower the learning rate or warm up for longer; under float16 use bfloat16.",
    )


def _at_unigram(loss: float, unigram: float, step: float) -> list[Finding]:
    if not loss > UNIGRAM_SHARE * unigram:
        return []
    return [
        Finding(
            "warning",
            f"The masked language model stands at the unigram level at step {step:,.0f}: held-out loss {loss:.3f}, "
            f"unigram cross-entropy {unigram:.3f} nats. It knows how frequent words are and nothing of the context.",
            "Train for more steps, raise the learning rate or warm up for fewer steps; a smaller model leaves this "
            "level sooner. If it stays, check that the tokenizer's vocabulary and case are the corpus's.",
        )
    ]


def _at_chance(accuracy: float, low: float, high: float, step: float) -> list[Finding]:
    if low > 0.5:
        return []
    return [
        Finding(
            "warning",
            f"The sentence objective stands at its majority baseline at step {step:,.0f}: balanced accuracy "
            f"{accuracy:.3f}, 95% interval {low:.3f} to {high:.3f}, chance 0.5.",
            "Train for more steps, or measure on more held-out rows; texts of one or two short sentences tell little "
            "of what follows: pre-train without the sentence objective.",
        )
    ]


def _too_good(accuracy: float) -> list[Finding]:
    if accuracy < LEAK_ACCURACY:
        return []
    return [
        Finding(
            "warning",
            f"The sentence objective is almost never wrong: balanced accuracy {accuracy:.3f}. Something gives the "
            "label away.",
            "Look for a trace of how pairs were made: lengths, punctuation at the end of the first text, second texts "
            "from few documents, or held-out documents that also are in training.",
        )
    ]


def _rows(statistics: PairAndMaskStatistics) -> list[Finding]:
    findings = []
    by_length = statistics.length_balanced_accuracy
    if by_length is not None and by_length.value - 2 * by_length.standard_error > LENGTH_ACCURACY:
        findings.append(
            Finding(
                "warning",
                f"The rows' lengths alone tell the sentence label with a balanced accuracy of {by_length.value:.3f}.",
                "Compare the model with this figure rather than with 0.5; look at the mean lengths by label.",
            )
        )
    if statistics.padding.value > PADDING_SHARE:
        findings.append(
            Finding(
                "warning",
                f"{statistics.padding.value:.0%} of the places in a batch are padding, which is computed for nothing.",
                f"Prepare shorter rows: they hold {statistics.tokens_per_row.value:.0f} tokens on average.",
            )
        )
    if statistics.unknown.value > UNKNOWN_SHARE:
        findings.append(
            Finding(
                "warning",
                f"{statistics.unknown.value:.1%} of the tokens are [UNK]: the vocabulary does not fit the text.",
                "Learn a vocabulary from this text or extend the one you have (train_vocabulary); check the case.",
            )
        )
    return findings
