"""Tensors from the JSON of a predict request (util/json_tensor.cc of TensorFlow Serving)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfbert.server import json_values
from tfbert.server.json_values import shown
from tfbert.server.status_codes import StatusError, invalid

# Every type that has a JSON form, by TensorFlow's name of it.
_FLOATS = {"float": np.float32, "double": np.float64}
_INTEGERS = {name: np.dtype(name).type for name in ("int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")}
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
        raise StatusError(
            "UNIMPLEMENTED", f"Conversion of JSON Value: {shown(values[0] if values else values)} to type: {kind}"
        )
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
