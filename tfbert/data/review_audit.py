"""What is in a set of reviews, before a step is trained on it."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tfbert.data.reviews import Reviews
from tfbert.data.splitting import normalized_text
from tfbert.errors import InputError

_TEXTS_AT_ONCE = 4096
_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\u203c\u2049]")
_SCRIPTS = ("Latin", "CJK", "Kana", "Hangul", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Thai")
_COMMON_ENGLISH_WORDS = """
a all am an and app are as at be but by can do for from get good great has have i if in is it its like love me my no not
of on one or so that the there this to too use very was what when will with you your
"""
_COMMON_ENGLISH = frozenset(_COMMON_ENGLISH_WORDS.split())


class SubwordTokenizer(Protocol):
    """What the audit needs of a tokenizer; `tfbert.BertTokenizer` has it."""

    @property
    def unk_id(self) -> int:
        """The id of [UNK]."""
        ...

    def tokenize(self, texts: Sequence[str]) -> Any:
        """Return a ragged int32 tensor of ids, without special tokens."""
        ...


@dataclass(frozen=True)
class ReviewAudit:
    """Counts and shares (0 to 1) over the reviews that were kept; `to_dict` is for JSON, `str` for the terminal.

    Attributes:
        source: where the reviews come from.
        rows_read, empty_dropped, unmapped_dropped: as in `Reviews`.
        reviews: rows kept.
        classes: reviews of each class by name.
        duplicated_texts: normalized texts that occur more than once.
        surplus_rows: rows beyond the first of each such text.
        conflicting_texts: normalized texts that occur with several labels.
        conflicting_rows: rows of those texts.
        scripts: share of the reviews by the Unicode script that most of their letters belong to ("other" for scripts
            not listed, "none" for no letter at all), largest first.
        no_common_english: share of the reviews that have at least 4 words, mostly Latin letters, and none of some 60
            very common English words: a hint at other languages in Latin script, not a language detection.
        emoji_rows: share of the reviews with an emoji.
        emoji_unk_rows: of those, the share in which a word (between white space) that holds an emoji gives [UNK].
        tokens_mean, tokens_median, tokens_95th, tokens_max: WordPiece tokens a review, without [CLS] and [SEP].
        unk_pieces: share of all pieces that are [UNK].
        unk_rows: share of the reviews with an [UNK].
        max_length: positions, [CLS] and [SEP] included, that `truncated_rows` is about.
        truncated_rows: share of the reviews that are longer than that.
    """

    source: str
    rows_read: int
    empty_dropped: int
    unmapped_dropped: int
    reviews: int
    classes: dict[str, int]
    duplicated_texts: int
    surplus_rows: int
    conflicting_texts: int
    conflicting_rows: int
    scripts: dict[str, float]
    no_common_english: float
    emoji_rows: float
    emoji_unk_rows: float
    tokens_mean: float
    tokens_median: float
    tokens_95th: float
    tokens_max: int
    unk_pieces: float
    unk_rows: float
    max_length: int
    truncated_rows: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        def share(value: float) -> str:
            return f"{value:.1%}"

        scripts = ", ".join(f"{name} {share(value)}" for name, value in list(self.scripts.items())[:4])
        classes = ", ".join(f"{name} {count:,} ({share(count / self.reviews)})" for name, count in self.classes.items())
        left_out = f"{self.empty_dropped:,} empty, {self.unmapped_dropped:,} with stars outside the mapping"
        lines = [
            ("reviews", f"{self.reviews:,} of {self.rows_read:,} rows; left out: {left_out}"),
            ("classes", classes),
            (
                "duplicates",
                f"{self.duplicated_texts:,} texts occur more than once ({self.surplus_rows:,} surplus rows)",
            ),
            (
                "label conflicts",
                f"{self.conflicting_texts:,} texts have several labels ({self.conflicting_rows:,} rows)",
            ),
            ("scripts", scripts),
            (
                "perhaps not English",
                f"{share(self.no_common_english)} (4 Latin words or more, none of them common English)",
            ),
            ("with emoji", f"{share(self.emoji_rows)}; of those, {share(self.emoji_unk_rows)} give [UNK] for it"),
            (
                "tokens a review",
                f"mean {self.tokens_mean:.1f}, median {self.tokens_median:.0f}, 95 % up to {self.tokens_95th:.0f}, "
                f"longest {self.tokens_max:,}",
            ),
            ("unknown pieces", f"{self.unk_pieces:.2%} of all pieces, in {share(self.unk_rows)} of the reviews"),
            ("truncated", f"{share(self.truncated_rows)} at {self.max_length} positions"),
        ]
        width = max(len(name) for name, _ in lines)
        return "\n".join([f"Audit of {self.source}", *(f"  {name:<{width}}  {value}" for name, value in lines)])


def audit_reviews(reviews: Reviews, tokenizer: SubwordTokenizer, max_length: int) -> ReviewAudit:
    """Measure a set of reviews under a vocabulary and a sequence length.

    Args:
        reviews: what to measure.
        tokenizer: the tokenizer that the model will have.
        max_length: positions of the model's input, [CLS] and [SEP] included; at least 3.

    Raises:
        InputError: if `max_length` leaves no place for a token.
    """
    if max_length < 3:
        raise InputError(f"max_length must leave place for [CLS], a token and [SEP]; got {max_length}: give 3 or more")
    texts = list(reviews.texts)
    lengths, unknowns = _count_pieces(texts, tokenizer)
    groups = pd.DataFrame({"label": reviews.labels}).groupby([normalized_text(text) for text in texts])["label"]
    sizes, labels_of_text = groups.size(), groups.nunique()
    conflicts = labels_of_text > 1
    emoji_rows, emoji_unk_rows = _emoji_shares(texts, tokenizer)
    scripts = Counter(_main_script(text) for text in texts)
    counts = np.bincount(reviews.labels, minlength=len(reviews.label_names))
    return ReviewAudit(
        source=reviews.source,
        rows_read=reviews.rows_read,
        empty_dropped=reviews.empty_dropped,
        unmapped_dropped=reviews.unmapped_dropped,
        reviews=len(texts),
        classes={name: int(count) for name, count in zip(reviews.label_names, counts, strict=True)},
        duplicated_texts=int((sizes > 1).sum()),
        surplus_rows=int((sizes - 1).sum()),
        conflicting_texts=int(conflicts.sum()),
        conflicting_rows=int(sizes[conflicts].sum()),
        scripts={name: count / len(texts) for name, count in scripts.most_common()},
        no_common_english=sum(_lacks_common_english(text) for text in texts) / len(texts),
        emoji_rows=emoji_rows,
        emoji_unk_rows=emoji_unk_rows,
        tokens_mean=float(lengths.mean()),
        tokens_median=float(np.median(lengths)),
        tokens_95th=float(np.percentile(lengths, 95)),
        tokens_max=int(lengths.max()),
        unk_pieces=float(unknowns.sum() / max(1, lengths.sum())),
        unk_rows=float((unknowns > 0).mean()),
        max_length=max_length,
        truncated_rows=float((lengths + 2 > max_length).mean()),
    )


def _count_pieces(texts: list[str], tokenizer: SubwordTokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Return for each text its number of pieces and how many of them are [UNK], both `(texts,)`."""
    lengths, unknowns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        ids = tokenizer.tokenize(texts[start : start + _TEXTS_AT_ONCE])
        row_lengths = np.asarray(ids.row_lengths())
        row = np.repeat(np.arange(len(row_lengths)), row_lengths)
        is_unknown = np.asarray(ids.flat_values) == tokenizer.unk_id
        lengths.append(row_lengths)
        unknowns.append(np.bincount(row[is_unknown], minlength=len(row_lengths)))
    return np.concatenate(lengths), np.concatenate(unknowns)


def _emoji_shares(texts: list[str], tokenizer: SubwordTokenizer) -> tuple[float, float]:
    words = [[word for word in text.split() if _EMOJI.search(word)] for text in texts]
    with_emoji = [row for row in words if row]
    if not with_emoji:
        return 0.0, 0.0
    row_of_word = np.repeat(np.arange(len(with_emoji)), [len(row) for row in with_emoji])
    _, unknowns = _count_pieces([word for row in with_emoji for word in row], tokenizer)
    return len(with_emoji) / len(texts), len(np.unique(row_of_word[unknowns > 0])) / len(with_emoji)


@cache
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "")
    if name.startswith(("HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA")):
        return "Kana"
    return next((script for script in _SCRIPTS if script.upper() in name.split("-")[0].split()[:2]), "other")


def _main_script(text: str) -> str:
    counts = Counter(_script(letter) for letter in text if letter.isalpha())
    return counts.most_common(1)[0][0] if counts else "none"


def _lacks_common_english(text: str) -> bool:
    words = re.findall(r"[^\W\d_]+", text.lower())
    return len(words) >= 4 and _main_script(text) == "Latin" and _COMMON_ENGLISH.isdisjoint(words)
