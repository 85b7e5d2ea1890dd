import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfbert.errors import InputError
from tfbert.training import pick_placement
from tfbert.training.resume import fit_resumable
from tfbert.training.workers import Workers, name_workers

sys.path.insert(0, str(Path(__file__).parent))
import toy

JOB = Path(__file__).parent / "workers_job.py"


def test_one_process_is_its_own_chief(capsys):
    """Two replicas, each with parts of its own."""
    workers = Workers(pick_placement("mirrored").strategy)
    assert (workers.count, workers.is_chief, workers.own_replicas) == (1, True, range(2))
    assert (workers.chiefs(3.5), workers.any(False), workers.any(True)) == (3.5, False, True)
    workers.wait()
    with workers.chief_prints():
        print("heard")
    assert capsys.readouterr().out == "heard\n"
    parts = [[tf.constant(1.5), tf.constant(2.5)], [tf.constant([[3, 4]]), tf.constant([[5, 6]])]]
    first, second = workers.of_all_replicas(parts)
    assert (first.dtype, first.tolist()) == (np.float32, [1.5, 2.5])
    assert (second.dtype, second.tolist()) == (np.int32, [[[3, 4]], [[5, 6]]])
    assert Workers(tf.distribute.get_strategy()).own_replicas == range(1)


class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 3:
            raise KeyboardInterrupt


def test_another_number_of_replicas_inside_an_epoch_is_refused(tmp_path):
    """Each has running sums of its own; at the end of an epoch there are none."""
    batches = toy.rows(7 * 5)
    with pytest.raises(KeyboardInterrupt):
        fit_resumable(toy.model(), batches, epochs=1, folder=tmp_path, save_every_steps=2, callbacks=(Stop(),))
    with pytest.raises(InputError, match="by another number of replicas than the 2 there are now"):
        fit_resumable(toy.model(toy.mirrored()), batches, epochs=1, folder=tmp_path)
    fit_resumable(toy.model(), batches, epochs=1, folder=tmp_path)
    assert len(fit_resumable(toy.model(toy.mirrored()), batches, epochs=2, folder=tmp_path)) == 2


SLURM = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_STEP_NODELIST": "node[9-10]",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
}


@pytest.fixture
def environment(monkeypatch):
    for name in [*filter(lambda name: name.startswith("SLURM"), os.environ), "TF_CONFIG"]:
        monkeypatch.delenv(name, raising=False)

    def put(**variables):
        # Through monkeypatch, so that TF_CONFIG goes away with the test.
        monkeypatch.setenv("TF_CONFIG", "")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


def test_the_tasks_of_a_slurm_step_find_each_other(environment):
    """Slurm counts node9 before node10, and TensorFlow's resolver after it: each task takes its own host's address."""
    seen = set()
    for rank, (node, local) in enumerate([("node9", "0"), ("node9", "1"), ("node10", "0"), ("node10", "1")]):
        environment(**SLURM, SLURM_PROCID=str(rank), SLURMD_NODENAME=node, SLURM_LOCALID=local)
        name_workers()
        config = json.loads(os.environ["TF_CONFIG"])
        host, port = config["cluster"]["worker"][config["task"]["index"]].split(":")
        assert (host, int(port)) == (node, 10_000 + 1234567 % 20_000 + int(local))
        assert config["task"]["type"] == "worker"
        seen.add(config["task"]["index"])
    assert seen == {0, 1, 2, 3}


@pytest.mark.parametrize(
    "config",
    [
        "not JSON",
        "[]",
        '{"cluster": {"worker": ["a:1", "b:1"]}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": -1}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": "1"}}',
        '{"cluster": {"worker": ["a", "b"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_a_tf_config_that_names_no_workers_is_refused(environment, config):
    environment(TF_CONFIG=config)
    with pytest.raises(InputError, match="TF_CONFIG must name the workers and which this is, such as"):
        name_workers()


def test_workers_that_nothing_names_are_refused(environment):
    with pytest.raises(InputError, match=r"`tfbert launch` starts them on this machine, `srun` on several"):
        name_workers()


def start(count, *arguments):
    """Start so many workers of the job; one alone without a strategy of several."""
    with socket.socket() as first, socket.socket() as second, socket.socket() as third, socket.socket() as fourth:
        sockets = [first, second, third, fourth][:count]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    processes = []
    for index in range(count):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_CONFIG": json.dumps(config) if count > 1 else ""}
        processes.append(
            subprocess.Popen(
                [sys.executable, JOB, *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
        )
    return processes


def answers(processes):
    try:
        results = [process.communicate(timeout=400) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * len(processes), results[0][1][-3000:]
    return [json.loads(out.splitlines()[-1]) for out, _ in results]


@pytest.mark.slow
def test_four_workers_and_two_train_like_one(tmp_path):
    """100 steps of rows with unequal weights, and batches of 7 and of 5 rows."""
    (alone,) = answers(start(1, tmp_path / "1", 4, 0.0, ""))
    assert len(alone["losses"]) == 100
    for count in (2, 4):
        found = answers(start(count, tmp_path / str(count), 4, 0.0, ""))
        assert all(answer == found[0] for answer in found)
        assert found[0]["losses"] == pytest.approx(alone["losses"], abs=1e-5)
        np.testing.assert_allclose(found[0]["weights"], alone["weights"], atol=1e-5)
        for expected, record in zip(alone["history"], found[0]["history"], strict=True):
            assert record == pytest.approx(expected, abs=1e-5)
        # The chief alone has written, and what one may read.
        assert sorted(path.name for path in (tmp_path / str(count)).iterdir()) == [
            "best.weights.h5",
            "state.safetensors",
            "state_before.safetensors",
        ]


@pytest.mark.slow
def test_workers_that_share_no_folder_are_refused(tmp_path):
    """Else one would go on where the others begin."""
    answers(start(2, tmp_path / "run", 1, 0.0, ""))
    processes = start(2, tmp_path / "run", 2, 0.0, "own")
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert "the workers see different states; this one's is of step 25" in errors[0]
    assert "the workers see different states; this one's is none" in errors[1]
