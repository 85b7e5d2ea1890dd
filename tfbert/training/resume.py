"""Training that can be killed at any moment and goes on bit for bit as if it had not been."""

import contextlib
import json
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import safetensors
import tensorflow as tf
from safetensors.numpy import save_file

from tfbert.atomic import written_beside
from tfbert.errors import InputError
from tfbert.training.step import GlobalBatchModel
from tfbert.training.workers import Workers

_STATE, _STATE_BEFORE = "state.safetensors", "state_before.safetensors"
_BEST = "best.weights.h5"


class DivergedError(InputError):
    """The loss or a weight was not finite at `step`, counted from 1; `history` has the logs of the epochs before."""

    def __init__(self, message: str, step: int, history: list[dict[str, float]]):
        super().__init__(message)
        self.step = step
        self.history = history


class TrainingBatches(Protocol):
    """Batches that are a function of (epoch, step), such as `tfbert.data.LengthBatches`."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches an epoch."""

    def training_dataset(self, epochs: int, first_epoch: int = 0, first_step: int = 0) -> tf.data.Dataset:
        """Return the batches of epochs `first_epoch` to `epochs - 1`, the first `first_step` left out."""


class EvaluationBatches(Protocol):
    """Batches that are the same at every evaluation."""

    def evaluation_dataset(self) -> tf.data.Dataset:
        """Return them."""


class ResumedCallback(keras.callbacks.Callback):
    """A callback that is told what was done before, when training goes on, or has nothing left to do."""

    def on_resume(self, history: list[dict[str, float]]) -> None:
        """Take the logs of the epochs that are done; empty at the start."""


def fit_resumable(
    model: GlobalBatchModel,
    batches: TrainingBatches,
    *,
    epochs: int,
    folder: Path | str,
    validation: EvaluationBatches | None = None,
    keep_best: bool = True,
    patience: int | None = None,
    save_every_seconds: float = 120.0,
    save_every_steps: int | None = None,
    check: Callable[[], None] | None = None,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
) -> list[dict[str, float]]:
    """Run `model.fit` from where the last run with this folder was, and return the logs of every epoch.

    Saved are the weights, the optimizer, the running metrics and the position in the epoch, in one file that is
    replaced whole; the one before stays beside it, and training goes on from that one where the last cannot be read.
    SIGTERM saves after the step that runs, and then takes its course. Batches and dropout are functions of (seed,
    epoch, step), so nothing else is needed. With `validation` and `keep_best`, the model ends with the weights of the
    epoch whose `val_loss` was least, else with the last. A loss, a metric or a weight that is not finite stops training
    before it is saved.

    Args:
        model: compiled; built under the strategy it trains with.
        batches: the training rows.
        epochs: how many epochs the whole training has.
        folder: where the state lies; made if absent.
        validation: rows to evaluate after each epoch.
        keep_best: see above.
        patience: stop when `val_loss` has not fallen for this many epochs; None trains all epochs.
        save_every_seconds: seconds between two saves inside an epoch; one is always made at its end.
        save_every_steps: save every so many steps instead.
        check: called before each save; what it raises ends training, with the state as it was.
        callbacks: further Keras callbacks; what they put into the logs of an epoch is kept.

    Raises:
        InputError: if the state in `folder` is of another model, counts other epochs or cannot be read.
        DivergedError: the loss, a metric or a weight is no longer finite.
    """
    folder = Path(folder)
    workers = Workers(model.distribute_strategy)
    if workers.is_chief:
        folder.mkdir(parents=True, exist_ok=True)
    with model.distribute_strategy.scope():
        model.optimizer.build(model.trainable_variables)
    state = _SavedState(folder, batches.steps_per_epoch, save_every_seconds, save_every_steps, check, workers)
    state.restore(model)
    best = _BestWeights(folder / _BEST, patience, state) if validation is not None and keep_best else None
    # Those that keep something are told where all is done, too: a run may have been killed after its training.
    for callback in callbacks:
        if isinstance(callback, ResumedCallback):
            callback.on_resume(state.history)
    if state.epoch < epochs and not (best and best.exhausted()):
        held_out = None if validation is None else validation.evaluation_dataset()
        with state.saved_on_termination():
            model.fit(
                # Keras counts the skipped steps as read, so it must not know how many batches are left.
                batches.training_dataset(epochs, state.epoch, state.step).repeat(),
                initial_epoch=state.epoch,
                epochs=epochs,
                steps_per_epoch=batches.steps_per_epoch,
                # Told the number of batches, Keras starts reading once an evaluation and not twice.
                validation_data=None if held_out is None else held_out.repeat(),
                validation_steps=None if held_out is None else int(held_out.cardinality()),
                callbacks=[*callbacks, *([best] if best else []), state],
                shuffle=False,
                verbose=0,
            )
    if best:
        workers.wait()
        best.load(model)
    return state.history


