"""Reading documents: plain text, one document a line, or columns of a CSV; one at a time, however large the files."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from tfbert.data.csv_table import csv_rows
from tfbert.data.review_sources import sample_folder
from tfbert.data.text_files import LONGEST_LINE, plain_suffix, read_lines
from tfbert.errors import InputError

Document = list[str]
"""The paragraphs of a document, in order: no sentence spans two of them."""

LAYOUTS = ("auto", "blank_line", "line", "csv")


class DocumentFiles:
    """The documents of files, in the order of the sources; files of a pattern come in the order of their names.

    Iterating reads the files anew, and holds one document at a time.

    Args:
        sources: paths and patterns such as `text/*.txt.gz` (`**` stands for any folders), or "sample" for the bundled
            synthetic reviews. A file that several of them name is read once. Names that end in .gz, .bz2 or .xz are
            decompressed.
        layout: "blank_line": plain text, a blank line between documents; "line": one document a line; "csv": one
            document a row; "auto": "csv" for files named so, else "blank_line".
        text_columns: the columns of a CSV that make up a document, each a paragraph of its own where it is not empty:
            a review and the developer's reply, say.

    Raises:
        InputError: if a path or pattern finds no file, or a file does not begin as its layout says. While iterating: if
            a file is not UTF-8, binary, damaged, breaks a rule of CSV (all with the line), or holds a document of more
            than 16,777,216 characters.
    """

    def __init__(
        self,
        sources: str | Path | Sequence[str | Path],
        *,
        layout: str = "auto",
        text_columns: Sequence[str] = ("content", "replyContent"),
    ):
        if layout not in LAYOUTS:
            raise InputError(f"layout must be one of {', '.join(LAYOUTS)}; received {layout!r}.")
        sources = [sources] if isinstance(sources, str | Path) else sources
        self.paths = list(dict.fromkeys(path for source in sources for path in _find(source)))
        if not self.paths:
            raise InputError("at least one source of documents is needed, such as a file or a pattern; received none.")
        self.total_bytes = sum(path.stat().st_size for path in self.paths)
        self.share_read = 0.0
        """How much of the files the iteration has read, by their size on the disk, 0 to 1."""
        self._layout = layout
        self._text_columns = tuple(text_columns)
        self.description = {
            "sources": [str(source) for source in sources],
            "layout": layout,
            "text_columns": list(text_columns),
        }
        """The arguments, for a manifest."""
        for path in self.paths:
            next(self.read(path), None)

    def __iter__(self) -> Iterator[Document]:
        before = 0
        for path in self.paths:
            with _opened(path) as raw:
                for document in self._documents(path, raw):
                    self.share_read = (before + raw.tell()) / self.total_bytes
                    yield document
                before += os.fstat(raw.fileno()).st_size
        self.share_read = 1.0

    def read(self, path: Path) -> Iterator[Document]:
        """Yield the documents of one file."""
        with _opened(path) as raw:
            yield from self._documents(path, raw)

    def _documents(self, path: Path, raw: BinaryIO) -> Iterator[Document]:
        layout = self._layout
        if layout == "auto":
            layout = "csv" if plain_suffix(path) == ".csv" else "blank_line"
        documents: Iterator[Document]
        if layout == "csv":
            lines = read_lines(path, raw, newline="")
            _, rows = csv_rows(path, lines, required=self._text_columns, largest_field=LONGEST_LINE)
            documents = ([value for value in values if value and not value.isspace()] for _, values in rows)
        elif layout == "line":
            documents = ([text] if (text := line.strip()) else [] for line in read_lines(path, raw))
        else:
            documents = _between_blank_lines(path, read_lines(path, raw))
        return filter(None, documents)


def _opened(path: Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(
            f"{path}: a file of documents must be there, and readable, until it is read ({error.strerror}): bring it "
            "back, and run the same command again"
        ) from error


def _between_blank_lines(path: Path, lines: Iterator[str]) -> Iterator[Document]:
    document: list[str] = []
    characters = 0
    for number, line in enumerate(lines, start=1):
        if line.isspace():
            yield ["".join(document)] if document else []
            document, characters = [], 0
        else:
            document.append(line)
            characters += len(line)
            if characters > LONGEST_LINE:
                raise InputError(
                    f"{path}: a document must have at most {LONGEST_LINE:,} characters; the one that starts on line "
                    f"{number - len(document) + 1} has more: put blank lines between documents, or, where each line is "
                    "a document, choose the layout line"
                )
    yield ["".join(document)] if document else []


def _find(source: str | Path) -> list[Path]:
    """Return the files that a path or pattern names."""
    if source == "sample":
        return [sample_folder() / "reviews.csv"]
    path = Path(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        raise InputError(f"{path}: files are needed, this is a folder: name those in it, such as {path / '*.txt'}")
    found = sorted(Path(name) for name in glob.glob(str(source), recursive=True) if Path(name).is_file())
    if not found:
        raise InputError(
            f"{source}: there is no such file, and no file fits it as a pattern: check the path (working folder: "
            f"{Path.cwd()})"
        )
    return found
