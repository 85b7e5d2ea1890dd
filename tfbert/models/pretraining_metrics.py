"""What is watched while a BERT is pre-trained, as Keras metrics."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfbert")
class Perplexity(keras.metrics.Mean):
    """exp(Σ w·l / Σ w) of losses l in nats with weights w."""

    def __init__(self, name: str = "perplexity", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def result(self):
        """Return the perplexity; 1 where there were no weights."""
        return ops.exp(super().result())


@keras.saving.register_keras_serializable(package="tfbert")
class BalancedAccuracy(keras.metrics.Metric):
    """The mean over the classes that occur of the share of each that is recognised: 1/classes for any constant answer.

    Args:
        num_classes: at least 2.

    `update_state` takes labels int `(batch,)` and logits `(batch, classes)`.

    >>> metric = BalancedAccuracy(num_classes=2)
    >>> metric.update_state([0, 1, 1, 1], [[0.0, 9.0]] * 4)
    >>> float(metric.result())
    0.5
    """

    def __init__(self, num_classes: int, name: str = "balanced_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.num_classes = num_classes
        self.recognised = self.add_weight(shape=(num_classes,), initializer="zeros", name="recognised")
        self.seen = self.add_weight(shape=(num_classes,), initializer="zeros", name="seen")

    def update_state(self, y_true, y_pred):
        """Count one batch."""
        classes = ops.one_hot(ops.cast(y_true, "int32"), self.num_classes, dtype=self.dtype)
        right = ops.cast(ops.argmax(y_pred, axis=-1) == ops.cast(y_true, "int32"), self.dtype)
        self.seen.assign_add(ops.sum(classes, axis=0))
        self.recognised.assign_add(ops.sum(classes * right[:, None], axis=0))

    def result(self):
        """Return the balanced accuracy, 0 before the first row."""
        recall = ops.divide_no_nan(self.recognised, self.seen)
        return ops.divide_no_nan(ops.sum(recall), ops.sum(ops.cast(self.seen > 0, self.dtype)))

    def get_config(self):
        """Return the constructor's arguments."""
        return {"num_classes": self.num_classes, "name": self.name, "dtype": self.dtype}
