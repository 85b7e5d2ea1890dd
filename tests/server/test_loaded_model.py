import threading

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfbert.server.batching import BatchingParameters
from tfbert.server.loaded_model import LoadedModel, _first_call_alone, type_name
from tfbert.server.metrics import Metrics
from tfbert.server.status_codes import StatusError


def test_names_of_types():
    assert [type_name(dtype.as_datatype_enum) for dtype in (tf.float32, tf.float64, tf.string, tf.bool, tf.int64)] == [
        "float", "double", "string", "bool", "int64"
    ]  # fmt: skip


def strings(*texts):
    array = np.empty(len(texts), object)
    array[:] = texts
    return array


@pytest.mark.parametrize("batching", [None, BatchingParameters()])
def test_predict(numbered, batching):
    counted = Metrics()
    model = LoadedModel(numbered / "7", "numbered", 7, batching, counted)
    assert model.input_types("") == {"text": "string"}
    assert model.input_types("mix") == {"flags": "bool", "ids": "int32", "image_bytes": "string"}
    found = model.predict("", {"text": strings(b"a", b"bcd")})
    assert {name: values.tolist() for name, values in found.items()} == {"length": [1, 3], "number": [7, 7]}
    assert 'runtime_latency_count{model_name="numbered",API="Predict",runtime="TF1"} 1' in counted.page()
    # No rows, and an output whose width the rows decide.
    assert model.predict("", {"text": strings()})["length"].shape == (0,)
    assert model.predict("widest", {"text": strings(b"ab", b"c")})["letters"].shape == (2, 2)


def test_an_answer_does_not_depend_on_who_else_asks(numbered):
    """A signature whose outputs are as wide as the widest row is not run together with others' rows."""
    model = LoadedModel(numbered / "7", "numbered", 7, BatchingParameters(batch_timeout_micros=50_000), Metrics())
    found = {}

    def ask(length):
        found[length] = model.predict("widest", {"text": strings(b"a" * length)})["letters"].shape

    threads = [threading.Thread(target=ask, args=(length,)) for length in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {length: (1, length) for length in range(1, 9)}


def test_a_request_that_fails_fails_alone_with_its_shape(numbered):
    model = LoadedModel(numbered / "7", "numbered", 7, BatchingParameters(batch_timeout_micros=50_000), Metrics())
    found = {}

    def ask(number):
        text = strings(b"a") if number % 2 else strings(b"a").reshape(1, 1)
        try:
            found[number] = model.predict("", {"text": text})["length"].tolist()
        except StatusError as error:
            found[number] = error.code

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [1] if number % 2 else "INVALID_ARGUMENT" for number in range(8)}


def save_signature(path, method, inputs, outputs):
    """A model whose serving_default has these tensors, under a method's name."""
    values = {
        "strings": lambda n: tf.fill([n, 2], "a"),
        "floats": lambda n: tf.ones([n, 2]),
        "three": lambda n: tf.ones([n, 3]),
        "one": lambda n: tf.ones([n, 1]),
        "flat": lambda n: tf.ones([n]),
        "ints": lambda n: tf.ones([n, 2], tf.int32),
        "row": lambda n: tf.ones([1, 2]),
        "strings flat": lambda n: tf.fill([n], "a"),
    }

    class Model(tf.Module):
        def answer(self, **given):
            rows = tf.shape(next(iter(given.values())))[0]
            return {name: values[kind](rows) for name, kind in outputs.items()}

    specs = {name: tf.TensorSpec([None], tf.string, name=name) for name in inputs}
    model = Model()
    traced = tf.function(model.answer, autograph=False).get_concrete_function(**specs)
    tf.saved_model.save(model, str(path), signatures={"serving_default": traced})
    saved = path / "saved_model.pb"
    graph = saved_model_pb2.SavedModel.FromString(saved.read_bytes())
    graph.meta_graphs[0].signature_def["serving_default"].method_name = f"tensorflow/serving/{method}"
    saved.write_bytes(graph.SerializeToString())
    return LoadedModel(path, "m", 1, None, Metrics())


