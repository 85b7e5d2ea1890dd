"""HTTP connections that bound what a client may do before its request is even read, and answer in JSON."""

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from tfbert.server.limits import Limits


def protocol_class(limits: Limits) -> type[H11Protocol]:
    """Return uvicorn's protocol with the bounds of `limits`: connections at once, and seconds for a request's head."""

    class BoundedProtocol(H11Protocol):
        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **kwargs)
            self._head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                self._refuse(503, f"{limits.connections} connections are open already. Try again later.")
            else:
                self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            # uvicorn bounds the time between requests, but not a head that comes byte by byte.
            if self.conn.their_state is h11.IDLE:
                self._wait_for_head()
            else:
                self._stop_waiting()

        def send_400_response(self, msg: str) -> None:
            self._refuse(400, msg)

        def _wait_for_head(self) -> None:
            if self._head_timer is None:
                self._head_timer = self.loop.call_later(limits.read_seconds, self._head_is_late)

        def _stop_waiting(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _head_is_late(self) -> None:
            self._refuse(408, f"The request did not arrive within {limits.read_seconds:g} s.")

        def _refuse(self, status: int, message: str) -> None:
            """Answer before the application is asked, and close."""
            if self.transport.is_closing():
                return
            body = json.dumps({"error": message}).encode()
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                headers = [("content-type", "application/json"), ("connection", "close")]
                headers.append(("content-length", str(len(body))))
                for event in (
                    h11.Response(status_code=status, headers=headers),
                    h11.Data(data=body),
                    h11.EndOfMessage(),
                ):
                    self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

    return BoundedProtocol
