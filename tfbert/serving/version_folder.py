"""One version of a served model: where it goes, and how it gets there whole."""

from pathlib import Path

import tensorflow as tf

from tfbert.atomic import written_beside
from tfbert.errors import InputError


def free_version(folder: Path | str, version: int | None) -> Path:
    """Return `folder`/VERSION where nothing is yet; None takes the number after the highest.

    Raises:
        InputError: the version is below 1 or exists.
    """
    folder = Path(folder)
    if version is None:
        taken = [int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal()] if folder.is_dir() else []
        version = max(taken, default=0) + 1
    target = folder / str(version)
    if version < 1 or target.exists():
        raise InputError(f"{target}: a version is a free number from 1 on. Leave it out to take the next free one.")
    return target


def write_version(target: Path, module: tf.Module, signatures: dict) -> None:
    """Save `module` at `target`; a reader sees it whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(target) as partial:
        tf.saved_model.save(module, str(partial), signatures=signatures)
