"""A process that has imported TensorFlow and every recipe, and forks a process for each command it is sent.

Importing costs 6 seconds of CPU, a fork none; TensorFlow survives it as long as no op has run, and none has here. Reads
a command a line as JSON (see `RecipeServer.start`), answers with the process's number, and prints `NUMBER STATUS` when
one ends.
"""

import ctypes
import importlib
import json
import os
import resource
import select
import sys
import time
import traceback

RECIPES = ("prepare_corpus", "pretrain", "finetune_reviews", "export_model", "convert_checkpoint", "train_vocabulary",
           "serve")  # fmt: skip
_ALSO = ("tfbert.evaluation", "tfbert.serving", "tfbert.server.page", "tfbert.server.running",
         "tfbert.training.pretraining", "tfbert.training.text_classification",
         "tfbert.training.domain_pretraining", "tfbert.training.filled_samples",
         "tfbert.checkpoints", "tfbert.data", "sklearn.linear_model", "sklearn.feature_extraction.text",
         "matplotlib.pyplot", "h5py")  # fmt: skip


def forbid_overriding_permissions() -> None:
    """Make folders without write permission unwritable for root too, as they are for everybody else."""
    library = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, twice
    assert library.capget(header, sets) == 0, ctypes.get_errno()
    sets[0] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert library.capset(header, sets) == 0, ctypes.get_errno()


def jump_the_clock() -> None:
    """Make the time of day leap back and forth by days, as a clock does that is set while a run goes on."""
    true, count = time.time, iter(range(1 << 62))
    time.time = lambda: true() + (-1) ** next(count) * 86_400 * (1 + next(count) % 365)


def _become(command: dict) -> None:
    """Run a recipe in the process that was just forked, and end it."""
    status = 1
    try:
        os.setsid()
        os.chdir(command["folder"])
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(command[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
        for name, limit in command["limits"].items():
            resource.setrlimit(getattr(resource, name), (limit, limit))
        for name in command["faults"]:
            globals()[name]()
        recipe = importlib.import_module(f"tfbert.recipes.{command['recipe']}")
        from tfbert.cli import run_recipe

        run_recipe(recipe.main, recipe.Settings, command["flags"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Without what runs at an interpreter's end, which knows of the server's life alone.
        os._exit(status)


def main() -> None:
    from tfbert.cli import import_tensorflow

    import_tensorflow()
    import matplotlib

    matplotlib.use("agg")
    for name in (*(f"tfbert.recipes.{recipe}" for recipe in RECIPES), *_ALSO):
        importlib.import_module(name)
    print("ready", flush=True)
    commands, running = os.fdopen(os.dup(0), "rb", buffering=0), set()
    while True:
        readable, _, _ = select.select([commands], [], [], 0.01 if running else None)
        if readable:
            line = commands.readline()
            if not line:
                return
            process = os.fork()
            if not process:
                _become(json.loads(line))
            running.add(process)
            print(process, flush=True)
        for process in list(running):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                running.remove(process)
                print(process, os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