@pytest.mark.parametrize(
    ("outputs", "labels", "scores"),
    [
        ({"classes": "strings", "scores": "floats"}, [b"a", b"a"], [1, 1]),
        ({"scores": "floats"}, [b"", b""], [1, 1]),
        ({"classes": "strings"}, [b"a", b"a"], [0, 0]),
    ],
)
def test_classify(tmp_path, outputs, labels, scores):
    model = save_signature(tmp_path / "1", "classify", ["inputs"], outputs)
    found = model.classify("", [b"", b""])
    assert found[0] == [labels] * 2
    assert found[1].tolist() == [scores] * 2
    assert found[1].dtype == np.float32


@pytest.mark.parametrize(
    ("method", "inputs", "outputs", "message"),
    [
        # servables/tensorflow/classifier.cc
        ("predict", ["inputs"], {"scores": "floats"}, "Expected classification signature method_name"),
        ("classify", ["inputs", "more"], {"scores": "floats"}, "Expected one input Tensor"),
        ("classify", ["text"], {"scores": "floats"}, "No classification inputs found"),
        ("classify", ["inputs"], {"a": "floats", "b": "floats", "scores": "floats"}, "found 3"),
        ("classify", ["inputs"], {"a": "floats"}, 'at least one of "classes" or "scores"'),
        ("classify", ["inputs"], {"scores": "flat"}, "Expected scores of"),
        ("classify", ["inputs"], {"scores": "ints"}, "Expected scores of"),
        ("classify", ["inputs"], {"scores": "row"}, "Expected scores of"),
        ("classify", ["inputs"], {"classes": "floats"}, "Expected classes of"),
        ("classify", ["inputs"], {"classes": "strings flat"}, "Expected classes of"),
        ("classify", ["inputs"], {"classes": "strings", "scores": "three"}, "should match in dim_size"),
        # servables/tensorflow/regressor.cc
        ("predict", ["inputs"], {"outputs": "one"}, "Expected regression signature method_name"),
        ("regress", ["inputs"], {"outputs": "one", "more": "one"}, "Expected one output Tensor"),
        ("regress", ["inputs"], {"values": "one"}, "No regression outputs found"),
        ("regress", ["inputs"], {"outputs": "floats"}, "Expected output Tensor shape"),
        ("regress", ["inputs"], {"outputs": "row"}, "Expected output Tensor shape"),
        ("regress", ["inputs"], {"outputs": "strings flat"}, "Expected output Tensor shape"),
    ],
)
def test_signatures_that_do_not_classify_or_regress(tmp_path, method, inputs, outputs, message):
    model = save_signature(tmp_path / "1", method, inputs, outputs)
    ask = model.regress if "regress" in (method, message.split()[1][:7]) or "outputs" in outputs else model.classify
    with pytest.raises(StatusError) as caught:
        ask("", [b"", b""])
    assert message in caught.value.message
    assert caught.value.http_status == 400


@pytest.mark.parametrize("shape", ["one", "flat"])
def test_regress(tmp_path, shape):
    model = save_signature(tmp_path / "1", "regress", ["inputs"], {"outputs": shape})
    assert model.regress("", [b"", b"", b""]).tolist() == [1, 1, 1]
    with pytest.raises(StatusError, match="Input is empty"):
        model.regress("", [])


def test_a_model_for_something_else(tmp_path):
    save_signature(tmp_path / "1", "predict", ["a"], {"b": "flat"})
    saved = tmp_path / "1/saved_model.pb"
    saved.write_bytes(saved.read_bytes().replace(b"\x05serve", b"\x05train", 1))
    with pytest.raises(StatusError, match="matching supplied tags") as caught:
        LoadedModel(tmp_path / "1", "m", 1, None, Metrics())
    assert caught.value.code == "NOT_FOUND"


def test_the_first_call_is_made_alone():
    """Calls that would each optimize the graph wait for one that does; one that fails is not the first."""
    running, most, calls, lock = 0, [], [], threading.Lock()
    barrier = threading.Event()

    def run(inputs):
        nonlocal running
        with lock:
            running += 1
            calls.append(running)
        barrier.wait(0.05)
        with lock:
            running -= 1
        if len(calls) == 1:
            raise StatusError("INTERNAL", "")
        most.append(len(calls))
        return {}

    call = _first_call_alone(run)

    def ask():
        try:
            call({})
        except StatusError:
            most.append(0)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls[:2] == [1, 1]
    assert max(calls[2:]) > 1
    assert len(most) == 8
