"""The paths of TensorFlow Serving's REST interface (model_servers/http_rest_api_util.cc)."""

import dataclasses
import re
from urllib.parse import unquote

from tfbert.server.status_codes import invalid

_VERSION_OR_LABEL = r"(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_PREDICTION = re.compile(rf"(?i:/v1/models/([^/:]+){_VERSION_OR_LABEL}:(classify|regress|predict))")
_STATUS = re.compile(rf"(?i:/v1/models(?:/([^/:]+))?{_VERSION_OR_LABEL}(?:/(metadata))?)")


@dataclasses.dataclass(frozen=True)
class Call:
    """What a path asks for: `verb` is predict, classify, regress, status or metadata."""

    model: str
    verb: str
    version: int | None = None
    label: str | None = None


def parse_path(method: str, path: str) -> Call:
    """Read a request's line.

    Args:
        method: of HTTP, in capitals.
        path: with its query, as it was sent, percent signs and all.

    Raises:
        StatusError: the path or the method is none of the interface's.

    Example:
        >>> parse_path("POST", "/v1/models/reviews/versions/3:predict")
        Call(model='reviews', verb='predict', version=3, label=None)
    """
    pattern = {"POST": _PREDICTION, "GET": _STATUS}.get(method)
    found = pattern.fullmatch(path) if pattern else None
    if found is None:
        raise invalid(f"Malformed request: {method} {path}")
    model, version, label, last = found.groups()
    if not model:
        raise invalid("Missing model name in request.")
    number = int(version) if version and len(version) < 20 else None
    if version and (number is None or number >= 2**63):
        raise invalid(f"Failed to convert version: {version[:40]} to numeric.")
    return Call(
        unquote(model),
        last.lower() if method == "POST" else "metadata" if last else "status",
        number,
        unquote(label) if label else None,
    )
