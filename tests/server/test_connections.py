"""Bounds on connections; those that only a real socket shows are in test_hostile.py."""

import asyncio
import json

import pytest
import uvicorn
from uvicorn.server import ServerState

from tfbert.server import Limits
from tfbert.server.connections import protocol_class


class Transport(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data):
        self.written += bytes(data)

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


async def answer(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def connect(limits, state):
    config = uvicorn.Config(answer, ws="none", lifespan="off", log_config=None)
    config.load()
    protocol = protocol_class(limits)(config, state, {})
    transport = Transport()
    protocol.connection_made(transport)
    return protocol, transport


def error_of(transport):
    head, _, body = transport.written.partition(b"\r\n\r\n")
    assert transport.closed
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)["error"]


REQUEST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], 408),
        ([b"POST / HT"], 408),
        # Each part comes in time, the head does not.
        ([b"POST / HTTP/1.1\r\n"] + [b"a: b\r\n"] * 6, 408),
        ([b"nonsense\r\n\r\n"], 400),
    ],
)
def test_heads_that_are_late_or_none(parts, expected):
    async def run():
        protocol, transport = connect(Limits(read_seconds=0.2), ServerState())
        for part in parts:
            if not transport.closed:
                protocol.data_received(part)
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        return error_of(transport)

    assert asyncio.run(run())[0] == expected


def test_a_body_is_not_the_heads_affair_and_the_next_head_is():
    async def run():
        protocol, transport = connect(Limits(read_seconds=0.2), ServerState())
        protocol.data_received(REQUEST)
        await asyncio.sleep(0.3)
        # The application has its own bound on the body.
        assert not transport.written
        protocol.data_received(b"ab")
        await asyncio.sleep(0.05)
        assert transport.written.startswith(b"HTTP/1.1 200")
        transport.written = b""
        protocol.data_received(b"POST / HT")
        await asyncio.sleep(0.4)
        return error_of(transport)

    assert asyncio.run(run())[0] == 408


def test_a_connection_too_many():
    async def run():
        state = ServerState()
        first, second = connect(Limits(connections=1), state), connect(Limits(connections=1), state)
        assert not first[1].closed
        for protocol, _ in (first, second):
            protocol.connection_lost(None)
        third = connect(Limits(connections=1), state)
        assert not third[1].closed
        third[0].connection_lost(None)
        return error_of(second[1])

    assert asyncio.run(run()) == (503, "1 connections are open already. Try again later.")
