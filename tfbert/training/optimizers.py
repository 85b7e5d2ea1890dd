"""BERT's optimizer, clipping where distributed training needs it."""

import contextlib
import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfbert.errors import InputError

_BIASES_AND_GAINS = ("bias", "gamma", "beta")
_COMPILED_FROM = 1 << 18
"""Elements from which XLA compiles a variable's update, some 0.2 s for each shape: small models start at once."""


# What the class below is mixed into is Keras's; this tells type checkers so.
_Mixin: Any = object


class ClipAfterAllReduce(_Mixin):
    """Mix in before a Keras optimizer to clip the gradient of the global batch.

    Keras clips each replica's own gradient before the sum over replicas, which loosens the limit with every replica.
    Here the gradients are made dense, summed over replicas, and then scaled by min(1, c / ‖g‖) with
    c = `global_clipnorm` and the norm over all variables. `clipnorm` and `clipvalue` are not offered.
    """

    _gradients_are_summed = False

    @contextlib.contextmanager
    def summed_gradients(self):
        """Inside, `apply` takes gradients that the caller has summed over replicas, each replica holding the sum.

        `GlobalBatchModel` sums them itself, so that under loss scaling every replica sees the same overflow.
        """
        self._gradients_are_summed = True
        try:
            yield
        finally:
            self._gradients_are_summed = False

    def _clip_gradients(self, grads):
        return grads

    def _all_reduce_sum_gradients(self, grads_and_vars):
        if not self._gradients_are_summed:
            grads_and_vars = [(tf.convert_to_tensor(gradient), variable) for gradient, variable in grads_and_vars]
            grads_and_vars = super()._all_reduce_sum_gradients(grads_and_vars)
        gradients, variables = zip(*grads_and_vars, strict=True)
        return list(zip(self._clip_sums(gradients), variables, strict=True))

    def _clip_sums(self, gradients):
        if self.global_clipnorm is None:
            return gradients
        return tf.clip_by_global_norm(gradients, self.global_clipnorm)[0]


