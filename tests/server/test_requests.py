"""Whole calls.

Vectors marked with a test's name are of TensorFlow Serving's model_servers/http_rest_api_handler_test.cc, which asks a
model half_plus_two; those marked api_rest are of its page g3doc/api_rest.md; the metadata are its
servables/tensorflow/testdata/saved_model_half_plus_two_2_versions_metadata.json.
"""

import json

import pytest

from tfbert.server import BatchingParameters, Limits, ModelConfig
from tfbert.server.metrics import Metrics
from tfbert.server.requests import Requests
from tfbert.server.rest_paths import parse_path
from tfbert.server.status_codes import StatusError
from tfbert.server.versions import Versions

NAME = "saved_model_half_plus_two_2_versions"
AVAILABLE = {
    "model_version_status": [
        {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]
}


@pytest.fixture(scope="module")
def requests(half_plus_two, numbered):
    counted = Metrics()
    configs = [
        ModelConfig(NAME, half_plus_two, labels={"Version_Label": 123}),
        ModelConfig("numbered", numbered, labels={"gone": 8}),
    ]
    versions = Versions(configs, BatchingParameters(), counted)
    versions.poll()
    return Requests(versions, Limits(rows=5, text_bytes=30), counted)


def ask(requests, method, path, body=""):
    return json.loads(requests.answer(parse_path(method, f"/v1/models/{path}"), body.encode()))


def refused(requests, method, path, body=""):
    with pytest.raises(StatusError) as caught:
        ask(requests, method, path, body)
    return caught.value.http_status, caught.value.message


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        # Predict
        (f"{NAME}:predict", '{"instances": [[1.0, 2.0], [3.0, 4.0]]}', {"predictions": [[2.5, 3.0], [3.5, 4.0]]}),
        (f"{NAME}/versions/123:predict", '{"instances": [1.0, 2.0]}', {"predictions": [2.5, 3.0]}),
        (f"{NAME}/labels/Version_Label:predict", '{"instances": [1.0, 2.0]}', {"predictions": [2.5, 3.0]}),
        (
            f"{NAME}/versions/123:predict",
            '{"signature_name": "serving_default", "instances": [3.0, 4.0]}',
            {"predictions": [3.5, 4.0]},
        ),
        (
            f"{NAME}/versions/123:predict",
            '{"signature_name": "serving_default", "inputs": [3.0, 4.0]}',
            {"outputs": [3.5, 4.0]},
        ),
        # Regress
        (
            f"{NAME}:regress",
            '{"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}',
            {"results": [42]},
        ),
        (
            f"{NAME}/versions/123:regress",
            '{"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}',
            {"results": [42]},
        ),
        (
            f"{NAME}/labels/Version_Label:regress",
            '{"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}',
            {"results": [42]},
        ),
        # Classify
        (
            f"{NAME}:classify",
            '{"signature_name": "classify_x_to_y", "examples": [{"x": 20.0}]}',
            {"results": [[["", 12]]]},
        ),
        (
            f"{NAME}/labels/Version_Label:classify",
            '{"signature_name": "classify_x_to_y", "examples": [{"x": 10.0}]}',
            {"results": [[["", 7]]]},
        ),
    ],
)
def test_answers(requests, path, body, expected):
    assert ask(requests, "POST", path, body) == expected


@pytest.mark.parametrize("path", [NAME, f"{NAME}/versions/123", f"{NAME}/labels/Version_Label"])
def test_status(requests, path):
    # GetStatus
    assert ask(requests, "GET", path) == AVAILABLE


def info(dtype, name, *sizes):
    shape = {"dim": [{"size": size, "name": ""} for size in sizes], "unknown_rank": not sizes}
    return {"dtype": dtype, "tensor_shape": shape, "name": name}


def definition(method, inputs, outputs):
    return {"inputs": inputs, "outputs": outputs, "method_name": f"tensorflow/serving/{method}", "defaults": {}}


