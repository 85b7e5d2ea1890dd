"""The command `tfbert`, and what all recipes share: flags made from their settings, errors in one line."""

import argparse
import ast
import contextlib
import dataclasses
import importlib.resources
import os
import runpy
import signal
import sys
import tempfile
import threading
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tfbert.errors import InputError
from tfbert.memory_allocation import keep_freed_memory

_OUT_OF_MEMORY = (
    "memory ran out. Use smaller batches, more micro-batches, fewer processes or smaller shards; the same command goes "
    "on."
)


def setting(default: Any, help: str) -> Any:
    """A field of a recipe's settings, with its default and what it means, unit included."""
    return dataclasses.field(default=default, metadata={"help": help})


def argument(metavar: str, help: str) -> Any:
    """A field of a recipe's settings that is given in its place on the command line, without a flag."""
    return dataclasses.field(metadata={"help": help, "metavar": metavar})


def remaining_arguments(metavar: str, help: str) -> Any:
    """A field of a recipe's settings, `tuple[str, ...]`, that takes the rest of the command line as it is."""
    return dataclasses.field(metadata={"help": help, "metavar": metavar, "nargs": argparse.REMAINDER})


def run_recipe(
    main: Callable[[Any], None], settings_class: type, argv: list[str] | None = None, *, needs_tensorflow: bool = True
) -> None:
    """Run `main` with settings read from flags; a user's mistake prints one line and exits with status 2.

    So do a full disk and memory that runs out; SIGTERM prints one line and exits with status 143.
    """
    module = sys.modules[settings_class.__module__]
    arguments = argparse.ArgumentParser(
        description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    types_of = typing.get_type_hints(settings_class)
    for field in dataclasses.fields(settings_class):
        flag = "--" + field.name.replace("_", "-")
        kind = types_of[field.name]
        if "metavar" in field.metadata:
            arguments.add_argument(field.name, type=str if "nargs" in field.metadata else kind, **field.metadata)
            continue
        shown = f"{field.metadata['help']} (default: {field.default})".replace("%", "%%")
        parse = typing.get_args(kind)[0] if isinstance(kind, types.UnionType) else kind
        if parse is bool:
            arguments.add_argument(flag, action=argparse.BooleanOptionalAction, default=field.default, help=shown)
        else:
            metavar = parse.__name__.upper()
            arguments.add_argument(flag, type=parse, default=field.default, help=shown, metavar=metavar)
    values = vars(arguments.parse_args(argv))
    try:
        with _termination_raised():
            settings = settings_class(**values)
            if needs_tensorflow:
                keep_freed_memory()
                import_tensorflow()
            main(settings)
    except InputError as error:
        fail(str(error))
    except OSError as error:
        # A disk that is full, a folder that cannot be written: the system's word and the place say it.
        place = f"{error.filename}: " if error.filename else ""
        fail(f"{place}{error.strerror or error}. Free some space or choose another folder, and run the command again.")
    except _Terminated:
        fail("ended by SIGTERM; what was saved is kept, and the same command goes on.", 128 + signal.SIGTERM)
    except MemoryError:
        fail(_OUT_OF_MEMORY)
    except Exception as error:
        name, message = type(error).__name__, str(error)
        if name == "ResourceExhaustedError" and ("OOM" in message or "out of memory" in message):
            fail(f"{_OUT_OF_MEMORY} {message.splitlines()[0]}")
        # TensorFlow and safetensors have errors of their own for what the system says when they write.
        full = "space" in message or "File too large" in message
        if (name in ("ResourceExhaustedError", "FailedPreconditionError", "OutOfRangeError") and full) or (
            name == "SafetensorError" and "serializing: I/O error" in message
        ):
            fail(f"{message.splitlines()[0]}. Free some space and run the command again.")
        if "Collective ops is aborted by" in message:
            fail(
                "another worker of this training was lost. Start all of them again with the same command: they go on "
                "from the last saved state.",
                os.EX_TEMPFAIL,
            )
        raise


class _Terminated(BaseException):
    """SIGTERM asked for the end: what is being written is removed on the way out."""


@contextlib.contextmanager
def _termination_raised() -> Iterator[None]:
    """Within the block SIGTERM raises, so that nothing half-written is left; a second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise _Terminated

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def fail(message: str, status: int = 2) -> typing.NoReturn:
    """Print `message` as one line on standard error and exit with `status`."""
    _print_error(message)
    raise SystemExit(status)


def end_process(message: str, status: int) -> typing.NoReturn:
    """Do the same from any thread and at once, where the main thread is in a call that does not return."""
    _print_error(message)
    os._exit(status)


def _print_error(message: str) -> None:
    print("error: " + " ".join(message.split()), file=sys.stderr, flush=True)


def import_tensorflow() -> None:
    """Import TensorFlow without its banner, which goes past Python's streams; it is shown if the import fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow turns oneDNN on by itself only where the CPU has AVX-512 VNNI or better; it is faster without, too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as banner:
        os.dup2(banner.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            banner.seek(0)
            os.write(kept, banner.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _recipes() -> Iterator[tuple[str, str]]:
    """Yield the name and the first line of each recipe; nothing is imported, so that a list comes at once."""
    for path in sorted(Path(str(importlib.resources.files("tfbert.recipes"))).glob("[a-z]*.py")):
        described = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        yield path.stem.replace("_", "-"), described.splitlines()[0]


def main() -> None:
    """List the recipes, or run one: `tfbert finetune-reviews --help`."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print("usage: tfbert RECIPE [FLAGS]\n\nrecipes, each with a --help of its own:")
        for name, line in _recipes():
            print(f"  {name:<20} {line}")
        return
    name = sys.argv[1]
    if name not in dict(_recipes()):
        fail(f"unknown recipe {name!r}: choose one of {', '.join(dict(_recipes()))}.")
    sys.argv = [f"tfbert {name}", *sys.argv[2:]]
    runpy.run_module(f"tfbert.recipes.{name.replace('-', '_')}", run_name="__main__", alter_sys=False)
