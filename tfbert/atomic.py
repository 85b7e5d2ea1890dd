"""Outputs are written beside their place and renamed into it, so that nobody ever sees half of one."""

import contextlib
import errno
import functools
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from tfbert.errors import InputError

PARTIAL_PREFIX = ".partial-"


@contextlib.contextmanager
def written_beside(path: Path | str) -> Iterator[Path]:
    """Yield a path to write to; on leaving without an error it takes the place of `path` in one rename.

    Works for a file and for a folder that does not exist yet. If the block raises, what was written is removed and
    `path` is as it was. What a killed process of this machine left beside `path` is removed first.

    Raises:
        InputError: on leaving, if `path` has become a folder meanwhile; that one stays.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "answer.txt"
    >>> with written_beside(target) as partial:
    ...     _ = partial.write_text("42")
    >>> target.read_text()
    '42'
    """
    path = Path(path)
    # The suffix stays last, since writers such as Keras's look at it.
    partial = path.with_name(f"{PARTIAL_PREFIX}{socket.gethostname()}-{os.getpid()}-{path.name}")
    _remove_leftovers(path.parent)
    # In a container a process may have the number of the one that was killed.
    _remove(partial)
    try:
        yield partial
        for file in [partial] if partial.is_file() else partial.rglob("*"):
            _to_disk(file)
        try:
            partial.replace(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise InputError(f"{path}: another run has made this folder meanwhile. Name another one.") from error
    finally:
        _remove(partial)


def remove_partial_files(folder: Path) -> None:
    """Remove what killed runs left half-written in `folder` and below; only one who alone writes there may call it."""
    for partial in list(folder.rglob(f"{PARTIAL_PREFIX}*")):
        _remove(partial)


@functools.cache  # Once a process and folder: there may be a hundred thousand files in it.
def _remove_leftovers(folder: Path) -> None:
    """Remove the partial files of this machine's processes that are gone."""
    start = f"{PARTIAL_PREFIX}{socket.gethostname()}-"
    for left in folder.glob(f"{PARTIAL_PREFIX}*"):
        number = left.name.removeprefix(start).partition("-")[0]
        if left.name.startswith(start) and number.isdecimal() and not Path(f"/proc/{number}").exists():
            _remove(left)


def _to_disk(file: Path) -> None:
    """Wait until a file is on the disk, where it survives a power cut too."""
    if file.is_file():
        with open(file, "rb") as opened:
            os.fsync(opened.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