def test_metadata(requests):
    # GetModelMetadata, whose expected answer is the file named above.
    examples = {"inputs": info("DT_STRING", "tf_example:0")}
    column = {name: info("DT_FLOAT", f"{name}:0", "-1", "1") for name in ("x", "x2", "y", "y2", "y3")}
    signatures = {
        "regress_x2_to_y3": definition("regress", {"inputs": column["x2"]}, {"outputs": column["y3"]}),
        "serving_default": definition("predict", {"x": column["x"]}, {"y": column["y"]}),
        "classify_x_to_y": definition("classify", examples, {"scores": column["y"]}),
        "classify_x2_to_y3": definition("classify", {"inputs": column["x2"]}, {"scores": column["y3"]}),
        "regress_x_to_y2": definition("regress", examples, {"outputs": column["y2"]}),
        "regress_x_to_y": definition("regress", examples, {"outputs": column["y"]}),
    }
    assert ask(requests, "GET", f"{NAME}/metadata") == {
        "model_spec": {"name": NAME, "signature_name": "", "version": "123"},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }
    assert ask(requests, "GET", f"{NAME}/labels/Version_Label/metadata")["model_spec"]["version"] == "123"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        # PredictModelNameVersionErrors; the words of the first are api_rest's.
        ("POST", "half:predict", '{"instances": [1.0, 5.0]}', 404, "Servable not found for request: Latest(half)"),
        ("POST", "foo/versions/50:predict", '{"instances": [1]}', 404, "request: Specific(foo, 50)"),
        ("POST", f"{NAME}99:predict", '{"instances": [1]}', 404, "Servable not found"),
        # PredictRequestErrors
        ("POST", f"{NAME}:predict", "", 400, "JSON Parse error: The document is empty"),
        ("POST", f"{NAME}:predict", "instances = [1, 2]", 400, "JSON Parse error: Invalid value"),
        ("POST", f"{NAME}:predict", '{"instances": ["x", "y"]}', 400, "not of expected type: float"),
        (
            "POST",
            f"{NAME}/labels/Version_Nonexistent:predict",
            '{"instances": ["x", "y"]}',
            400,
            "Unrecognized servable version label",
        ),
        ("POST", f"{NAME}:predict", '{"signature_name": 100}', 400, "'signature_name' key must be a string value."),
        # As the sources say: http_rest_api_handler.cc, get_model_status_impl.cc, classifier.cc, regressor.cc.
        (
            "POST",
            f"{NAME}:predict",
            '{"signature_name": "a", "inputs": 1}',
            400,
            'Serving signature name: "a" not found in signature def',
        ),
        ("POST", "foo:predict", "{", 400, "JSON Parse error"),
        ("POST", f"{NAME}/versions/124:predict", '{"inputs": 1}', 404, f"Specific({NAME}, 124)"),
        ("GET", f"{NAME}/versions/124", "", 404, f"Could not find version 124 of model {NAME}"),
        ("GET", "foo", "", 404, "Could not find any versions of model foo"),
        ("GET", f"{NAME}/labels/foo", "", 400, "Unrecognized servable version label: foo"),
        ("GET", "foo/metadata", "", 404, "Servable not found for request: Latest(foo)"),
        (
            "POST",
            f"{NAME}:classify",
            '{"examples": [{"x": 1.0}]}',
            400,
            "Expected classification signature method_name to be tensorflow/serving/classify. Was: "
            "tensorflow/serving/predict",
        ),
        (
            "POST",
            f"{NAME}:classify",
            '{"signature_name": "a", "examples": [{"x": 1.0}]}',
            400,
            "No signature was found with the name: a",
        ),
        (
            "POST",
            "numbered:regress",
            '{"examples": [{"x": 1.0}]}',
            400,
            "Expected regression signature method_name to be tensorflow/serving/regress. Was: "
            "tensorflow/serving/predict",
        ),
        (
            "POST",
            f"{NAME}:regress",
            '{"signature_name": "regress_x_to_y", "examples": [{"z": 1.0}]}',
            400,
            "Feature: x",
        ),
        ("POST", "numbered/labels/gone:predict", '{"inputs": ["a"]}', 404, "Specific(numbered, 8)"),
        # What a model says itself, without where in the graph it said it.
        ("POST", "numbered:predict", '{"signature_name": "fail", "inputs": ["longer"]}', 400, "too long"),
        # Bounds
        ("POST", "numbered:predict", '{"instances": ["a", "b", "c", "d", "e", "f"]}', 400, "has 6 rows"),
        ("POST", "numbered:predict", f'{{"instances": ["{"a" * 31}"]}}', 400, "a string of 31 bytes"),
        ("POST", "numbered:regress", f'{{"examples": [{"{}, " * 5}{{}}]}}', 400, "has 6 rows"),
    ],
)
def test_errors(requests, method, path, body, status, message):
    found = refused(requests, method, path, body)
    assert found[0] == status
    assert message in found[1]
    assert "Detected at node" not in found[1]
    assert ".py" not in found[1]


