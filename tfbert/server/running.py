"""The server's life: sockets, start, signals, end."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Sequence

import uvicorn
from starlette.routing import BaseRoute

from tfbert.errors import InputError
from tfbert.server.app import create_app
from tfbert.server.batching import BatchingParameters
from tfbert.server.connections import protocol_class
from tfbert.server.grpc_service import GrpcServer
from tfbert.server.limits import Limits
from tfbert.server.metrics import Metrics
from tfbert.server.model_configs import ModelConfig
from tfbert.server.requests import Requests
from tfbert.server.rest_app import RestApp
from tfbert.server.versions import Versions

logger = logging.getLogger("tfbert.server")


def serve(
    configs: list[ModelConfig],
    *,
    host: str = "127.0.0.1",
    port: int = 8501,
    grpc_port: int | None = None,
    limits: Limits | None = None,
    batching: BatchingParameters | None = None,
    poll_seconds: float = 1.0,
    routes: Callable[[Requests], Sequence[BaseRoute]] | None = None,
    on_start: Callable[[int, int | None], None] | None = None,
) -> None:
    """Serve models until SIGTERM or SIGINT, then finish what runs and return.

    Args:
        configs: the models, each with its folder of versions.
        host: address to listen at.
        port: for HTTP; 0 takes a free one.
        grpc_port: for gRPC; None for none, 0 takes a free one.
        limits: bounds on requests.
        batching: how requests are run together; None runs each on its own.
        poll_seconds: between two looks for new versions.
        routes: makes more pages from the requests' answers.
        on_start: is called with the ports once the models that are there are loaded and connections are answered.

    Raises:
        InputError: a port is taken or may not be used.
    """
    limits = limits or Limits()
    listening = _listen(host, port)
    counted = Metrics()
    versions = Versions(configs, batching, counted)
    requests = Requests(versions, limits, counted)
    rest = RestApp(requests)
    app = create_app(rest, counted, routes(requests) if routes else ())
    grpc = GrpcServer(requests, host, grpc_port) if grpc_port is not None else None
    web = uvicorn.Server(
        uvicorn.Config(
            app,
            http=protocol_class(limits),
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # Clients that keep connections for reuse lose a request when one is closed under them.
            timeout_keep_alive=75,
            proxy_headers=False,
            # What runs is finished: nothing that was accepted takes longer.
            timeout_graceful_shutdown=int(limits.read_seconds + limits.answer_seconds) + 1,
        )
    )

    def end(number: int, frame: object) -> None:
        # Nothing is raised: while a model is loaded, an exception may come where TensorFlow cannot pass it on, and be
        # lost. So a model that is being loaded is finished, and the next one is not begun.
        web.should_exit = True
        versions.look_no_more()

    # uvicorn takes the signals while it runs and raises them again when it is done.
    previous = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        versions.start(poll_seconds)
        if not web.should_exit:
            if grpc:
                grpc.start()
            asyncio.run(_run(web, listening, on_start, grpc.port if grpc else None))
    finally:
        for number in previous:
            signal.signal(number, signal.SIG_IGN)
        if grpc:
            grpc.stop(limits.answer_seconds)
        versions.stop()
        rest.close()
        listening.close()
        for number, handler in previous.items():
            signal.signal(number, handler)
    logger.info("stopped")


async def _run(web: uvicorn.Server, listening: socket.socket, on_start, grpc_port: int | None) -> None:
    async def tell() -> None:
        while not web.started:
            await asyncio.sleep(0.01)
        on_start(listening.getsockname()[1], grpc_port)

    telling = asyncio.create_task(tell()) if on_start else None
    await web.serve(sockets=[listening])
    if telling:
        telling.cancel()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 1 << 16:
        raise InputError(f"a port is a number from 0 to 65535; received {port}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, since asyncio looks at it: only then does an answer's second packet not wait for the first
    # one's acknowledgement, which takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
        return listening
    except OSError as error:
        listening.close()
        raise InputError(
            f"cannot listen at {host} port {port}: {error.strerror or error}. Stop what listens there or choose "
            "another --host or --port."
        ) from None
