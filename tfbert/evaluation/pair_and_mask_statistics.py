"""What the rows of pre-training are made of: masks, sentence pairs, padding, beside what was declared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfbert.errors import InputError


@dataclass(frozen=True)
class Measured:
    """A share or mean, its standard error over rows, and the value that was declared (None: nothing was)."""

    value: float
    standard_error: float
    declared: float | None = None


@dataclass(frozen=True)
class PairAndMaskStatistics:
    """What `measure` found in the rows it was given.

    Every figure is a ratio of sums over rows, R = Σy / Σx, with the standard error √(Σ (y - R·x)² · n / (n - 1)) / Σx
    of n independent rows.

    Attributes:
        num_rows: rows measured.
        num_tokens: their tokens, padding left out.
        masked: tokens picked, of those that can be ([CLS], [SEP] and padding cannot). Declared is what the rate asks
            for: max(1, round(rate · tokens)) a row, special tokens counted, at most `max_masks`. Whole-word masking
            passes over words with more pieces than are left to pick, and stays a little below.
        became_mask, kept, became_random: shares of the picked that are [MASK], the token itself, another token. A
            random token that happens to be the token itself counts as kept.
        unknown: [UNK] among the tokens that can be picked, before masking.
        padding: share of padding.
        tokens_per_row: without padding.
        not_next: share of pairs with label 1 (the second text does not follow); None without pairs, as are the rest.
        first_tokens, second_tokens: mean pieces of the first and of the second text, for label 0 and label 1.
        length_balanced_accuracy: of the best rule of the kind "label 1 if the row has more (or: fewer) than t tokens":
            what lengths alone give away. The rule is chosen on every other row and judged on the rest, both ways round.
    """

    num_rows: int
    num_tokens: int
    masked: Measured
    became_mask: Measured
    kept: Measured
    became_random: Measured
    unknown: Measured
    padding: Measured
    tokens_per_row: Measured
    not_next: Measured | None = None
    first_tokens: tuple[Measured, Measured] | None = None
    second_tokens: tuple[Measured, Measured] | None = None
    length_balanced_accuracy: Measured | None = None

    @classmethod
    def measure(
        cls,
        batches: Iterable[Mapping[str, np.ndarray]],
        vocabulary: Any,
        *,
        masking_rate: float = 0.15,
        mask_share: float = 0.8,
        random_share: float = 0.1,
        max_masks: int | None = None,
        not_next_share: float = 0.5,
    ) -> "PairAndMaskStatistics":
        """Measure `batches`.

        Args:
            batches: the pretrainer's inputs as NumPy arrays; without `next_sentence_labels` there are no pairs.
            vocabulary: a `Vocabulary` or `BertTokenizer`, for the ids of the special tokens.
            masking_rate, mask_share, random_share, max_masks: the declared masking.
            not_next_share: the declared share of label 1.

        Raises:
            InputError: there is no row, no mask, or pairs of one label alone.
        """
        columns: dict[str, list[np.ndarray]] = {}
        for batch in batches:
            for name, values in _count(batch, vocabulary, masking_rate, max_masks).items():
                columns.setdefault(name, []).append(values)
        rows = {name: np.concatenate(parts).astype(np.float64) for name, parts in columns.items()}
        if not rows or not rows["picked"].any():
            raise InputError(
                "the statistics need rows with masks; received "
                f"{len(rows['picked']) if rows else 0} rows and none. Measure batches of the training data."
            )

        def share(of: str, among: str, declared: float | None = None) -> Measured:
            return _ratio(rows[of], rows[among], declared)

        return cls(
            num_rows=len(rows["one"]),
            num_tokens=int(rows["tokens"].sum()),
            masked=share("picked", "maskable", float(rows["wanted"].sum() / rows["maskable"].sum())),
            became_mask=share("became_mask", "picked", mask_share),
            kept=share("kept", "picked", 1 - mask_share - random_share),
            became_random=share("became_random", "picked", random_share),
            unknown=share("unknown", "maskable"),
            padding=share("padding", "places"),
            tokens_per_row=share("tokens", "one"),
            **(_pairs(rows, not_next_share) if "label" in rows else {}),
        )


def _count(batch: Mapping[str, np.ndarray], vocabulary: Any, rate: float, max_masks: int | None) -> dict:
    """Count each row of a batch."""
    token_ids, real = np.array(batch["token_ids"]), np.asarray(batch["padding_mask"]).astype(bool)
    used = np.asarray(batch["mask_weights"]) > 0
    positions, answers = np.asarray(batch["mask_positions"]), np.asarray(batch["mask_ids"])
    shown = np.take_along_axis(token_ids, positions, axis=1)
    row, slot = np.nonzero(used)
    token_ids[row, positions[row, slot]] = answers[row, slot]
    maskable = real & ~np.isin(token_ids, (vocabulary.cls_id, vocabulary.sep_id, vocabulary.pad_id))
    tokens = real.sum(axis=1)
    wanted = np.minimum(np.maximum(1, np.round(rate * tokens)), np.inf if max_masks is None else max_masks)
    is_mask, is_answer = shown == vocabulary.mask_id, shown == answers
    counts = {
        "one": np.ones(len(tokens)),
        "tokens": tokens,
        "places": np.full(len(tokens), token_ids.shape[1]),
        "padding": (~real).sum(axis=1),
        "maskable": maskable.sum(axis=1),
        "unknown": (maskable & (token_ids == vocabulary.unk_id)).sum(axis=1),
        "wanted": wanted,
        "picked": used.sum(axis=1),
        "became_mask": (used & is_mask).sum(axis=1),
        "kept": (used & is_answer).sum(axis=1),
        "became_random": (used & ~is_mask & ~is_answer).sum(axis=1),
    }
    if "next_sentence_labels" in batch:
        second = (real & (np.asarray(batch["segment_ids"]) == 1)).sum(axis=1)
        # Without [CLS] and [SEP] in the first text, [SEP] in the second.
        counts |= {
            "label": np.asarray(batch["next_sentence_labels"]),
            "first": tokens - second - 2,
            "second": second - 1,
        }
    return counts


def _pairs(rows: Mapping[str, np.ndarray], not_next_share: float) -> dict[str, Any]:
    labels = rows["label"]
    if len(np.unique(labels)) != 2:
        raise InputError(
            f"pairs need rows of both labels, 0 and 1; all {len(labels)} rows have label {labels[0]:g}. Measure more "
            "rows, or look at how pairs are drawn."
        )
    lengths = {
        f"{name}_tokens": tuple(
            _ratio(rows[name][labels == label], np.ones((labels == label).sum())) for label in (0, 1)
        )
        for name in ("first", "second")
    }
    return {
        "not_next": _ratio(labels, rows["one"], not_next_share),
        "length_balanced_accuracy": _length_rule(rows["tokens"], labels),
        **lengths,
    }


def _ratio(of: np.ndarray, among: np.ndarray, declared: float | None = None) -> Measured:
    total = among.sum()
    if total == 0:
        return Measured(0.0, 0.0, declared)
    value = of.sum() / total
    spread = ((of - value * among) ** 2).sum() * len(of) / max(len(of) - 1, 1)
    return Measured(float(value), float(np.sqrt(spread) / total), declared)


def _length_rule(lengths: np.ndarray, labels: np.ndarray) -> Measured:
    """Choose a threshold and a direction on one half of the rows, judge them on the other, both ways; the mean."""
    halves = [(lengths[start::2], labels[start::2]) for start in (0, 1)]
    right = np.zeros(len(labels), bool)
    for start, (chosen_lengths, chosen_labels) in zip((1, 0), halves, strict=True):
        threshold, longer = _best_threshold(chosen_lengths, chosen_labels)
        right[start::2] = ((lengths[start::2] > threshold) == longer) == (labels[start::2] == 1)
    recalls = [right[labels == label] for label in (0, 1)]
    variance = sum(recall.mean() * (1 - recall.mean()) / len(recall) for recall in recalls) / 4
    return Measured(float(np.mean([recall.mean() for recall in recalls])), float(np.sqrt(variance)))


def _best_threshold(lengths: np.ndarray, labels: np.ndarray) -> tuple[float, bool]:
    """Return the threshold t, and whether label 1 is above it, of the highest balanced accuracy."""
    thresholds = np.unique(lengths)
    sides = [np.sort(lengths[labels == label]) for label in (0, 1)]
    # How much more often label 0 than label 1 is at or below each threshold.
    shares = [np.searchsorted(side, thresholds, side="right") / max(len(side), 1) for side in sides]
    difference = shares[0] - shares[1]
    best = int(np.abs(difference).argmax())
    return float(thresholds[best]), bool(difference[best] >= 0)
