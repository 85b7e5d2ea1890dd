"""JSON from the tensors of a predict request's answer (util/json_tensor.cc of TensorFlow Serving)."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tfbert.server.status_codes import invalid

_INTEGERS = frozenset(map(np.dtype, ("int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")))


def body_from_tensors(tensors: Mapping[str, np.ndarray], by_rows: bool) -> bytes:
    """Write the answer to a predict request: `predictions`, one a row, or `outputs`, one array each.

    Bare values where there is one output, objects where there are several. Strings whose output's name ends in
    `_bytes` are written as `{"b64": ...}`; in others, what is not UTF-8 is replaced. Numbers read back to the same
    float.
    """
    if not tensors:
        raise invalid("Cannot convert empty tensor map to JSON")
    tensors = dict(sorted(tensors.items()))
    if not by_rows:
        columns = [_nested(_leaves(name, array), array.shape) for name, array in tensors.items()]
        return f'{{"outputs": {_joined(list(tensors), columns)}}}'.encode()
    sizes = {}
    for name, array in tensors.items():
        if not array.ndim:
            raise invalid(f"Tensor name: {name} has no shape information ")
        sizes[name] = len(array)
        expected = next(iter(sizes.values()))
        if len(array) != expected:
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {expected}")
    rows_of_each = [_rows(_leaves(name, array), array.shape) for name, array in tensors.items()]
    rows = [_joined(list(tensors), row) for row in zip(*rows_of_each, strict=True)]
    return f'{{"predictions": [{", ".join(rows)}]}}'.encode()


def _joined(names: list[str], values: Sequence[str]) -> str:
    if len(names) == 1:
        return values[0]
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in zip(names, values, strict=True)) + "}"


def _rows(leaves: list[str], shape: Sequence[int]) -> list[str]:
    """Return one text for each element of the first dimension."""
    for level in range(len(shape) - 1, 0, -1):
        size, count = shape[level], int(np.prod(shape[:level]))
        leaves = [f"[{', '.join(leaves[i * size : (i + 1) * size])}]" for i in range(count)]
    return leaves


def _nested(leaves: list[str], shape: Sequence[int]) -> str:
    return f"[{', '.join(_rows(leaves, shape))}]" if shape else leaves[0]


def _leaves(name: str, array: np.ndarray) -> list[str]:
    """Return each value's JSON, in order."""
    values = array.reshape(-1)
    if array.dtype == object:
        as_bytes = name.endswith("_bytes")
        return [_base64(value) if as_bytes else _quote(value.decode(errors="replace")) for value in values]
    if array.dtype in (np.float32, np.float64):
        return decimals(values)
    if array.dtype == np.float16:
        return decimals(values.astype(np.float32))
    if array.dtype == np.bool_:
        return ["true" if value else "false" for value in values]
    if array.dtype in _INTEGERS:
        return list(map(str, values.tolist()))
    raise invalid(f"Failed to write JSON value for tensor type: {array.dtype}")


_quote: Callable[[str], str] = json.JSONEncoder(ensure_ascii=False).encode


def _base64(value: bytes) -> str:
    return f'{{"b64": "{base64.b64encode(value).decode()}"}}'


def decimals(values: np.ndarray) -> list[str]:
    """Write floats as there: six digits where they read back to the same float, else all it takes."""
    numbers = values.tolist()
    texts = ("%.6g " * len(numbers) % tuple(numbers)).split()
    digits = 9 if values.dtype == np.float32 else 17
    with np.errstate(over="ignore"):
        read_back = np.array(texts, np.float64).astype(values.dtype)
    for i in np.flatnonzero(read_back != values).tolist():
        texts[i] = f"{numbers[i]:.{digits}g}"
    return [text if "." in text or "e" in text else _whole(text) for text in texts]


def _whole(text: str) -> str:
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text + ".0")
