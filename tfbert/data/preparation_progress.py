"""What a person sees while a corpus is prepared: megabytes of text a second, time left."""

import time
from typing import TextIO

from tfbert.durations import duration


class PreparationProgress:
    """Prints a line now and then; on a terminal one line is rewritten each second.

    Args:
        stream: where to print; None prints nothing.
        every_seconds: seconds between two lines.
    """

    def __init__(self, stream: TextIO | None, every_seconds: float = 15.0):
        self._stream = stream
        self._live = stream is not None and stream.isatty()
        self._every_seconds = 1.0 if self._live else every_seconds
        self._start = self._last_line = time.monotonic()
        self._made_bytes = self._found_bytes = 0
        self._share = self._first_share = 0.0

    def shard_done(self, text_bytes: int, share_read: float, *, made: bool) -> None:
        """Count a shard.

        Args:
            text_bytes: text in it.
            share_read: how much of all text had been read when its documents were, 0 to 1; NaN where nobody knows.
            made: False for a shard of an earlier run, which tells nothing of the speed of this one.
        """
        if made:
            self._made_bytes += text_bytes
            self._share = max(self._share, share_read)
        else:
            self._found_bytes += text_bytes
            self._start = time.monotonic()
            self._share = self._first_share = share_read
        now = time.monotonic()
        if now - self._last_line < self._every_seconds:
            return
        self._last_line = now
        line = self._line(now)
        done = self._share - self._first_share
        if done > 0:
            line += f"  {duration((now - self._start) * (1 - self._share) / done)} left"
        self._print(line, end="" if self._live else "\n")

    def finished(self) -> None:
        """Print the last line."""
        self._print(self._line(time.monotonic()), end="\n")

    def _line(self, now: float) -> str:
        line = f"{(self._found_bytes + self._made_bytes) / 1e6:,.1f} MB of text"
        if self._found_bytes:
            line += f", {self._found_bytes / 1e6:,.1f} MB of it by an earlier run"
        if self._made_bytes:
            line += f"  {self._made_bytes / 1e6 / (now - self._start):.1f} MB/s"
        return line

    def _print(self, line: str, end: str) -> None:
        if self._stream is not None:
            print(f"\r\033[K  {line}" if self._live else f"  {line}", end=end, file=self._stream, flush=True)
