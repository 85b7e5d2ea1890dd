"""The application alone, without sockets: bodies, bounds, waiting."""

import asyncio
import gzip
import json

import pytest

from tfbert.server import BatchingParameters, Limits, ModelConfig
from tfbert.server.app import create_app
from tfbert.server.metrics import Metrics
from tfbert.server.requests import Requests
from tfbert.server.rest_app import RestApp
from tfbert.server.versions import Versions

PREDICT = "/v1/models/numbered:predict"
GOOD = b'{"instances": ["good"]}'
PACKED = gzip.compress(GOOD, mtime=0)
ANSWER = {"predictions": [{"length": 4, "number": 7.0}]}
# About a second's work, which its thread cannot be kept from.
BUSY = b'{"signature_name": "busy", "inputs": [60000]}'


@pytest.fixture(scope="module")
def versions(numbered):
    found = Versions([ModelConfig("numbered", numbered)], BatchingParameters(), Metrics())
    found.poll()
    return found


@pytest.fixture
def make(versions):
    made = []

    def make(**limits):
        metrics = Metrics()
        made.append(RestApp(Requests(versions, Limits(**limits), metrics)))
        return create_app(made[-1], metrics)

    yield make
    for app in made:
        app.close()


async def ask(app, *parts, method="POST", path=PREDICT, headers=(), pause=0.0, leave=False):
    """Return the status, the headers and the body's JSON, or nothing where nothing was sent."""
    waiting = list(parts)
    sent = []

    async def receive():
        await asyncio.sleep(pause)
        if not waiting and leave:
            return {"type": "http.disconnect"}
        part = waiting.pop(0) if waiting else b""
        return {"type": "http.request", "body": part, "more_body": bool(waiting) or leave}

    async def send(message):
        sent.append(message)

    target, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": target,
        "raw_path": target.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    await app(scope, receive, send)
    if not sent:
        return None
    body = b"".join(message["body"] for message in sent[1:])
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert int(found["content-length"]) == len(body)
    return sent[0]["status"], found, json.loads(body) if found["content-type"] == "application/json" else body.decode()


def asked(*arguments, **named):
    return asyncio.run(ask(*arguments, **named))


def test_an_answer(make):
    status, headers, body = asked(make(), GOOD[:5], GOOD[5:])
    assert (status, body) == (200, ANSWER)
    assert headers["content-type"] == "application/json"


def test_the_metrics_and_other_paths(make):
    app = make()
    asked(app, GOOD)
    status, headers, page = asked(app, method="GET", path="/monitoring/prometheus/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert ':tensorflow:serving:request_count{model_name="numbered",status="OK"} 1' in page
    assert asked(app, method="GET", path="/")[0] == 404
    assert asked(app, method="POST", path="/monitoring/prometheus/metrics")[2] == {"error": "Method Not Allowed"}


def test_more_routes_come_first(versions):
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def page(request):
        return JSONResponse({"page": request.url.path})

    metrics = Metrics()
    rest = RestApp(Requests(versions, Limits(), metrics))
    app = create_app(rest, metrics, [Route("/", page)])
    assert asked(app, method="GET", path="/")[2] == {"page": "/"}
    assert asked(app, GOOD)[2] == ANSWER
    rest.close()


@pytest.mark.parametrize(
    ("limits", "parts", "status"),
    [
        ({"body_bytes": 22}, [GOOD], 413),
        ({"body_bytes": 23}, [GOOD], 200),
        ({"body_bytes": 22}, [GOOD[:10], GOOD[10:]], 413),
        ({"waiting_bytes": 22}, [GOOD], 429),
        ({"waiting_bytes": 23}, [GOOD], 200),
        ({"text_bytes": 3}, [GOOD], 400),
        ({"rows": 1}, [b'{"instances": ["a", "b"]}'], 400),
    ],
)
def test_bounds_on_bodies(make, limits, parts, status):
    app = make(**limits)
    for _ in range(3):
        assert asked(app, *parts)[0] == status


def test_a_body_that_is_too_long_closes_the_connection(make):
    assert asked(make(body_bytes=5), GOOD)[1]["connection"] == "close"
    assert "connection" not in asked(make(), b"{")[1]


def test_waiting_bytes_are_those_of_all(make):
    async def two(app):
        return await asyncio.gather(ask(app, GOOD, b"", pause=0.1), ask(app, GOOD, b"", pause=0.1))

    app = make(waiting_bytes=45)
    assert sorted(status for status, *_ in asyncio.run(two(app))) == [200, 429]
    assert asked(app, GOOD)[0] == 200


def test_a_head_that_is_too_large(make):
    assert asked(make(), GOOD, headers=[("a", "b" * 20_000)])[0] == 431


def test_a_slow_body(make):
    status, headers, body = asked(make(read_seconds=0.2), *[b" "] * 50, pause=0.05)
    assert (status, headers["connection"]) == (408, "close")
    assert body == {"error": "The request did not arrive within 0.2 s."}


def test_a_client_that_leaves(make, caplog):
    app = make()
    assert asked(app, b"half", leave=True) is None
    assert asked(app, GOOD)[0] == 200
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", PACKED, 200),
        ("x-gzip", PACKED, 200),
        ("identity", GOOD, 200),
        ("GZIP", PACKED, 200),
        ("gzip", PACKED + b"a", 400),
        ("gzip", PACKED[:-1], 400),
        ("gzip", GOOD, 400),
        ("gzip", gzip.compress(b" " * 2000, mtime=0), 413),
        ("gzip", gzip.compress(b" " * 977 + GOOD, mtime=0), 200),
        ("deflate", GOOD, 415),
    ],
)
def test_packed_bodies(make, encoding, body, status):
    assert asked(make(body_bytes=1000), body, headers=[("content-encoding", encoding)])[0] == status


def test_an_answer_that_takes_too_long(make):
    app = make(answer_seconds=0.1, waiting_requests=1)
    status, _, body = asked(app, BUSY)
    assert (status, body) == (504, {"error": "There was no answer within 0.1 s."})


def test_a_request_too_many(make):
    app = make(waiting_requests=1)

    async def both():
        first = asyncio.create_task(ask(app, BUSY))
        await asyncio.sleep(0.1)
        second = await ask(app, GOOD)
        return await first, second, await ask(app, GOOD)

    first, second, third = asyncio.run(both())
    assert first[0] == 200
    assert second[0] == 429
    assert second[1]["retry-after"] == "1"
    assert second[2]["error"].startswith("1 requests are waiting")
    assert third[2] == ANSWER


def test_a_request_that_took_too_long_keeps_its_place_until_it_ends(make):
    app = make(answer_seconds=0.1, waiting_requests=1)

    async def in_turn():
        found = [(await ask(app, BUSY))[0], (await ask(app, GOOD))[0]]
        for _ in range(200):
            await asyncio.sleep(0.1)
            if (await ask(app, GOOD))[0] == 200:
                return found
        raise AssertionError("the place was not given back")

    assert asyncio.run(in_turn()) == [504, 429]


def test_a_defect_of_ours_is_logged_and_says_nothing(make, caplog, monkeypatch):
    monkeypatch.setattr(Requests, "answer", lambda *_: 1 / 0)
    status, _, body = asked(make(), GOOD)
    assert (status, body) == (500, {"error": "The server failed; its log says how."})
    assert "ZeroDivisionError" in caplog.text
