"""The REST interface as an ASGI application: bodies in, answers out, and bounds on both."""

import asyncio
import logging
import threading
import zlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tfbert.server import json_values
from tfbert.server.requests import Requests
from tfbert.server.rest_paths import Call, parse_path
from tfbert.server.status_codes import StatusError, invalid, not_found

logger = logging.getLogger("tfbert.server")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# How much of a body that is too long is read and dropped, so that its sender gets to read the answer.
_DROPPED_BYTES = 256 << 20
_HEAD_BYTES = 16 << 10


class RestApp:
    """Answers everything under /v1/ and, with 404 in JSON, whatever no one else answers.

    Python's share of a request is done in the thread that waits for the model, so that slow JSON does not keep other
    connections waiting. There are as many threads as requests may wait: the batch scheduler blocks the thread of each.
    """

    def __init__(self, requests: Requests):
        self._requests = requests
        self._limits = requests.limits
        self._threads = ThreadPoolExecutor(self._limits.waiting_requests, thread_name_prefix="requests")
        self._places = threading.Semaphore(self._limits.waiting_requests)
        self._waiting_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        close = False
        try:
            status, content = 200, await self._answer(scope, receive)
        except StatusError as error:
            status, content = error.http_status, json_values.error_body(error)
            # What is left of a body that was not read would be taken for the next request.
            close = status in (408, 413)
        except _ClientLeft:
            return
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"][:200])
            status, content = (
                500,
                json_values.error_body(StatusError("INTERNAL", "The server failed; its log says how.")),
            )
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        if status == 429:
            headers.append((b"retry-after", b"1"))
        if close:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def close(self) -> None:
        """Let the threads go; what runs is finished."""
        self._threads.shutdown()

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        path = scope["raw_path"].decode("latin-1")
        if not path[:4].lower() == "/v1/":
            raise not_found(f"Not found: {path[:200]}")
        query = scope["query_string"].decode("latin-1")
        call = parse_path(scope["method"], f"{path}?{query}" if query else path)
        if scope["method"] == "GET":
            return self._requests.answer(call, b"")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _HEAD_BYTES:
            raise StatusError("INVALID_ARGUMENT", f"Headers may have {_HEAD_BYTES} bytes.", 431)
        headers = dict(scope["headers"])
        body = bytearray()
        with self._requests.counted(call.model, call.verb, "REST"):
            try:
                await self._read(receive, _length(headers), body)
                return await self._run(call, body, headers.get(b"content-encoding", b"").decode("latin-1").lower())
            finally:
                self._waiting_bytes -= len(body)

    async def _read(self, receive: Receive, length: int | None, body: bytearray) -> None:
        """Fill `body`, which counts among the waiting bytes, or refuse it when all of it has come."""
        size, refused = 0, None
        if length is not None and length > _DROPPED_BYTES:
            raise self._too_long()
        try:
            async with asyncio.timeout(self._limits.read_seconds):
                more = True
                while more and size <= _DROPPED_BYTES:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientLeft
                    part, more = message["body"], message["more_body"]
                    size += len(part)
                    refused = refused or self._refusal(size, len(part))
                    if not refused:
                        body += part
                        self._waiting_bytes += len(part)
        except TimeoutError:
            raise StatusError(
                "DEADLINE_EXCEEDED", f"The request did not arrive within {self._limits.read_seconds:g} s.", 408
            ) from None
        if refused:
            raise refused

    def _refusal(self, size: int, more: int) -> StatusError | None:
        if size > self._limits.body_bytes:
            return self._too_long()
        if self._waiting_bytes + more > self._limits.waiting_bytes:
            return StatusError("RESOURCE_EXHAUSTED", "Too many large requests at once. Try again later.")
        return None

    def _too_long(self) -> StatusError:
        return StatusError("INVALID_ARGUMENT", f"A body may have {self._limits.body_bytes} bytes.", 413)

    async def _run(self, call: Call, body: bytearray, encoding: str) -> bytes:
        if not self._places.acquire(blocking=False):
            raise StatusError(
                "RESOURCE_EXHAUSTED", f"{self._limits.waiting_requests} requests are waiting already. Try again later."
            )
        running = self._threads.submit(self._answer_here, call, body, encoding)
        # A request that took too long keeps its place until its thread is free.
        running.add_done_callback(lambda _: self._places.release())
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                return await asyncio.wrap_future(running)
        except TimeoutError:
            raise StatusError(
                "DEADLINE_EXCEEDED", f"There was no answer within {self._limits.answer_seconds:g} s."
            ) from None

    def _answer_here(self, call: Call, body: bytearray, encoding: str) -> bytes:
        return self._requests.answer(call, self._unpacked(body, encoding))

    def _unpacked(self, body: bytearray, encoding: str) -> bytes | bytearray:
        if encoding in ("", "identity"):
            return body
        if encoding not in ("gzip", "x-gzip"):
            raise StatusError("INVALID_ARGUMENT", f"Content-Encoding must be gzip; received {encoding[:100]}.", 415)
        packed = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            unpacked = packed.decompress(body, self._limits.body_bytes + 1)
        except zlib.error:
            raise invalid("The body is not in gzip's format.") from None
        if len(unpacked) > self._limits.body_bytes:
            raise self._too_long()
        if not packed.eof or packed.unused_data:
            raise invalid("The body is not in gzip's format.")
        return unpacked


class _ClientLeft(Exception):
    """The connection was closed before the request was whole."""


def _length(headers: dict[bytes, bytes]) -> int | None:
    value = headers.get(b"content-length", b"")
    return int(value) if value.isdigit() else None
