"""Tensors from the JSON of a predict request, and JSON from the tensors of its answer (util/json_tensor.cc)."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfbert.server import json_values
from tfbert.server.json_values import shown
from tfbert.server.status_codes import StatusError, invalid

# Every type that has a JSON form, by TensorFlow's name of it.
_FLOATS = {"float": np.float32, "double": np.float64}
_INTEGERS = {name: np.dtype(name).type for name in ("int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")}
_WRITTEN_INTEGERS = frozenset(np.dtype(kind) for kind in _INTEGERS.values())
_MOST_DIMENSIONS = 32

DataTypes = Mapping[str, str]
"""Of each input of a signature, its type by TensorFlow's name: float, int32, string, ..."""


def tensors_from_body(body: dict[str, Any], types: DataTypes) -> tuple[dict[str, np.ndarray], bool]:
    """Read the tensors of a predict request.

    Returns:
        The array of each input, strings as objects of bytes; and whether they came by rows, under `instances`.
    """
    if "instances" in body and "inputs" in body:
        raise invalid(
            f"JSON Value: {shown(body)} Not formatted correctly expecting only one of 'inputs' or 'instances' keys to "
            "exist "
        )
    if "instances" in body:
        rows = body["instances"]
        if not isinstance(rows, list):
            raise invalid(f"JSON Value: {shown(body)} Excepting 'instances' to be an list/array")
        if not rows:
            raise invalid(f"JSON Value: {shown(body)} No values in 'instances' array")
        return _from_rows(rows, types), True
    if "inputs" in body:
        return _from_columns(body["inputs"], types), False
    raise invalid("Missing 'inputs' or 'instances' key")


def _from_columns(value: Any, types: DataTypes) -> dict[str, np.ndarray]:
    if not isinstance(value, dict) or json_values.is_base64(value):
        if len(types) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        value = {next(iter(types)): value}
    for name in types:
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: _array(*_dense(value[name], kind), kind) for name, kind in types.items()}


def _from_rows(rows: list, types: DataTypes) -> dict[str, np.ndarray]:
    if not isinstance(rows[0], dict) and len(types) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    named = _is_named(rows[0])
    shapes: dict[str, list[int]] = {}
    values: dict[str, list] = {name: [] for name in types}
    for number, row in enumerate(rows):
        if _is_named(row) != named:
            found, wanted = ("list", "object") if named else ("object", "value/list")
            raise invalid(f"Expecting {wanted} but got {found} at item {number} of input list")
        for name, item in row.items() if named else ((next(iter(types)), row),):
            try:
                _add_row(item, name, types, shapes, values)
            except StatusError as error:
                key = f" key: {name}" if named else ""
                raise invalid(
                    f"Failed to process element: {number}{key} of 'instances' list. Error: {error.code}: "
                    f"{error.message}"
                ) from None
        if named and len(row) < len(types):
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: {shown(row)} keys must be "
                f"equal to: {','.join(sorted(types))}"
            )
    return {name: _array([len(rows), *shapes[name]], values[name], kind) for name, kind in types.items()}


def _is_named(row: Any) -> bool:
    return isinstance(row, dict) and not json_values.is_base64(row)


def _add_row(item: Any, name: str, types: DataTypes, shapes: dict[str, list[int]], values: dict[str, list]) -> None:
    if name not in types:
        raise invalid(f"JSON object: does not have named input: {name}")
    shape, found = _dense(item, types[name])
    wanted = shapes.setdefault(name, shape)
    if shape != wanted:
        if np.prod(shape) != np.prod(wanted):
            raise invalid(f"Expecting tensor size: {np.prod(wanted):.0f} but got: {len(found)}")
        raise invalid(f"Expecting shape {_shape(wanted)} but got: {_shape(shape)}")
    values[name] += found


