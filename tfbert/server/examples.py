"""tf.Example from the JSON of a classify or regress request, and JSON from their results (util/json_tensor.cc)."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfbert.server import json_answers, json_values
from tfbert.server.json_values import shown, type_name
from tfbert.server.status_codes import invalid

_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def examples_from_body(body: dict[str, Any]) -> list[bytes]:
    """Read `examples`, each with the features of `context` added, as serialized tf.Example messages."""
    context = _example(body["context"]) if "context" in body else b""
    if "examples" not in body:
        raise invalid(
            f"JSON Value: {shown(body)} When method is classify, key 'examples' is expected and was not found"
        )
    examples = body["examples"]
    if not isinstance(examples, list):
        raise invalid(f"JSON Value: {shown(body)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid(f"JSON Value: {shown(body)} 'examples' value is an empty array")
    # Serialized messages that stand one behind the other read as one message with the fields of both.
    return [context + _example(example) for example in examples]


def _example(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    example = tf.train.Example()
    for name, content in value.items():
        feature = example.features.feature[json_values.encode_text(name).decode()]
        for element in content if isinstance(content, list) else [content]:
            _add(feature, name, element)
    return example.SerializeToString()


def _add(feature: tf.train.Feature, name: str, value: Any) -> None:
    """Append one value to the list of its kind."""
    if isinstance(value, str) or json_values.is_base64(value):
        kind = "bytes_list"
    elif isinstance(value, float):
        kind = "float_list"
    elif isinstance(value, int):
        kind = "int64_list"
    else:
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")
    if kind == "int64_list" and not -(2**63) <= value < 2**64:
        # The library there reads a larger whole number as a decimal one.
        kind, value = "float_list", json_values.as_double(value)
    found = feature.WhichOneof("kind")
    if found not in (None, kind):
        raise invalid(f"Unexpected element type in feature: {name} expecting type: {_KINDS[found]}")
    if kind == "bytes_list":
        value = json_values.encode_text(value) if isinstance(value, str) else json_values.decode_base64(value)
    elif kind == "float_list" and np.isfinite(value) and abs(value) > float(np.finfo(np.float32).max):
        raise invalid(f"Cannot convert JSON value: {shown(value)} to float without loss of precision.")
    elif kind == "int64_list" and value >= 2**63:
        raise invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
    getattr(feature, kind).value.append(int(value) if kind == "int64_list" else value)


def body_from_classes(classes: Sequence[Sequence[bytes]], scores: np.ndarray) -> bytes:
    """Write `results`: of each example its classes, each as [label, score].

    Args:
        classes: labels (examples, classes).
        scores: float32 (examples, classes).
    """
    if not len(scores):
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    rows = [
        ", ".join(f"[{json.dumps(label.decode(errors='replace'))}, {score}]" for label, score in zip(*row, strict=True))
        for row in zip(classes, map(json_answers.decimals, scores), strict=True)
    ]
    return f'{{"results": [{", ".join(f"[{row}]" for row in rows)}]}}'.encode()


def body_from_values(values: np.ndarray) -> bytes:
    """Write `results`, one value an example, from float32 (examples,)."""
    if not len(values):
        raise invalid("Cannot convert empty RegressionResults to JSON")
    return f'{{"results": [{", ".join(json_answers.decimals(values))}]}}'.encode()