class _SavedState(keras.callbacks.Callback):
    """Saves and restores all that a step depends on; `epoch` and `step` say where training is."""

    def __init__(
        self,
        folder: Path,
        steps_per_epoch: int,
        every_seconds: float,
        every_steps: int | None,
        check: Callable[[], None] | None,
        workers: Workers,
    ):
        super().__init__()
        self.path, self.path_before = folder / _STATE, folder / _STATE_BEFORE
        self.steps_per_epoch = steps_per_epoch
        self.every_seconds = every_seconds
        self.every_steps = every_steps
        self.check = check
        self.workers = workers
        self.epoch = 0
        self.step = 0
        self.history: list[dict[str, float]] = []
        self._metric_values: list[np.ndarray] = []
        self._last_save = time.monotonic()
        self._terminated = False

    @contextlib.contextmanager
    def saved_on_termination(self) -> Iterator[None]:
        """Within the block SIGTERM waits for the step that runs and a save, then does what it did before."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def wait(number: int, frame: object) -> None:
            self._terminated = True

        previous = signal.signal(signal.SIGTERM, wait)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, previous)
            if self._terminated:
                signal.raise_signal(signal.SIGTERM)

    def restore(self, model: GlobalBatchModel) -> None:
        readable = _last_readable(self.path, self.path_before)
        position = -1 if readable is None else readable[1]["epoch"] * self.steps_per_epoch + readable[1]["step"]
        if self.workers.any(position != self.workers.chiefs(position)):
            raise InputError(
                f"{self.path}: the workers see different states; this one's is "
                f"{'of step ' + str(position) if readable else 'none'}. The folder must be one that all hosts share."
            )
        if readable is None:
            return
        saved, progress = readable
        expected = {name: tuple(variable.shape) for name, variable in _named_variables(model)}
        found = {name: value.shape for name, value in saved.items() if not name.startswith("metric/")}
        if progress["steps_per_epoch"] != self.steps_per_epoch:
            raise InputError(
                f"{self.path}: this state counts epochs (or evaluations) of {progress['steps_per_epoch']} steps; now "
                f"one has {self.steps_per_epoch}. Keep their number of steps as it was, or use a fresh output folder."
            )
        if expected != found:
            differing = sorted(set(expected.items()) ^ set(found.items()))
            raise InputError(
                f"{self.path}: this state is of another model: {differing[:6]} differ. Use a fresh output folder."
            )
        for name, variable in _named_variables(model):
            variable.assign(saved[name])
        self.epoch, self.step, self.history = progress["epoch"], progress["step"], progress["history"]
        self._metric_values = [saved[name] for name in sorted(saved) if name.startswith("metric/")]

    def on_epoch_begin(self, epoch, logs=None):
        # Keras has just reset the metrics; those of the steps that were done before the kill go back in.
        if self._metric_values and self.step:
            own = _metric_parts(self.model)
            replicas = self.model.distribute_strategy.num_replicas_in_sync
            if len(self._metric_values) != replicas * len(own):
                raise InputError(
                    f"{self.path}: this state was saved inside an epoch (or between two evaluations) by another number "
                    f"of replicas than the {replicas} there are now. Start as many, or use a fresh output folder."
                )
            for number, parts in enumerate(own):
                for replica, part in zip(self.workers.own_replicas, parts, strict=True):
                    part.assign(self._metric_values[number * replicas + replica])
            self.model.skip_steps(self.step)
        self._metric_values = []

    def on_train_batch_end(self, batch, logs=None):
        done = batch + 1
        if done <= self.step:
            return
        if not math.isfinite(logs["loss"]):
            self._diverged(done, f"the loss is {logs['loss']}")
        if done == self.steps_per_epoch:
            return
        since = time.monotonic() - self._last_save
        due = done % self.every_steps == 0 if self.every_steps else since > self.every_seconds
        # The chief's clock counts, and any worker's signal.
        if self.workers.any(self._terminated or (due and self.workers.is_chief)):
            self._save(done)
            self._end_if_terminated()

    def on_test_batch_end(self, batch, logs=None):
        # An evaluation is begun anew: what it has found so far is in no state.
        self._end_if_terminated()

    def on_epoch_end(self, epoch, logs=None):
        record = {name: float(value) for name, value in logs.items()}
        for name, value in record.items():
            # Weights can be finite and too large to compute with.
            if not math.isfinite(value):
                self._diverged(self.steps_per_epoch, f"{name} is {value}")
        self.epoch = epoch + 1
        self.history = [*self.history, record]
        self._save(0)
        self._end_if_terminated()

    def _end_if_terminated(self) -> None:
        if self._terminated:
            # Leaves `fit` at once; on the way out the signal is raised again, for whoever handled it before.
            raise SystemExit(128 + signal.SIGTERM)

    def _diverged(self, step: int, what: str) -> None:
        step += self.epoch * self.steps_per_epoch
        kept = f" {self.path} still holds the last good state." if self.path.exists() else ""
        raise DivergedError(
            f"{what} at step {step}: training has diverged.{kept} Lower the learning rate, raise the warm-up or use "
            "another precision, in a fresh folder.",
            step,
            self.history,
        )

    def _save(self, step: int) -> None:
        if self.check:
            self.check()
        tensors = {name: np.asarray(variable.numpy()) for name, variable in _named_variables(self.model)}
        # After the epoch's last step `epoch` is the next one, and `step` 0.
        wrong = [name for name, value in tensors.items() if value.dtype.kind == "f" and not np.isfinite(value).all()]
        if wrong:
            self._diverged(step, f"{len(wrong)} variables are not finite, {wrong[0]} among them,")
        self.step = step
        parts = self.workers.of_all_replicas(_metric_parts(self.model))
        for index, value in enumerate(value for parts_of_one in parts for value in parts_of_one):
            tensors[f"metric/{index:05d}"] = np.asarray(value)
        self._last_save = time.monotonic()
        if not self.workers.is_chief:
            return
        progress = {
            "epoch": self.epoch,
            "step": step,
            "steps_per_epoch": self.steps_per_epoch,
            "history": self.history,
        }
        with written_beside(self.path) as partial:
            save_file(tensors, partial, metadata={"progress": json.dumps(progress)})
            if self.path.exists():
                self.path.replace(self.path_before)


def _last_readable(*paths: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Return the tensors and the progress in the first of the files that can be read; None where there is no file.

    Raises:
        InputError: there are files, and none can be read.
    """
    faults = []
    for path in filter(Path.exists, paths):
        try:
            with safetensors.safe_open(path, framework="numpy") as file:
                saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
                progress = json.loads(file.metadata()["progress"])
        except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
            faults.append(f"{path}: the saved training state cannot be read ({error})")
            continue
        if faults:
            where = f"epoch or evaluation {progress['epoch'] + 1}, step {progress['step']}"
            print(f"{faults[0]}; going on from the one before, {path.name}, at {where}", file=sys.stderr, flush=True)
        return saved, progress
    if faults:
        raise InputError(f"{'; '.join(faults)}. Delete the file to start over.")
    return None


