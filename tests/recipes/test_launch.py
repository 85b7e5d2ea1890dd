import contextlib
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tfbert import BertTokenizer
from tfbert.cli import run_recipe
from tfbert.data import DocumentFiles, prepare_corpus, sample_vocabulary

recipe = importlib.import_module("tfbert.recipes.launch")
COMMAND = [sys.executable, recipe.__file__]


def run(*words):
    with pytest.raises(SystemExit) as stopped:
        run_recipe(recipe.main, recipe.Settings, [str(word) for word in words], needs_tensorflow=False)
    return stopped.value.code


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--workers", 0, "pretrain"), "--workers must be at least 1"),
        (("--restarts", -1, "pretrain"), "--restarts at least 0"),
        (("--silent-minutes", 0, "pretrain"), "--silent-minutes above 0"),
        (("prepare-corpus",), "RECIPE must be pretrain or finetune-reviews; received 'prepare-corpus'"),
        (("pretrain", "--strategy", "mirrored"), "--strategy is multi_worker for all"),
        (("pretrain", "--strategy=cpu"), "--strategy is multi_worker for all"),
        (("--workers", 2, "pretrain"), "--workers must divide the GPUs of CUDA_VISIBLE_DEVICES; received 2"),
    ],
)
def test_bad_settings_are_one_line(words, message, capsys, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def started_with(monkeypatch, *scripts):
    """Let launch start these Python scripts as workers, and keep the processes of each start."""
    starts = []
    popen = subprocess.Popen

    def start(command, env, stdout):
        task = json.loads(env["TF_CONFIG"])["task"]
        if not task["index"]:
            starts.append([])
        script = f"start, command, gpus = {len(starts)}, {command!r}, {env.get('CUDA_VISIBLE_DEVICES')!r}\n"
        process = popen([sys.executable, "-c", script + scripts[task["index"]]], env=env, stdout=stdout)
        starts[-1].append(process)
        return process

    monkeypatch.setattr(subprocess, "Popen", start)
    return starts


HANG = "import time; time.sleep(600)"


def test_a_lost_worker_has_all_start_again(monkeypatch, capsys):
    """The second worker kills itself twice; the first, which would wait for ever, is ended with it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    chief = f"print('start', start, command[1][-11:], command[2:], gpus, flush=True)\nif start < 3: {HANG}"
    starts = started_with(monkeypatch, chief, "import os\nif start < 3: os.kill(os.getpid(), 9)")
    assert run("--workers", 2, "pretrain", "--steps", 20) == 0
    out, error = capsys.readouterr()
    said = "pretrain.py ['--steps', '20', '--strategy', 'multi_worker'] 0,1\n"
    assert out.splitlines(keepends=True)[-1] == f"start 3 {said}"
    assert [line.split("; ") for line in error.splitlines()] == [
        ["launch: worker 1 was ended by SIGKILL", "start 2 of 4"],
        ["launch: worker 1 was ended by SIGKILL", "start 3 of 4"],
    ]
    assert all(process.poll() is not None for processes in starts for process in processes)


def test_silent_workers_start_again_until_no_start_is_left(monkeypatch, capsys):
    starts = started_with(monkeypatch, f"print('here', flush=True)\n{HANG}", HANG)
    assert run("--workers", 2, "--restarts", 1, "--silent-minutes", 0.02, "finetune-reviews") == os.EX_TEMPFAIL
    error = capsys.readouterr().err.splitlines()
    silent = "launch: the chief has printed nothing for 0.02 minutes"
    assert error == [f"{silent}; start 2 of 2", f"{silent}; no start is left"]
    assert all(process.poll() is not None for processes in starts for process in processes)


def test_a_mistake_in_the_settings_is_not_tried_again(monkeypatch, capsys):
    starts = started_with(monkeypatch, HANG, "raise SystemExit(2)")
    assert run("--workers", 2, "pretrain") == 2
    assert len(starts) == 1
    assert capsys.readouterr().err == ""
    assert starts[0][0].poll() is not None


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Rows of 32 tokens from 160 reviews, in several shards."""
    folder = tmp_path_factory.mktemp("corpus") / "corpus"
    documents = [review for review, *_ in DocumentFiles("sample", text_columns=["content"])][:160]
    tokenizer = BertTokenizer(sample_vocabulary())
    prepare_corpus(documents, tokenizer, folder, sequence_lengths=(32,), shard_megabytes=0.01, processes=1)
    return folder


@contextlib.contextmanager
def launched(*words):
    process = subprocess.Popen([*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def position(folder):
    """Return the round and the step of the saved state; its file is away for a moment at each save."""
    try:
        found = re.search(
            rb'"epoch\\": (\d+), \\"step\\": (\d+)', (folder / "state" / "state.safetensors").read_bytes()[:9000]
        )
    except FileNotFoundError:
        return 0, 0
    return tuple(map(int, found.groups()))


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(corpus, tmp_path):
    """Dropout on, the second worker killed inside the second round: the same weights, figures and filled sentences."""
    flags = ["--corpus", corpus, "--encoder", "tiny", "--sequence-length", 32, "--batch-size", 6, "--steps", 16,
             "--evaluations", 2, "--evaluation-rows", 12, "--learning-rate", 1e-2, "--save-seconds", 0,
             "--precision", "float32", "--all-reduce", "ring"]  # fmt: skip
    with launched("--restarts", 0, "pretrain", *flags, "--output", tmp_path / "whole") as process:
        out, error = process.communicate(timeout=500)
    assert process.returncode == 0, error[-3000:]
    # What the chief alone prints is there once.
    assert len(re.findall(r"2 replicas of 2 workers", out)) == 1
    with launched("--restarts", 1, "pretrain", *flags, "--output", tmp_path / "killed") as process:
        while position(tmp_path / "killed") < (1, 2):
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(children(process.pid)[1], signal.SIGKILL)
        out, error = process.communicate(timeout=500)
    assert process.returncode == 0, error[-3000:]
    assert "launch: worker 1 was ended by SIGKILL; start 2 of 2" in error
    # The weights in it, the optimizer's, and the running sums of both workers.
    for name in ("checkpoint/weights.safetensors", "state/state.safetensors"):
        whole, killed = (load_file(tmp_path / run / name) for run in ("whole", "killed"))
        assert whole.keys() == killed.keys()
        assert all((whole[tensor] == killed[tensor]).all() for tensor in whole)
    metrics = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "killed")]
    for each in metrics:
        for record in each["history"]:
            del record["seconds"]
    assert metrics[0]["history"] == metrics[1]["history"]
    assert metrics[0]["samples"] == metrics[1]["samples"]
    assert not list((tmp_path / "killed").rglob(".partial-*"))
    # The run is finished, and said to be so to each worker: no other start is tried.
    assert (tmp_path / "killed" / "finished.json").exists()


@pytest.mark.slow
def test_two_workers_fine_tune(tmp_path):
    """With pre-training first, for which the chief makes corpus and checkpoint."""
    flags = ["--pretrain-epochs", 1, "--epochs", 1, "--max-length", 16, "--batch-size", 64, "--precision", "float32"]
    with launched("--restarts", 0, "finetune-reviews", *flags, "--output", tmp_path / "out") as process:
        out, error = process.communicate(timeout=500)
    assert process.returncode == 0, error[-3000:]
    assert re.search(r"within \d\.\de-0[6-9] of the model's answers", out)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".lock", "checkpoint", "finished.json", "metrics.json", "pretraining", "report.html", "seeds", "serving",
        "settings.json",
    ]  # fmt: skip
    assert [path.name for path in (tmp_path / "out" / "serving" / "reviews").iterdir()].count("1") == 1
