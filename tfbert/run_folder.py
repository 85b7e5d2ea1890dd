"""One output folder, one run: resumed while unfinished, refused when finished, changed or in use."""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

from tfbert.atomic import PARTIAL_PREFIX, remove_partial_files, written_beside
from tfbert.errors import InputError

_SETTINGS = "settings.json"
_FINISHED = "finished.json"


@contextlib.contextmanager
def run_folder(
    folder: Path | str, settings: dict, *, accept_changes: bool | None = None, writes: bool = True
) -> Iterator[Path]:
    """Hold `folder` for one run with `settings`; the lock is freed by the system when the process dies.

    Makes the folder and its `settings.json` if this is a new run; removes what a killed one left half-written. The run
    calls `finish(folder)` as its last act.

    Args:
        folder: of a new run, or of an unfinished one.
        settings: all that the run's results depend on, as a JSON object.
        accept_changes: True lets an unfinished run go on with these settings, whatever it had before; False refuses
            and names the recipe's flag `--accept-changes`; None refuses where a recipe has no such flag.
        writes: False for the workers of a run that only read: another process, the chief, holds the folder.

    Raises:
        InputError: if the folder holds a finished run, a run with other settings (named), other files, or is in use.
    """
    folder = Path(folder)
    check_run_folder(folder, settings, accept_changes=accept_changes)
    if not writes:
        yield folder
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{folder}: another run is using this folder. Wait for it, or name another.") from error
        check_run_folder(folder, settings, accept_changes=accept_changes)
        remove_partial_files(folder)
        if accept_changes or not (folder / _SETTINGS).exists():
            with written_beside(folder / _SETTINGS) as partial:
                partial.write_text(json.dumps(settings, indent=2) + "\n")
        yield folder


def check_run_folder(folder: Path | str, settings: dict, *, accept_changes: bool | None = None) -> None:
    """Refuse a folder that a run with `settings` cannot use; makes nothing, so call it before any work."""
    folder = Path(folder)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: the output folder is a file. Name another.")
    if (folder / _FINISHED).exists():
        raise InputError(f"{folder}: this output folder holds a finished run. Name another, or delete it to run again.")
    try:
        before = json.loads((folder / _SETTINGS).read_text())
    except FileNotFoundError:
        # A run that begins just now, or was killed then, has no more than these.
        if any(entry.name != ".lock" and not entry.name.startswith(PARTIAL_PREFIX) for entry in folder.iterdir()):
            raise InputError(f"{folder}: the output folder holds other files. Name a new or an empty one.") from None
        return
    except ValueError as error:
        raise InputError(f"{folder / _SETTINGS}: not JSON ({error}). Delete the folder, or name another.") from error
    settings = json.loads(json.dumps(settings))
    changed = [
        f"{name} was {before.get(name)!r}, now {settings.get(name)!r}"
        for name in sorted({*before, *settings})
        if before.get(name) != settings.get(name)
    ]
    if changed and not accept_changes:
        raise InputError(
            f"{folder}: the unfinished run in this folder has other settings: {'; '.join(changed)}. "
            "Use its settings to resume it, or name another folder"
            f"{'.' if accept_changes is None else ', or go on with the new ones by --accept-changes.'}"
        )


def finish(folder: Path | str, results: dict) -> None:
    """Mark the run in `folder` as finished and keep its `results`, a JSON object."""
    with written_beside(Path(folder) / _FINISHED) as partial:
        partial.write_text(json.dumps(results, indent=2) + "\n")