@keras.saving.register_keras_serializable(package="tfbert")
class BertAdamW(ClipAfterAllReduce, keras.optimizers.Optimizer):
    """Adam with decoupled weight decay as BERT was trained with (Devlin et al. 2019, A.2; Loshchilov & Hutter 2019).

    For gradient g, weight w, learning rate η, per-variable multiplier ρ (1 unless set):

        g ← g · min(1, c / ‖g‖)         c = global_clipnorm, the norm over all variables and all replicas
        m ← β₁·m + (1 - β₁)·g           v ← β₂·v + (1 - β₂)·g²
        w ← w - ρ·η·(m / (√v + ε) + λ·w)

    with λ = weight_decay for every variable but biases and layer-norm gains (names `bias`, `gamma`, `beta`): the
    embeddings are decayed. Google's `optimization.py` has no bias correction; `bias_correction=True` divides m and v by
    1 - βᵗ as Kingma & Ba 2015 do.

    The update is one fused pass over each variable: compiled by XLA from 262,144 elements, TensorFlow's kernel below.
    Of a table's gradient only the rows that occur are kept, where `GlobalBatchModel` trains one replica; all of w, m
    and v decay as ever.

    Args:
        learning_rate: float, or a `keras.optimizers.schedules.LearningRateSchedule`.
        weight_decay: λ, default 0.01.
        beta_1, beta_2: β₁, β₂, defaults 0.9 and 0.999.
        epsilon: ε, default 1e-6.
        global_clipnorm: c, default 1.0; None leaves gradients as they are.
        bias_correction: default False.
        name: Keras's.

    Raises:
        InputError: if an argument is outside its range.

    Example:

    >>> weights = keras.Variable([1.0, 1.0], name="kernel")
    >>> BertAdamW(learning_rate=0.1).apply([keras.ops.convert_to_tensor([0.5, 0.0])], [weights])
    >>> [round(float(weight), 3) for weight in weights.numpy()]
    [0.683, 0.999]
    """

    def __init__(
        self,
        learning_rate=1e-4,
        weight_decay: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        global_clipnorm: float | None = 1.0,
        bias_correction: bool = False,
        name: str = "bert_adamw",
    ):
        if not (weight_decay >= 0 and 0 <= beta_1 < 1 and 0 <= beta_2 < 1 and epsilon > 0):
            raise InputError(
                f"{type(self).__name__} needs weight_decay >= 0, beta_1 and beta_2 in [0, 1) and epsilon > 0; received "
                f"weight_decay={weight_decay}, beta_1={beta_1}, beta_2={beta_2}, epsilon={epsilon}."
            )
        if global_clipnorm is not None and global_clipnorm <= 0:
            raise InputError(f"global_clipnorm must be positive or None; received {global_clipnorm}.")
        super().__init__(
            learning_rate=learning_rate, weight_decay=weight_decay, global_clipnorm=global_clipnorm, name=name
        )
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.bias_correction = bias_correction
        self._multipliers: dict = {}

    def set_learning_rate_multiplier(self, variables, multiplier: float) -> None:
        """Give `variables`, a list of `keras.Variable`, the multiplier ρ > 0; others keep 1. Call before training."""
        self._multipliers.update({self._var_key(variable): float(multiplier) for variable in variables})

    def build(self, variables):
        """Create m and v for each of `variables`, float32 zeros."""
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def decays(self, variable) -> bool:
        """Whether weight decay applies to `variable`: not to biases and layer-norm gains."""
        return self.weight_decay > 0 and not self.is_bias_or_gain(variable)

    @staticmethod
    def is_bias_or_gain(variable) -> bool:
        """Whether `variable` is a bias or a layer norm's gain, by its name: `bias`, `gamma`, `beta`."""
        return variable.name.rsplit("/")[-1].split(":")[0] in _BIASES_AND_GAINS

    @property
    def takes_sparse_gradients(self) -> bool:
        """Whether `apply`, inside `summed_gradients`, takes `tf.IndexedSlices` as they are."""
        return self.beta_1 > 0 and self.beta_2 > 0

    def _clip_sums(self, gradients):
        gradients = [_without_repeats(each) if isinstance(each, tf.IndexedSlices) else each for each in gradients]
        # The factor is multiplied in where the gradient is read.
        self._clip_factor = tf.constant(1.0)
        if self.global_clipnorm is not None:
            norm = tf.linalg.global_norm(gradients)
            (self._clip_factor,), _ = tf.clip_by_global_norm([self._clip_factor], self.global_clipnorm, use_norm=norm)
        return gradients

    def update_step(self, gradient, variable, learning_rate):
        """Apply one step to one variable; `gradient` is summed over replicas and not yet clipped."""
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index].value, self._velocities[index].value
        rate = tf.cast(learning_rate, variable.dtype) * self._multipliers.get(self._var_key(variable), 1.0)
        decay = rate * (self.weight_decay if self.decays(self._trainable_variables[index]) else 0.0)
        step = tf.cast(self.iterations + 1, variable.dtype)
        # The kernel multiplies the rate by √(1 - β₂ᵗ)/(1 - β₁ᵗ); powers of zero leave it out.
        powers = [tf.pow(b, step) if self.bias_correction else tf.zeros([]) for b in (self.beta_1, self.beta_2)]
        compiled = math.prod(variable.shape) >= _COMPILED_FROM
        if isinstance(gradient, tf.IndexedSlices):
            if compiled:
                # Added before the moments decay, and divided by that decay, so that the pass over all has none to read.
                rows, indices = self._clip_factor * gradient.values, gradient.indices
                for moment, beta, values in ((momentum, self.beta_1, rows), (velocity, self.beta_2, tf.square(rows))):
                    # Of the float32 β, as the kernel does.
                    moment.scatter_add(tf.IndexedSlices((1 / float(np.float32(beta)) - 1) * values, indices))
                gradient = tf.zeros([])
            else:
                gradient = tf.convert_to_tensor(gradient)
        (_compiled_update if compiled else _update)(
            variable.handle,
            momentum.handle,
            velocity.handle,
            gradient,
            self._clip_factor,
            decay,
            rate,
            powers[0],
            powers[1],
            self.beta_1,
            self.beta_2,
            self.epsilon,
        )

    def _apply_weight_decay(self, variables):
        """Decay in `update_step` instead, where the per-variable rate is known."""

    def get_config(self):
        return {
            "name": self.name,
            "learning_rate": keras.optimizers.schedules.serialize(self._learning_rate)
            if isinstance(self._learning_rate, keras.optimizers.schedules.LearningRateSchedule)
            else float(self._learning_rate.numpy()),
            "weight_decay": self.weight_decay,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "global_clipnorm": self.global_clipnorm,
            "bias_correction": self.bias_correction,
        }


def _without_repeats(gradient: tf.IndexedSlices) -> tf.IndexedSlices:
    """Return the same gradient with each row once."""
    indices, positions = tf.unique(gradient.indices)
    rows = tf.math.unsorted_segment_sum(gradient.values, positions, tf.size(indices))
    return tf.IndexedSlices(rows, indices, gradient.dense_shape)


def _update(weight, momentum, velocity, gradient, factor, decay, rate, beta1_power, beta2_power, beta1, beta2, epsilon):
    """Decay the weight and take Adam's step; the first three are handles of variables, those after `gradient` scalars.

    XLA makes one pass over memory of this.
    """
    value = tf.raw_ops.ReadVariableOp(resource=weight, dtype=gradient.dtype)
    tf.raw_ops.AssignSubVariableOp(resource=weight, value=decay * value)
    tf.raw_ops.ResourceApplyAdam(
        var=weight,
        m=momentum,
        v=velocity,
        beta1_power=beta1_power,
        beta2_power=beta2_power,
        lr=rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        grad=factor * gradient,
    )


@tf.function(
    input_signature=[tf.TensorSpec([], tf.resource)] * 3 + [tf.TensorSpec(None)] + [tf.TensorSpec([])] * 8,
    jit_compile=True,
    autograph=False,
)
def _compiled_update(weight, momentum, velocity, gradient, *scalars):
    """The same; `gradient` may be one number for all."""
    value = tf.raw_ops.ReadVariableOp(resource=weight, dtype=gradient.dtype)
    _update(weight, momentum, velocity, tf.broadcast_to(gradient, tf.shape(value)), *scalars)
