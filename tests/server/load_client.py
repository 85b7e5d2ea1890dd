"""Many clients at once against one server, in a process of its own: python load_client.py PORT, with JSON on stdin.

Reads {"path", "clients", "requests", "until", "bodies", "answers"}: each client asks on one connection, one body after
the other, until there were so many requests and the file `until`, where one is named, is there. `answers` are, for each
body, the answers that are right, one for each version. Writes as JSON the seconds of each request, how often each
version answered, and what was wrong.
"""

import asyncio
import itertools
import json
import sys
import time
from pathlib import Path


async def ask(reader, writer, path, body):
    """Send one request; returns the status and the body."""
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    writer.write(head + body)
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    length = next(int(line[16:]) for line in lines if line.startswith("content-length: "))
    return int(lines[0].split()[1]), await reader.readexactly(length)


def close(found, expected):
    """Whether two answers are equal, numbers to 1e-4: the sum over a batch depends on its size."""
    if isinstance(expected, float):
        return abs(found - expected) < 1e-4
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(close, found, expected))
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(close(found[name], expected[name]) for name in expected)
    return found == expected


def is_over(job, asked):
    """Whether enough was asked."""
    return asked >= job["requests"] and (not job.get("until") or Path(job["until"]).exists())


async def client(port, job, numbers, result):
    """Ask until it is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not is_over(job, number := next(numbers)):
        i = number % len(job["bodies"])
        start = time.perf_counter()
        try:
            status, body = await ask(reader, writer, job["path"], job["bodies"][i].encode())
        except Exception as error:
            result["wrong"].append(f"{type(error).__name__}: {error}")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            continue
        result["seconds"].append(time.perf_counter() - start)
        found = json.loads(body)
        version = next((name for name, answers in job["answers"].items() if close(found, answers[i])), None)
        if status != 200 or version is None:
            result["wrong"].append(f"{status} {body[:200]}")
        else:
            result["versions"][version] = result["versions"].get(version, 0) + 1
    writer.close()


async def main(port, job):
    """Run all clients."""
    result = {"seconds": [], "versions": {}, "wrong": []}
    numbers = itertools.count()
    start = time.perf_counter()
    await asyncio.gather(*(client(port, job, numbers, result) for _ in range(job["clients"])))
    result["total_seconds"] = time.perf_counter() - start
    result["wrong"] = result["wrong"][:20]
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), json.load(sys.stdin)))
