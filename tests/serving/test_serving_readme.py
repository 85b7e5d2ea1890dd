"""The lines of README.md, run against the embedded server, which reads the folder's files and replays its records."""

import json
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
import uvicorn

from tfbert.server import Limits, read_batching_parameters, read_model_configs
from tfbert.server.app import create_app
from tfbert.server.metrics import Metrics
from tfbert.server.requests import Requests
from tfbert.server.rest_app import RestApp
from tfbert.server.versions import Versions
from tfbert.serving.serving_readme import readme

SIGNATURES = {
    "reviews": ["serving_default", "classify", "embed", "pairs", "tokens"],
    "bert": ["serving_default", "embed", "fill_mask", "next_sentence", "tokens"],
}


@pytest.fixture(scope="module")
def asked(serving, exported, exported_pretrainer):
    """README.md, with the port of a server of the folder in place of its own."""
    metrics = Metrics()
    versions = Versions(
        read_model_configs(serving / "models.config"), read_batching_parameters(serving / "batching.config"), metrics
    )
    versions.poll()
    for name in SIGNATURES:
        # Warm-up has been replayed, without an error.
        assert [status.state for status in versions.status(name).values()] == ["AVAILABLE"], versions.status(name)
    rest = RestApp(Requests(versions, Limits(), metrics))
    web = uvicorn.Server(uvicorn.Config(create_app(rest, metrics), lifespan="off", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=web.run, kwargs={"sockets": [listening]})
        thread.start()
        while not web.started:
            time.sleep(0.01)
        port = listening.getsockname()[1]
        yield (serving / "README.md").read_text(encoding="utf-8").replace("127.0.0.1:8501", f"127.0.0.1:{port}")
        web.should_exit = True
        thread.join()
    rest.close()
    versions.stop()


def section(text, name):
    return re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL).group(1)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNATURES)
def test_every_signature_has_lines_that_are_answered(asked, name):
    (preamble,) = re.findall(r"```python\n(import.*?)```", asked, re.DOTALL)
    scope = {}
    exec(preamble, scope)
    text = section(asked, name)
    assert re.findall(r"^`(\w+)`:$", text, re.MULTILINE) == SIGNATURES[name]
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == SIGNATURES[name]
    curls = re.findall(r"^    (curl .*)$", text, re.MULTILINE)
    pythons = re.findall(r"```python\n(ask.*?)\n```", text, re.DOTALL)
    assert len(curls) == len(pythons) == len(SIGNATURES[name])
    for key, curl, python in zip(SIGNATURES[name], curls, pythons, strict=True):
        command, *rest = shlex.split(curl)
        done = subprocess.run([command, "-s", *rest], capture_output=True, text=True, timeout=60, check=True)
        answer = json.loads(done.stdout)
        exec(f"same = {python}", scope)
        assert scope["same"] == answer
        (row,) = answer["results" if key == "classify" else "predictions"]
        assert row
        assert json.loads(rest[1]).get("signature_name", "serving_default") == key


@pytest.mark.slow
def test_the_answers_are_the_models(asked, exported, exported_pretrainer, tokenizer):
    text = section(asked, "reviews")
    curl = re.search(r"^    (curl .*:classify)$", text, re.MULTILINE).group(1)
    found = subprocess.run([*shlex.split(curl), "-s"], capture_output=True, text=True, timeout=60, check=True).stdout
    ((*pairs,),) = json.loads(found)["results"]
    model = exported[0]
    logits = model(tokenizer.encode(["I love this app."]), training=False)[0]
    assert [label for label, _ in pairs] == ["bad", "so-so", "good"]
    np.testing.assert_allclose([score for _, score in pairs], tf.nn.softmax(logits / 1.7), atol=1e-5)


def test_types_and_shapes(asked):
    assert (
        "| `serving_default` | `text` string (batch,) | `label` string (batch,), `probabilities` float32 (batch, 3) |"
        in (section(asked, "reviews"))
    )
    assert "`tokens` string (batch, any, 3)" in section(asked, "bert")
    assert "(reviews/1/model_card.md)" in section(asked, "reviews")


def test_versions_that_cannot_be_read_are_passed_over(exported, tmp_path):
    folder = tmp_path / "reviews"
    shutil.copytree(exported[1], folder / "1")
    for version, content in ((2, b"\xff damaged"), (3, None)):
        (folder / str(version)).mkdir()
        (folder / str(version) / "model_card.md").write_text("a card")
        if content:
            (folder / str(version) / "saved_model.pb").write_bytes(content)
    (tmp_path / "foreign" / "1").mkdir(parents=True)
    text = readme({"reviews": folder, "foreign": tmp_path / "foreign", "gone": tmp_path / "gone"})
    assert re.findall(r"^## (\w+)", text, re.MULTILINE) == ["reviews"]
    assert "Version 1 was the highest" in text