class _BestWeights(keras.callbacks.Callback):
    """Keeps the weights with the least `val_loss`; all it remembers is the history, which the state holds."""

    def __init__(self, path: Path, patience: int | None, state: _SavedState):
        super().__init__()
        self.path = path
        self.patience = patience
        self.writes = state.workers.is_chief
        self.losses = [logs["val_loss"] for logs in state.history if "val_loss" in logs]

    def exhausted(self) -> bool:
        if self.patience is None or not self.losses:
            return False
        return len(self.losses) - 1 - int(np.argmin(self.losses)) >= self.patience

    def load(self, model: GlobalBatchModel) -> None:
        try:
            model.load_weights(self.path)
        except (OSError, KeyError, ValueError) as error:
            raise InputError(
                f"{self.path}: the best weights cannot be read ({error}). Delete {self.path.parent} to train again."
            ) from error

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(float(logs["val_loss"]))
        if np.argmin(self.losses) == len(self.losses) - 1:
            if self.writes:
                with written_beside(self.path) as partial:
                    self.model.save_weights(partial)
        elif self.exhausted():
            self.model.stop_training = True


def _named_variables(model: GlobalBatchModel) -> list[tuple[str, Any]]:
    """Name each variable that a step reads or writes, but for metrics and dropout's seeds, which are redrawn."""
    weights = [v for v in model.variables if v.name != "seed_generator_state" and not _in(v, model.metrics_variables)]
    return [(f"model/{i:05d}/{v.name}", v) for i, v in enumerate(weights)] + [
        (f"optimizer/{i:05d}", v) for i, v in enumerate(model.optimizer.variables)
    ]


def _metric_parts(model: GlobalBatchModel) -> list[Any]:
    """Return of each running sum the part of each replica here: put back as one sum they would round otherwise."""
    local = model.distribute_strategy.experimental_local_results
    return [local(variable.value) for variable in model.metrics_variables]


def _in(variable, variables) -> bool:
    return any(variable is other for other in variables)
