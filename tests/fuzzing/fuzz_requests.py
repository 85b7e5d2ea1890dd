"""Fuzz the server's reading of requests: any path and any body give tensors, examples, or a `StatusError`."""

import contextlib
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import fuzzing

with fuzzing.instrumented() if __name__ == "__main__" else contextlib.nullcontext():
    from tfbert.server import examples, json_tensors, json_values
    from tfbert.server.rest_paths import parse_path
    from tfbert.server.status_codes import StatusError

_SIGNATURES = (
    {"text": "string"},
    {"ids": "int32", "scores": "float"},
    {"flags": "bool", "image_bytes": "string", "numbers": "double"},
    {"small": "uint8"},
    {"large": "int64"},
    {"half": "half"},
)


def seeds() -> list[bytes]:
    bodies = (
        {"instances": ["Love it!", "Bad.", {"b64": "YWJj"}]},
        {
            "signature_name": "a",
            "instances": [{"ids": [1, 2], "scores": [0.5, 1e3]}, {"ids": [3, 4], "scores": [1, 2]}],
        },
        {"inputs": {"flags": [[True], [False]], "image_bytes": {"b64": "AA=="}, "numbers": [[1.5, -2e-300]]}},
        {"instances": [[[1, 2], [3, 4]], [[5, 6], [7, 255]]]},
        {"inputs": [-9223372036854775808, 9223372036854775807]},
        {"context": {"a": 1}, "examples": [{"text": "a", "n": [1, 2], "x": 0.5}, {"text": {"b64": "YQ=="}}]},
    )
    path = b"/v1/models/reviews/versions/3:predict\n"
    return [
        *(bytes([number]) + path + json.dumps(body).encode() for number, body in enumerate(bodies)),
        b"\0/v1/models/a%20b/labels/stable/metadata\n{}",
        b"\1/v1/models/m:classify\n" + '{"instances": ["\\ud83d\\ude00 ä", "\\ud800"]}'.encode(),
    ]


def one_input(data: bytes) -> None:
    """The first byte picks a signature, the first line is the path, the rest the body."""
    if not data:
        return
    path, _, body = data[1:].partition(b"\n")
    for method in ("GET", "POST"):
        with contextlib.suppress(StatusError):
            call = parse_path(method, path.decode("latin-1"))
            assert call.model
            assert call.version is None or 0 <= call.version < 2**63
    try:
        parsed = json_values.parse_object(body)
    except StatusError as error:
        json.loads(json_values.error_body(error))
        return
    with contextlib.suppress(StatusError):
        json_values.signature_name(parsed)
    types = _SIGNATURES[data[0] % len(_SIGNATURES)]
    try:
        tensors, by_rows = json_tensors.tensors_from_body(parsed, types)
        assert tensors.keys() == types.keys()
        for name, array in tensors.items():
            assert array.dtype == object if types[name] == "string" else array.dtype != object
            assert not by_rows or len(array) == len(parsed["instances"])
            assert array.dtype != object or all(isinstance(value, bytes) for value in np.ravel(array))
    except StatusError as error:
        json.loads(json_values.error_body(error))
    with contextlib.suppress(StatusError):
        assert all(isinstance(row, bytes) for row in examples.examples_from_body(parsed))


if __name__ == "__main__":
    fuzzing.run(one_input, seeds)
