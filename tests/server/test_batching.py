import threading

import numpy as np
import pytest
import tensorflow as tf

from tfbert.errors import InputError
from tfbert.server.batching import (
    BatchingParameters,
    batched,
    can_batch,
    find_batching_config,
    read_batching_parameters,
)

# The example of TensorFlow Serving's servables/tensorflow/../batching/README.md, with its wrapped values.
EXAMPLE = """
max_batch_size { value: 128 }
batch_timeout_micros { value: 0 }
max_enqueued_batches { value: 1000000 }
num_batch_threads { value: 8 }
thread_pool_name { value: "pool" }
"""


def test_the_published_example(tmp_path):
    path = tmp_path / "batching.config"
    path.write_text(EXAMPLE)
    assert read_batching_parameters(path) == BatchingParameters(
        max_batch_size=128,
        max_execution_batch_size=128,
        batch_timeout_micros=0,
        max_enqueued_batches=1000000,
        num_batch_threads=8,
        enable_large_batch_splitting=False,
    )


def test_splitting(tmp_path):
    path = tmp_path / "batching.config"
    path.write_text(
        "max_batch_size { value: 100 } max_execution_batch_size { value: 8 } enable_large_batch_splitting "
        "{ value: true } allowed_batch_sizes: 4 allowed_batch_sizes: 8 pad_variable_length_inputs: true"
    )
    found = read_batching_parameters(path)
    assert (found.max_batch_size, found.execution_rows, found.allowed_batch_sizes) == (100, 8, (4, 8))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch { value: 1 }", "no text of BatchingParameters"),
        ("max_batch_size: 1", "no text of BatchingParameters"),
        ("max_batch_size { value: 0 }", "max_batch_size must be at least 1"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros must be at least 0"),
        ("max_enqueued_batches { value: 0 }", "max_enqueued_batches must be at least 1"),
        ("num_batch_threads { value: 0 }", "num_batch_threads must be at least 1"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 4", "end with the rows of one run, 8"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [8, 4]", "must grow"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [0, 8]", "must grow"),
        (
            "max_batch_size { value: 8 } max_execution_batch_size { value: 9 } "
            "enable_large_batch_splitting { value: true }",
            "at most max_batch_size",
        ),
    ],
)
def test_configs_that_are_refused(tmp_path, text, message):
    path = tmp_path / "batching.config"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_batching_parameters(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no text of BatchingParameters"):
        read_batching_parameters(tmp_path / "a")


def test_where_the_config_is_looked_for(tmp_path):
    model = tmp_path / "reviews"
    model.mkdir()
    assert find_batching_config(model) is None
    (tmp_path / "batching.config").write_text("")
    assert find_batching_config(model) == tmp_path / "batching.config"
    assert find_batching_config(tmp_path / "models.config") == tmp_path / "batching.config"
    (model / "batching.config").write_text("")
    assert find_batching_config(model) == model / "batching.config"


class Model(tf.Module):
    """Multiplies, and writes down how many rows came together."""

    def __init__(self, factor):
        super().__init__()
        self.factor = tf.Variable(factor)
        self.sizes = []

    def load(self):
        def multiply(*, x):
            x.set_shape([None, 2])
            seen = tf.numpy_function(self._see, [x], tf.float32)
            return {"y": tf.ensure_shape(seen, [None, 2]) * self.factor}

        function = tf.function(multiply, autograph=False)
        return function.get_concrete_function(x=tf.TensorSpec([None, 2], name="x"))

    def _see(self, x):
        self.sizes.append(len(x))
        return x


def run_together(calls):
    found = {}
    threads = [threading.Thread(target=lambda key=key, call=call: found.update({key: call()})) for key, call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def call_of(run, rows, value):
    return lambda: run({"x": np.full([rows, 2], value, np.float32)})["y"].numpy()


def test_requests_that_arrive_together_run_together_and_stay_apart():
    parameters = BatchingParameters(batch_timeout_micros=200_000, num_batch_threads=1, max_execution_batch_size=64)
    first, second = Model(3.0), Model(5.0)
    runs = [batched(first.load(), "first", parameters), batched(second.load(), "second", parameters)]
    calls = [((i, which), call_of(runs[which], 1 + i % 3, i)) for i in range(12) for which in range(2)]
    found = run_together(calls)
    for (i, which), answer in found.items():
        np.testing.assert_array_equal(answer, np.full([1 + i % 3, 2], i * (3, 5)[which]))
    # 24 rows of each; tracing may look once without any.
    assert sum(first.sizes) == sum(second.sizes) == 24
    assert max(first.sizes) > 3
    assert max(second.sizes) > 3


def test_a_large_request_is_split_and_a_larger_one_refused():
    model = Model(2.0)
    run = batched(
        model.load(), "large", BatchingParameters(max_batch_size=40, max_execution_batch_size=8, num_batch_threads=1)
    )
    np.testing.assert_array_equal(call_of(run, 40, 1)(), np.full([40, 2], 2))
    assert max(model.sizes) == 8
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger than"):
        call_of(run, 41, 1)()


def test_rows_are_padded_to_the_sizes_allowed():
    model = Model(2.0)
    parameters = BatchingParameters(max_batch_size=8, max_execution_batch_size=8, allowed_batch_sizes=(4, 8))
    run = batched(model.load(), "padded", parameters)
    np.testing.assert_array_equal(call_of(run, 3, 1)(), np.full([3, 2], 2))
    assert model.sizes == [4]


def test_a_full_queue_is_unavailable():
    parameters = BatchingParameters(
        max_batch_size=1, max_execution_batch_size=1, max_enqueued_batches=1, num_batch_threads=1
    )
    gate = threading.Event()

    def slow(x):
        gate.wait(20)
        return x

    def wait(*, x):
        return {"y": tf.ensure_shape(tf.numpy_function(slow, [x], tf.float32), [None, 2])}

    function = tf.function(wait, autograph=False).get_concrete_function(x=tf.TensorSpec([None, 2], name="x"))
    run = batched(function, "slow", parameters)
    refused = threading.Event()

    def ask():
        try:
            return call_of(run, 1, 1)()
        except tf.errors.UnavailableError as error:
            refused.set()
            gate.set()
            return str(error)

    found = run_together([(i, ask) for i in range(4)])
    assert refused.is_set()
    assert any("full" in str(answer) for answer in found.values())
    assert any(not isinstance(answer, str) for answer in found.values())


@pytest.mark.parametrize(
    ("inputs", "outputs", "together"),
    [
        ([[None]], [[None, 3], [None]], True),
        ([[None], [None, 4]], [[None]], True),
        ([[None, None]], [[None]], False),
        ([None], [[None]], False),
        ([[5]], [[5]], False),
        ([[]], [[None]], False),
        ([[None]], [[]], False),
        ([[None]], [[None, None]], False),
        ([[None]], [None], False),
        ([], [[None]], False),
    ],
)
def test_what_can_run_together(inputs, outputs, together):
    specs = {str(i): tf.TensorSpec(shape) for i, shape in enumerate(inputs)}
    assert can_batch(specs, {str(i): tf.TensorSpec(shape) for i, shape in enumerate(outputs)}) is together
