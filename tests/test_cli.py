import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tfbert.cli import run_recipe

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}


def run(*arguments, cwd=None):
    return subprocess.run(
        [Path(sys.executable).with_name("tfbert"), *arguments],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd=cwd,
    )


def test_lists_the_recipes():
    done = run()
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("  finetune-reviews ")]
    assert [line for line in lines if line.startswith("  make-sample ")]


def test_an_unknown_recipe_is_one_line_and_status_2():
    done = run("finetune-review")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "error: unknown recipe 'finetune-review': choose one of benchmark, convert-checkpoint, export-model,"
    )


def test_help_tells_every_setting_with_its_default():
    done = run("finetune-reviews", "--help")
    assert done.returncode == 0
    assert "--max-length INT" in done.stdout
    assert "(default: 160)" in done.stdout


SCRIPT = """
import dataclasses, errno, sys
from tfbert.cli import argument, run_recipe, setting
from tfbert.errors import InputError

@dataclasses.dataclass(frozen=True)
class Settings:
    where: str = argument("WHERE", "the place, 100 % of it")
    how: str = setting("well", "how it goes, 100 % of it")
    times: int | None = setting(None, "how often")
    loudly: bool = setting(False, "whether to shout")
    politely: bool | None = setting(None, "whether to say please; by default as others do")

def main(settings):
    if settings.how == "input":
        raise InputError("the rule;\\n   what came; what to do")
    if settings.how == "disk":
        raise OSError(errno.ENOSPC, "No space left on device", "/some/file")
    if settings.how == "limit":
        import resource
        import numpy as np
        from safetensors.numpy import save_file
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        save_file({"a": np.zeros(1000)}, sys.argv[0] + ".safetensors")
    if settings.how == "alone":
        raise RuntimeError("Graph execution error:\\n\\nCollective ops is aborted by: Error reported from /job:worker")
    if settings.how == "defect":
        raise ValueError("ours")
    print(settings)

run_recipe(main, Settings)
"""


def recipe(tmp_path, *arguments):
    (tmp_path / "recipe.py").write_text(SCRIPT)
    return subprocess.run(
        [sys.executable, str(tmp_path / "recipe.py"), "here", *arguments],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )


def test_settings_come_from_flags_and_tensorflow_starts_quietly(tmp_path):
    done = recipe(tmp_path, "--times", "3", "--loudly", "--no-politely")
    assert done.stdout == "Settings(where='here', how='well', times=3, loudly=True, politely=False)\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--how", "input"], "error: the rule; what came; what to do\n"),
        pytest.param(
            ["--how", "disk"], "error: /some/file: No space left on device. Free some space", marks=pytest.mark.slow
        ),
        pytest.param(
            ["--how", "limit"],
            "I/O error: File too large (os error 27). Free some space and run the command again.\n",
            marks=pytest.mark.slow,
        ),
        (["--hwo", "well"], "unrecognized arguments: --hwo"),
        (["--tim", "3"], "unrecognized arguments: --tim"),
        (["--times", "often"], "invalid int value: 'often'"),
        (["there"], "unrecognized arguments: there"),
    ],
)
def test_mistakes_exit_with_status_2_and_no_traceback(tmp_path, arguments, message):
    done = recipe(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_lost_worker_is_one_line_and_a_status_to_start_again(tmp_path):
    done = recipe(tmp_path, "--how", "alone")
    assert done.returncode == os.EX_TEMPFAIL
    assert done.stderr.startswith("error: another worker of this training was lost. Start all of them again")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_our_own_defects_keep_their_traceback(tmp_path):
    done = recipe(tmp_path, "--how", "defect")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """None."""


def test_sigterm_cleans_up_and_is_one_line(capsys):
    before = signal.getsignal(signal.SIGTERM)
    cleaned = []

    def main(settings):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            # A second one ends the process at once, should cleaning up take too long.
            cleaned.append(signal.getsignal(signal.SIGTERM))

    with pytest.raises(SystemExit) as stopped:
        run_recipe(main, NoSettings, [])
    assert stopped.value.code == 143
    assert cleaned == [signal.SIG_DFL]
    assert signal.getsignal(signal.SIGTERM) == before
    assert capsys.readouterr().err == (
        "error: ended by SIGTERM; what was saved is kept, and the same command goes on.\n"
    )


def test_memory_that_runs_out_is_one_line(capsys):
    import tensorflow as tf

    def python(settings):
        bytearray(1 << 60)

    def tensorflow(settings):
        tf.zeros([1 << 50])

    for main in (python, tensorflow):
        with pytest.raises(SystemExit, match="2"):
            run_recipe(main, NoSettings, [])
        error = capsys.readouterr().err
        assert error.startswith("error: memory ran out. Use smaller batches, more micro-batches"), error
        assert error.count("\n") == 1
