import os
import socket
import subprocess
import sys

import pytest

from tfbert import atomic
from tfbert.atomic import remove_partial_files, written_beside
from tfbert.errors import InputError


def test_a_file_and_a_folder_appear_whole(tmp_path):
    with written_beside(tmp_path / "a.txt") as partial:
        partial.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    with written_beside(tmp_path / "folder") as partial:
        (partial / "inner").mkdir(parents=True)
        assert not (tmp_path / "folder").exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.txt", "folder"]


@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_an_error_leaves_what_was_there(tmp_path, kind):
    (tmp_path / "a.txt").write_text("old")

    def interrupted():
        with written_beside(tmp_path / "a.txt") as partial:
            if kind == "file":
                partial.write_text("half")
            elif kind == "folder":
                (partial / "half").mkdir(parents=True)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def killed_while_writing(folder):
    """Kill a process in the midst of writing a file and a folder of 100 bytes."""
    program = """
import os, signal, sys
from pathlib import Path
from tfbert.atomic import written_beside

with written_beside(Path(sys.argv[1], "file")) as file, written_beside(Path(sys.argv[1], "folder")) as inner:
    file.write_bytes(bytes(100))
    inner.mkdir()
    (inner / "half").write_bytes(bytes(100))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program, folder]).returncode == -9


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    killed_while_writing(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    others = [".partial-elsewhere-1-file", f".partial-{socket.gethostname()}-{os.getppid()}-file", "notes"]
    for name in others:
        (tmp_path / name).touch()
    with written_beside(tmp_path / "file") as partial:
        partial.write_text("whole")
    # Processes that run, and those of other machines, may still be writing.
    assert {path.name for path in tmp_path.iterdir()} == {*others, "file"}


def test_a_process_that_has_a_killed_one_s_number_starts_anew(tmp_path):
    left = tmp_path / f".partial-{socket.gethostname()}-{os.getpid()}-folder"
    left.mkdir()
    (left / "half").touch()
    with written_beside(tmp_path / "folder") as partial:
        partial.mkdir()
    assert list((tmp_path / "folder").iterdir()) == []


def test_removing_partial_files_at_any_depth(tmp_path):
    (tmp_path / "state").mkdir()
    killed_while_writing(tmp_path / "state")
    (tmp_path / "state" / "kept").touch()
    remove_partial_files(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["state", "kept"]


def test_a_folder_that_another_run_made_meanwhile_stays(tmp_path):
    def late():
        with written_beside(tmp_path / "out") as partial:
            partial.mkdir()
            (partial / "mine").touch()
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "theirs").touch()

    with pytest.raises(InputError, match=r"out: another run has made this folder meanwhile\. Name another one\."):
        late()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "theirs"]


def test_every_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(atomic.os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    with written_beside(tmp_path / "folder") as partial:
        (partial / "inner").mkdir(parents=True)
        (partial / "a").touch()
        (partial / "inner" / "b").touch()
        assert not synced
    assert sorted(os.path.basename(path) for path in synced) == ["a", "b"]
