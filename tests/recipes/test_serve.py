import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import tfbert
from tfbert.cli import run_recipe
from tfbert.data import sample_vocabulary
from tfbert.serving import export

recipe = importlib.import_module("tfbert.recipes.serve")


@pytest.fixture
def model(tmp_path):
    """A folder that looks like a model's, with a version that cannot be loaded."""
    (tmp_path / "reviews/1").mkdir(parents=True)
    return tmp_path / "reviews"


def run(*flags):
    # With as many threads as TensorFlow has had in this process before.
    run_recipe(recipe.main, recipe.Settings, [str(flag) for flag in ("--intra-op-threads", 0, *flags)])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["nowhere"], "nowhere is not there"),
        (["empty"], "has no version of a model"),
        (["reviews", "--poll-seconds", 0], "--poll-seconds must be above 0"),
        (["reviews", "--intra-op-threads", -1], "--intra-op-threads must be at least 0; received -1"),
        (["reviews", "--max-rows", 0], "limits must be above 0; received rows=0"),
        (["reviews", "--port", 70000], "a port is a number from 0 to 65535"),
        (["reviews", "--batching-config", "none"], "none is no text of BatchingParameters"),
        (["models.config", "--all-versions"], "says itself which versions to serve"),
        (["broken.config"], "is no text of ModelServerConfig"),
    ],
)
def test_bad_input(model, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(model.parent)
    (model.parent / "models.config").write_text("model_config_list { config { name: 'a' base_path: 'reviews' } }")
    (model.parent / "broken.config").write_text("{")
    (model.parent / "empty").mkdir()
    with pytest.raises(SystemExit, match="2"):
        run(*flags)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_port_that_is_taken(model, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match="2"):
            run(model, "--port", port)
    assert f"cannot listen at 127.0.0.1 port {port}: Address already in use" in capsys.readouterr().err


def test_without_the_extra(model, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tfbert.server.running", None)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SystemExit, match="2"):
        run(model)
    assert "pip install 'tfbert[serve]'" in capsys.readouterr().err


@pytest.mark.slow
def test_an_export_is_served_by_the_command(tmp_path):
    tokenizer = tfbert.BertTokenizer(sample_vocabulary())
    config = tfbert.BertConfig(tokenizer.vocabulary_size, 6, 1, 2, 8)
    classifier = tfbert.BertClassifier(tfbert.BertEncoder(config), labels=("bad", "good"))
    export(classifier, tokenizer, tmp_path / "reviews", max_length=32)
    (tmp_path / "batching.config").write_text("max_batch_size { value: 32 }")
    (tmp_path / "models.config").write_text(
        "model_config_list { config { name: 'mine' base_path: '/models/reviews' "
        "version_labels { key: 'stable' value: 1 } } }"
    )
    process = subprocess.Popen(
        [Path(sys.executable).with_name("tfbert"), "serve", tmp_path / "models.config", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("ready"):
                break
        else:
            pytest.fail(f"it ended: {process.communicate()[1]}")
        assert "max_batch_size=32" in lines[0]
        assert str(tmp_path / "batching.config") in lines[0]
        url = lines[1].split()[1]
        assert url.endswith("/v1/models/mine")
        assert lines[2] == f"page        {url.partition('v1/')[0]}\n"
        with urllib.request.urlopen(lines[2].split()[1]) as answer:
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
        body = json.dumps({"instances": ["good app", {"b64": "Z29vZA=="}]}).encode()
        with urllib.request.urlopen(url) as answer:
            status = json.load(answer)["model_version_status"][0]
        assert (status["version"], status["state"]) == ("1", "AVAILABLE"), status
        with urllib.request.urlopen(f"{url}/labels/stable:predict", body) as answer:
            predictions = json.load(answer)["predictions"]
        assert [sorted(row) for row in predictions] == [["label", "probabilities"]] * 2
        assert {row["label"] for row in predictions} <= {"bad", "good"}
        assert all(sum(row["probabilities"]) == pytest.approx(1) for row in predictions)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "model mine version 1 serves" in error
        assert "Traceback" not in error
    finally:
        process.kill()
        process.communicate()
