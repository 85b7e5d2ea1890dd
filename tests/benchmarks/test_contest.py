import sys
from pathlib import Path

import pytest

from tfbert.benchmarks.contest import Contestant, hold
from tfbert.benchmarks.measurements import measure as measured
from tfbert.benchmarks.task import DisagreementError, Setup
from tfbert.errors import InputError

SETUP = Setup(model="tiny", data="sample", precision="float32", threads=3, batches=1, length=32, rows=2)
TASK = "toy_tasks.toy"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """The toy task is found here and by the processes, and is timed for a moment."""
    here = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(here)
    monkeypatch.setenv("PYTHONPATH", here)
    monkeypatch.setattr("tfbert.benchmarks.measurements._SECONDS", 0.001)
    monkeypatch.setattr("tfbert.benchmarks.measurements._PAUSE_SECONDS", 0.0)


def timed(folder):
    return (folder / "timed").exists()


def test_all_that_agree_are_timed(tmp_path):
    found = hold(TASK, SETUP, tmp_path, rounds=3, peers=["near", "loud"])
    assert [(case.case, case.precision, case.work.each) for case in found.cases] == [
        ("a first case", "float32", "step"),
        ("a second", "float32", "request"),
    ]
    for case in found.cases:
        assert list(case.timings) == ["tfbert", "near", "loud"]
        assert all(len(each.wall) == len(each.cpu) == 3 for each in case.timings.values())
        assert all(each.peak_bytes > 1e6 for each in case.timings.values())
    # What a case says of itself counts, not how long the call took.
    assert found.cases[1].timings["near"].wall == [0.5] * 3
    assert found.cases[1].timings["near"].cpu == [0.25] * 3
    assert found.differences["near"] == pytest.approx(0.001)
    assert found.differences["loud"] == 0
    assert list(found.versions) == ["numpy"]
    assert timed(tmp_path)


@pytest.mark.parametrize(
    ("peer", "message"),
    [
        ("far", r"far and tfbert must give the same.*0\.01.*value differs by 0\.1\. Nothing of this task was timed"),
        ("not_a_number", "value differs by nan"),
        ("misshapen", r"value has the shapes \(4,\) and \(3,\)"),
        ("silent", "they share none"),
    ],
)
def test_a_disagreement_is_an_error_and_nothing_is_timed(tmp_path, monkeypatch, peer, message):
    monkeypatch.setattr("tfbert.benchmarks.contest.measure", lambda *_, **__: pytest.fail("timed"))
    with pytest.raises(DisagreementError, match=message):
        hold(TASK, SETUP, tmp_path, rounds=1, peers=["near", peer])
    assert not timed(tmp_path)


def test_all_get_the_same_threads(tmp_path):
    import numpy as np

    hold(TASK, SETUP, tmp_path, rounds=1, peers=["near"])
    for name in ("tfbert", "near"):
        assert np.load(tmp_path / f"outputs-{name}.npz")["threads"].tolist() == [3, 3, 3]


def test_a_peer_that_is_not_installed(tmp_path, monkeypatch):
    from toy_tasks import toy

    for name in ("far", "not_a_number", "misshapen", "silent", "dying", "wordless", "killed", "wasteful", "loud"):
        monkeypatch.delitem(toy.SYSTEMS, name)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    found = hold(TASK, SETUP, tmp_path / "one", rounds=1)
    assert found.not_measured == {"absent": "no_such_package not installed"}
    assert list(found.cases[0].timings) == ["tfbert", "near"]
    with pytest.raises(InputError, match="absent cannot be measured: no_such_package not installed"):
        hold(TASK, SETUP, tmp_path / "two", rounds=1, peers=["absent"])
    assert not timed(tmp_path / "two")


def test_a_peer_of_another_interpreter(tmp_path):
    about = tmp_path / "elsewhere" / "no_such_package-7.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Name: no_such_package\nVersion: 7.0\n")
    (about.parent / "no_such_package.py").write_text("")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{about.parent}" exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    folder = tmp_path / "work"
    folder.mkdir()
    found = hold(TASK, SETUP, folder, rounds=1, peers=["near", "absent"], peer_python=str(python))
    assert found.versions["no_such_package"] == "7.0"
    assert found.not_measured == {}
    assert list(found.cases[0].timings) == ["tfbert", "near", "absent"]


@pytest.mark.parametrize(("peer", "said"), [("dying", "no more of this"), ("wordless", "no outputs of this")])
def test_a_system_that_dies_says_why(tmp_path, peer, said):
    with pytest.raises(InputError, match=f"{peer} ended before its answer: {said}"):
        hold(TASK, SETUP, tmp_path, rounds=1, peers=[peer])
    assert not timed(tmp_path)


def test_a_system_that_is_killed_while_it_is_built_is_told_so(tmp_path):
    with pytest.raises(InputError, match=r"killed ended before its answer: it was killed.*--peers"):
        hold(TASK, SETUP, tmp_path, rounds=1, peers=["killed"])


def test_what_is_compared_is_no_part_of_the_memory(tmp_path):
    found = hold(TASK, SETUP, tmp_path, rounds=1, peers=["wasteful"])
    assert found.cases[0].timings["wasteful"].peak_bytes < 300e6


def test_a_system_that_is_killed_is_told_so(tmp_path):
    SETUP.write(tmp_path)
    (tmp_path / "value").write_text("1")
    with Contestant(TASK, "tfbert", tmp_path, python=sys.executable, threads=1) as contestant:
        contestant.answer()
        contestant._process.kill()
        contestant._process.wait()
        with pytest.raises(InputError, match=r"killed.*--peers"):
            contestant.run("a second", 1)


def test_processes_end_with_the_context(tmp_path):
    SETUP.write(tmp_path)
    (tmp_path / "value").write_text("1")
    with Contestant(TASK, "tfbert", tmp_path, python=sys.executable, threads=1) as contestant:
        assert contestant.answer() == {"versions": {}}
        found = measured({"it": lambda n: contestant.run("a second", n)}, 1)
        assert found["it"].wall == [0.5]
        process = contestant._process
        assert process.poll() is None
    assert process.returncode == 0
