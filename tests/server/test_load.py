"""Many clients at once, and versions that change under them."""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tfbert
from tfbert.data import sample_vocabulary
from tfbert.serving import export

CLIENT = Path(__file__).with_name("load_client.py")
WORDS = ["love", "this", "app", "it", "crashes", "after", "every", "update", "good", "slow", "ads", "please", "fix"]


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Saves a small classifier's versions, which differ in temperature, so that each has its own probabilities."""
    tokenizer = tfbert.BertTokenizer(sample_vocabulary())
    config = tfbert.BertConfig.from_size("tiny", vocabulary_size=tokenizer.vocabulary_size)
    model = tfbert.BertClassifier(tfbert.BertEncoder(config), labels=("negative", "neutral", "positive"))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.3, weight.shape).astype("float32") for weight in model.get_weights()])
    folder = tmp_path_factory.mktemp("saved") / "reviews"

    def saved(version):
        if not (folder / str(version)).exists():
            export(model, tokenizer, folder, max_length=64, temperature=1.0 + version, version=version)
        return folder / str(version)

    return saved


def texts(count):
    rng = np.random.default_rng(1)
    return [" ".join(rng.choice(WORDS, rng.integers(5, 40))) for _ in range(count)]


def job(versions, num_requests, rows, numbers):
    """What the clients ask, and what each version answers, by the SavedModel itself."""
    asked = [texts(40)[i : i + rows] for i in range(40 - rows)]
    answers = {}
    for number in numbers:
        run = tf.saved_model.load(str(versions(number))).signatures["serving_default"]
        answers[number] = []
        for some in asked:
            found = run(text=tf.constant(some))
            answers[number].append(
                {
                    "predictions": [
                        {"label": label.decode(), "probabilities": list(map(float, row))}
                        for label, row in zip(found["label"].numpy(), found["probabilities"].numpy(), strict=True)
                    ]
                }
            )
    return {
        "path": "/v1/models/reviews:predict",
        "clients": 64,
        "requests": num_requests,
        "bodies": [json.dumps({"instances": some}) for some in asked],
        "answers": answers,
    }


class Clients:
    """The clients at work."""

    def __init__(self, port, work):
        self._process = subprocess.Popen(
            [sys.executable, str(CLIENT), str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._process.stdin.write(json.dumps(work))
        self._process.stdin.close()

    def result(self):
        found = json.loads(self._process.stdout.read())
        self._process.stdout.close()
        assert self._process.wait(60) == 0
        return found


def resident_megabytes(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def land(versions, folder, number):
    shutil.copytree(versions(number), folder / f".partial-{number}")
    (folder / f".partial-{number}").rename(folder / str(number))


def batch_seconds(versions, rows=64):
    run = tf.saved_model.load(str(versions(1))).signatures["serving_default"]
    batch = tf.constant(texts(rows))
    found = []
    for _ in range(12):
        start = time.perf_counter()
        run(text=batch)
        found.append(time.perf_counter() - start)
    return statistics.median(found[2:])


@pytest.mark.slow
def test_many_clients_at_once(versions, server_process, tmp_path):
    num_requests = 10_000
    folder = tmp_path / "reviews"
    folder.mkdir()
    land(versions, folder, 1)
    work = job(versions, num_requests, 1, [1])
    with server_process(folder, "--port", 0) as server:
        # Threads start and their memory is taken as requests first meet; then it stays.
        warm = Clients(server.port, {**work, "requests": 500 + num_requests // 4}).result()
        assert not warm["wrong"]
        before = resident_megabytes(server.process)
        found = Clients(server.port, work).result()
        after = resident_megabytes(server.process)
        assert server.end() == 0
    assert not found["wrong"]
    assert found["versions"] == {"1": num_requests}
    latency = np.percentile(found["seconds"], [50, 99]) * 1000
    full = batch_seconds(versions) * 1000
    print(
        f"\n{num_requests} requests of 64 clients in {found['total_seconds']:.1f} s: p50 {latency[0]:.1f} ms, p99 "
        f"{latency[1]:.1f} ms; a batch of 64 in process {full:.1f} ms; memory {before:.0f} MB, then {after:.0f} MB"
    )
    assert after - before < 40


@pytest.mark.slow
def test_versions_come_and_go_under_load(versions, server_process, tmp_path):
    num_requests, num_versions = 8_000, 6
    folder = tmp_path / "reviews"
    folder.mkdir()
    land(versions, folder, 1)
    over = tmp_path / "over"
    work = {
        **job(versions, num_requests, 2, range(1, num_versions + 1)),
        "until": str(over),
    }
    with server_process(folder, "--port", 0, "--poll-seconds", 0.1) as server:
        clients = Clients(server.port, work)
        for number in range(2, num_versions + 1):
            land(versions, folder, number)
            server.wait_for("reviews", number, "AVAILABLE", 120)
            shutil.rmtree(folder / str(number - 1))
            server.wait_for("reviews", number - 1, "END")
        # The last one answers, too.
        time.sleep(0.5)
        over.touch()
        found = clients.result()
        assert server.end() == 0
    assert not found["wrong"]
    assert sum(found["versions"].values()) >= num_requests
    assert len(found["versions"]) == num_versions
    print(f"\n{len(found['seconds'])} requests, answered by versions {found['versions']}")
