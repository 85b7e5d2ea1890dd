import dataclasses
import json
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tfbert import checkpoints
from tfbert.data import prepare_corpus
from tfbert.errors import InputError
from tfbert.models import BertEncoder, BertPretrainer
from tfbert.tokenization import BertTokenizer
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

sys.path.insert(0, str(Path(__file__).parent))
import pretraining_job as job

WORDS = [a + b for a in "bcdfghklmn" for b in "aeiou"]


def make_documents(count, seed=0):
    rng = np.random.default_rng(seed)
    # Which word follows which is no accident, so that there is something to learn.
    return [
        " ".join(
            " ".join(WORDS[(start + 7 * place) % 50] for place in range(rng.integers(3, 9))) + "."
            for start in rng.integers(0, 50, rng.integers(1, 6))
        )
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer([*SPECIAL_TOKENS, ".", *WORDS])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, tokenizer):
    folder = tmp_path_factory.mktemp("pretraining") / "corpus"
    prepare_corpus(make_documents(400), tokenizer, folder, sequence_lengths=(32, 64), shard_megabytes=0.01)
    return folder


@pytest.fixture(scope="module")
def encoders(tmp_path_factory, tokenizer):
    """Checkpoint folders, with and without dropout, both with heads."""
    keras.utils.set_random_seed(1)
    folders = {}
    for dropout in (0.0, 0.1):
        config = job.small_config(tokenizer.vocabulary_size, dropout)
        folders[dropout] = tmp_path_factory.mktemp("encoders") / str(dropout)
        checkpoints.save(BertPretrainer(BertEncoder(config)), folders[dropout], tokenizer=tokenizer)
    return folders


def start(*arguments, environment=None):
    return subprocess.Popen(
        [sys.executable, job.__file__, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(environment or {})},
    )


def finish(process):
    out, error = process.communicate(timeout=400)
    assert process.returncode == 0, error[-3000:]
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def one_replica(corpus, encoders, tmp_path_factory):
    steps = job.Steps()
    pretrainer, history = job.make_task(corpus, encoders[0.0], "cpu").train(
        job.STEPS, tmp_path_factory.mktemp("one"), [steps]
    )
    return steps.losses, history, [weight.numpy() for weight in pretrainer.weights]


def check_equal(one_replica, losses, history, weights):
    assert losses == pytest.approx(one_replica[0], abs=1e-5)
    for expected, record in zip(one_replica[1], history, strict=True):
        for name, value in expected.items():
            if name != "seconds":
                assert record[name] == pytest.approx(value, abs=2e-5, rel=1e-5), name
    for expected, weight in zip(one_replica[2], weights, strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-5)


@pytest.mark.slow
def test_learns_and_says_where_it_is(one_replica):
    losses, history, _ = one_replica
    assert len(losses) == job.STEPS
    assert [record["step"] for record in history] == [10, 20, 30, 40, 50]
    assert [record["learning_rate"] for record in history] == pytest.approx(
        [1e-3 * (50 - step) / 50 for step in (9, 19, 29, 39, 49)]
    )
    assert np.diff([record["tokens"] for record in history]).min() > 10 * 6 * 10
    assert np.diff([record["seconds"] for record in history]).min() > 0
    assert history[-1]["val_masked_lm_loss"] < history[0]["val_masked_lm_loss"] - 0.1


@pytest.mark.slow
@pytest.mark.parametrize("micro_batches", [1, 3])
def test_two_replicas_train_like_one(corpus, encoders, one_replica, tmp_path, micro_batches):
    """Masks differ in number from replica to replica; 50 steps, an odd last batch in each epoch."""
    steps = job.Steps()
    strategy = "mirrored" if micro_batches == 1 else "cpu"
    task = job.make_task(corpus, encoders[0.0], strategy, micro_batches=micro_batches)
    weights = [batch["mask_weights"] for batch in task.some_training_rows(60) if len(batch["mask_ids"]) == 6]
    counts = [each.reshape(2, -1).sum(axis=1) for each in weights]
    assert any(first != second for first, second in counts)
    pretrainer, history = task.train(job.STEPS, tmp_path, [steps])
    check_equal(one_replica, steps.losses, history, [weight.numpy() for weight in pretrainer.weights])


