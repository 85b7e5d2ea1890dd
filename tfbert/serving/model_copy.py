"""A model of its own for an export."""

import tensorflow as tf


def copied(model, dtype: str | None = None):
    """Return a copy whose variables belong to no distribution strategy and no optimizer.

    Args:
        model: a classifier or pretrainer.
        dtype: name of the copy's dtype policy; None for the model's.
    """
    config = model.get_config()
    if dtype:
        config["encoder"]["config"]["dtype"] = dtype
    with tf.distribute.get_strategy().scope():
        copy = type(model).from_config(config)
        copy.set_weights(model.get_weights())
    return copy
