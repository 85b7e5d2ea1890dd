"""How tf.data runs the pipelines of this package."""

import os

import tensorflow as tf

# Threads that make batches; more than eight only wait for the model.
NUM_THREADS = min(os.cpu_count() or 1, 8)


def pipeline_options() -> tf.data.Options:
    """Return options for datasets whose batches have one order, whatever the machine.

    Batches are cut into shares for the replicas, not files. Nothing is tuned while it runs: the tuner's thread misses
    at times the signal to stop, and whoever drops the iterator then waits for it, up to a minute (TensorFlow 2.21).
    """
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    options.deterministic = True
    options.autotune.enabled = False
    return options
