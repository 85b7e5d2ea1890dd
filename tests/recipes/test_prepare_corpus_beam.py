"""The recipe as a command. Needs Apache Beam: `tox -e beam`."""

import importlib
import subprocess
import sys

import pytest

pytest.importorskip("apache_beam", reason="runs in tox -e beam")

recipe, pool = (importlib.import_module(f"tfbert.recipes.prepare_corpus{end}") for end in ("_beam", ""))
FLAGS = ["--deduplicate", "near", "--shard-megabytes", "0.05"]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_the_command_passes_flags_on_to_beam(tmp_path):
    """Two processes make what the pool makes; the flag of a runner that does not exist is Beam's to refuse."""
    flags = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    command = [sys.executable, recipe.__file__, *FLAGS, "--output", "beam", "--", "--runner=DirectRunner", *flags]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "left out: occur again" in done.stdout
    command = [sys.executable, pool.__file__, *FLAGS, "--output", "pool", "--processes", "1"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert content(tmp_path / "beam") == content(tmp_path / "pool")
    command = [sys.executable, recipe.__file__, "--output", "none", "--", "--runner=NoSuchRunner"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "NoSuchRunner" in done.stderr


def test_a_flag_of_beam_belongs_behind_the_dashes(tmp_path):
    command = [sys.executable, recipe.__file__, "--output", "beam", "--runner=DirectRunner"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "unrecognized arguments: --runner=DirectRunner" in done.stderr
    assert not list(tmp_path.iterdir())
