"""Models to serve, and servers in processes of their own."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "serve.py"


def save_half_plus_two(path):
    """The model of TensorFlow Serving's tests, cc/saved_model/testdata/half_plus_two: a graph of TensorFlow 1."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        example = v1.placeholder(tf.string, name="tf_example")
        parsed = v1.parse_example(
            example,
            {
                "x": tf.io.FixedLenFeature([1], tf.float32),
                "x2": tf.io.FixedLenFeature([1], tf.float32, default_value=[0.0]),
            },
        )
        for tensor in parsed.values():
            tensor.set_shape([None, 1])
        x, x2 = tf.identity(parsed["x"], name="x"), tf.identity(parsed["x2"], name="x2")
        half, two, three = (v1.Variable(value, use_resource=True) for value in (0.5, 2.0, 3.0))
        y = tf.add(tf.multiply(half, x), two, name="y")
        y2 = tf.add(tf.multiply(half, x), three, name="y2")
        y3 = tf.add(tf.multiply(half, x2), three, name="y3")
        session.run(v1.global_variables_initializer())

        def signature(method, inputs, outputs):
            from tensorflow.core.protobuf import meta_graph_pb2

            def infos(tensors):
                return {
                    key: meta_graph_pb2.TensorInfo(
                        name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto()
                    )
                    for key, tensor in tensors.items()
                }

            return meta_graph_pb2.SignatureDef(
                inputs=infos(inputs), outputs=infos(outputs), method_name=f"tensorflow/serving/{method}"
            )

        builder = v1.saved_model.builder.SavedModelBuilder(str(path))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={
                "serving_default": signature("predict", {"x": x}, {"y": y}),
                "regress_x_to_y": signature("regress", {"inputs": example}, {"outputs": y}),
                "regress_x_to_y2": signature("regress", {"inputs": example}, {"outputs": y2}),
                "regress_x2_to_y3": signature("regress", {"inputs": x2}, {"outputs": y3}),
                "classify_x_to_y": signature("classify", {"inputs": example}, {"scores": y}),
                "classify_x2_to_y3": signature("classify", {"inputs": x2}, {"scores": y3}),
            },
        )
        builder.save()
    return path


def save_numbered(path, number):
    """A small TensorFlow 2 model: each text's length, and the model's `number` beside it."""
    import tensorflow as tf

    class Numbered(tf.Module):
        def __init__(self):
            super().__init__()
            self.number = tf.Variable(float(number))

        def measure(self, text):
            length = tf.strings.length(text)
            return {"length": length, "number": tf.fill(tf.shape(length), self.number)}

        def fail(self, text):
            with tf.control_dependencies([tf.debugging.assert_less(tf.strings.length(text), 5, "too long")]):
                return {"length": tf.strings.length(text)}

        def mix(self, flags, ids, image_bytes):
            return {
                "ids": ids * 2,
                "image_bytes": tf.strings.join([image_bytes, "!"]),
                "flags": tf.logical_not(flags),
                "scaled": tf.cast(ids, tf.float64) / 3,
            }

        def busy(self, rounds):
            _, total = tf.while_loop(
                lambda i, _: i < tf.reduce_max(rounds), lambda i, total: (i + 1, total + 1), (0, tf.constant(0))
            )
            return {"total": tf.fill(tf.shape(rounds), total)}

        def widest(self, text):
            return {"letters": tf.strings.bytes_split(text).to_tensor("")}

    model = Numbered()

    def traced(function, **specs):
        specs = {name: tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in specs.items()}
        return tf.function(function, autograph=False).get_concrete_function(**specs)

    text = ([None], tf.string)
    tf.saved_model.save(
        model,
        str(path),
        signatures={
            "serving_default": traced(model.measure, text=text),
            "fail": traced(model.fail, text=text),
            "widest": traced(model.widest, text=text),
            "busy": traced(model.busy, rounds=([None], tf.int32)),
            "mix": traced(model.mix, flags=([None], tf.bool), ids=([None, 2], tf.int32), image_bytes=text),
        },
    )
    return path


@pytest.fixture(scope="session")
def half_plus_two(tmp_path_factory):
    """The folder of the model's versions, with the name it has in TensorFlow Serving's tests."""
    folder = tmp_path_factory.mktemp("models") / "saved_model_half_plus_two_2_versions"
    save_half_plus_two(folder / "00000123")
    return folder


@pytest.fixture(scope="session")
def numbered(tmp_path_factory):
    """A folder with one version, 7, of the small model."""
    folder = tmp_path_factory.mktemp("models") / "numbered"
    save_numbered(folder / "7", 7)
    return folder


class ServerProcess:
    """`recipes/serve.py` in a process of its own; leave its `with` block to end it."""

    def __init__(self, *arguments):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(RECIPE), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self.lines = []
        self.grpc_port = None
        self.port = None

    def __enter__(self):
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("metrics"):
                self.port = int(line.split(":")[2].split("/")[0])
            if line.startswith("gRPC"):
                self.grpc_port = int(line.rsplit(":", 1)[1])
            if line.startswith("ready"):
                return self
        raise AssertionError("".join(self.lines))

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.end()

    def end(self, number=signal.SIGTERM):
        """Ask for the end; returns the exit status. What was written meanwhile is added to `lines`."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            rest, _ = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            rest, _ = self.process.communicate()
        self.lines += rest.splitlines(keepends=True)
        return self.process.returncode

    def ask(self, method, path, body=None, headers=None):
        """One request on a connection of its own; returns the status and the answer's bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def predict(self, model, *texts):
        """The predictions for some texts."""
        status, answer = self.ask("POST", f"/v1/models/{model}:predict", json.dumps({"instances": texts}))
        assert status == 200, answer
        return json.loads(answer)["predictions"]

    def wait_for(self, model, version, state, seconds=60):
        """Wait until a version is in a state."""
        for _ in range(int(seconds * 20)):
            status, answer = self.ask("GET", f"/v1/models/{model}/versions/{version}")
            if status == 200 and json.loads(answer)["model_version_status"][0]["state"] == state:
                return
            time.sleep(0.05)
        raise AssertionError(f"version {version} is not {state}: {answer}")


@pytest.fixture(scope="session")
def server_process():
    """The class `ServerProcess`."""
    return ServerProcess


@pytest.fixture(scope="session")
def models():
    """Functions that save models at a path."""
    return {"half_plus_two": save_half_plus_two, "numbered": save_numbered}