def _shape(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _dense(value: Any, kind: str) -> tuple[list[int], list]:
    """Return the shape of nested lists, which that of the first elements decides, and their values in order."""
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        if not first:
            break
        first = first[0]
    if len(shape) > _MOST_DIMENSIONS:
        raise invalid(f"A tensor has at most {_MOST_DIMENSIONS} dimensions, and this one has {len(shape)}.")
    found: list = []
    if shape:
        _fill(value, 0, shape, kind, found)
    else:
        found += _checked([value], kind, 0, 0)
    return shape, found


def _fill(values: Any, level: int, shape: list[int], kind: str, found: list) -> None:
    if not isinstance(values, list):
        raise _wrong_level(values, level, len(shape))
    if len(values) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(values)} at level: {level} expected size: {shape[level]}"
        )
    if level == len(shape) - 1:
        found += _checked(values, kind, level + 1, len(shape))
    else:
        for value in values:
            _fill(value, level + 1, shape, kind, found)


def _wrong_level(value: Any, level: int, rank: int) -> StatusError:
    return invalid(
        f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {rank}"
    )


def _checked(values: list, kind: str, level: int, rank: int) -> list:
    """Return the values of one innermost list as numbers or bytes that `kind` holds exactly."""
    types = set(map(type, values))
    if list in types:
        raise invalid(f"Encountered list at unexpected level: {level} expected < {rank}")
    if kind == "string":
        if types <= {str}:
            return list(map(json_values.encode_text, values))
        return [_bytes(value) for value in values]
    if kind == "bool":
        accepted = types <= {bool}
    elif kind in _FLOATS:
        accepted = types <= {int, float}
    elif kind in _INTEGERS:
        accepted = types <= {int} and _in_range(values, kind)
    else:
        raise StatusError("UNIMPLEMENTED", f"Conversion of JSON Value: {shown(values[0])} to type: {kind}")
    if not accepted:
        raise _type_error(next(value for value in values if _is_wrong(value, kind)), kind)
    # The common case needs no look at each value.
    if kind in _FLOATS and not (types <= {float} and _all_exact(values, _FLOATS[kind])):
        for value in values:
            if not _is_exact(value, _FLOATS[kind]):
                raise invalid(f"Cannot convert JSON value: {shown(value)} to {kind} without loss of precision.")
    return values


def _bytes(value: Any) -> bytes:
    if isinstance(value, dict):
        return json_values.decode_base64(value)
    if not isinstance(value, str):
        raise _type_error(value, "string")
    return json_values.encode_text(value)


def _in_range(values: list[int], kind: str) -> bool:
    limits = np.iinfo(_INTEGERS[kind])
    return not values or (limits.min <= min(values) and max(values) <= limits.max)


def _is_wrong(value: Any, kind: str) -> bool:
    if kind in _INTEGERS:
        return type(value) is not int or not _in_range([value], kind)
    return type(value) not in ((int, float) if kind in _FLOATS else (bool,))


def _all_exact(values: list[float], kind: type) -> bool:
    sizes = np.abs(np.array(values, np.float64))
    return not np.any(np.isfinite(sizes) & (sizes > float(np.finfo(kind).max)))


def _is_exact(value: float, kind: type) -> bool:
    """Whether a number may become a float: a whole one below 2 ** digits, any other one within its range."""
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return abs(value) < 2 ** (np.finfo(kind).nmant + 1)
    return not np.isfinite(json_values.as_double(value)) or abs(value) <= float(np.finfo(kind).max)


def _type_error(value: Any, kind: str) -> StatusError:
    return invalid(f"JSON Value: {shown(value)} Type: {json_values.type_name(value)} is not of expected type: {kind}")


def _array(shape: list[int], values: list, kind: str) -> np.ndarray:
    if kind == "string":
        array = np.empty(len(values), object)
        array[:] = values
        return array.reshape(shape)
    dtype: Any = np.bool_ if kind == "bool" else _FLOATS.get(kind) or _INTEGERS[kind]
    return np.array(values, dtype).reshape(shape)


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
    if array.dtype in _WRITTEN_INTEGERS:
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
