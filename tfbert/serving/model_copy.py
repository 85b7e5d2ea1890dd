"""A model of its own for an export."""

import tensorflow as tf


def copied(model, dtype: str = "float32"):
    """Return a copy whose variables belong to no distribution strategy and no optimizer.

    Args:
        model: a classifier or pretrainer.
        dtype: name of the copy's dtype policy. Not the model's: what was trained in half precision on a GPU is served
            on CPUs too, most of which are many times slower in it.
    """
    config = model.get_config()
    config["encoder"]["config"]["dtype"] = dtype
    with tf.distribute.get_strategy().scope():
        copy = type(model).from_config(config)
        copy.set_weights(model.get_weights())
    return copy
