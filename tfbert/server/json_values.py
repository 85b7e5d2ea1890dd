"""JSON as TensorFlow Serving reads and quotes it (util/json_tensor.cc)."""

import base64
import binascii
import json
import re
from typing import Any

from tfbert.server.status_codes import StatusError, invalid

_QUOTED_CHARACTERS = 300
# What the library there says, where its words are part of the published tests.
_WORDS = {"Expecting value": "Invalid value.", "Extra data": "The document root must not be followed by other values."}


def parse_object(body: bytes | bytearray) -> dict[str, Any]:
    """Read a request's body, which must be one JSON object in UTF-8.

    NaN, Infinity and -Infinity are numbers, as TensorFlow Serving has it. Two things are refused that it lets pass: a
    key that occurs twice in an object, and bytes that are not UTF-8.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        value = _DECODER.decode(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise invalid(f"JSON Parse error: Invalid encoding in string. at offset: {error.start}") from None
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {_WORDS.get(error.msg, error.msg)} at offset: {error.pos}") from None
    except RecursionError:
        raise invalid("JSON Parse error: The document is nested too deeply.") from None
    except ValueError:
        # Python's bound on the digits of an integer.
        raise invalid("JSON Parse error: Number too big to be stored in double.") from None
    if not isinstance(value, dict):
        raise invalid(f"JSON Value: {shown(value)} Is not object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise invalid("JSON Parse error: A key occurs twice in an object.")
    return found


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise invalid("JSON Parse error: Number too big to be stored in double.")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float)


def shown(value: Any) -> str:
    """The beginning of `value`, for a message."""
    text = ""
    try:
        for part in json.JSONEncoder(indent=4, ensure_ascii=False).iterencode(value):
            text += part[: _QUOTED_CHARACTERS + 1]
            if len(text) > _QUOTED_CHARACTERS:
                return text[:_QUOTED_CHARACTERS] + "..."
    except RecursionError:
        return text + "..."
    return text


def type_name(value: Any) -> str:
    """The name of a JSON value's type in TensorFlow Serving's messages."""
    if value is None or isinstance(value, bool):
        return {None: "Null", True: "True", False: "False"}[value]
    kinds: dict[type, str] = {dict: "Object", list: "Array", str: "String"}
    return kinds.get(type(value), "Number")


def is_base64(value: Any) -> bool:
    """Whether `value` is `{"b64": "..."}`, the form of bytes."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_base64(value: Any) -> bytes:
    """The bytes of `{"b64": "..."}`; padding may be left out and white space is skipped."""
    if not is_base64(value):
        raise invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    letters = re.sub(r"\s", "", value["b64"])
    bare = letters.rstrip("=")
    try:
        if len(letters) - len(bare) > 2:
            raise ValueError
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def encode_text(text: str) -> bytes:
    """UTF-8 of a JSON string; a lone surrogate has none."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from None


def as_double(number: float) -> float:
    """A number of any size as TensorFlow Serving holds one that is no 64-bit integer."""
    try:
        return float(number)
    except OverflowError:
        raise invalid("JSON Parse error: Number too big to be stored in double.") from None


def signature_name(body: dict[str, Any]) -> str:
    """The signature a body asks for; "" where it does not say."""
    name = body.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {shown(body)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def error_body(error: StatusError) -> bytes:
    """`{"error": ...}`, the body of every answer that is not OK."""
    # Escaped to ASCII, so that whatever stood in a request can be quoted.
    return json.dumps({"error": error.message}).encode()
