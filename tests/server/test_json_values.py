import json

import pytest

from tfbert.server.json_values import error_body, parse_object, shown, signature_name, type_name
from tfbert.server.status_codes import StatusError, invalid


def test_objects():
    assert parse_object(b'\xef\xbb\xbf{"a": NaN, "b": "\\ud83d\\udc4d"}')["b"] == "👍"
    assert parse_object(b'{"a": -Infinity}') == {"a": float("-inf")}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        # PredictRequestErrors of TensorFlow Serving's http_rest_api_handler_test.cc
        (b"", "JSON Parse error: The document is empty"),
        (b"instances = [1, 2]", "JSON Parse error: Invalid value"),
        # ParseJson in util/json_tensor.cc
        (b"[1]", "Is not object"),
        (b"5", "JSON Value: 5 Is not object"),
        (b'{"a": 1} x', "must not be followed by other values"),
        (b'{"a": "\n"}', "JSON Parse error: "),
        # Ours
        (b'{"a": "\xff"}', "Invalid encoding in string. at offset: 7"),
        (b'{"a": 1, "a": 2}', "occurs twice"),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"a": 1e999}', "Number too big"),
        (b'{"a": ' + b"1" * 5000 + b"}", "Number too big"),
        ('{"a": 1}'.encode("utf-16"), "Invalid encoding"),
    ],
)
def test_what_is_no_object(body, message):
    with pytest.raises(StatusError) as caught:
        parse_object(body)
    assert message in caught.value.message
    assert caught.value.http_status == 400


def test_quotations_are_cut():
    assert shown([1]) == "[\n    1\n]"
    assert len(shown("x" * 10**6)) < 400
    assert len(shown([[0] * 10**6])) < 400
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    assert shown(deep).endswith("...")


def test_names_of_types():
    values = [None, True, False, {}, [], "", 1, 1.0]
    assert [type_name(value) for value in values] == [
        "Null", "True", "False", "Object", "Array", "String", "Number", "Number"
    ]  # fmt: skip


def test_the_signatures_name():
    assert signature_name({}) == ""
    assert signature_name({"signature_name": "embed"}) == "embed"
    with pytest.raises(StatusError, match="'signature_name' key must be a string value"):
        signature_name({"signature_name": 5})


def test_error_bodies_hold_anything():
    # MakeJsonFromTensors.StatusError of TensorFlow Serving's json_tensor_test.cc
    assert json.loads(error_body(invalid('Bad key: "key"'))) == {"error": 'Bad key: "key"'}
    assert json.loads(error_body(invalid("\ud800 \0 é"))) == {"error": "\ud800 \0 é"}
