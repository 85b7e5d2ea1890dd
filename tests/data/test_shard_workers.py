import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tfbert.data import sample_vocabulary, shard_workers
from tfbert.data.corpus_pieces import Piece
from tfbert.data.shard_making import ShardMaker, ShardSettings
from tfbert.data.shard_workers import make_in_parallel
from tfbert.errors import InputError
from tfbert.tokenization.vocabulary import Vocabulary

SETTINGS = ShardSettings(Vocabulary.from_file(sample_vocabulary()).tokens, True, (32,), 0.1, 0.5, 0)


def piece(number, document, share_read):
    """A piece of 20 equal documents."""
    return Piece("train", number, bytearray(json.dumps(document).encode() + b"\n") * 20, 20, 600, share_read)


def pieces(count, taken=None):
    for number in range(count):
        if taken is not None:
            taken.append(number)
        yield piece(number, [f"It works {number} times. Really."], number / count)


@pytest.mark.slow
def test_shards_are_those_that_this_process_makes_and_few_pieces_wait(tmp_path):
    taken = []
    (tmp_path / "many").mkdir()
    (tmp_path / "one").mkdir()
    made = make_in_parallel(SETTINGS, tmp_path / "many", pieces(20, taken), processes=2)
    found = [next(made)]
    assert len(taken) <= 2 + 2
    found += made
    maker = ShardMaker(SETTINGS)
    expected = [(each.share_read, maker.make(tmp_path / "one", each)) for each in pieces(20)]
    for (share, shard), (expected_share, expected_shard) in zip(
        sorted(found, key=lambda each: each[0]), expected, strict=True
    ):
        assert share == expected_share
        assert shard.entry == expected_shard.entry
        assert (shard.token_counts == expected_shard.token_counts).all()


UNGUARDED = """
import sys
from tfbert import BertTokenizer, data

tokenizer = BertTokenizer(data.sample_vocabulary())
data.prepare_corpus(data.DocumentFiles(["sample"]), tokenizer, sys.argv[1], shard_megabytes=0.01, processes=2)
"""


@pytest.mark.slow
def test_a_script_without_a_guard_is_told(tmp_path):
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path / "out"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1
    assert 'put the call under if __name__ == "__main__":, or use processes=1.' in done.stderr
    assert done.stderr.count("Traceback (most recent call last)") == 2  # the pool's and ours, none of a worker
    assert "a process that prepared a shard ended, as said above" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_an_error_in_a_worker_is_raised_here_and_leaves_nothing_half_written(tmp_path):
    def broken():
        yield from pieces(5)
        yield piece(5, ["word"], 1.0)
        yield from pieces(50)

    with pytest.raises(InputError, match=r"none of the 20 documents of train-00005 makes one, the first is \['word'\]"):
        list(make_in_parallel(SETTINGS, tmp_path, broken(), processes=2))
    assert not list(tmp_path.glob(".partial-*"))
    assert len(list(tmp_path.iterdir())) < 20


def workers():
    """The pool's processes: children of its server, which is a child of this one."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    return [pid for pid, parent in parents.items() if parents.get(parent) == os.getpid()]


@pytest.mark.slow
def test_a_killed_worker_is_told(tmp_path):
    def killing():
        for number, each in enumerate(pieces(100)):
            if number == 20:
                for pid in workers():
                    os.kill(pid, signal.SIGKILL)
            yield each

    with pytest.raises(InputError, match=r"a process that prepared a shard ended.* killed.* it goes on where it was"):
        list(make_in_parallel(SETTINGS, tmp_path, killing(), processes=2))


@pytest.mark.slow
def test_workers_that_hang_are_ended_and_told(tmp_path, monkeypatch):
    stopped = []

    def stopping():
        for number, each in enumerate(pieces(100)):
            if number == 20:
                # Not before: the first shard waits for TensorFlow.
                monkeypatch.setattr(shard_workers, "_MOST_SECONDS", 3.0)
                stopped.extend(workers())
                for pid in stopped:
                    os.kill(pid, signal.SIGSTOP)
            yield each

    with pytest.raises(
        InputError, match=r"no process finished a shard for 3 seconds.* one hangs.* goes on where it was"
    ):
        list(make_in_parallel(SETTINGS, tmp_path, stopping(), processes=2))
    assert stopped
    assert not {*stopped} & {*workers()}
