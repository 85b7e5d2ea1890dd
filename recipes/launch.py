"""Start a training recipe as several workers on this machine, and start them again when one is lost.

  tfbert launch --workers 2 pretrain --corpus CORPUS --steps 1000
  tfbert launch --workers 4 --restarts 10 finetune-reviews --data reviews.csv

The recipe gets `--strategy multi_worker`. When a worker dies, or the chief prints nothing for --silent-minutes, all are
ended and started again, and go on from the last saved state to the same weights. Where CUDA_VISIBLE_DEVICES names GPUs,
they are shared out. On several machines Slurm or Kubernetes starts the workers: see docs/several_hosts.md.
"""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tfbert.cli import argument, remaining_arguments, run_recipe, setting
from tfbert.errors import InputError

_WRONG_SETTINGS = 2
_POLL_SECONDS = 0.2


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is started."""

    recipe: str = argument("RECIPE", "pretrain or finetune-reviews")
    flags: tuple[str, ...] = remaining_arguments("FLAGS", "its flags, in every worker the same")
    workers: int = setting(2, "processes")
    restarts: int = setting(3, "how many times all are started again at most")
    silent_minutes: float = setting(30.0, "minutes without a line of output after which all are started again")

    def __post_init__(self):
        if self.workers < 1 or self.restarts < 0 or not self.silent_minutes > 0:
            raise InputError(
                "--workers must be at least 1, --restarts at least 0 and --silent-minutes above 0; received "
                f"{self.workers}, {self.restarts} and {self.silent_minutes}."
            )
        if self.recipe not in ("pretrain", "finetune-reviews"):
            raise InputError(f"RECIPE must be pretrain or finetune-reviews; received {self.recipe!r}.")
        if any(flag.partition("=")[0] == "--strategy" for flag in self.flags):
            raise InputError("--strategy is multi_worker for all that is launched: leave it out.")
        if len(self.gpus) % self.workers:
            raise InputError(
                f"--workers must divide the GPUs of CUDA_VISIBLE_DEVICES; received {self.workers} for {self.gpus}."
            )

    @property
    def gpus(self) -> list[str]:
        """The GPUs to share out; none where the environment names none, or -1, which hides all."""
        return [gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu not in ("", "-1")]


def main(settings: Settings) -> None:
    """Run the recipe."""
    for start in range(settings.restarts + 1):
        with _started(settings) as workers:
            status, reason = _ended(workers, 60 * settings.silent_minutes)
        if status in (0, _WRONG_SETTINGS):
            # What is wrong with the settings was said, and is still so at another start.
            raise SystemExit(status)
        again = f"start {start + 2} of {settings.restarts + 1}" if start < settings.restarts else "no start is left"
        print(f"launch: {reason}; {again}", file=sys.stderr, flush=True)
    raise SystemExit(status)


@contextlib.contextmanager
def _started(settings: Settings) -> Iterator[list[subprocess.Popen]]:
    """Start the workers, the chief first; on leaving none is left."""
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(settings.workers)]
    share = len(settings.gpus) // settings.workers
    # By its file: as a module of a package that is installed it is not found where the checkout stands in front.
    command = [sys.executable, str(Path(__file__).with_name(f"{settings.recipe.replace('-', '_')}.py"))]
    workers: list[subprocess.Popen] = []
    try:
        for index in range(settings.workers):
            task = {"type": "worker", "index": index}
            environment = {**os.environ, "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task})}
            if settings.gpus:
                environment["CUDA_VISIBLE_DEVICES"] = ",".join(settings.gpus[index * share : (index + 1) * share])
            workers.append(
                subprocess.Popen(
                    [*command, *settings.flags, "--strategy", "multi_worker"],
                    env=environment,
                    stdout=subprocess.DEVNULL if index else subprocess.PIPE,
                )
            )
        yield workers
    finally:
        # At once: whatever moment it is, the saved state is whole.
        for worker in workers:
            worker.kill()
            worker.wait()


def _ended(workers: list[subprocess.Popen], silent_seconds: float) -> tuple[int, str]:
    """Wait until all workers are done, one is lost, or all are silent; return the status and what happened."""
    heard = _Heard(workers[0].stdout)
    while True:
        statuses = [worker.poll() for worker in workers]
        for index, status in enumerate(statuses):
            if status:
                how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
                return abs(status), f"worker {index} was ended {how}"
        if all(status == 0 for status in statuses):
            heard.thread.join()
            return 0, "done"
        if time.monotonic() - heard.last > silent_seconds:
            return os.EX_TEMPFAIL, f"the chief has printed nothing for {silent_seconds / 60:g} minutes"
        time.sleep(_POLL_SECONDS)


class _Heard:
    """Passes on what the chief prints; `last` is when it did."""

    def __init__(self, stream: BinaryIO):
        self.last = time.monotonic()
        self.thread = threading.Thread(target=self._pass_on, args=(stream,), daemon=True)
        self.thread.start()

    def _pass_on(self, stream: BinaryIO) -> None:
        with stream:
            for line in stream:
                self.last = time.monotonic()
                sys.stdout.write(line.decode(errors="replace"))
                sys.stdout.flush()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


if __name__ == "__main__":
    run_recipe(main, Settings, needs_tensorflow=False)
