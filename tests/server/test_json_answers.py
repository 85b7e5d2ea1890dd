"""Vectors marked with a test's name are of TensorFlow Serving's util/json_tensor_test.cc."""

import json

import numpy as np
import pytest

from tfbert.server.json_answers import body_from_tensors
from tfbert.server.status_codes import StatusError

FLOATS = np.array([[9000000, 999999, 0.5], [0.0003, 0.00003, 555557.5]], np.float32)
INTEGERS = np.arange(1, 13, dtype=np.int32).reshape(2, 3, 2) % 10
STRINGS = np.array([[b"foo", b"bar"], [b"baz", b"bat"]], object)
BYTES = np.array([[b"hello", b"world"], [b"tf", b"serving"]], object)


def write(by_rows, **tensors):
    return body_from_tensors(tensors, by_rows).decode()


def test_one_output():
    # FromJsonSingleTensor (whose values are 1, ..., 9, 0, 1, 2), FromJsonSingleScalarTensor, FromJsonSingleBytesTensor
    nested = [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 0], [1, 2]]]
    assert json.loads(write(True, int_tensor=INTEGERS)) == {"predictions": nested}
    assert json.loads(write(False, int_tensor=INTEGERS)) == {"outputs": nested}
    scalars = np.arange(1, 6, dtype=np.int32)
    assert json.loads(write(True, int_tensor=scalars)) == {"predictions": [1, 2, 3, 4, 5]}
    assert json.loads(write(False, int_tensor=scalars)) == {"outputs": [1, 2, 3, 4, 5]}
    assert json.loads(write(True, str_tensor_bytes=BYTES)) == {
        "predictions": [[{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}], [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}]]
    }


def test_floats_are_written_as_there():
    # FromJsonSingleFloatTensorSixDigitPrecision, FromJsonSingleFloatTensorNonFinite: compared as text there, too.
    text = write(True, float_tensor=FLOATS)
    assert text == '{"predictions": [[9e+06, 999999.0, 0.5], [0.0003, 3e-05, 555557.5]]}'
    unusual = np.array([[np.nan, np.inf], [3, -np.inf]], np.float32)
    assert write(True, x=unusual) == '{"predictions": [[NaN, Infinity], [3.0, -Infinity]]}'


def test_several_outputs():
    # FromJsonMultipleNamedTensors
    tensors = {
        "int_tensor": INTEGERS,
        "str_tensor": STRINGS,
        "float_tensor": np.array([[1], [2]], np.float32),
        "double_scalar_tensor": np.array([8, 9], np.float64),
        "str_tensor_bytes": BYTES,
    }
    assert json.loads(write(True, **tensors)) == {
        "predictions": [
            {
                "double_scalar_tensor": 8.0,
                "float_tensor": [1.0],
                "int_tensor": [[1, 2], [3, 4], [5, 6]],
                "str_tensor": ["foo", "bar"],
                "str_tensor_bytes": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}],
            },
            {
                "double_scalar_tensor": 9.0,
                "float_tensor": [2.0],
                "int_tensor": [[7, 8], [9, 0], [1, 2]],
                "str_tensor": ["baz", "bat"],
                "str_tensor_bytes": [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}],
            },
        ]
    }
    assert json.loads(write(False, **tensors)) == {
        "outputs": {
            "double_scalar_tensor": [8.0, 9.0],
            "float_tensor": [[1.0], [2.0]],
            "int_tensor": [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 0], [1, 2]]],
            "str_tensor": [["foo", "bar"], ["baz", "bat"]],
            "str_tensor_bytes": [
                [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}],
                [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}],
            ],
        }
    }


def test_no_rows():
    # FromJsonSingleZeroBatchTensor, FromJsonMultipleZeroBatchTensors
    assert json.loads(write(True, i=np.zeros([0, 2], np.int32))) == {"predictions": []}
    several = {"s": np.zeros([0, 1, 2], object), "f": np.zeros([0, 3, 4], np.float32)}
    assert json.loads(write(True, **several)) == {"predictions": []}
    # Rows without values, and no rows by columns.
    assert json.loads(write(True, i=np.zeros([2, 0, 3], np.int32))) == {"predictions": [[], []]}
    assert json.loads(write(False, i=np.zeros([2, 3, 0], np.int32))) == {"outputs": [[[], [], []], [[], [], []]]}
    assert json.loads(write(False, i=np.zeros([0, 2], np.int32))) == {"outputs": []}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        # FromJsonSingleTensorErrors, FromJsonMultipleNamedTensorsErrors, FromJsonMultipleZeroBatchTensorsErrors
        ({}, "empty tensor map"),
        ({"t": np.ones(2, np.complex64)}, "tensor type: complex64"),
        ({"t": np.int32(1)}, "no shape information"),
        ({"i": np.ones([2, 3], np.int32), "s": np.full([1, 3], b"foo", object)}, "inconsistent batch size"),
        ({"i": np.ones([0, 2], np.int32), "s": np.full([1, 2], b"foo", object)}, "inconsistent batch size"),
    ],
)
def test_answers_that_cannot_be_written(tensors, message):
    with pytest.raises(StatusError, match=message):
        body_from_tensors(tensors, by_rows=True)


def test_a_scalar_by_columns_and_other_types():
    assert write(False, t=np.array(5, np.int64)) == '{"outputs": 5}'
    assert write(False, t=np.array([True, False])) == '{"outputs": [true, false]}'
    assert write(False, t=np.array([0.5, 1], np.float16)) == '{"outputs": [0.5, 1.0]}'
    assert write(False, t=np.array([b'"\xff\n', "grün".encode()], object)) == '{"outputs": ["\\"\ufffd\\n", "grün"]}'


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_every_float_reads_back_to_itself(kind):
    bits = np.random.default_rng(0).integers(0, 2**32, 4000, np.uint32)
    values = bits.view(np.float32).astype(kind) if kind is np.float32 else np.repeat(bits, 2).view(np.float64)
    values = np.concatenate([values, np.array([0.1, 1 / 3, 1e-45, np.finfo(kind).max, -0.0], kind)])
    values = values[np.isfinite(values)]
    read_back = np.array(json.loads(write(False, x=values))["outputs"], kind)
    np.testing.assert_array_equal(read_back, values)
