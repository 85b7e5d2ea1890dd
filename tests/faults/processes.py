"""Recipes as processes that can be watched, killed, stopped and starved."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_SERVER = Path(__file__).with_name("recipe_server.py")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Recipe:
    """A running recipe: the process, and the files that it prints to."""

    server: "RecipeServer"
    number: int
    stdout: Path
    stderr: Path
    status: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, a signal's negative number, or None while it runs."""
        self.server.read(0.0)
        return self.status

    def wait(self, seconds: float = 600.0) -> int:
        """Wait for its end."""
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.signal(signal.SIGKILL)
                raise TimeoutError(f"no end after {seconds} s: {self.error()[-2000:]}")
            self.server.read(0.1)
        assert self.status is not None
        return self.status

    def signal(self, number: int) -> None:
        """Send a signal to the process and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.number, number)

    def output(self) -> str:
        return self.stdout.read_text() if self.stdout.exists() else ""

    def error(self) -> str:
        return self.stderr.read_text() if self.stderr.exists() else ""

    def cpu_seconds(self) -> float:
        """Return what the process has computed so far, its children left out; 0 where it has ended."""
        try:
            fields = Path(f"/proc/{self.number}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / _TICKS


class RecipeServer:
    """Starts recipes by forking a process that has imported everything; see `recipe_server`."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, str(_SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1", "CUDA_VISIBLE_DEVICES": "-1"},
        )
        os.set_blocking(self._process.stdout.fileno(), False)
        self._text = b""
        self._running: dict[int, Recipe] = {}
        self._started: int | None = None
        self._ready = False
        self._until(lambda: self._ready, 300)

    def start(
        self, recipe: str, flags: Sequence[object], folder: Path, *, limits: dict | None = None, faults: Sequence = ()
    ) -> Recipe:
        """Start a recipe in `folder`, its standard output and error added to files in it.

        Args:
            recipe: the module's name.
            flags: its command line.
            folder: to work in.
            limits: resource limits by the name they have in `resource`.
            faults: functions of `recipe_server` to call first.
        """
        folder.mkdir(parents=True, exist_ok=True)
        count = len(list(folder.glob("*.stderr")))
        stdout, stderr = (folder / f"{count}.{name}" for name in ("stdout", "stderr"))
        stderr.touch()
        command = {
            "recipe": recipe,
            "flags": [str(flag) for flag in flags],
            "folder": str(folder),
            "stdout": str(stdout),
            "stderr": str(stderr),
            "limits": limits or {},
            "faults": list(faults),
        }
        self._started = None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()
        self._until(lambda: self._started is not None, 60)
        self._running[self._started] = found = Recipe(self, self._started, stdout, stderr)
        # It leads a group of its own from its first lines on.
        self._until(lambda: _leads(found.number) or found.status is not None, 60)
        return found

    def run(self, recipe: str, flags: Sequence[object], folder: Path, **options) -> Recipe:
        """Run a recipe to its end."""
        process = self.start(recipe, flags, folder, **options)
        process.wait()
        return process

    def read(self, seconds: float) -> None:
        """Take in what the server has said, for at most so long."""
        deadline = time.monotonic() + seconds
        while True:
            part = self._process.stdout.read()
            if part:
                *lines, self._text = (self._text + part).split(b"\n")
                for line in lines:
                    self._take(line.decode())
                return
            assert self._process.poll() is None, "the server of recipes ended"
            if time.monotonic() >= deadline:
                return
            time.sleep(0.005)

    def _take(self, line: str) -> None:
        number, _, status = line.partition(" ")
        if number == "ready":
            self._ready = True
        elif status:
            self._running.pop(int(number)).status = int(status)
        else:
            self._started = int(number)

    def _until(self, done, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, "the server of recipes does not answer"
            self.read(0.05)

    def close(self) -> None:
        """End everything."""
        for process in list(self._running.values()):
            process.signal(signal.SIGKILL)
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.kill()
        self._process.wait()


def _leads(number: int) -> bool:
    try:
        return os.getpgid(number) == number
    except ProcessLookupError:
        return True


@contextlib.contextmanager
def recipe_server() -> Iterator[RecipeServer]:
    server = RecipeServer()
    try:
        yield server
    finally:
        server.close()