@pytest.mark.slow
def test_two_workers_train_like_one(corpus, encoders, one_replica, tmp_path):
    ports = []
    for _ in range(2):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            ports.append(listener.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    workers = [
        start(
            corpus,
            encoders[0.0],
            tmp_path / str(index),
            "multi_worker",
            0,
            environment={
                "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
            },
        )
        for index in range(2)
    ]
    answers = [finish(worker) for worker in workers]
    assert answers[0] == answers[1]
    weights = [np.load(tmp_path / str(index) / "end.npz") for index in range(2)]
    for name in weights[0].files:
        np.testing.assert_array_equal(weights[0][name], weights[1][name])
    check_equal(
        one_replica, answers[0]["losses"], answers[0]["history"], [weights[0][name] for name in weights[0].files]
    )


def killed_and_resumed(corpus, encoder, folder, strategy, moments):
    """Kill the job after so many steps of each start, then let it end; return what it wrote last."""
    for moment in moments:
        process = start(corpus, encoder, folder, strategy, moment)
        done = 0
        while done < moment:
            line = process.stdout.readline()
            assert line, process.stderr.read()[-3000:]
            done += line == "step\n"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return finish(start(corpus, encoder, folder, strategy, 0))


def check_same_end(undisturbed, disturbed, expected, answer):
    assert answer["history"] == expected["history"]
    first, second = (np.load(folder / "end.npz") for folder in (undisturbed, disturbed))
    for name in first.files:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.slow
def test_killed_it_goes_on_bit_for_bit(corpus, encoders, tmp_path):
    """Dropout on, two replicas, killed inside a round, twice."""
    expected = finish(start(corpus, encoders[0.1], tmp_path / "undisturbed", "mirrored", 0))
    answer = killed_and_resumed(corpus, encoders[0.1], tmp_path / "killed", "mirrored", (13, 16))
    # The first 12 and the next 15 steps were saved before the kills.
    assert len(answer["losses"]) <= job.STEPS - 12 - 14
    check_same_end(tmp_path / "undisturbed", tmp_path / "killed", expected, answer)


@pytest.mark.slow
def test_killed_at_random_moments(corpus, encoders, tmp_path):
    """A few; tests/faults/measure_kills.py makes as many as one likes."""
    expected = finish(start(corpus, encoders[0.1], tmp_path / "undisturbed", "cpu", 0))
    moments = random.Random(0)
    for trial in range(3):
        folder = tmp_path / str(trial)
        answer = killed_and_resumed(corpus, encoders[0.1], folder, "cpu", [moments.randint(1, job.STEPS - 1)])
        check_same_end(tmp_path / "undisturbed", folder, expected, answer)


@pytest.mark.slow
def test_two_phases_of_short_and_long_rows(corpus, encoders, tmp_path):
    task = job.make_task(
        corpus, encoders[0.0], "cpu", long_sequence_length=64, long_share=0.4, long_batch_size=3, evaluations=2
    )
    batches = task.training_batches(10)
    shapes = [batch["token_ids"].shape for batch in batches.training_dataset(2)]
    assert [rows for rows, _ in shapes] == [6] * 6 + [3] * 4
    assert max(length for _, length in shapes[:6]) <= 32 < max(length for _, length in shapes[6:])
    _, history = task.train(10, tmp_path)
    assert [record["step"] for record in history] == [5, 10]
    assert "64 tokens" in task.describe(10)


@pytest.mark.slow
def test_next_sentences_are_learnt_where_they_can_be_told(tmp_path):
    """Ten topics of seven words each: nine of ten random pairs can be told."""
    rng = np.random.default_rng(0)
    words = [a + b for a in "bcdfghklmnprst" for b in "aeiou"]
    topics = [words[7 * topic : 7 * topic + 7] for topic in rng.integers(0, 10, 2000)]
    documents = [" ".join(" ".join(rng.choice(topic, rng.integers(3, 7))) + "." for _ in range(4)) for topic in topics]
    tokenizer = BertTokenizer([*SPECIAL_TOKENS, ".", *words])
    prepare_corpus(documents, tokenizer, tmp_path / "corpus", sequence_lengths=(32,))
    config = dataclasses.replace(job.small_config(tokenizer.vocabulary_size, 0.1), hidden_dim=64, intermediate_dim=128)
    checkpoints.save(BertPretrainer(BertEncoder(config)), tmp_path / "encoder", tokenizer=tokenizer)
    task = job.make_task(tmp_path / "corpus", tmp_path / "encoder", "cpu", batch_size=32, bias_correction=True)
    _, history = task.train(900, tmp_path / "run")
    assert history[-1]["val_next_sentence_balanced_accuracy"] > 0.8


@pytest.mark.slow
def test_pairs_are_made_anew_of_held_out_rows(corpus, encoders):
    task = job.make_task(corpus, encoders[0.0], "cpu", evaluation_rows=40)
    inputs = task.held_out_batches().inputs

    def guess(batch, training):
        assert not training
        odd = keras.ops.sum(batch["token_ids"], axis=-1) % 2
        return {"next_sentence_logits": keras.ops.one_hot(odd, 2)}

    found = task.pair_accuracy(guess)
    guesses, labels = [], []
    for batch in inputs.dataset(0, -(-5 * 40 // inputs.batch_size)):
        guesses += (batch["token_ids"].numpy().sum(axis=-1) % 2).tolist()
        labels += batch["next_sentence_labels"].numpy().tolist()
    guesses, labels = np.array(guesses), np.array(labels)
    recalls = [np.mean(guesses[labels == label] == label) for label in (0, 1)]
    assert found.balanced_accuracy == pytest.approx(np.mean(recalls), abs=1e-9)
    assert found.num_pairs == len(labels) > inputs.num_rows
    assert found.num_texts == inputs.num_rows
    assert job.make_task(corpus, encoders[0.0], "cpu", objective="none").pair_accuracy(guess) is None


@pytest.mark.slow
def test_objectives_and_optimizers(corpus, encoders, tmp_path):
    task = job.make_task(
        corpus, encoders[0.1], "cpu", objective="none", optimizer="lamb", whole_words=True, max_ngram=2
    )
    _, history = task.train(10, tmp_path / "none")
    assert not any("next_sentence" in name for name in history[-1])
    task = job.make_task(corpus, encoders[0.1], "cpu", objective="sentence_order", bias_correction=True)
    _, history = task.train(10, tmp_path / "order")
    assert "val_next_sentence_balanced_accuracy" in history[-1]


@pytest.mark.slow
def test_minutes_become_steps_that_a_resumed_run_keeps(corpus, encoders, tmp_path):
    task = job.make_task(corpus, encoders[0.0], "cpu")
    steps = task.steps_of_minutes(0.02, tmp_path)
    assert steps % 5 == 0
    assert steps >= 5
    (tmp_path / "steps.json").write_text('{"steps": 35}')
    assert task.steps_of_minutes(0.02, tmp_path) == 35


def test_epochs_become_steps(corpus, encoders):
    task = job.make_task(corpus, encoders[0.0], "cpu")
    inputs, _ = task.training_batches(5).phases[0]
    steps = task.steps_of_epochs(2)
    assert steps % 5 == 0
    assert 0 <= steps - 2 * inputs.steps_in_epoch(0) < 5


def test_a_published_size_from_scratch_has_the_corpus_s_vocabulary(corpus, tokenizer):
    task = job.make_task(corpus, "tiny", "cpu")
    assert task.pretrainer().encoder.config.vocabulary_size == tokenizer.vocabulary_size
    assert task.peak_learning_rate == 1e-3
    assert task.num_parameters == task.pretrainer().count_params()


def test_a_checkpoint_without_heads(corpus, tokenizer, tmp_path):
    folder = tmp_path / "headless"
    checkpoints.save(BertEncoder(job.small_config(tokenizer.vocabulary_size, 0.1)), folder, tokenizer=tokenizer)
    with pytest.raises(InputError, match="missing"):
        job.make_task(corpus, folder, "cpu")
    task = job.make_task(corpus, folder, "cpu", allow_new_heads=True)
    assert "masked_lm_head" in task.new_weights or "cls" in task.new_weights


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 7, "micro_batches": 2}, "batch_size must divide by replicas x micro_batches = 1 x 2.*Try 8"),
        ({"optimizer": "sgd"}, "optimizer must be one of adamw, lamb; received 'sgd'"),
        ({"warmup_share": 1.0}, "warmup_share=1.0"),
        ({"evaluations": 0}, "evaluations=0"),
        ({"long_share": 0.1}, "needs both long_sequence_length and long_share"),
        ({"long_batch_size": 6}, "needs both long_sequence_length and long_share"),
        ({"long_sequence_length": 48, "long_share": 0.1}, "lengths 32, 64; received 48"),
        ({"objective": "nsp"}, "objective must be one of"),
        ({"mask_rate": 0.0}, "rate=0.0"),
    ],
)
def test_wrong_settings(corpus, encoders, settings, message):
    with pytest.raises(InputError, match=message):
        job.make_task(corpus, encoders[0.0], "cpu", **settings)


def test_another_vocabulary_is_refused(corpus, tmp_path):
    other = BertTokenizer([*SPECIAL_TOKENS, "!", *WORDS])
    checkpoints.save(BertPretrainer(BertEncoder(job.small_config(56, 0.1))), tmp_path / "other", tokenizer=other)
    with pytest.raises(InputError, match="prepared with another vocabulary"):
        job.make_task(corpus, tmp_path / "other", "cpu")


def test_rows_longer_than_the_positions_are_refused(tokenizer, tmp_path):
    prepare_corpus(make_documents(60), tokenizer, tmp_path / "corpus", sequence_lengths=(128,))
    checkpoints.save(
        BertPretrainer(BertEncoder(job.small_config(tokenizer.vocabulary_size, 0.1))),
        tmp_path / "short",
        tokenizer=tokenizer,
    )
    from tfbert.data.records import Corpus
    from tfbert.training import pick_placement
    from tfbert.training.pretraining import Pretraining

    with pytest.raises(InputError, match="64 positions; received 128"):
        Pretraining(Corpus.open(tmp_path / "corpus"), str(tmp_path / "short"), pick_placement("cpu", "float32"))
