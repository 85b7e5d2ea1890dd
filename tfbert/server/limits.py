"""How much one client, and all clients together, may ask of the server."""

import dataclasses

from tfbert.errors import InputError


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds; what goes beyond one is refused with a JSON error, and the server goes on.

    Args:
        body_bytes: of one request, unpacked; beyond it 413.
        waiting_bytes: of all bodies that are being read or answered; beyond it 429.
        rows: of one request; beyond it 400.
        text_bytes: of one string; beyond it 400.
        waiting_requests: that are being answered or wait for it, at once; beyond it 429.
        connections: open at once; beyond it 503.
        answer_seconds: for one answer; beyond it 504.
        read_seconds: for a request to arrive whole; beyond it 408, and the connection is closed.
    """

    body_bytes: int = 16 << 20
    waiting_bytes: int = 256 << 20
    rows: int = 1024
    text_bytes: int = 100_000
    waiting_requests: int = 256
    connections: int = 1024
    answer_seconds: float = 30.0
    read_seconds: float = 10.0

    def __post_init__(self):
        wrong = [f"{name}={value}" for name, value in dataclasses.asdict(self).items() if not value > 0]
        if wrong:
            raise InputError(f"limits must be above 0; received {', '.join(wrong)}.")