def test_a_model_that_knows_nothing_of_us(requests):
    body = {
        "signature_name": "mix",
        "instances": [
            {"flags": True, "ids": [1, 2], "image_bytes": {"b64": "/w=="}},
            {"flags": False, "ids": [3, 4], "image_bytes": "a"},
        ],
    }
    assert ask(requests, "POST", "numbered:predict", json.dumps(body)) == {
        "predictions": [
            {"flags": False, "ids": [2, 4], "image_bytes": {"b64": "/yE="}, "scaled": [1 / 3, 2 / 3]},
            {"flags": True, "ids": [6, 8], "image_bytes": {"b64": "YSE="}, "scaled": [1.0, 4 / 3]},
        ]
    }
    columns = {
        "signature_name": "mix",
        "inputs": {"flags": [True], "ids": [[1, 2]], "image_bytes": ["a"]},
    }
    assert ask(requests, "POST", "numbered:predict", json.dumps(columns)) == {
        "outputs": {"flags": [False], "ids": [[2, 4]], "image_bytes": [{"b64": "YSE="}], "scaled": [[1 / 3, 2 / 3]]}
    }
    assert ask(requests, "POST", "numbered:predict", '{"inputs": []}') == {"outputs": {"length": [], "number": []}}


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("serving_default", [["a"], ["b"]], "Input text has shape [2, 1], which does not fit the signature's (None,)"),
        ("serving_default", "a", "Input text has shape []"),
        ("mix", {"flags": [True], "ids": [[1, 2, 3]], "image_bytes": ["a"]}, "Input ids has shape [1, 3]"),
        ("mix", {"flags": [True, False], "ids": [[1, 2]], "image_bytes": ["a"]}, "inconsistent batch size"),
    ],
)
def test_shapes_that_do_not_fit(requests, signature, inputs, message):
    key = "instances" if isinstance(inputs, dict) and len(inputs["flags"]) > 1 else "inputs"
    if key == "instances":
        # By columns rows may differ, and answers have theirs; by rows they cannot.
        body = json.dumps({"signature_name": signature, "inputs": inputs})
        assert ask(requests, "POST", "numbered:predict", body)["outputs"]["flags"] == [False, True]
        return
    body = json.dumps({"signature_name": signature, key: inputs})
    status, found = refused(requests, "POST", "numbered:predict", body)
    assert status == 400
    assert message in found


def test_requests_are_counted(requests):
    before = requests.metrics.page()
    with requests.counted("numbered", "predict", "REST"):
        pass
    with pytest.raises(StatusError), requests.counted("numbered", "predict", "REST"):
        raise StatusError("ABORTED", "")
    # Names that anyone may invent would fill the memory.
    with requests.counted("invented", "predict", "REST"):
        pass
    page = requests.metrics.page()
    assert ':request_count{model_name="numbered",status="ABORTED"} 1' not in before
    assert ':request_count{model_name="numbered",status="ABORTED"} 1' in page
    assert "invented" not in page
    assert ':tensorflow:serving:request_example_count_total{model="saved_model_half' in page
