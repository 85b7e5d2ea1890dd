"""Vectors marked with a test's name are of TensorFlow Serving's util/json_tensor_test.cc; those marked api_rest are of
its page g3doc/api_rest.md."""

import numpy as np
import pytest

from tfbert.server import json_values
from tfbert.server.json_tensors import tensors_from_body
from tfbert.server.status_codes import StatusError

NUMPY = {"float": np.float32, "double": np.float64, "string": object, "bool": bool}


def read(text, **types):
    return tensors_from_body(json_values.parse_object(text.encode()), types)


@pytest.mark.parametrize(
    ("text", "types", "by_rows", "expected"),
    [
        # SingleUnnamedTensor
        ('{"instances": [[1,2],[3,4],[5,6]]}', {"default": "int32"}, True, {"default": [[1, 2], [3, 4], [5, 6]]}),
        # MixedInputForFloatTensor
        (
            '{"instances": [1, 2.0, 3, 4, 5.003, 0.007, 0.0]}',
            {"default": "float"},
            True,
            {"default": [1, 2, 3, 4, 5.003, 0.007, 0]},
        ),
        # MixedInputForDoubleTensor
        (
            '{"instances": [1.0, 2, 3, 4, 0.662, 0, 0.0]}',
            {"default": "double"},
            True,
            {"default": [1, 2, 3, 4, 0.662, 0, 0]},
        ),
        # SingleUnnamedTensorWithSignature
        ('{"signature_name": "predict_images", "instances": [[1,2]]}', {"a": "int32"}, True, {"a": [[1, 2]]}),
        # SingleUnnamedTensorBase64Scalars
        (
            '{"instances": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}]}',
            {"default": "string"},
            True,
            {"default": [b"hello", b"world"]},
        ),
        # SingleUnnamedTensorBase64Lists
        (
            '{"instances": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]}',
            {"default": "string"},
            True,
            {"default": [[b"hello"], [b"world"]]},
        ),
        # SingleNamedTensorBase64
        (
            '{"instances": [{"default": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]}]}',
            {"default": "string"},
            True,
            {"default": [[[b"hello"], [b"world"]]]},
        ),
        # MultipleNamedTensor
        (
            """{"instances": [
                {"int_tensor": [[1,2],[3,4],[5,6]], "str_tensor": ["foo", "bar"], "float_tensor": [1.0, NaN],
                 "dbl_tensor": [NaN]},
                {"int_tensor": [[7,8],[9,0],[1,2]], "str_tensor": ["baz", "bat"], "float_tensor": [2.0, Infinity],
                 "dbl_tensor": [2.0]}]}""",
            {"int_tensor": "int32", "str_tensor": "string", "float_tensor": "float", "dbl_tensor": "double"},
            True,
            {
                "int_tensor": [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 0], [1, 2]]],
                "str_tensor": [[b"foo", b"bar"], [b"baz", b"bat"]],
                "float_tensor": [[1, np.nan], [2, np.inf]],
                "dbl_tensor": [[np.nan], [2]],
            },
        ),
        # SingleUnnamedTensorColumnarFormat
        ('{"inputs": {"i": [[[1,2],[3,4],[5,6]]]}}', {"i": "int32"}, False, {"i": [[[1, 2], [3, 4], [5, 6]]]}),
        ('{"inputs": [[[1,2],[3,4],[5,6]]]}', {"i": "int32"}, False, {"i": [[[1, 2], [3, 4], [5, 6]]]}),
        # MultipleNamedTensorColumnarFormat
        (
            """{"inputs": {"int_tensor": [[[1,2],[3,4],[5,6]]], "str_tensor": ["foo", "bar"],
                "bin_tensor": {"b64" : "aGVsbG8="}}}""",
            {"int_tensor": "int32", "str_tensor": "string", "bin_tensor": "string"},
            False,
            {"int_tensor": [[[1, 2], [3, 4], [5, 6]]], "str_tensor": [b"foo", b"bar"], "bin_tensor": b"hello"},
        ),
        # api_rest: row format
        ('{"instances": ["foo", "bar", "baz"]}', {"s": "string"}, True, {"s": [b"foo", b"bar", b"baz"]}),
        ('{"instances": [[[1, 2]], [[3, 4]]]}', {"x": "float"}, True, {"x": [[[1, 2]], [[3, 4]]]}),
        (
            """{"instances": [{"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
                {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]}]}""",
            {"tag": "string", "signal": "int64", "sensor": "int32"},
            True,
            {
                "tag": [b"foo", b"bar"],
                "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
                "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]],
            },
        ),
        # api_rest: column format
        (
            """{"inputs": {"tag": ["foo", "bar"], "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
                "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]]}}""",
            {"tag": "string", "signal": "int64", "sensor": "int32"},
            False,
            {
                "tag": [b"foo", b"bar"],
                "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
                "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]],
            },
        ),
        # api_rest: JSON mapping
        ('{"inputs": [true, false]}', {"b": "bool"}, False, {"b": [True, False]}),
        (
            '{"inputs": [1.1, -10.0, 0, NaN, -Infinity, 1e2]}',
            {"x": "float"},
            False,
            {"x": [1.1, -10, 0, np.nan, -np.inf, 100]},
        ),
        # Without a published vector: no rows by columns, white space and no padding in base64, other integers.
        ('{"inputs": []}', {"s": "string"}, False, {"s": np.zeros([0], object)}),
        ('{"inputs": [[], []]}', {"x": "float"}, False, {"x": np.zeros([2, 0])}),
        ('{"inputs": {"b64": "aGVs bG8"}}', {"s": "string"}, False, {"s": b"hello"}),
        (f'{{"inputs": [{2**64 - 1}]}}', {"u": "uint64"}, False, {"u": [2**64 - 1]}),
        ('{"inputs": [-128, 127]}', {"i": "int8"}, False, {"i": [-128, 127]}),
        ('{"inputs": 7}', {"i": "int64"}, False, {"i": 7}),
        (
            '{"instances": ["\\u0000a", "gr\u00fcn \U0001f44d"]}',
            {"s": "string"},
            True,
            {"s": [b"\0a", "grün 👍".encode()]},
        ),
    ],
)
def test_requests(text, types, by_rows, expected):
    found, rows = read(text, **types)
    assert rows == by_rows
    assert found.keys() == expected.keys()
    for name, array in found.items():
        kind = NUMPY.get(types[name], types[name])
        assert array.dtype == kind
        np.testing.assert_array_equal(array, np.array(expected[name], kind), strict=True)


