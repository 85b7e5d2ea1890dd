import functools
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
from tfbert.training import ClipAfterAllReduce, GlobalBatchFunctional, GlobalBatchModel, optimizers

sys.path.insert(0, str(Path(__file__).parent))
import toy

STEPS = 50


@pytest.fixture(scope="module")
def batches():
    """50 batches of 7 rows, the last of 3."""
    return toy.rows(7 * (STEPS - 1) + 3)


def fit(batches, **options):
    model = toy.model(**options)
    dataset = batches.training_dataset(1)
    history = model.fit(dataset, verbose=0, shuffle=False, validation_data=batches.evaluation_dataset()).history
    return {name: values[0] for name, values in history.items()}, toy.weights(model)


@pytest.fixture(scope="module")
def one_replica(batches):
    return fit(batches)


@pytest.mark.parametrize(
    "options",
    [
        {"mirror": True},
        {"micro_batches": 3},
        {"mirror": True, "micro_batches": 2},
        {"mirror": True, "compiled_update": True},
        pytest.param({"mirror": True, "micro_batches": 2, "jit_compile": True}, marks=pytest.mark.slow),
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
    ],
    ids=lambda options: "-".join(options),
)
def test_any_split_of_the_batch_trains_alike(batches, one_replica, options, monkeypatch):
    options = dict(options)
    if options.pop("compiled_update", False):
        monkeypatch.setattr(optimizers, "_COMPILED_FROM", 0)
    strategy = toy.mirrored() if options.pop("mirror", False) else None
    logs, weights = fit(batches, strategy=strategy, **options)
    for name, value in one_replica[0].items():
        assert logs[name] == pytest.approx(value, abs=1e-5), name
    assert toy.largest_difference(weights, one_replica[1]) < 1e-5
    assert toy.largest_difference(weights, toy.weights(toy.model())) > 0.01


def test_run_eagerly_trains_alike():
    batches = toy.rows(17)
    logs, weights = fit(batches, run_eagerly=True, micro_batches=2)
    expected_logs, expected = fit(batches)
    assert logs == pytest.approx(expected_logs, abs=1e-5)
    assert toy.largest_difference(weights, expected) < 1e-5


def test_step_against_a_plain_loop(batches, one_replica):
    """Twelve lines of TensorFlow that know nothing of replicas give the same weights."""
    model = toy.model()
    optimizer = model.optimizer
    for x, y, w in batches.training_dataset(1):
        with tf.GradientTape() as tape:
            log_probabilities = tf.nn.log_softmax(model(x, training=False))
            losses = -tf.gather(log_probabilities, y, batch_dims=1)
            loss = tf.reduce_sum(w * losses) / tf.reduce_sum(w)
        optimizer.apply(tape.gradient(loss, [v.value for v in model.trainable_variables]), model.trainable_variables)
    assert toy.largest_difference(toy.weights(model), one_replica[1]) < 1e-5


def test_loss_and_metrics_are_over_rows(batches, one_replica):
    """The validation figures equal NumPy's over all rows at once, the short last batch included."""
    model = toy.model()
    logs = model.evaluate(batches.evaluation_dataset(), verbose=0, return_dict=True)
    logits = np.concatenate([model(x, training=False) for x, _, _ in batches.evaluation_dataset()]).astype(np.float64)
    order = batches.evaluation_order()
    labels, weights = batches.labels[order], batches.weights[order]
    losses = np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(labels)), labels]
    assert logs["loss"] == pytest.approx((weights * losses).sum() / weights.sum(), abs=1e-5)
    assert logs["accuracy"] == pytest.approx((logits.argmax(-1) == labels).mean(), abs=1e-6)
    hits = (logits.argmax(-1) == labels) * weights
    assert logs["weighted_accuracy"] == pytest.approx(hits.sum() / weights.sum(), abs=1e-5)


def test_rows_of_weight_zero_are_as_good_as_absent():
    batches = toy.rows(7)
    (x, y, w) = next(iter(batches.training_dataset(1)))
    kept = toy.model()
    kept.train_on_batch({name: value[:4] for name, value in x.items()}, y[:4], sample_weight=w[:4])
    zeroed = toy.model()
    zeroed.train_on_batch(x, y, sample_weight=tf.concat([w[:4], tf.zeros(3)], 0))
    assert toy.largest_difference(toy.weights(kept), toy.weights(zeroed)) < 1e-7
    nothing = toy.model()
    logs = nothing.train_on_batch(x, y, sample_weight=tf.zeros(7), return_dict=True)
    assert logs["loss"] == 0.0


