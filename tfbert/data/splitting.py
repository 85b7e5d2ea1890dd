"""Training, validation and test parts of a set of reviews, with no text in two of them."""

import bisect
import itertools
import unicodedata
from dataclasses import dataclass

import numpy as np

from tfbert.data.reviews import Reviews
from tfbert.errors import InputError


@dataclass(frozen=True, eq=False)
class Split:
    """Row indices (int64, ascending) into the reviews; together they hold each row once."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def normalized_text(text: str) -> str:
    """Return what two texts must share to count as the same one.

    Unicode compatibility forms are unified (NFKC), case is folded, and white space, punctuation, control characters and
    variation selectors are taken out, so that "Great app!!" and "great  app" are the same text. Symbols and emoji stay.
    A text of nothing else ("?!") stays as it is.

    >>> normalized_text("Great app!! 👍") == normalized_text("great\\nAPP👍")
    True
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    # Once more: an accent may have come to stand behind a letter.
    return unicodedata.normalize("NFKC", folded.translate(_KEPT)) or folded.strip()


class _Kept(dict[int, int | None]):
    """What `str.translate` makes of a character: itself or nothing; found out once for each that occurs."""

    def __missing__(self, point: int) -> int | None:
        # Of the other categories P, Z and C are punctuation, separators and control.
        distinguishes = chr(point).isalnum() or unicodedata.category(chr(point))[0] in "SM"
        self[point] = point if distinguishes and point not in _VARIATION_SELECTORS else None
        return self[point]


_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
_KEPT = _Kept()


def split_reviews(
    reviews: Reviews,
    *,
    seed: int,
    validation_share: float = 0.1,
    test_share: float = 0.2,
    grouped: bool = True,
) -> Split:
    """Split reviews in three parts.

    Grouped: rows of the same normalized text go to the same part together, and each class is divided by the shares, to
    the row unless its groups are too large for that (a group with several labels counts for its most frequent one). The
    result depends on the seed and the texts, not on the order of the rows.
    Not grouped: rows at random, as tutorials do it; texts that occur several times then leak from training to test.

    Args:
        reviews: what to split.
        seed: fixes the draw; no global random state is read or changed.
        validation_share: share of the rows for validation, above 0.
        test_share: share of the rows for test, above 0; the rest, above 0 too, is for training.
        grouped: see above.

    Raises:
        InputError: if a share leaves a part without rows, or a class is missing from a part.
    """
    if not (validation_share > 0 and test_share > 0 and validation_share + test_share < 1):
        raise InputError(
            "validation_share and test_share must be above 0 and leave rows for training (sum below 1); got "
            f"{validation_share} and {test_share}: choose, for instance, 0.1 and 0.2"
        )
    random = np.random.default_rng(seed)
    if grouped:
        part = _grouped_parts(reviews, random, validation_share, test_share)
    else:
        order = random.permutation(len(reviews))
        edges = np.array([test_share, test_share + validation_share]) * len(reviews)
        part = np.empty(len(reviews), np.int64)
        part[order] = np.searchsorted(edges, np.arange(len(reviews)) + 0.5)
    test, validation, train = (np.flatnonzero(part == i) for i in range(3))
    split = Split(train, validation, test)
    _check_parts(reviews, split)
    return split


def _grouped_parts(
    reviews: Reviews, random: np.random.Generator, validation_share: float, test_share: float
) -> np.ndarray:
    """Return each row's part: 0 test, 1 validation, 2 training."""
    # Sorted unique texts: the groups come in an order that does not depend on the rows'.
    _, group = np.unique([normalized_text(text) for text in reviews.texts], return_inverse=True)
    counts = np.zeros((group.max() + 1, len(reviews.label_names)), np.int64)
    np.add.at(counts, (group, reviews.labels), 1)
    sizes, stratum = counts.sum(axis=1), counts.argmax(axis=1)
    part_of_group = np.empty(len(sizes), np.int64)
    for label in range(len(reviews.label_names)):
        members = np.flatnonzero(stratum == label)
        total = int(sizes[members].sum())
        test, validation = round(total * test_share), round(total * validation_share)
        left = [test, validation, total - test - validation]
        # Large groups first, while there is room for them; each goes to a part where it fits, with a chance in
        # proportion to the room left there. The single rows then fill each part to the row.
        members = members[np.argsort(-sizes[members], kind="stable")]
        for member, chance in zip(members, random.random(len(members)), strict=True):
            room = [rows if rows >= sizes[member] else 0 for rows in left]
            part = bisect.bisect(list(itertools.accumulate(room)), chance * sum(room)) if any(room) else np.argmax(left)
            part_of_group[member] = part
            left[part] -= sizes[member]
    return part_of_group[group]


def _check_parts(reviews: Reviews, split: Split) -> None:
    for name in ("train", "validation", "test"):
        counts = np.bincount(reviews.labels[getattr(split, name)], minlength=len(reviews.label_names))
        for label_name, count in zip(reviews.label_names, counts, strict=True):
            if count == 0:
                shown = ", ".join(f"{n} {c}" for n, c in zip(reviews.label_names, counts, strict=True))
                raise InputError(
                    f"every part of the split needs every class; the {name} part has no {label_name!r} ({shown}; "
                    f"{len(reviews)} reviews in all): add reviews of that class, or change the share or the mapping"
                )
