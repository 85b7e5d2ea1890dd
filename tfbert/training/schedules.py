"""The learning-rate schedule BERT was trained with."""

import keras
from keras import ops

from tfbert.errors import InputError


@keras.saving.register_keras_serializable(package="tfbert")
class LinearWarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from zero, then linear decay to zero (Devlin et al. 2019, appendix A.2).

    With step s counted from 0, warm-up W, total N and peak η, the learning rate is η·s/W while s < W. After that,

    - `continuous=False`, as Google's `optimization.py` computes it: η·(N - s)/N. The decay counts from step 0, so the
      rate drops by W/N of the peak at the end of the warm-up.
    - `continuous=True`, as transformers computes it: η·(N - s)/(N - W).

    Both are 0 from step N on, and with W > 0 step 0 has rate 0.

    Args:
        peak_learning_rate: η, a positive float.
        total_steps: N, optimizer steps in the whole run, at least 1.
        warmup_steps: W, optimizer steps of warm-up, at least 0 and less than N.
        continuous: see above; default False.

    Raises:
        InputError: if an argument is outside its range.

    Example:

    >>> schedule = LinearWarmupDecay(1e-4, total_steps=100, warmup_steps=10)
    >>> [round(float(schedule(step)) * 1e4, 3) for step in (0, 5, 10, 55, 100)]
    [0.0, 0.5, 0.9, 0.45, 0.0]
    """

    def __init__(
        self, peak_learning_rate: float, total_steps: int, warmup_steps: int = 0, continuous: bool = False, name=None
    ):
        super().__init__()
        if not (peak_learning_rate > 0 and total_steps >= 1 and 0 <= warmup_steps < total_steps):
            raise InputError(
                "LinearWarmupDecay needs peak_learning_rate > 0, total_steps >= 1 and 0 <= warmup_steps < total_steps; "
                f"received peak_learning_rate={peak_learning_rate}, total_steps={total_steps}, "
                f"warmup_steps={warmup_steps}. Train for more steps or warm up for fewer."
            )
        self.peak_learning_rate = peak_learning_rate
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.continuous = continuous
        self.name = name

    def __call__(self, step):
        """Return the float32 scalar learning rate of optimizer step `step` (scalar integer)."""
        step = ops.cast(step, "float32")
        decay_steps = self.total_steps - (self.warmup_steps if self.continuous else 0)
        decay = ops.maximum((self.total_steps - step) / decay_steps, 0.0)
        if self.warmup_steps == 0:
            return self.peak_learning_rate * decay
        return self.peak_learning_rate * ops.where(step < self.warmup_steps, step / self.warmup_steps, decay)

    def get_config(self):
        return {
            "peak_learning_rate": self.peak_learning_rate,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "continuous": self.continuous,
            "name": self.name,
        }