@pytest.mark.parametrize(
    ("text", "types", "message"),
    [
        # SingleUnnamedTensorErrors
        (
            '{"instances": [[1,2],[3,4],[5,6,7]], "inputs": [[1,2],[3,4],[5,6,7]]}',
            {"d": "int32"},
            "Not formatted correctly",
        ),
        ('{"instances": [[1,2],[3,4],[5,6,7]]}', {"d": "int32"}, "Expecting tensor size"),
        ('{"instances": [[1,2],[3,4],[[5,6]]]}', {"d": "int32"}, "Expecting shape"),
        ('{"instances": [1, [1]]}', {"d": "int32"}, "Expecting shape"),
        ('{"instances": [[1,2],["a", "b"]]}', {"d": "int32"}, "not of expected type"),
        ('{"instances": [1.7976931348623157e+308]}', {"d": "float"}, "loss of precision"),
        ('{"instances": [16777217]}', {"d": "float"}, "loss of precision"),
        ('{"instances": [9007199254740993]}', {"d": "double"}, "loss of precision"),
        # MultipleNamedTensorErrors
        (
            """{"instances": [{"int_tensor": [[1,2],[3,4],[5,6]], "str_tensor": ["foo", "bar"]},
                {"int_tensor": [[[7,8],[9,0],[1,2]]], "str_tensor": ["baz", "bat"]}]}""",
            {"int_tensor": "int32", "str_tensor": "string"},
            "Expecting shape",
        ),
        (
            """{"instances": [{"int_tensor": [[1,2],[3,4],[5,6],[7,8]], "str_tensor": ["foo", "bar"]},
                {"int_tensor": [[7,8],[9,0],[1,2]], "str_tensor": ["baz", "bat"]}]}""",
            {"int_tensor": "int32", "str_tensor": "string"},
            "Expecting tensor size",
        ),
        (
            """{"instances": [{"int_tensor": [[1,2],[3,4],[5,6]], "str_tensor": ["foo", "bar"]}, [1, 20, 30]]}""",
            {"int_tensor": "int32", "str_tensor": "string"},
            "Expecting object but got list",
        ),
        (
            '{"instances": [["baz", "bar"], {"s": ["baz", "bat"]}]}',
            {"s": "string"},
            "Expecting value/list but got object",
        ),
        # In json_tensor.cc, without a test there.
        ("{}", {"s": "string"}, "Missing 'inputs' or 'instances' key"),
        ('{"instances": "a"}', {"s": "string"}, "Excepting 'instances' to be an list/array"),
        ('{"instances": []}', {"s": "string"}, "No values in 'instances' array"),
        ('{"instances": ["a"]}', {"s": "string", "t": "string"}, "instances is a plain list"),
        ('{"inputs": ["a"]}', {"s": "string", "t": "string"}, "inputs is a plain value/list"),
        ('{"inputs": {"s": "a"}}', {"s": "string", "t": "string"}, "Missing named input: t in 'inputs' object."),
        ('{"instances": [{"s": "a"}]}', {"s": "string", "t": "string"}, "keys must be equal to: s,t"),
        ('{"instances": [{"s": "a", "u": 1}]}', {"s": "string"}, "does not have named input: u"),
        (
            '{"instances": [{"s": 1}]}',
            {"s": "string"},
            "element: 0 key: s of 'instances' list. Error: INVALID_ARGUMENT: ",
        ),
        ('{"inputs": [[1], 2]}', {"i": "int32"}, "found at incorrect level: 2"),
        ('{"inputs": [1, [2]]}', {"i": "int32"}, "Encountered list at unexpected level: 1 expected < 1"),
        (
            '{"inputs": [[1], [2, 3]]}',
            {"i": "int32"},
            "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
        ),
        ('{"inputs": {"b64": "aGVsbG8="}}', {"i": "int32"}, "Type: Object is not of expected type: int32"),
        ('{"inputs": {"i": {"b64": 1}}}', {"i": "string"}, "not formatted correctly for base64 data"),
        ('{"inputs": {"b64": "a*b"}}', {"s": "string"}, "Unable to base64 decode"),
        ('{"inputs": {"b64": "aGVs===="}}', {"s": "string"}, "Unable to base64 decode"),
        ('{"inputs": [1]}', {"c": "complex64"}, "Conversion of JSON Value: 1 to type: complex64"),
        ('{"inputs": [null]}', {"s": "string"}, "JSON Value: null Type: Null is not of expected type: string"),
        ('{"inputs": [true]}', {"i": "int32"}, "Type: True is not of expected type: int32"),
        ('{"inputs": [true]}', {"x": "float"}, "Type: True is not of expected type: float"),
        ('{"inputs": [1.0]}', {"i": "int64"}, "Type: Number is not of expected type: int64"),
        ('{"inputs": [1]}', {"b": "bool"}, "Type: Number is not of expected type: bool"),
        (f'{{"inputs": [{2**31}]}}', {"i": "int32"}, "not of expected type: int32"),
        (f'{{"inputs": [{2**63}]}}', {"i": "int64"}, "not of expected type: int64"),
        ('{"inputs": [-1]}', {"u": "uint32"}, "not of expected type: uint32"),
        # Beyond what is done there: a value that int8 does not hold, and more dimensions than NumPy has.
        ('{"inputs": [128]}', {"i": "int8"}, "not of expected type: int8"),
        ('{"inputs": ' + "[" * 40 + "1" + "]" * 40 + "}", {"i": "int32"}, "at most 32 dimensions"),
        ('{"inputs": [' + "9" * 400 + "]}", {"x": "double"}, "too big"),
        ('{"inputs": ["\\ud800"]}', {"s": "string"}, "surrogate pair in string is invalid"),
    ],
)
def test_requests_that_are_refused(text, types, message):
    with pytest.raises(StatusError) as caught:
        read(text, **types)
    assert message in caught.value.message
    assert caught.value.http_status == (501 if "complex" in message else 400)
