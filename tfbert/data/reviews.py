"""App reviews with star ratings as texts with sentiment labels."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from tfbert.data.csv_table import CsvTable, read_csv_table
from tfbert.errors import InputError

STARS_TO_SENTIMENT: Mapping[int, str] = MappingProxyType(
    {1: "negative", 2: "negative", 3: "neutral", 4: "positive", 5: "positive"}
)
"""The tutorial's classes: 1 and 2 stars are negative, 3 neutral, 4 and 5 positive."""

APP_COLUMN, REPLY_COLUMN = "appId", "replyContent"


@dataclass(frozen=True, eq=False)
class Reviews:
    """Texts with labels, and what was left out on the way.

    Attributes:
        frame: one row a review, in the file's order, with the columns `line` (int64: the line of the CSV the review
            starts on, the header being line 1), `text` (object: always `str`, never missing), `score` (int32, 1 to 5),
            `label` (int32, an index into `label_names`), and where the file has them `app` (object: the title if
            apps.csv gives one, else the id) and `reply` (object: the developer's answer, "" where there is none).
            Nothing else of the file is kept: names, pictures and ids of users are never read into it.
        label_names: the classes, lowest stars first.
        source: where the reviews come from, in words.
        rows_read: rows of the file.
        empty_dropped: rows left out because their text is empty or white space.
        unmapped_dropped: rows left out because the mapping has no class for their stars.
    """

    frame: pd.DataFrame
    label_names: tuple[str, ...]
    source: str
    rows_read: int
    empty_dropped: int
    unmapped_dropped: int

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def texts(self) -> np.ndarray:
        """The texts, an object array of `str`, `(reviews,)`; tf.constant and tf.data take it as it is."""
        return self.frame["text"].to_numpy(dtype=object)

    @property
    def labels(self) -> np.ndarray:
        """The labels, int32 `(reviews,)`."""
        return self.frame["label"].to_numpy(dtype=np.int32)


def parse_mapping(flag: str) -> dict[int, str]:
    """Read a star mapping such as "1-2=negative,3=neutral,4-5=positive" from a flag.

    Stars that no class takes are allowed: their reviews are left out and counted ("1-2=bad,4-5=good" drops 3 stars).

    Returns:
        The class of each mapped star, in the order of the stars.

    Raises:
        InputError: if a part is not STARS=NAME, a star is outside 1 to 5 or mapped twice, or there are fewer than
            two classes.

    >>> parse_mapping("1-2=bad, 4-5=good")
    {1: 'bad', 2: 'bad', 4: 'good', 5: 'good'}
    """
    example = 'write it like "1-2=negative,3=neutral,4-5=positive"'
    mapping: dict[int, str] = {}
    for part in flag.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?=\s*([^=]*?)\s*", part)
        if not match or not match[3]:
            raise InputError(f"a star mapping is a list of STARS=NAME; got {part.strip()!r} in {flag!r}: {example}")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= 5:
            raise InputError(f"stars go from 1 to 5, lower first; got {part.strip()!r} in {flag!r}: {example}")
        for star in range(first, last + 1):
            if star in mapping:
                raise InputError(
                    f"each star has one class; {star} is both {mapping[star]!r} and {match[3]!r} in {flag!r}: {example}"
                )
            mapping[star] = match[3]
    _label_names(mapping)
    return dict(sorted(mapping.items()))


