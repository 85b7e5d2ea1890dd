"""What guesses that know no context reach on the held-out rows of a pre-training run."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from tfbert.errors import InputError
from tfbert.evaluation.pair_and_mask_statistics import PairAndMaskStatistics
from tfbert.evaluation.pretraining_baselines import majority_accuracy, unigram_cross_entropy


class HeldOutBaselines(NamedTuple):
    """Baselines, and the counts of what was held out."""

    unigram_cross_entropy: float
    """Nats at a mask, of guessing each token as often as it stands in the training text."""
    majority_accuracy: float
    """Share of the masks that the commonest training token fills rightly."""
    label_counts: tuple[int, int] | None
    """Rows with label 0 and with label 1; None without a sentence objective."""

    @classmethod
    def measure(cls, batches: Iterable[Mapping[str, np.ndarray]], token_counts: np.ndarray) -> "HeldOutBaselines":
        """Measure batches of the pretrainer's inputs; `token_counts` int64 (vocabulary,) are of the training text.

        Raises:
            InputError: all pairs have one label, so that nothing can be said of telling them apart.
        """
        kept = list(batches)
        masked, weights = (np.concatenate([b[name].ravel() for b in kept]) for name in ("mask_ids", "mask_weights"))
        counts = None
        if "next_sentence_labels" in kept[0]:
            labels = np.concatenate([batch["next_sentence_labels"] for batch in kept])
            counts = (int((labels == 0).sum()), int((labels == 1).sum()))
            if 0 in counts:
                raise InputError(
                    f"the held-out rows must have sentence pairs of both labels; of {len(labels)} measured all have "
                    "the same. Measure more of them (--evaluation-rows), or prepare the corpus with more held back "
                    "(--held-out-share)."
                )
        return cls(
            unigram_cross_entropy(token_counts, masked, weights),
            majority_accuracy(token_counts, masked, weights),
            counts,
        )


def rows_summary(statistics: PairAndMaskStatistics, baselines: HeldOutBaselines) -> str:
    """Say in two lines what the training rows are like, and what no model needs training for."""
    rows = (
        f"rows      {statistics.num_rows:,} measured: {statistics.tokens_per_row.value:.1f} tokens, "
        f"{statistics.masked.value:.1%} masked, {statistics.unknown.value:.1%} unknown, "
        f"{statistics.padding.value:.0%} padding"
    )
    guesses = (
        f"baselines masked words by their frequency: {baselines.unigram_cross_entropy:.3f} nats, accuracy "
        f"{baselines.majority_accuracy:.3f}"
    )
    by_length = statistics.length_balanced_accuracy
    if statistics.not_next is None or by_length is None or baselines.label_counts is None:
        return f"{rows}\n{guesses}"
    majority = max(baselines.label_counts) / sum(baselines.label_counts)
    return (
        f"{rows}; label 1 for {statistics.not_next.value:.1%} of the pairs\n{guesses}; pairs: majority {majority:.3f}, "
        f"by length alone {by_length.value:.3f} (balanced)"
    )
