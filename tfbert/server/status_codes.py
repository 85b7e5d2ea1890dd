"""How a request ends: TensorFlow's status codes, and the HTTP status TensorFlow Serving gives each of them."""

import re

# In the order of their numbers, 0 to 16 (google.rpc.Code, which TensorFlow shares).
CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)

# `ToHTTPStatusCode` of TensorFlow Serving's model_servers/http_server.cc.
HTTP_STATUS = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}


_MOST_CHARACTERS = 1000


class StatusError(Exception):
    """A request that ends with another status than OK.

    Args:
        code: one of `CODES`.
        message: what the client reads under `error`.
        http_status: where HTTP has a more telling status than the code's own, such as 413.
    """

    def __init__(self, code: str, message: str, http_status: int | None = None):
        # A message may quote the request, whatever its size.
        self.message = message if len(message) <= _MOST_CHARACTERS else message[:_MOST_CHARACTERS] + "..."
        super().__init__(self.message)
        self.code = code
        self.http_status = http_status or HTTP_STATUS[code]


def invalid(message: str) -> StatusError:
    """The request itself is at fault: 400."""
    return StatusError("INVALID_ARGUMENT", message)


def not_found(message: str) -> StatusError:
    """There is no such model, version or path: 404."""
    return StatusError("NOT_FOUND", message)


def from_tensorflow(error: Exception) -> StatusError:
    """What TensorFlow raised while it loaded or ran a model, as a status.

    Python cannot read an error of TensorFlow's whose text quotes bytes that are not UTF-8; bytes come from requests
    alone, so that counts as an invalid argument.
    """
    if isinstance(error, UnicodeDecodeError):
        return invalid("The model refuses the request, in words that are not UTF-8.")
    number = getattr(error, "error_code", None)
    code = CODES[number] if isinstance(number, int) and 0 < number < len(CODES) else "INTERNAL"
    return StatusError(code, _without_traces(str(getattr(error, "message", error))) or type(error).__name__)


def _without_traces(message: str) -> str:
    """Leave out where in our graph an error arose: it tells a client nothing, and shows the server's paths."""
    if message.startswith("Graph execution error"):
        message = message.split("\n\n")[-1] if "\n\n" in message else message
        lines = [line for line in message.splitlines() if not re.match(r"\s*(File |Detected at |\d+ root error)", line)]
        message = "\n".join(lines)
    return re.sub(r"\s*\[(\[\{\{node|Op:)[^\]]*\]+", "", message).strip()