def read_reviews(
    path: str | Path,
    *,
    text_column: str = "content",
    score_column: str = "score",
    mapping: Mapping[int, str] = STARS_TO_SENTIMENT,
) -> Reviews:
    """Read a CSV of reviews, or a folder that holds reviews.csv and perhaps apps.csv.

    Args:
        path: a UTF-8 CSV with a header, or the folder. With apps.csv in the folder, the `app` of a review is the title
            of its `appId` there, or the id itself where apps.csv does not have it.
        text_column: the column of the review's words. They are kept as they are.
        score_column: the column of the stars, whole numbers 1 to 5 ("4.0" counts as whole).
        mapping: class of each star, as `parse_mapping` makes it; reviews of stars that are not in it are left out.

    Raises:
        InputError: if the file cannot be read (see `read_csv_table`), a score is not a whole number from 1 to 5, or a
            class has no review.
    """
    path = Path(path)
    label_names = _label_names(mapping)
    titles: dict[str, str] = {}
    csv_path = path
    if path.is_dir():
        csv_path = path / "reviews.csv"
        if not csv_path.exists():
            raise InputError(f"{path}: a folder of reviews must hold reviews.csv: add it, or give the path of the CSV")
        if (path / "apps.csv").exists():
            apps = read_csv_table(path / "apps.csv", required=(APP_COLUMN, "title"))
            titles = dict(zip(apps.columns[APP_COLUMN], apps.columns["title"], strict=True))
    table = read_csv_table(csv_path, required=(text_column, score_column), optional=(APP_COLUMN, REPLY_COLUMN))
    texts, scores = table.columns[text_column], _scores(table, score_column)
    mapped = np.isin(scores, list(mapping))
    filled = np.array([bool(text.strip()) for text in texts])
    kept = mapped & filled
    columns = {
        "line": pd.Series(table.lines, dtype="int64"),
        # Object columns of plain str: pandas would make its own `str` dtype of them, whose storage depends on pyarrow.
        "text": pd.Series(texts, dtype=object),
        "score": pd.Series(scores, dtype="int32"),
        "label": pd.Series([label_names.index(mapping.get(s, label_names[0])) for s in scores], dtype="int32"),
    }
    if APP_COLUMN in table.columns:
        columns["app"] = pd.Series([titles.get(app, app) for app in table.columns[APP_COLUMN]], dtype=object)
    if REPLY_COLUMN in table.columns:
        columns["reply"] = pd.Series(table.columns[REPLY_COLUMN], dtype=object)
    reviews = Reviews(
        frame=pd.DataFrame(columns)[kept].reset_index(drop=True),
        label_names=label_names,
        source=str(path),
        rows_read=len(texts),
        empty_dropped=int((~filled).sum()),
        unmapped_dropped=int((filled & ~mapped).sum()),
    )
    _check_classes(csv_path, reviews, mapping)
    return reviews


def _label_names(mapping: Mapping[int, str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(mapping[star] for star in sorted(mapping)))
    if not set(mapping) <= set(range(1, 6)) or len(names) < 2:
        raise InputError(
            f"a star mapping gives stars from 1 to 5 at least two classes; got {dict(mapping)}: add a class"
        )
    return names


def _scores(table: CsvTable, column: str) -> np.ndarray:
    raw = [score.strip() for score in table.columns[column]]
    wrong = [i for i, score in enumerate(raw) if not re.fullmatch(r"[1-5](\.0*)?", score)]
    if wrong:
        lines = ", ".join(str(table.lines[i]) for i in wrong[:5]) + (", ..." if len(wrong) > 5 else "")
        raise InputError(
            f"{table.path}: a score must be a whole number from 1 to 5; column {column!r} holds {raw[wrong[0]][:40]!r} "
            f"in the row that starts on line {table.lines[wrong[0]]} ({len(wrong)} such rows, lines {lines}): "
            "correct or remove them"
        )
    return np.array([int(score[0]) for score in raw], np.int32)


def _check_classes(path: Path, reviews: Reviews, mapping: Mapping[int, str]) -> None:
    present = set(reviews.labels)
    for label, name in enumerate(reviews.label_names):
        if label not in present:
            stars = ", ".join(str(star) for star in sorted(mapping) if mapping[star] == name)
            raise InputError(
                f"{path}: every class needs reviews; {name!r} (stars {stars}) has none among the {len(reviews)} of "
                f"{reviews.rows_read} rows that have a text and a mapped score: add some or change the star mapping"
            )
