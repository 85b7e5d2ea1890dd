"""Text files as they come: compressed or not, read line by line, with what is wrong named by its line."""

import bz2
import contextlib
import functools
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tfbert.errors import InputError

_DECOMPRESSORS: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
_HTML_STARTS = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")
_UTF8_MARK, _UTF16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")

LONGEST_LINE = 1 << 24
"""The most characters that are read at once; a file with a longer line is not running text."""


def plain_suffix(path: Path) -> str:
    """Return the last suffix of a name in lower case, without that of a compressed file.

    >>> plain_suffix(Path("reviews.CSV.gz"))
    '.csv'
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in _DECOMPRESSORS), "")


def check_text_start(path: Path, start: bytes) -> None:
    """Refuse a file whose first bytes are those of an HTML page or of UTF-16.

    Raises:
        InputError: saying what the file is, and what to do.
    """
    if start.removeprefix(_UTF8_MARK).lstrip().lower().startswith(_HTML_STARTS):
        raise InputError(
            f"{path}: the file is an HTML page, not a {plain_suffix(path).removeprefix('.').upper() or 'text'}: a "
            "download got an error or log-in page in its place; delete it, open the link in a browser, save the file "
            "itself and give its path"
        )
    if start.startswith(_UTF16_MARKS):
        raise InputError(
            f"{path}: the file must be UTF-8, its first bytes are those of UTF-16: convert it with "
            "iconv -f UTF-16 -t UTF-8 OLD > NEW"
        )


def read_lines(path: Path, raw: BinaryIO, *, newline: str | None = None) -> Iterator[str]:
    """Yield the lines of a UTF-8 text file, with their ends; a byte order mark is no part of the first.

    Args:
        path: what the file is called; .gz, .bz2 and .xz are decompressed.
        raw: the file, open; its position tells how far it was read.
        newline: as `open` takes it: None makes every line end a line feed, "" leaves them as they are.

    Raises:
        InputError: if the file is an HTML page, binary, not UTF-8, cut short, or has a line of more than
            `LONGEST_LINE` characters; with the line.
    """
    with _faults_named(path), _decompressed(path, raw) as file:
        check_text_start(path, file.peek(512)[:512])
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline=newline)
        try:
            for number, line in enumerate(iter(functools.partial(text.readline, LONGEST_LINE + 1), ""), start=1):
                if "\0" in line:
                    raise InputError(
                        f"{path}: a text must not hold NUL bytes; there is one in line {number}: the file is cut or "
                        "binary; write it again as UTF-8 text"
                    )
                if len(line) > LONGEST_LINE:
                    raise InputError(
                        f"{path}: a line must have at most {LONGEST_LINE:,} characters; line {number} has more: is it "
                        "running text? Put each document on a line, or a blank line between documents"
                    )
                yield line
        finally:
            # The file stays open, for its owner asks for its position; unless the owner has closed it first.
            if not raw.closed:
                text.detach()


def _decompressed(path: Path, raw: BinaryIO) -> Any:
    decompressor = _DECOMPRESSORS.get(path.suffix.lower())
    return decompressor(raw) if decompressor else contextlib.nullcontext(raw)


@contextlib.contextmanager
def _faults_named(path: Path) -> Iterator[None]:
    """Turn what a broken file raises into an `InputError`."""
    try:
        try:
            yield
        except UnicodeDecodeError as error:
            # Looking for the place reads the file again, and may find that it is damaged further on.
            line, byte = _first_wrong_byte(path)
            raise InputError(
                f"{path}: the file must be UTF-8; line {line} holds the byte 0x{byte:02x}, which is not: convert it, "
                "if it came from Windows with iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW"
            ) from error
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"{path}: the file cannot be read ({error.strerror}): check it") from error
        raise InputError(
            f"{path}: a {path.suffix} file must be whole; this one is cut short or damaged ({error}): fetch it again"
        ) from error


def _first_wrong_byte(path: Path) -> tuple[int, int]:
    """Return the line, from 1, and the value of the first byte that is not UTF-8."""
    with open(path, "rb") as raw, _decompressed(path, raw) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, line[error.start]
    raise AssertionError("the file was found to hold such a byte")
