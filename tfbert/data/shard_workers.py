"""Making shards in several processes at once."""

import functools
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tfbert.data.corpus_pieces import Piece
from tfbert.data.shard_making import MadeShard, ShardMaker, ShardSettings
from tfbert.errors import InputError

_MOST_SECONDS = 1200.0
"""So long may all processes together go without finishing a shard; the largest, of 256 MB, takes some 2 minutes."""


def end_if_started_unguarded() -> None:
    """End a worker that prepares a corpus while it imports the user's script, which must not do so when imported."""
    # Set by multiprocessing for as long as a worker imports the script; it looks at it for the same reason.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        print(
            "error: prepare_corpus was called while a worker imported the script that calls it: put the call under "
            'if __name__ == "__main__":, or use processes=1.',
            file=sys.stderr,
            flush=True,
        )
        sys.exit(1)


def make_in_parallel(
    settings: ShardSettings, folder: Path, pieces: Iterable[Piece], processes: int
) -> Iterator[tuple[float, MadeShard]]:
    """Make the shard of each piece; one piece more than there are processes is in memory at a time.

    Yields:
        The piece's `share_read` and its shard, in the order in which they are finished.

    Raises:
        InputError: if a worker was killed, or none finished a shard for `_MOST_SECONDS`: one hangs.
    """
    # A server imports TensorFlow once and forks the workers, which share its memory. TensorFlow survives that because
    # it has no threads before its first op, which each worker runs for itself; this process may have run some.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tfbert.worker_preload"])
    pool = ProcessPoolExecutor(processes, context)
    running: set[Future] = set()
    try:
        for piece in pieces:
            if len(running) > processes:
                done, running = _wait(pool, folder, running)
                yield from (future.result() for future in done)
            running.add(pool.submit(_make, settings, folder, piece))
        while running:
            done, running = _wait(pool, folder, running)
            yield from (future.result() for future in done)
    except BrokenProcessPool as error:
        raise InputError(
            f"{folder}: a process that prepared a shard ended, as said above or killed, perhaps because memory ran "
            "out. Run the command again, it goes on where it was; use fewer processes or smaller shards if it happens "
            "again."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _wait(pool: ProcessPoolExecutor, folder: Path, running: set[Future]) -> tuple[set[Future], set[Future]]:
    """Wait until a shard is finished; return those that are, and those that are not."""
    done, others = wait(running, _MOST_SECONDS, FIRST_COMPLETED)
    if done:
        return done, others
    # A process that hangs, stopped or on a disk that does not answer, would keep the pool from ending, too.
    for process in list(pool._processes.values()):
        process.kill()
    raise InputError(
        f"{folder}: no process finished a shard for {_MOST_SECONDS:,.0f} seconds, so they were ended: one hangs. Run "
        "the command again, it goes on where it was; look at the disk if it happens again."
    )


def _make(settings: ShardSettings, folder: Path, piece: Piece) -> tuple[float, MadeShard]:
    return piece.share_read, _maker(settings).make(folder, piece)


@functools.cache
def _maker(settings: ShardSettings) -> ShardMaker:
    """Set this process up as a worker, once, and return what makes its shards."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # Ctrl-C reaches every process of a terminal; the parent ends its workers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A parent that is killed cannot end its workers, which would wait for work for ever.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return ShardMaker(settings)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)