def test_clipping_is_after_the_sum_over_replicas():
    """Plain descent with rate 1: the update's norm is the clip norm, on one replica and on two."""

    class Descent(ClipAfterAllReduce, keras.optimizers.SGD):
        pass

    batches = toy.rows(8)
    batches = type(batches)(batches.token_ids, batches.labels, 8, batches.weights)
    for strategy in (None, toy.mirrored()):
        model = toy.model(strategy, optimizer=Descent(1.0, global_clipnorm=0.01))
        before = toy.weights(model)
        model.fit(batches.training_dataset(1), shuffle=False, verbose=0)
        moved = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(before, toy.weights(model), strict=True)))
        assert moved == pytest.approx(0.01, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [False, True], ids=["one", "two"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains(batches, strategy, policy):
    model = toy.model(toy.mirrored() if strategy else None, policy=policy)
    logs = model.fit(batches.training_dataset(3), steps_per_epoch=STEPS, epochs=3, verbose=0, shuffle=False).history
    assert logs["loss"][-1] < logs["loss"][0]
    assert int(model.optimizer.iterations.numpy()) == 3 * STEPS


def test_float16_overflow_on_one_replica_skips_the_step_on_all():
    """Only the second replica's rows hold a token that overflows; Keras asks the first replica alone."""
    batches = toy.rows(8)
    token_ids = [np.minimum(ids, 28) for ids in batches.token_ids]
    token_ids[batches.evaluation_order()[-1]][0] = 29
    batches = type(batches)(token_ids, batches.labels, 8, batches.weights)
    model = toy.model(toy.mirrored(), policy="mixed_float16")
    embeddings = model.trainable_variables[0]
    embeddings.assign(tf.tensor_scatter_nd_update(embeddings.numpy(), [[29]], tf.fill([1, 8], 6e4)))
    before = toy.weights(model)
    model.fit(batches.evaluation_dataset(), shuffle=False, verbose=0)
    assert toy.largest_difference(before, toy.weights(model)) == 0.0
    assert float(model.optimizer.dynamic_scale.numpy()) == 2.0**14


@pytest.mark.slow
def test_dropout_is_a_function_of_seed_and_step(batches):
    def run(seed, skip=0, first=None):
        model = toy.model(dropout=0.5, seed=seed)
        if skip:
            model.optimizer.iterations.assign(skip)
        x, y, w = next(iter(batches.training_dataset(1)))
        return model.train_on_batch(x, y, sample_weight=w, return_dict=True)["loss"]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert run(1) != run(1, skip=1)


@pytest.mark.slow
def test_replicas_and_micro_batches_draw_different_dropout():
    """Twice the same row in one batch: dropped alike only if the two parts shared their random numbers."""
    x = toy.inputs(np.tile(np.arange(1, 13), (2, 1)))
    y = np.array([1, 1], np.int32)
    seen: list = []

    def watch(losses, x, y, y_pred):
        tf.py_function(seen.append, [y_pred], [])
        return losses(x, y, y_pred)

    for options in ({"strategy": toy.mirrored()}, {"micro_batches": 2}):
        model = toy.model(dropout=0.5, **options)
        model.weighted_losses = functools.partial(watch, model.weighted_losses)
        seen.clear()
        model.fit(tf.data.Dataset.from_tensors((x, y)), shuffle=False, verbose=0)
        first, second = (part.numpy().ravel() for part in seen)
        assert np.abs(first - second).max() > 1e-3


@pytest.mark.slow
def test_regularization_is_counted_once():
    x, y, _ = next(iter(toy.rows(7).training_dataset(1)))

    def trained(strategy=None, **options):
        model = toy.model(strategy, optimizer=keras.optimizers.SGD(1.0), **options)
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dense):
                layer.kernel.regularizer = keras.regularizers.L2(0.1)
        model.fit(tf.data.Dataset.from_tensors((x, y)), shuffle=False, verbose=0)
        return toy.weights(model)

    expected = trained()
    assert toy.largest_difference(expected, trained(toy.mirrored(), micro_batches=2)) < 1e-6
    assert toy.largest_difference(expected, trained(toy.mirrored())) < 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": {"class_name": "adam", "config": {"gradient_accumulation_steps": 2}}}, "micro_batches=2"),
        ({"micro_batches": 0}, "at least 1"),
        ({"loss": {"a": "mse", "b": "mse"}}, "one loss"),
        ({"loss_weights": [2.0]}, "one loss"),
        ({"steps_per_execution": 2}, "must be 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        toy.model(**options)


def test_keras_clipping_is_refused_on_several_replicas_only():
    toy.model(optimizer=keras.optimizers.Adam(clipnorm=1.0))
    strategy = toy.mirrored()
    with strategy.scope():
        optimizer = keras.optimizers.Adam(clipnorm=1.0)
    with pytest.raises(InputError, match="clipnorm"):
        toy.model(strategy, optimizer=optimizer)


def test_keras_loss_scaling_is_refused_on_several_replicas():
    strategy = toy.mirrored()
    with strategy.scope():
        optimizer = keras.optimizers.Adam()
    with pytest.raises(InputError, match="loss scaling"):
        toy.model(strategy, optimizer=optimizer, policy="mixed_float16")


def test_layers_with_state_are_refused():
    inputs = keras.Input((4,))
    model = GlobalBatchFunctional(inputs, keras.layers.Dense(3)(keras.layers.BatchNormalization()(inputs)))
    model.compile("sgd", toy.LOSS)
    with pytest.raises(InputError, match="moving_mean"):
        model.fit(np.ones((4, 4)), np.zeros(4, "int32"), verbose=0)


def test_weights_of_another_shape_are_refused():
    inputs = keras.Input((4,))
    model = GlobalBatchFunctional(inputs, keras.layers.Dense(3)(inputs))
    model.compile("sgd", toy.LOSS)
    with pytest.raises(InputError, match="shape of the losses"):
        model.train_on_batch(np.ones((2, 4)), np.zeros(2, "int32"), sample_weight=np.ones((2, 3)))


def test_unused_variables_are_named():
    class Idle(GlobalBatchModel):
        def __init__(self):
            super().__init__()
            self.used, self.unused = keras.layers.Dense(3), keras.layers.Dense(2, name="unused")

        def call(self, x):
            self.unused(x)
            return self.used(x)

    model = Idle()
    model.compile("sgd", toy.LOSS)
    with pytest.raises(InputError, match="unused/kernel"):
        model.fit(np.ones((4, 4)), np.zeros(4, "int32"), verbose=0)


def test_saves_and_loads_as_a_keras_model(tmp_path):
    """The loaded model goes on training as the saved one does: optimizer, micro-batches and seed came along."""
    batches = toy.rows(14)
    model = toy.model(dropout=0.5, micro_batches=2, seed=3)
    model.fit(batches.training_dataset(1), shuffle=False, verbose=0)
    model.save(tmp_path / "toy.keras")
    loaded = keras.models.load_model(tmp_path / "toy.keras")
    for trained in (model, loaded):
        trained.fit(batches.training_dataset(2, 1), shuffle=False, verbose=0)
    assert toy.largest_difference(toy.weights(model), toy.weights(loaded)) == 0.0


def test_functional_arguments_do_not_turn_the_base_class_functional():
    inputs = keras.Input((4,))
    with pytest.raises(TypeError, match="GlobalBatchFunctional"):
        GlobalBatchModel(inputs, keras.layers.Dense(3)(inputs))


WORKER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
import toy
batches = toy.rows(7 * 9 + 3)
model = toy.model(strategy)
logs = model.fit(batches.training_dataset(1), shuffle=False, verbose=0, steps_per_epoch=10,
                 validation_data=batches.evaluation_dataset()).history
weights = [w.ravel().tolist() for w in toy.weights(model)]
print(json.dumps({"logs": {k: v[0] for k, v in logs.items()}, "weights": sum(weights, [])}))
"""


@pytest.mark.slow
def test_two_workers_train_like_one():
    ports = []
    for _ in range(2):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            ports.append(listener.getsockname()[1])
    workers = []
    for index in range(2):
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        environment = {**os.environ, "TF_CONFIG": config, "TF_CPP_MIN_LOG_LEVEL": "3"}
        workers.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(Path(__file__).parent)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    results = []
    for worker in workers:
        out, error = worker.communicate(timeout=120)
        assert worker.returncode == 0, error[-3000:]
        results.append(json.loads(out.splitlines()[-1]))
    assert results[0] == results[1]
    logs, weights = fit(toy.rows(7 * 9 + 3))
    assert results[0]["logs"] == pytest.approx(logs, abs=1e-5)
    np.testing.assert_allclose(results[0]["weights"], np.concatenate([w.ravel() for w in weights]), atol=1e-5)
