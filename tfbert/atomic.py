"""Outputs are written beside their place and renamed into it, so that nobody ever sees half of one."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_beside(path: Path | str) -> Iterator[Path]:
    """Yield a path to write to; on leaving without an error it takes the place of `path` in one rename.

    Works for a file and for a folder that does not exist yet. If the block raises, what was written is removed and
    `path` is as it was.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "answer.txt"
    >>> with written_beside(target) as partial:
    ...     _ = partial.write_text("42")
    >>> target.read_text()
    '42'
    """
    path = Path(path)
    # The suffix stays last, since writers such as Keras's look at it.
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        yield partial
        if partial.is_file():
            with open(partial, "rb") as file:
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)
