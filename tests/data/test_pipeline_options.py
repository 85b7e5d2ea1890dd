import tensorflow as tf

from tfbert.data.pipeline_options import NUM_THREADS, pipeline_options


def test_one_order_and_nothing_tuned_while_it_runs():
    """The order is checked on a map whose later elements are ready first."""
    options = pipeline_options()
    assert options.autotune.enabled is False
    assert options.experimental_distribute.auto_shard_policy == tf.data.experimental.AutoShardPolicy.DATA

    @tf.autograph.experimental.do_not_convert
    def slow_at_first(number):
        work = tf.random.stateless_uniform([tf.where(number < 4, 2_000_000, 1)], [0, number])
        return number + tf.cast(tf.reduce_min(work) < 0, tf.int64)

    dataset = tf.data.Dataset.range(64).with_options(pipeline_options()).map(slow_at_first, num_parallel_calls=8)
    assert [*dataset.as_numpy_iterator()] == [*range(64)]
    assert NUM_THREADS >= 1
