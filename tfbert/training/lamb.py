"""LAMB as published, for batches of thousands of rows."""

import keras
import tensorflow as tf

from tfbert.training.optimizers import BertAdamW, ClipAfterAllReduce


@keras.saving.register_keras_serializable(package="tfbert")
class BertLamb(BertAdamW):
    """Layer-wise adaptive Adam for large batches (You et al. 2020, algorithm 2).

    For gradient g, weight w, learning rate η, per-variable multiplier ρ (1 unless set), at step t from 1:

        g ← g · min(1, c / ‖g‖)         c = global_clipnorm, the norm over all variables and all replicas
        m ← β₁·m + (1 - β₁)·g           v ← β₂·v + (1 - β₂)·g²
        u = (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε) + λ·w
        w ← w - ρ·η·(‖w‖ / ‖u‖)·u

    with λ = weight_decay; the norms of the last line are over one variable, and their ratio is 1 where one of them is
    0. Biases and layer-norm gains (names `bias`, `gamma`, `beta`) are neither decayed nor adapted: λ is 0 and the ratio
    1. The decay stands inside the ratio; Keras's own `Lamb` has it outside and adapts every variable. Clipping is what
    BERT was trained with and no part of algorithm 2: `global_clipnorm=None` leaves it out.

    Args:
        learning_rate: float, or a `keras.optimizers.schedules.LearningRateSchedule`.
        weight_decay: λ, default 0.01.
        beta_1, beta_2: β₁, β₂, defaults 0.9 and 0.999.
        epsilon: ε, default 1e-6.
        global_clipnorm: c, default 1.0; None leaves gradients as they are.
        name: Keras's.

    Raises:
        InputError: if an argument is outside its range.

    Example:

    >>> weights = keras.Variable([3.0, 4.0], name="kernel")
    >>> BertLamb(learning_rate=0.1, weight_decay=0.0).apply([keras.ops.convert_to_tensor([0.5, 0.0])], [weights])
    >>> [round(float(weight), 3) for weight in weights.numpy()]
    [2.5, 4.0]
    """

    def __init__(
        self,
        learning_rate=1e-3,
        weight_decay: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        global_clipnorm: float | None = 1.0,
        name: str = "bert_lamb",
    ):
        super().__init__(
            learning_rate, weight_decay, beta_1, beta_2, epsilon, global_clipnorm, bias_correction=True, name=name
        )

    takes_sparse_gradients = False
    _clip_sums = ClipAfterAllReduce._clip_sums

    def update_step(self, gradient, variable, learning_rate):
        """Apply one step to one variable; `gradient` is dense and already summed over replicas and clipped."""
        index = self._get_variable_index(variable)
        rate = tf.cast(learning_rate, variable.dtype) * self._multipliers.get(self._var_key(variable), 1.0)
        momentum, velocity = self._momentums[index].value, self._velocities[index].value
        momentum.assign_add((1 - self.beta_1) * (gradient - momentum))
        velocity.assign_add((1 - self.beta_2) * (tf.square(gradient) - velocity))
        corrected = momentum / self._bias_correction(self.beta_1, variable.dtype)
        update = corrected / (tf.sqrt(velocity / self._bias_correction(self.beta_2, variable.dtype)) + self.epsilon)
        if not self.is_bias_or_gain(self._trainable_variables[index]):
            update += self.weight_decay * variable
            norms = tf.norm(variable), tf.norm(update)
            rate *= tf.where(tf.reduce_min(norms) > 0, tf.math.divide_no_nan(*norms), 1.0)
        variable.assign_sub(rate * update)

    def _bias_correction(self, beta: float, dtype):
        # In float64: 1 - 0.999 loses four of float32's seven digits.
        return tf.cast(1 - tf.pow(tf.constant(beta, tf.float64), tf.cast(self.iterations + 1, tf.float64)), dtype)

    def get_config(self):
        """Return the constructor's arguments."""
        return {name: value for name, value in super().get_config().items() if name != "bias_correction"}
