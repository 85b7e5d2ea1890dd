"""Make the batches of a pre-training that runs on other hosts, whose CPUs cannot feed their GPUs.

  tfbert serve-batches --port 5050                                          on a host with CPUs to spare
  tfbert pretrain --corpus CORPUS --data-service thathost:5050 ...          where the training runs

It is a tf.data service with one worker. The batches are those that the training would make itself, in the same order.
Several hosts take turns: --data-service one:5050,other:5050. The corpus must have the same path on all hosts, and
whoever reaches the two ports can have this process read any file: open them to the training hosts alone.
"""

import dataclasses
import socket

from tfbert.cli import run_recipe, setting


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where the service is."""

    host: str | None = setting(None, "name under which the training hosts reach this one; by default its own")
    port: int = setting(5050, "port of the service; the next one is its worker's")


def main(settings: Settings) -> None:
    """Run the recipe."""
    import tensorflow as tf

    service = tf.data.experimental.service
    dispatcher = service.DispatchServer(service.DispatcherConfig(port=settings.port))
    host = settings.host or socket.gethostname()
    worker = service.WorkerServer(
        service.WorkerConfig(
            dispatcher_address=f"localhost:{settings.port}",
            worker_address=f"{host}:{settings.port + 1}",
            port=settings.port + 1,
        )
    )
    print(f"serving batches at {host}:{settings.port}", flush=True)
    worker.join()
    del dispatcher


if __name__ == "__main__":
    run_recipe(main, Settings)
