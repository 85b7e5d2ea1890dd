"""Vectors marked with a test's name are of TensorFlow Serving's util/json_tensor_test.cc."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tfbert.server import json_values
from tfbert.server.examples import body_from_classes, body_from_values, examples_from_body
from tfbert.server.status_codes import StatusError


def read(text):
    found = []
    for row in examples_from_body(json_values.parse_object(text.encode())):
        features = tf.train.Example.FromString(row).features.feature
        found.append({name: list(getattr(value, value.WhichOneof("kind")).value) for name, value in features.items()})
    return found


def test_examples():
    # RequestNoContext
    assert read("""{"examples": [{"names": ["foo", "bar"], "ratings": [8.0, 9.0], "age": 20},
                                 {"names": ["baz"], "ratings": 6.0}]}""") == [
        {"names": [b"foo", b"bar"], "ratings": [8.0, 9.0], "age": [20]},
        {"names": [b"baz"], "ratings": [6.0]},
    ]


def test_context_is_added_to_each():
    # RequestWithContextAndSignature
    context = {"query": [b"pizza"], "location": [b"sfo"]}
    found = read("""{"signature_name": "custom_signture", "context": {"query": "pizza", "location": ["sfo"]},
        "examples": [{"names": ["foo", "bar"], "ratings": [8.0, 9.0, NaN, Infinity], "age": 20},
                     {"names": ["baz", {"b64": "aGVsbG8="}], "ratings": 6.0, "intboolmix": [1, true, false]},
                     {"names": "bar", "ratings": -Infinity}]}""")
    assert np.isnan(found[0]["ratings"].pop(2))
    assert found == [
        {**context, "names": [b"foo", b"bar"], "ratings": [8.0, 9.0, np.inf], "age": [20]},
        {**context, "names": [b"baz", b"hello"], "ratings": [6.0], "intboolmix": [1, 1, 0]},
        {**context, "names": [b"bar"], "ratings": [-np.inf]},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # JsonErrors
        ('{"context": [{"names": ["foo", "bar"]}]}', "Example must be JSON object"),
        ('{"examples": {"names": ["foo", "bar"]}}', "list/array"),
        ('{"examples": [[{"names": ["foo", "bar"]}]]}', "Example must be JSON object"),
        ('{"examples": [{"names": [10, null]}]}', "names has element with unexpected JSON type: Null"),
        ('{"examples": [{"names": [10, 10.0]}]}', "feature: names expecting type: int64"),
        ('{"examples": [{"names": [10, {"test": 10}]}]}', "names has element with unexpected JSON type: Object"),
        ('{"examples": [{"names": [[10], 20]}]}', "names has element with unexpected JSON type: Array"),
        ('{"examples": [{"names": [20, 18446744073709551603]}]}', "Only int64 is supported"),
        ('{"examples": [{"names": 1.7976931348623157e+308}]}', "loss of precision"),
        # In json_tensor.cc, without a test there.
        ("{}", "When method is classify, key 'examples' is expected and was not found"),
        ('{"examples": []}', "'examples' value is an empty array"),
        ('{"examples": [{"names": ["a", 1]}]}', "expecting type: bytes"),
        ('{"examples": [{"a": {"b64": "*"}}]}', "Unable to base64 decode"),
        ('{"examples": [{"\\ud800": 1}]}', "surrogate pair"),
        (f'{{"examples": [{{"names": [1, {2**64}]}}]}}', "expecting type: int64"),
        (f'{{"examples": [{{"names": {10**400}}}]}}', "too big"),
    ],
)
def test_examples_that_are_refused(text, message):
    with pytest.raises(StatusError, match=message) as caught:
        read(text)
    assert caught.value.http_status == 400


def test_results():
    # JsonFromClassificationResult, JsonFromRegressionResult, JsonFromRegressionResultWithNonFinite
    labels = [[b"car", b"bike", b"bus"]] * 2
    scores = np.array([[0.2, 0.7, 0.1], [0.7, 0.1, 0.2]], np.float32)
    assert json.loads(body_from_classes(labels, scores)) == {
        "results": [
            [["car", 0.2], ["bike", 0.7], ["bus", 0.1]],
            [["car", 0.7], ["bike", 0.1], ["bus", 0.2]],
        ]
    }
    assert json.loads(body_from_values(np.array([0.2, 0.9, 1.0], np.float32))) == {"results": [0.2, 0.9, 1.0]}
    unusual = body_from_values(np.array([0.2, np.inf, 1.0, -np.inf, np.nan], np.float32))
    assert unusual == b'{"results": [0.2, Infinity, 1.0, -Infinity, NaN]}'


def test_results_that_are_empty():
    # JsonFromResultErrors
    with pytest.raises(StatusError, match="empty ClassificationResults"):
        body_from_classes([], np.zeros([0, 2], np.float32))
    with pytest.raises(StatusError, match="empty RegressionResults"):
        body_from_values(np.zeros([0], np.float32))
