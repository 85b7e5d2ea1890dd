"""Serve exported models over HTTP, and gRPC where asked for, as TensorFlow Serving does.

  python recipes/serve.py runs/reviews/serving/reviews
  python recipes/serve.py runs/reviews/serving/models.config --port 8501 --grpc-port 8500
  curl -d '{"instances": ["Love it!"]}' http://127.0.0.1:8501/v1/models/reviews:predict

FOLDER is a model's folder, whose subfolders 1, 2, ... are its versions, or a models.config of several models. The
highest version serves, as with TensorFlow Serving; one that is added is loaded, warmed up and takes over without a
request being dropped; a damaged one is reported and left aside. A batching.config in FOLDER, or beside it, is followed.
A page at / tries the models in a browser: texts one by one or from a CSV, and gaps to fill; --no-page leaves it out.
Needs the extra `serve`: pip install 'tfbert[serve]'. Ends on SIGTERM or Ctrl-C when all that runs is answered.
"""

import dataclasses
import logging
import sys
from pathlib import Path

from tfbert.cli import argument, run_recipe, setting
from tfbert.errors import InputError


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run depends on."""

    folder: str = argument("FOLDER", "folder of a model's versions, or a models.config")
    host: str = setting("127.0.0.1", "address to listen at; 0.0.0.0 for all of this machine's")
    port: int = setting(8501, "port for HTTP; 0 takes a free one")
    grpc_port: int | None = setting(None, "port for gRPC; by default there is none")
    all_versions: bool = setting(False, "serve every version in FOLDER instead of the highest")
    batching_config: str | None = setting(None, "file of BatchingParameters; by default batching.config, where it is")
    page: bool = setting(True, "serve a page for people at /")
    intra_op_threads: int = setting(
        1,
        "threads that share one operation, 0 for one for each core: 1 answers most requests a second on CPUs, more "
        "answer a long text alone sooner",
    )
    poll_seconds: float = setting(1.0, "seconds between two looks for new versions")
    max_body_bytes: int = setting(16 << 20, "bytes of one request")
    max_rows: int = setting(1024, "rows of one request")
    max_text_bytes: int = setting(100_000, "bytes of one text")
    max_waiting_requests: int = setting(256, "requests that run or wait at once; more are answered with 429")
    max_connections: int = setting(1024, "connections open at once; more are answered with 503")
    answer_seconds: float = setting(30.0, "seconds for an answer, then 504")
    read_seconds: float = setting(10.0, "seconds for a request to arrive, then 408")

    def __post_init__(self):
        if not self.poll_seconds > 0:
            raise InputError(f"--poll-seconds must be above 0; received {self.poll_seconds}.")
        if self.intra_op_threads < 0:
            raise InputError(f"--intra-op-threads must be at least 0; received {self.intra_op_threads}.")


def main(settings: Settings) -> None:
    """Run the recipe."""
    import tensorflow as tf

    from tfbert import server

    try:
        from tfbert.server.page import page_routes
        from tfbert.server.running import serve
    except ModuleNotFoundError as error:
        raise InputError(f"serving needs the package {error.name}: pip install 'tfbert[serve]'.") from None

    # 1. What is served, and within which bounds.
    configs = server.read_model_configs(settings.folder, all_versions=settings.all_versions)
    limits = server.Limits(
        body_bytes=settings.max_body_bytes,
        rows=settings.max_rows,
        text_bytes=settings.max_text_bytes,
        waiting_requests=settings.max_waiting_requests,
        connections=settings.max_connections,
        answer_seconds=settings.answer_seconds,
        read_seconds=settings.read_seconds,
    )
    found = settings.batching_config or server.find_batching_config(Path(settings.folder))
    batching = server.read_batching_parameters(found) if found else server.BatchingParameters()
    print(f"batching    {found or 'by default'}: {batching}")

    # 2. Serve until a signal. Requests, and the groups of like length in one, keep the cores busy: to cut the small
    # products of each into parts as well costs more than it saves.
    if settings.intra_op_threads:
        tf.config.threading.set_intra_op_parallelism_threads(settings.intra_op_threads)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("tfbert.server").setLevel(logging.INFO)

    def tell(port: int, grpc_port: int | None) -> None:
        address = f"http://{settings.host}:{port}"
        for config in configs:
            print(f"serving     {address}/v1/models/{config.name}")
        if settings.page:
            print(f"page        {address}/")
        print(f"metrics     {address}{server.METRICS_PATH}")
        if grpc_port:
            print(f"gRPC        {settings.host}:{grpc_port}")
        print("ready       Ctrl-C ends it when all that runs is answered", flush=True)

    serve(
        configs,
        host=settings.host,
        port=settings.port,
        grpc_port=settings.grpc_port,
        limits=limits,
        batching=batching,
        poll_seconds=settings.poll_seconds,
        routes=page_routes if settings.page else None,
        on_start=tell,
    )


if __name__ == "__main__":
    run_recipe(main, Settings)
