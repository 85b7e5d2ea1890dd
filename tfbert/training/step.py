"""The train step: one global batch, whatever the number of replicas and micro-batches."""

from typing import Any

import keras
import tensorflow as tf
from keras.src.models.functional import Functional

from tfbert.errors import InputError
from tfbert.training.optimizers import ClipAfterAllReduce

_SPARSE_LOSSES = (keras.losses.SparseCategoricalCrossentropy, keras.losses.sparse_categorical_crossentropy)


# What the class below is mixed into is Keras's; this tells type checkers so.
_Mixin: Any = object


class GlobalBatchTraining(_Mixin):
    """The part of a Keras model that makes `fit` train on the global batch, not on the mean of its replicas' means.

    Keras 3.15 averages each replica's loss on its own, clips each replica's gradient before the sum over replicas and
    cannot accumulate gradients or compile under `tf.distribute`. Here one step is, for rows i with weights wᵢ and
    losses lᵢ over all replicas and micro-batches,

        W = Σ wᵢ        L = Σ wᵢ·lᵢ / W + Σ (losses that layers added)        g = ∇L, summed over replicas once

    and then `optimizer.apply(g)`. `BertAdamW` clips g after that sum. The forward and backward pass alone is compiled
    by XLA where `jit_compile=True`, so that this works with several replicas too.

    Dropout is a function of (seed, optimizer step, replica, micro-batch, layer): each step hands every
    `keras.random.SeedGenerator` of the model a seed drawn from these, and none is stored. A run that is resumed
    therefore draws what it would have drawn.

    `fit`, `evaluate`, `predict`, `train_on_batch`, callbacks and saving are Keras's. Use it as `GlobalBatchModel` or
    `GlobalBatchFunctional`.
    """

    train_function: Any
    test_function: Any

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        jit_compile=False,
        auto_scale_loss=True,
        steps_per_execution=1,
        loss_weights=None,
        micro_batches: int = 1,
        seed: int = 0,
    ):
        """Configure training as `keras.Model.compile` does, with these differences.

        Args:
            optimizer: any Keras optimizer that neither clips nor accumulates by itself under several replicas;
                `BertAdamW` clips where it is right to.
            loss: one `keras.losses.Loss`, its name, or a function of (y_true, y_pred) giving a loss for each element.
                It is reduced here, as Σ(w·l)/Σw in float32 over the global batch: its own `reduction` has no part in
                it.
            metrics, weighted_metrics, run_eagerly, auto_scale_loss: Keras's.
            steps_per_execution, loss_weights: refused unless they do nothing.
            jit_compile: whether XLA compiles the forward and backward pass of each replica; default False.
            micro_batches: parts into which each replica cuts its rows, to bound the memory of activations; the
                gradients are those of the whole batch. Default 1.
            seed: fixes dropout, together with the optimizer's step; default 0.

        Raises:
            InputError: for settings that this step would ignore or get wrong.
        """
        optimizer = keras.optimizers.get(optimizer)
        if micro_batches < 1:
            raise InputError(f"micro_batches must be at least 1; received {micro_batches}.")
        if optimizer.gradient_accumulation_steps:
            raise InputError(
                "gradient_accumulation_steps fails under tf.distribute (keras issue 20582): compile with "
                f"micro_batches={optimizer.gradient_accumulation_steps} instead and give the optimizer none."
            )
        clips = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(optimizer, name, None)]
        if auto_scale_loss and self.dtype_policy.name == "mixed_float16":
            # Keras scales the loss, and asks the first replica alone whether the gradients are finite.
            clips.append("loss scaling")
        if clips and not isinstance(optimizer, ClipAfterAllReduce) and self._num_replicas > 1:
            raise InputError(
                f"{type(optimizer).__name__} applies {', '.join(clips)} to each replica's gradient before the sum over "
                f"{self._num_replicas} replicas, which gives another result: use "
                "tfbert.training.BertAdamW, or mix tfbert.training.ClipAfterAllReduce into yours."
            )
        if isinstance(loss, dict | list | tuple) or loss_weights is not None:
            raise InputError(f"this step takes one loss without loss_weights; received {loss}, {loss_weights}.")
        if steps_per_execution != 1:
            raise InputError(
                "steps_per_execution must be 1: Keras's loop over steps fails with a learning-rate schedule under "
                f"several replicas; received {steps_per_execution}."
            )
        if isinstance(loss, str):
            loss = keras.losses.get(loss)
        super().compile(
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            run_eagerly=run_eagerly,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        # Keras's reduction of the loss is not used.
        self._compile_loss = None
        self._micro_batches = micro_batches
        self._seed = seed
        self._steps_to_skip = 0

    def get_compile_config(self):
        """Return what `compile` was given, serialized; Keras saves it with the model."""
        config = super().get_compile_config()
        return {**config, "micro_batches": self._micro_batches, "seed": self._seed} if self.compiled else config

    def compile_from_config(self, config):
        """Compile as `get_compile_config` says."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    @property
    def _num_replicas(self) -> int:
        return self.distribute_strategy.num_replicas_in_sync

    def skip_steps(self, steps: int) -> None:
        """Let the next `steps` calls of the train function do nothing, because a resumed run has done them already."""
        self._steps_to_skip = steps

    def weighted_losses(self, x, y, y_pred):
        """Return the unreduced float32 losses, of the shape that the weights must have; override for other losses.

        A model with several losses returns a dict of them, and dicts with the same keys from `loss_weights`,
        `loss_coefficients` and `loss_trackers`. Each is divided by its own sum of weights.
        """
        call = self.loss.call if isinstance(self.loss, keras.losses.Loss) else self.loss
        return call(y, tf.cast(y_pred, tf.float32))

    def loss_weights(self, x, y, sample_weight):
        """Return the float32 weight of each loss: `sample_weight`, or ones. Needed before the forward pass."""
        if sample_weight is not None:
            return tf.cast(sample_weight, tf.float32)
        sparse = isinstance(self.loss, _SPARSE_LOSSES[:1]) or self.loss is _SPARSE_LOSSES[1]
        return tf.ones(tf.shape(y) if sparse or y.shape.rank == 1 else tf.shape(y)[:-1], tf.float32)

    @property
    def loss_coefficients(self):
        """The factor of each loss in the sum."""
        return 1.0

    @property
    def loss_trackers(self):
        """The metrics, in a list for each loss, that are given its mean."""
        return [self._loss_tracker]

    def get_metrics_result(self):
        """Return the metrics; `loss` is the sum of several losses where there are several."""
        results = super().get_metrics_result()
        if isinstance(self.loss_coefficients, dict):
            means = {name: trackers[0].result() for name, trackers in self.loss_trackers.items()}
            results["loss"] = sum(factor * means[name] for name, factor in self.loss_coefficients.items())
        return results

    # One replica's part -----------------------------------------------------------------------------------------

    def _train_replica(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        replica = tf.distribute.get_replica_context()
        weights = self.loss_weights(x, y, sample_weight)
        total_weights = replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.nest.map_structure(tf.reduce_sum, weights))
        step = tf.cast(self.optimizer.iterations, tf.int64)
        draw = step * self._num_replicas + tf.cast(replica.replica_id_in_sync_group, tf.int64)
        forward_backward = self._forward_backward
        if self.jit_compile and not self.run_eagerly:
            forward_backward = tf.function(forward_backward, jit_compile=True, autograph=False)

        def micro_batch(index):
            """Forward, backward and metrics of one micro-batch; returns its gradients."""
            x_i, y_i, sample_weight_i, weights_i = keras.tree.map_structure(
                lambda tensor: _part(tensor, index, self._micro_batches), (x, y, sample_weight, weights)
            )
            gradients, sums, y_pred = forward_backward(
                x_i, y_i, weights_i, total_weights, draw * self._micro_batches + tf.cast(index, tf.int64)
            )
            self._track_losses(sums, weights_i)
            self.compute_metrics(x_i, y_i, y_pred, sample_weight=sample_weight_i)
            return gradients

        gradients = micro_batch(tf.constant(0))
        if self._micro_batches > 1:
            _, gradients = tf.while_loop(
                lambda index, _: index < self._micro_batches,
                lambda index, sums: (index + 1, [a + b for a, b in zip(sums, micro_batch(index), strict=True)]),
                (tf.constant(1), gradients),
                parallel_iterations=1,
            )
        self._apply(gradients, replica)

    def _track_losses(self, sums, weights):
        """Give the trackers each loss's mean over these rows; `sums` are of w·l."""
        trackers = self.loss_trackers
        several = isinstance(trackers, dict)
        for name in trackers if several else (None,):
            total, weight = (part[name] if several else part for part in (sums, weights))
            weight = tf.reduce_sum(weight)
            for tracker in trackers[name] if several else trackers:
                tracker.update_state(tf.math.divide_no_nan(total, weight), sample_weight=weight)

    def _forward_backward(self, x, y, weights, total_weights, draw):
        """Return the gradients of Σ w·l / W over these rows, the Σ w·l, and the outputs; touches no state."""
        variables = self.trainable_variables
        seed_states = [v for v in self.non_trainable_variables if v.name == "seed_generator_state"]
        seeds = tf.random.stateless_uniform(
            [len(seed_states), 2], tf.stack([tf.constant(self._seed, tf.int64), draw]), None, None, tf.int64
        )
        with tf.GradientTape() as tape:
            with keras.StatelessScope(zip(seed_states, tf.unstack(seeds, len(seed_states)), strict=True)) as scope:
                y_pred = self(x, training=True)
            sums = tf.nest.map_structure(_weighted_sum, self.weighted_losses(x, y, y_pred), weights)
            means = tf.nest.map_structure(tf.math.divide_no_nan, sums, total_weights)
            terms = tf.nest.map_structure(lambda factor, mean: factor * mean, self.loss_coefficients, means)
            loss = tf.add_n(tf.nest.flatten(terms))
            added = [tf.cast(term, tf.float32) for term in self.losses]
            objective = loss + tf.add_n(added) / (self._num_replicas * self._micro_batches) if added else loss
            scaled = self.optimizer.scale_loss(objective)
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        stateful = [
            v.path
            for v in self.non_trainable_variables
            if v.name != "seed_generator_state" and scope.get_current_value(v) is not None
        ]
        if stateful:
            raise InputError(
                f"this step cannot train layers that update state in the forward pass: {', '.join(stateful)}. "
                "Use layer normalization, or keras.Model's own step."
            )
        missing = [v.path for v, gradient in zip(variables, gradients, strict=True) if gradient is None]
        if missing:
            raise InputError(
                f"the loss does not depend on {', '.join(missing)}: set trainable=False on their layers before compile."
            )
        several = self._num_replicas > 1 or self._micro_batches > 1
        if several or self.jit_compile or not getattr(self.optimizer, "takes_sparse_gradients", False):
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        return gradients, sums, y_pred

    def _apply(self, gradients, replica):
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        if not isinstance(optimizer, ClipAfterAllReduce):
            # Keras's optimizers sum over replicas themselves.
            self.optimizer.apply(gradients, self.trainable_variables)
            return
        gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        with optimizer.summed_gradients():
            self.optimizer.apply(gradients, self.trainable_variables)

    def _test_replica(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        weights = self.loss_weights(x, y, sample_weight)
        self._track_losses(tf.nest.map_structure(_weighted_sum, self.weighted_losses(x, y, y_pred), weights), weights)
        self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    # Keras's entry points ---------------------------------------------------------------------------------------

    def _step_function(self, replica_step):
        def on_batch(data):
            self.distribute_strategy.run(replica_step, args=(data,))
            return self.get_metrics_result()

        def on_iterator(iterator):
            return on_batch(iterator.get_next())

        if not self.run_eagerly:
            on_batch = tf.function(on_batch, reduce_retracing=True, autograph=False)
            on_iterator = tf.function(on_iterator, autograph=False)

        def function(iterator):
            if isinstance(iterator, tf.data.Iterator | tf.distribute.DistributedIterator):
                return on_iterator(iterator)
            return on_batch(keras.tree.map_structure(_tensor, next(iterator)))

        return function

    def make_train_function(self, force=False):
        """Make `train_function`, which `fit` and `train_on_batch` call with an iterator of batches."""
        if self.train_function is None or force:
            step = self._step_function(self._train_replica)

            def function(iterator):
                if self._steps_to_skip:
                    self._steps_to_skip -= 1
                    return {}
                return step(iterator)

            self.train_function = function
        return self.train_function

    def make_test_function(self, force=False):
        """Make `test_function`, which `evaluate` calls with an iterator of batches."""
        if self.test_function is None or force:
            self.test_function = self._step_function(self._test_replica)
        return self.test_function

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras's own reads a batch before every evaluation, and reduces it over replicas, which fails under
        # MultiWorkerMirroredStrategy (keras issue 20585). One local part tells the shapes as well, where any are asked.
        metrics_built = self._compile_metrics is None or self._compile_metrics.built
        if iterator is not None and not (metrics_built and all(layer.built for layer in self._flatten_layers())):
            _, _, batches = next(iter(iterator))
            data_batch = tf.nest.map_structure(
                lambda value: self.distribute_strategy.experimental_local_results(value)[0], next(batches)
            )
        with self.distribute_strategy.scope():
            self._symbolic_build(data_batch=data_batch)


class GlobalBatchModel(GlobalBatchTraining, keras.Model):
    """A model to derive from, with its layers made in `__init__` and used in `call`; trains as the base class says."""

    def __init__(self, *args, **kwargs):
        if args or {"inputs", "outputs"} & set(kwargs):
            # Keras would turn this class itself, and with it every model derived from it, into a functional one.
            raise TypeError("GlobalBatchModel is for subclasses: make a functional model with GlobalBatchFunctional.")
        super().__init__(**kwargs)


@keras.saving.register_keras_serializable(package="tfbert")
class GlobalBatchFunctional(GlobalBatchTraining, Functional):
    """A functional model, `GlobalBatchFunctional(inputs, outputs)`, that trains as the base class says."""


def _weighted_sum(losses, weights):
    if losses.shape.rank != weights.shape.rank:
        raise InputError(
            f"the weights must have the shape of the losses: weights {weights.shape}, losses {losses.shape}. "
            "Pass one sample weight for each loss."
        )
    return tf.reduce_sum(losses * weights)


def _part(tensor, index, parts):
    """Rows of part `index` when the rows of `tensor` are cut into `parts` parts that differ by one row at most."""
    if tensor is None or parts == 1:
        return tensor
    rows = tf.shape(tensor)[0]
    return tensor[rows * index // parts : rows * (index + 1) // parts]


def _tensor(value):
    return None if value is None else tf.convert_to_tensor(value)
