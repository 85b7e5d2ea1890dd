import importlib
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time

import pytest

from tfbert.cli import run_recipe
from tfbert.data import Corpus, DocumentFiles, sample_folder, sample_vocabulary

recipe = importlib.import_module("tfbert.recipes.prepare_corpus")
COMMAND = [sys.executable, recipe.__file__]


def run(*flags):
    run_recipe(recipe.main, recipe.Settings, [str(flag) for flag in flags])


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Some 4 MB of plain text: the sample's reviews with a number in each sentence."""
    path = tmp_path_factory.mktemp("data") / "text.txt"
    reviews = [review for review, *_ in DocumentFiles("sample", text_columns=["content"])]
    with open(path, "w", encoding="utf-8") as file:
        for number in range(20_000):
            file.write(reviews[number % len(reviews)].replace(".", f" {number}.") + "\n\n")
    return path


def test_the_sample(tmp_path, capsys):
    run("--output", tmp_path / "corpus", "--sequence-lengths", "64,128")
    printed = capsys.readouterr().out
    for line in (
        r"documents   1 file, 0\.5 MB",
        r"vocabulary  .*vocab\.txt, 1,513 tokens, lowercase=True",
        r"0\.3 MB of text  \d+\.\d MB/s",
        r"documents +1,\d{3} +2\d\d",
        r"rows of 64 tokens +\d,\d{3} +\d{3}",
        r"padding, if filled to 128 +\d+\.\d% +\d+\.\d%",
        rf"corpus      {tmp_path / 'corpus'}",
    ):
        assert re.search(line, printed), line
    corpus = Corpus.open(tmp_path / "corpus")
    corpus.verify()
    assert corpus.sequence_lengths == (64, 128)
    before = content(tmp_path / "corpus")
    with pytest.raises(SystemExit, match="2"):
        run("--output", tmp_path / "corpus", "--sequence-lengths", "64,128")
    assert "holds a finished run" in capsys.readouterr().err
    assert content(tmp_path / "corpus") == before


def test_what_is_left_out_is_printed(tmp_path, capsys):
    run("--output", tmp_path, "--least-characters", "20", "--language", "en", "--quality", "--deduplicate", "exact")
    printed = capsys.readouterr().out
    for line in (r"left out: short +\d+", r"other languages +\d+", r"low quality +\d+", r"occur again +\d+\n"):
        assert re.search(line, printed), line
    assert sum(Corpus.open(tmp_path).manifest["dropped"].values()) > 50


def test_a_checkpoint_folder_gives_the_vocabulary_and_its_case(tmp_path, capsys):
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "vocab.txt").write_bytes(sample_vocabulary().read_bytes())
    (tmp_path / "bert" / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    run("--vocabulary", tmp_path / "bert", "--output", tmp_path / "cased")
    run("--vocabulary", sample_vocabulary(), "--no-lowercase", "--output", tmp_path / "cased_too")
    assert Corpus.open(tmp_path / "cased").manifest["lowercase"] is False
    assert content(tmp_path / "cased") == content(tmp_path / "cased_too")
    refused(["--vocabulary", tmp_path / "bert", "--lowercase"], "do_lower_case=false", tmp_path, capsys)


def refused(flags, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(*flags, "--output", tmp_path / "out")
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--data", "absent.txt"], r"--vocabulary must name"),
        (["--data", "absent.txt", "--vocabulary", "VOCABULARY"], r"absent\.txt: there is no such file"),
        (["--vocabulary", "absent.txt"], r"absent\.txt"),
        (["--layout", "sentence"], "layout must be one of"),
        (["--text-columns", "content,reply"], r"missing 'reply'"),
        (["--sequence-lengths", "128,"], r"--sequence-lengths must be whole numbers, such as 128,512; received '128,'"),
        (["--sequence-lengths", "4"], "at least 8"),
        (["--held-out-share", "0.9"], "held_out_share"),
        (["--processes", "0"], "processes"),
        (["--least-characters", "-1"], "least_characters must be 0 or more"),
        (["--language", "de"], "language must be one that can be told"),
        (["--deduplicate", "all"], "deduplicate must be one of none, exact, near"),
    ],
)
def test_bad_settings_are_one_line_and_leave_nothing(flags, message, tmp_path, capsys):
    flags = [str(sample_vocabulary()) if flag == "VOCABULARY" else flag for flag in flags]
    refused(flags, message, tmp_path, capsys)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n \n", "a corpus needs documents"),
        (b"One document.\nWithout any blank line.\n", "two training documents or more; received 1"),
        (b"One.\n\nTwo is b\xe4d.\n", r"a\.txt: the file must be UTF-8; line 3 holds the byte 0xe4"),
        (b"<!doctype html><html>", "HTML page"),
        (b"PK\3\4\0\0", "NUL"),
        ("и так далее.\n\nэто текст.\n".encode(), "a vocabulary must know the text"),
    ],
)
def test_bad_files_are_one_line_and_leave_nothing(content, message, tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(content)
    refused(["--data", tmp_path / "a.txt", "--vocabulary", sample_vocabulary()], message, tmp_path, capsys)


def flags_for(text, output, processes="2"):
    return ["--data", str(text), "--vocabulary", str(sample_folder()), "--shard-megabytes", "0.25",
            "--processes", processes, "--output", str(output)]  # fmt: skip


@pytest.mark.parametrize("processes", ["1", pytest.param("2", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_a_full_disk_leaves_whole_shards_and_the_same_command_goes_on(text, tmp_path, processes):
    """No file may grow past 500,000 bytes, as on a disk that is full: the largest shard cannot be written."""
    command = [*COMMAND, *flags_for(text, tmp_path / "out", processes), "--shard-megabytes", "1.5"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)),
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert re.fullmatch(r"error: .*Free some space.*\n", done.stderr)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left - {"held_out-00000.safetensors"} == {".lock", "settings.json"}
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr[-2000:]
    Corpus.open(tmp_path / "out").verify()


SELECTIONS = [[], ["--deduplicate", "near"], ["--deduplicate", "exact", "--language", "en", "--quality"]]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_killed_it_goes_on_to_the_same_bytes(text, tmp_path, seed):
    """SIGKILL of all processes at a random moment, made again with the other number of processes."""
    command = [*COMMAND, *SELECTIONS[seed % 3]]
    subprocess.run([*command, *flags_for(text, tmp_path / "whole", "1")], check=True, capture_output=True)
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [*command, *flags_for(text, killed)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    shards = random.Random(seed).randrange(1, 12)
    while len(list(killed.glob("*.safetensors"))) < shards:
        time.sleep(0.001)
        assert process.poll() is None
    time.sleep(random.Random(seed).random() * 0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (killed / "finished.json").exists()
    subprocess.run([*command, *flags_for(text, killed)], check=True, capture_output=True)
    assert content(killed) == content(tmp_path / "whole")


@pytest.mark.slow
def test_workers_end_when_the_command_alone_is_killed(text, tmp_path):
    process = subprocess.Popen(
        [*COMMAND, *flags_for(text, tmp_path / "out")], stdout=subprocess.DEVNULL, start_new_session=True
    )
    while len(list((tmp_path / "out").glob("*.safetensors"))) < 2:
        time.sleep(0.001)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail("processes of a killed command were still there after a minute")
