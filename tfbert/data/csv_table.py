"""Chosen columns of a CSV file, read strictly: what is not plain is refused with its line, never guessed.

pandas is not used here, on purpose. `pandas.read_csv` turns a review that says "None", "NA" or "null" into a missing
value, fills rows that are too short with missing values, takes the first column for an index where rows are one field
too long, and returns text as `str` columns whose missing values are floats (which TensorFlow refuses). The `csv` module
in strict mode does none of that, and knows the line each row starts on.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfbert.data.text_files import check_text_start
from tfbert.errors import InputError

_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class CsvTable:
    """Columns of a CSV file.

    Attributes:
        path: the file.
        lines: for each row, the line of the file it starts on (the header is line 1), as an editor counts.
        columns: each column by name, as raw text, in the order asked for; optional ones only where the file has them.
    """

    path: Path
    lines: list[int]
    columns: dict[str, list[str]]


def read_csv_table(path: str | Path, *, required: Sequence[str], optional: Sequence[str] = ()) -> CsvTable:
    """Read the named columns of a UTF-8 CSV file (RFC 4180; a byte order mark is accepted); other columns are dropped.

    Blank lines are skipped. Whole rows are never kept: a column that was not asked for leaves no trace.

    Raises:
        InputError: if the file is missing, empty, without rows, HTML, not UTF-8, holds NUL bytes, lacks a required
            column or has it twice, or has a row with too few or too many fields, with unbalanced quotes, or with a
            field of more than 131,072 characters (which is what a quote that is never closed makes).
    """
    path = Path(path)
    text = io.StringIO(_decode(path, _read_bytes(path)), newline="")
    names, rows = csv_rows(path, text, required=required, optional=optional)
    lines: list[int] = []
    columns: list[list[str]] = [[] for _ in names]
    for line, row in rows:
        lines.append(line)
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    if not lines:
        raise InputError(
            f"{path}: a CSV must have rows below its header; this one has the header alone: check the export"
        )
    return CsvTable(path, lines, dict(zip(names, columns, strict=True)))


def csv_rows(
    path: Path,
    lines: Iterable[str],
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    largest_field: int | None = None,
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Read the header of a CSV's lines; return the names of the wanted columns and an iterator over the rows.

    Each row comes with the line it starts on, and holds the wanted columns alone, in the order asked for.

    Args:
        path: what error messages call the file.
        lines: its lines with their ends, read as far as the rows are asked for.
        required: columns that must be there.
        optional: columns to take where they are there.
        largest_field: the most characters in a field; by default the `csv` module's 131,072.

    Raises:
        InputError: as `read_csv_table` does, for the header at once and for rows while they are read.
    """
    rows = _rows(path, lines, csv.field_size_limit() if largest_field is None else largest_field)
    _, header = next(rows, (0, []))
    _check_header(path, header, required, optional)
    wanted = [name for name in (*required, *optional) if name in header]
    return wanted, _wanted_values(path, rows, len(header), [header.index(name) for name in wanted])


def _wanted_values(
    path: Path, rows: Iterator[tuple[int, list[str]]], num_fields: int, positions: Sequence[int]
) -> Iterator[tuple[int, list[str]]]:
    for line, row in rows:
        if len(row) != num_fields:
            raise InputError(
                f"{path}: every row must have as many fields as the header, {num_fields}; the row that starts on line "
                f"{line} has {len(row)}: put a text that holds commas, quotes or line breaks in double quotes, and "
                'double the quotes inside it ("")'
            )
        yield line, [row[position] for position in positions]


def _read_bytes(path: Path) -> bytes:
    if not path.exists():
        raise InputError(f"{path}: there is no such file: check the path (working folder: {Path.cwd()})")
    if path.is_dir():
        raise InputError(f"{path}: a CSV file is needed, this is a folder: name the file in it")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read ({error.strerror}): check its permissions") from error
    if not content.strip():
        raise InputError(f"{path}: the file is empty ({len(content)} bytes): check where it was written")
    return content


def _decode(path: Path, content: bytes) -> str:
    check_text_start(path, content[:512])
    if (offset := content.find(b"\0")) >= 0:
        raise InputError(
            f"{path}: a CSV must not hold NUL bytes; there is one at byte {offset}, line {_line(content, offset)}: the "
            "file is cut, binary or UTF-16; write it again as UTF-8"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # error.start counts from behind the mark that utf-8-sig has cut off.
        offset = error.start + (len(_UTF8_MARK) if content.startswith(_UTF8_MARK) else 0)
        raise InputError(
            f"{path}: the file must be UTF-8; byte {offset} (line {_line(content, offset)}), 0x{content[offset]:02x}, "
            "is not: convert it, if it came from Windows with "
            "iconv -f WINDOWS-1252 -t UTF-8 OLD.csv > NEW.csv"
        ) from error


def _line(content: bytes, offset: int) -> int:
    return content.count(b"\n", 0, offset) + 1


def _rows(path: Path, lines: Iterable[str], largest_field: int) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the line it starts on."""
    reader = csv.reader(lines, strict=True)
    while True:
        line = reader.line_num + 1
        # The limit is the module's, for the whole process: it is ours only while a row is read.
        limit = csv.field_size_limit(largest_field)
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"{path}: the quotes of the row that starts on line {line} do not balance ({error}): a field in double "
                'quotes ends with a quote before the comma, and quotes inside it are doubled ("")'
            ) from error
        finally:
            csv.field_size_limit(limit)
        if row:
            yield line, row


def _check_header(path: Path, header: list[str], required: Sequence[str], optional: Sequence[str]) -> None:
    missing = [name for name in required if name not in header]
    if missing:
        # A file without a header starts with a review, and perhaps with a person's name: that must not be printed.
        if any(not name.strip() or len(name) > 40 or name.strip()[0].isdigit() for name in header):
            found = "line 1 does not look like a header of column names"
        else:
            found = "found " + ", ".join(map(repr, header))
        if len(header) == 1 and any(separator in header[0] for separator in ";\t|"):
            found += "; the fields must be separated by commas: save the file again with commas"
        raise InputError(
            f"{path}: the columns {', '.join(map(repr, required))} are needed; missing "
            f"{', '.join(map(repr, missing))}; {found}: name the columns to read (text_column, score_column) or add "
            "them"
        )
    for name in (*required, *optional):
        if header.count(name) > 1:
            raise InputError(
                f"{path}: a column may stand only once, {name!r} stands {header.count(name)} times: rename one"
            )
