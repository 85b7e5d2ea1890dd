import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tfbert.errors import InputError
from tfbert.training.resume import DivergedError, ResumedCallback, fit_resumable

sys.path.insert(0, str(Path(__file__).parent))
import toy

TRAIN = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import json, keras, numpy as np, toy
from tfbert.training.resume import fit_resumable

class Count(keras.callbacks.Callback):
    steps = 0

    def on_train_batch_end(self, batch, logs=None):
        if logs:
            print("step", flush=True)
            self.steps += 1
            while self.steps == int(sys.argv[3]):
                time.sleep(1)  # to be killed here

model = toy.model(toy.mirrored(), dropout=0.5, policy=sys.argv[4], micro_batches=2)
history = fit_resumable(model, toy.rows(7 * 9 + 3), epochs=3, folder=sys.argv[2], validation=toy.rows(20, seed=1),
                        save_every_steps=2, callbacks=(Count(),))
np.savez(sys.argv[2] + "/end.npz", *toy.weights(model))
print(json.dumps(history))
"""


def start(folder, wait_at, policy):
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(Path(__file__).parent), str(folder), str(wait_at), policy],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def finish(process):
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error[-3000:]
    return out.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_killed_inside_an_epoch_it_goes_on_bit_for_bit(tmp_path, policy):
    """Dropout on, unequal weights, an odd last batch, two replicas; killed in the second epoch, after a save."""
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    first = start(undisturbed, 0, policy)
    expected = finish(first)
    process = start(killed, 15, policy)
    for _ in range(15):
        assert process.stdout.readline() == "step\n", process.stderr.read()[-3000:]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    resumed = finish(start(killed, 0, policy))
    assert expected.count("step") == 30
    # Step 15 had not been saved: the save of step 14 was, which is the 4th of the second epoch.
    assert resumed.count("step") == 16
    assert resumed[-1] == expected[-1]
    a, b = np.load(undisturbed / "end.npz"), np.load(killed / "end.npz")
    for name in a.files:
        np.testing.assert_array_equal(a[name], b[name])


def test_a_finished_training_does_nothing_more(tmp_path):
    batches = toy.rows(14)
    model = toy.model()
    history = fit_resumable(model, batches, epochs=2, folder=tmp_path)
    before = toy.weights(model)
    again = toy.model()
    assert fit_resumable(again, batches, epochs=2, folder=tmp_path) == history
    assert toy.largest_difference(before, toy.weights(again)) == 0.0


class Worsen(keras.callbacks.Callback):
    """Ruins the weights after the first epoch, so that validation loss rises."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            self.model.trainable_variables[-1].assign([5.0, -5.0, 0.0])


def test_the_best_epoch_is_kept_and_patience_stops(tmp_path):
    batches, validation = toy.rows(14), toy.rows(20, seed=1)
    model = toy.model()
    history = fit_resumable(
        model, batches, epochs=9, folder=tmp_path, validation=validation, patience=2, callbacks=(Worsen(),)
    )
    assert len(history) == 3
    best = min(logs["val_loss"] for logs in history)
    assert best == history[0]["val_loss"]
    logs = model.evaluate(validation.evaluation_dataset(), verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(best, abs=1e-6)
    again = toy.model()
    assert fit_resumable(again, batches, epochs=9, folder=tmp_path, validation=validation, patience=2) == history


def test_a_state_of_another_model_is_refused(tmp_path):
    fit_resumable(toy.model(), toy.rows(14), epochs=1, folder=tmp_path)
    inputs = keras.Input((None,), dtype="int32", name="token_ids")
    other = toy.GlobalBatchFunctional({"token_ids": inputs}, keras.layers.Embedding(30, 3)(inputs)[:, 0])
    other.compile(toy.BertAdamW(1e-3), toy.LOSS)
    with pytest.raises(InputError, match="another model"):
        fit_resumable(other, toy.rows(14), epochs=1, folder=tmp_path)


def test_a_truncated_state_is_refused(tmp_path):
    fit_resumable(toy.model(), toy.rows(14), epochs=1, folder=tmp_path)
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"state.safetensors.*Delete the file"):
        fit_resumable(toy.model(), toy.rows(14), epochs=2, folder=tmp_path)


