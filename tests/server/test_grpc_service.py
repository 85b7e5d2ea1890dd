"""The gRPC interface, asked by the stubs of tensorflow-serving-api."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tfbert.errors import InputError
from tfbert.server import BatchingParameters, Limits, ModelConfig
from tfbert.server.grpc_service import GrpcServer
from tfbert.server.metrics import Metrics
from tfbert.server.requests import Requests
from tfbert.server.versions import Versions

NAME = "saved_model_half_plus_two_2_versions"


@pytest.fixture(scope="module")
def requests(half_plus_two, numbered):
    counted = Metrics()
    configs = [ModelConfig(NAME, half_plus_two, labels={"stable": 123}), ModelConfig("numbered", numbered)]
    versions = Versions(configs, BatchingParameters(), counted)
    versions.poll()
    return Requests(versions, Limits(rows=5), counted)


@pytest.fixture(scope="module")
def server(requests):
    running = GrpcServer(requests, "127.0.0.1", 0)
    running.start()
    yield running
    running.stop(5)


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened


@pytest.fixture
def stub(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def predict(inputs, name=NAME, signature="", **more):
    request = predict_pb2.PredictRequest(**more)
    request.model_spec.name, request.model_spec.signature_name = name, signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def examples(kind, signature, *values):
    request = kind()
    request.model_spec.name, request.model_spec.signature_name = NAME, signature
    for value in values:
        feature = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        request.input.example_list.examples.append(tf.train.Example(features=tf.train.Features(feature={"x": feature})))
    return request


def test_predict(stub):
    # The values of half_plus_two in TensorFlow Serving's http_rest_api_handler_test.cc.
    response = stub.Predict(predict({"x": np.array([[1.0], [2.0]], np.float32)}))
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["y"]), [[2.5], [3.0]])
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == (NAME, 123, "serving_default")
    labelled = predict({"x": np.float32([1])})
    labelled.model_spec.version_label = "stable"
    assert tf.make_ndarray(stub.Predict(labelled).outputs["y"]) == [2.5]
    texts = stub.Predict(predict({"text": ["a", "bcd"]}, "numbered"))
    assert tf.make_ndarray(texts.outputs["length"]).tolist() == [1, 3]
    some = stub.Predict(predict({"text": ["a"]}, "numbered", output_filter=["number"]))
    assert list(some.outputs) == ["number"]


def test_classify_and_regress(stub):
    classes = stub.Classify(examples(classification_pb2.ClassificationRequest, "classify_x_to_y", 20.0, 10.0))
    assert [[(found.label, found.score) for found in row.classes] for row in classes.result.classifications] == [
        [("", 12)],
        [("", 7)],
    ]
    values = stub.Regress(examples(regression_pb2.RegressionRequest, "regress_x_to_y", 80.0))
    assert [found.value for found in values.result.regressions] == [42]
    assert values.model_spec.signature_name == "regress_x_to_y"


def test_metadata_and_status(stub, channel):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = NAME
    response = stub.GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["serving_default"].inputs["x"].name == "x:0"
    assert response.model_spec.version.value == 123
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = NAME
    status = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(asked)
    assert [(found.version, found.state) for found in status.model_version_status] == [(123, 30)]


def test_health(channel, requests, monkeypatch):
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"") == b"\x08\x01"
    monkeypatch.setattr(Versions, "names", ["numbered", "gone"])
    assert check(b"") == b"\x08\x02"


@pytest.mark.parametrize(
    ("request_of", "code", "message"),
    [
        (lambda: predict({"x": np.float32([1])}, "gone"), "NOT_FOUND", r"not found for request: Latest\(gone\)"),
        (lambda: predict({"x": np.float32([1])}, signature="gone"), "INVALID_ARGUMENT", '"gone" not found'),
        (lambda: predict({"x": np.int32([1])}), "INVALID_ARGUMENT", "Expects x to be float but int32 is provided"),
        (lambda: predict({"z": np.float32([1])}), "INVALID_ARGUMENT", "Sent extra: {z}. Missing but required: {x}"),
        (lambda: predict({}), "INVALID_ARGUMENT", "Missing but required: {x}"),
        (lambda: predict({"text": ["a"] * 6}, "numbered"), "INVALID_ARGUMENT", "has 6 rows"),
        (lambda: predict({"text": [["a"]]}, "numbered"), "INVALID_ARGUMENT", "does not fit"),
        (
            lambda: predict({"x": np.float32([1])}, output_filter=["z"]),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: z Outputs expected to be in the set {y}",
        ),
        (
            lambda: predict({"x": np.float32([1])}, output_filter=["y", "y"]),
            "INVALID_ARGUMENT",
            "duplicate output tensor alias: y",
        ),
        (lambda: predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    ],
)  # fmt: skip
def test_predict_errors(stub, request_of, code, message):
    with pytest.raises(grpc.RpcError, match=message) as caught:
        stub.Predict(request_of())
    assert caught.value.code().name == code


def test_a_tensor_that_cannot_be_read(stub):
    request = predict({"x": np.float32([1, 2, 3])})
    request.inputs["x"].tensor_content = b"abc"
    with pytest.raises(grpc.RpcError, match="tensor parsing error: x"):
        stub.Predict(request)


def test_other_errors(stub):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = NAME
    with pytest.raises(grpc.RpcError, match="at least one metadata_field"):
        stub.GetModelMetadata(request)
    request.metadata_field.append("else")
    with pytest.raises(grpc.RpcError, match="Metadata field else is not supported"):
        stub.GetModelMetadata(request)
    with pytest.raises(grpc.RpcError, match="Input is empty"):
        stub.Classify(examples(classification_pb2.ClassificationRequest, "classify_x_to_y"))
    with pytest.raises(grpc.RpcError, match="has 6 rows"):
        stub.Regress(examples(regression_pb2.RegressionRequest, "regress_x_to_y", *[1.0] * 6))


def test_a_defect_of_ours_says_nothing(stub, requests, monkeypatch, caplog):
    monkeypatch.setattr(requests, "check_rows", lambda _: 1 / 0)
    with pytest.raises(grpc.RpcError, match="The server failed") as caught:
        stub.Predict(predict({"x": np.float32([1])}))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "ZeroDivisionError" in caplog.text


def test_calls_are_counted(stub, requests):
    stub.Predict(predict({"x": np.float32([1])}))
    assert f'request_latency_count{{model_name="{NAME}",API="Predict",entrypoint="GRPC"}}' in requests.metrics.page()


def test_a_port_that_is_taken(server, requests):
    with pytest.raises(InputError, match="cannot listen at"):
        GrpcServer(requests, "127.0.0.1", server.port)