def count_steps(steps):
    return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.extend([batch] if logs else []))


class StopAt(keras.callbacks.Callback):
    """Ends `fit` in the midst of a step, as a kill does."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.step:
            raise KeyboardInterrupt


def test_where_the_last_state_cannot_be_read_the_one_before_goes_on(tmp_path, capsys):
    batches = toy.rows(7 * 6)
    whole = toy.model(dropout=0.5)
    fit_resumable(whole, batches, epochs=2, folder=tmp_path / "whole")
    damages = {
        "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
        "empty": lambda path: path.write_bytes(b""),
        "killed between two renames": lambda path: path.unlink(),
    }
    for kind, damage in damages.items():
        folder = tmp_path / kind
        with pytest.raises(KeyboardInterrupt):
            fit_resumable(
                toy.model(dropout=0.5), batches, epochs=2, folder=folder, save_every_steps=1, callbacks=(StopAt(4),)
            )
        damage(folder / "state.safetensors")
        steps, again = [], toy.model(dropout=0.5)
        fit_resumable(again, batches, epochs=2, folder=folder, callbacks=(count_steps(steps),))
        # Steps 1 to 4 were saved; the state of step 3 is the one before.
        assert steps == [3, 4, 5, 0, 1, 2, 3, 4, 5]
        assert toy.largest_difference(toy.weights(whole), toy.weights(again)) == 0.0
        error = capsys.readouterr().err
        told = "cannot be read" in error and "going on from the one before, state_before.safetensors" in error
        assert told == (kind != "killed between two renames")
        assert "at epoch or evaluation 1, step 3" in error or not told


def test_two_states_that_cannot_be_read_are_refused(tmp_path):
    fit_resumable(toy.model(), toy.rows(14), epochs=2, folder=tmp_path)
    for name in ("state.safetensors", "state_before.safetensors"):
        (tmp_path / name).write_bytes(b"half")
    with pytest.raises(InputError, match=r"state\.safetensors: .*; .*state_before\.safetensors: .* Delete the file"):
        fit_resumable(toy.model(), toy.rows(14), epochs=3, folder=tmp_path)


def test_best_weights_that_cannot_be_read_are_named(tmp_path):
    validation = toy.rows(20, seed=1)
    fit_resumable(toy.model(), toy.rows(14), epochs=1, folder=tmp_path, validation=validation)
    best = tmp_path / "best.weights.h5"
    best.write_bytes(best.read_bytes()[:-500])
    with pytest.raises(InputError, match=r"best\.weights\.h5: the best weights cannot be read .*Delete .* to train"):
        fit_resumable(toy.model(), toy.rows(14), epochs=1, folder=tmp_path, validation=validation)


class Terminate(keras.callbacks.Callback):
    """Sends SIGTERM to this process in the third step, or in the first evaluation."""

    def __init__(self, when):
        super().__init__()
        self.when = when

    def on_train_batch_end(self, batch, logs=None):
        if self.when == "step" and batch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_test_batch_begin(self, batch, logs=None):
        if self.when == "evaluation":
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("when", ["step", "evaluation"])
def test_sigterm_saves_the_step_that_runs_and_then_takes_its_course(tmp_path, when):
    batches, validation = toy.rows(7 * 6), toy.rows(20, seed=1)
    options = {"epochs": 1, "folder": tmp_path / "run", "validation": validation}
    whole = toy.model(dropout=0.5)
    expected = fit_resumable(whole, batches, epochs=1, folder=tmp_path / "whole", validation=validation)

    class Course(BaseException):
        pass

    def course(number, frame):
        raise Course

    previous = signal.signal(signal.SIGTERM, course)
    try:
        with pytest.raises(Course):
            fit_resumable(toy.model(dropout=0.5), batches, callbacks=(Terminate(when),), **options)
        assert signal.getsignal(signal.SIGTERM) == course
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert (tmp_path / "run" / "state.safetensors").exists() == (when == "step")
    steps, again = [], toy.model(dropout=0.5)
    assert fit_resumable(again, batches, callbacks=(count_steps(steps),), **options) == expected
    assert steps == ([3, 4, 5] if when == "step" else [0, 1, 2, 3, 4, 5])
    assert toy.largest_difference(toy.weights(whole), toy.weights(again)) == 0.0


def test_what_a_check_refuses_is_not_saved(tmp_path):
    calls = []

    def check():
        calls.append(None)
        if len(calls) == 3:
            raise InputError("the corpus was changed")

    with pytest.raises(InputError, match="the corpus was changed"):
        fit_resumable(toy.model(), toy.rows(7 * 6), epochs=1, folder=tmp_path, save_every_steps=1, check=check)
    steps = []
    fit_resumable(toy.model(), toy.rows(7 * 6), epochs=1, folder=tmp_path, callbacks=(count_steps(steps),))
    assert steps == [2, 3, 4, 5]


def test_who_keeps_something_is_told_what_was_done_where_nothing_is_left_to_do(tmp_path):
    """A run may be killed after its training, and its report needs what such a callback kept."""
    told = []

    class Keeper(ResumedCallback):
        def on_resume(self, history):
            told.append(len(history))

    for _ in range(2):
        fit_resumable(toy.model(), toy.rows(14), epochs=2, folder=tmp_path, callbacks=(Keeper(),))
    assert told == [0, 2]


def test_a_diverged_state_is_not_saved(tmp_path):
    model = toy.model()
    fit_resumable(model, toy.rows(14), epochs=1, folder=tmp_path)
    good = (tmp_path / "state.safetensors").read_bytes()

    class Diverge(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.trainable_variables[0].assign(np.full((30, 8), np.nan))

    with pytest.raises(InputError, match="diverged"):
        fit_resumable(toy.model(), toy.rows(14), epochs=2, folder=tmp_path, callbacks=(Diverge(),))
    assert (tmp_path / "state.safetensors").read_bytes() == good


def test_diverging_names_the_step_and_what_was_kept(tmp_path):
    class Diverge(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 2:
                self.model.trainable_variables[0].assign(np.full((30, 8), np.nan))

    for done, kept in (
        (0, r"diverged\. Lower"),
        (1, r"diverged\. .*state\.safetensors still holds the last good state"),
    ):
        folder = tmp_path / str(done)
        if done:
            fit_resumable(toy.model(), toy.rows(28), epochs=1, folder=folder)
        with pytest.raises(DivergedError, match=kept) as stopped:
            fit_resumable(toy.model(), toy.rows(28), epochs=2, folder=folder, callbacks=(Diverge(),))
        assert stopped.value.step == 4 * done + 3
        assert len(stopped.value.history) == done


def test_an_evaluation_that_is_not_finite_stops_training_too(tmp_path):
    """Weights that are finite and too large to compute with are no good state."""

    class Overflow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                for variable in self.model.trainable_variables:
                    variable.assign(np.full(variable.shape, 3e38))

    with pytest.raises(DivergedError, match=r"val_loss is (nan|inf) at step 4: training has diverged\. Lower"):
        fit_resumable(
            toy.model(),
            toy.rows(28),
            epochs=1,
            folder=tmp_path,
            validation=toy.rows(20, seed=1),
            keep_best=False,
            callbacks=(Overflow(),),
        )
    assert list(tmp_path.iterdir()) == []


def test_epochs_of_another_length_are_refused(tmp_path):
    """They would begin elsewhere in the rows; more of the same length are what the run may go on with."""
    fit_resumable(toy.model(), toy.rows(28), epochs=1, folder=tmp_path)
    with pytest.raises(InputError, match=r"state\.safetensors: this state counts .* of 4 steps; now one has 5"):
        fit_resumable(toy.model(), toy.rows(35), epochs=2, folder=tmp_path)
    assert len(fit_resumable(toy.model(), toy.rows(28), epochs=2, folder=tmp_path)) == 2


def test_saves_by_the_clock(tmp_path):
    class Wait(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                time.sleep(0.3)
                raise KeyboardInterrupt

    batches = toy.rows(7 * 6)
    with pytest.raises(KeyboardInterrupt):
        fit_resumable(toy.model(), batches, epochs=1, folder=tmp_path, save_every_seconds=0.0, callbacks=(Wait(),))
    steps = []

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.extend([batch] if logs else [])

    fit_resumable(toy.model(), batches, epochs=1, folder=tmp_path, callbacks=(Count(),))
    assert steps == [3, 4, 5]
