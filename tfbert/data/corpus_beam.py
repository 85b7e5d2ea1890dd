"""Preparing a corpus by an Apache Beam pipeline: the shards and the manifest that the process pool makes.

    files ─ read, filter ─ chunks ─ drop what occurs again ─┬─ measure ─ plan ─┐
                                                            └──────────────────┴─ pieces ─ shards ─ manifest

A chunk is some documents of one file. Its place, the number of the file and its own in the file, orders it among all
others, whichever worker has it; so the first of equal documents is kept, and pieces are cut where the pool cuts them.
One worker makes the plan from 16 bytes a document; where keys are compared, each worker sees those of its share of the
key space. All workers must see the files and the folder by the same paths: they write the shards into it themselves.
"""

import bisect
import collections
import dataclasses
import functools
import re
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfbert.data.corpus_pieces import HeldOutRule, Measured, Piece, group, held_out_rule, measure
from tfbert.data.corpus_preparation import finish_folder
from tfbert.data.documents import Document, DocumentFiles
from tfbert.data.duplicates import repeated
from tfbert.data.records import SPLITS
from tfbert.data.selection import Selection, batches_of_text
from tfbert.data.shard_making import ShardMaker, ShardSettings
from tfbert.errors import InputError

_PLACE = struct.Struct(">III")
_INPUT_ERROR = re.compile(r"InputError: (.*?)(?: \[while running .*)?$", re.MULTILINE)

Place = tuple[int, int]
"""The number of a file, and of a chunk in it."""


@dataclasses.dataclass
class _Chunk:
    """Documents of one file, in order."""

    place: Place
    lines: list[bytes]
    """Each as `Measured` has it."""
    digests: np.ndarray
    text_bytes: np.ndarray
    keys: np.ndarray | None
    """See `Selection.keys`; None where nothing is compared, or no longer."""
    dropped: collections.Counter[str]
    """What was left out of it and before it."""


class _Plan(NamedTuple):
    """Which piece each document belongs to."""

    rule: HeldOutRule
    starts: dict[str, list[tuple[int, int, int]]]
    """For each split, the first document of each piece: the chunk's place and the document's in the chunk."""
    dropped: collections.Counter[str]


class _Part(NamedTuple):
    """What a chunk gives to a piece."""

    place: Place
    lines: bytes
    num_documents: int
    text_bytes: int


def prepare_with_beam(
    documents: DocumentFiles | Iterable[str | Document],
    settings: ShardSettings,
    folder: Path,
    identity: dict[str, Any],
    selection: Selection,
    flags: Sequence[str],
) -> None:
    """Write the shards, the manifest and all beside it into `folder`.

    Args:
        documents: what to prepare.
        settings: of the shards.
        folder: where to; the caller holds it.
        identity: what the manifest says of the settings.
        selection: what to leave out.
        flags: of the runner, such as `["--runner=FlinkRunner", "--flink_master=..."]`.

    Raises:
        InputError: if Beam is not installed, the documents are no files, or a worker found one of its reasons.
    """
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ModuleNotFoundError as error:
        raise InputError(
            "preparing by a pipeline needs Apache Beam, which wants an environment of its own: pip install "
            "'tfbert[beam]' there."
        ) from error
    if not isinstance(documents, DocumentFiles):
        raise InputError("a pipeline's workers read files themselves; received documents from Python: write files.")
    paths = [path.resolve() for path in documents.paths]
    try:
        with beam.Pipeline(options=PipelineOptions(list(flags))) as pipeline:
            chunks = (
                pipeline
                | "files" >> beam.Create(list(enumerate(paths)))
                | "spread files" >> beam.Reshuffle()
                | "read" >> beam.FlatMap(_read, documents, selection)
            )
            if selection.deduplicate != "none":
                again = (
                    chunks
                    | "keys" >> beam.FlatMap(_shares_of_keys, _num_shares(documents.total_bytes))
                    | "keys by share" >> beam.GroupByKey()
                    | "find what occurs again" >> beam.FlatMap(_positions_again)
                )
                chunks = (
                    {"chunks": chunks | "chunks by place" >> beam.Map(_by_place), "again": again}
                    | "chunks and what occurs again" >> beam.CoGroupByKey()
                    | "drop what occurs again" >> beam.Map(_without_what_occurs_again)
                )
            plan = (
                chunks
                | "measure" >> beam.Map(_measures)
                | "measures of all" >> beam.GroupByKey()
                | "plan" >> beam.Map(_plan, identity["held_out_share"], int(identity["shard_megabytes"] * 1e6))
            )
            _ = (
                chunks
                | "cut" >> beam.FlatMap(_parts, beam.pvalue.AsSingleton(plan))
                | "pieces" >> beam.GroupByKey()
                | "make shards" >> beam.Map(_make, settings, folder.resolve())
                | "gather" >> beam.CombineGlobally(_gathered)
                | "finish"
                >> beam.Map(_finish, beam.pvalue.AsSingleton(plan), settings, folder.resolve(), identity, selection)
            )
    except Exception as error:
        # Runners raise errors of their own, with the worker's traceback as text, or add to the message.
        found = _INPUT_ERROR.search(f"{type(error).__name__}: {error}")
        if not found:
            raise
        raise InputError(found[1]) from error


def _num_shares(total_bytes: int) -> int:
    """Return how many shares the key space has: keys of a share of a gigabyte of text fit into any memory."""
    return min(1024, max(16, total_bytes // 10**9))


def _read(file: tuple[int, Path], documents: DocumentFiles, selection: Selection) -> Iterator[_Chunk]:
    number, path = file
    dropped: collections.Counter[str] = collections.Counter()
    count = 0
    for count, batch in enumerate(batches_of_text(selection.filtered(documents.read(path), dropped)), start=1):
        lines, digests, text_bytes, _ = zip(*measure(batch), strict=True)
        yield _Chunk(
            (number, count),
            list(lines),
            np.array(digests, np.uint64),
            np.array(text_bytes),
            selection.keys(batch) if selection.deduplicate != "none" else None,
            dropped.copy(),
        )
        dropped.clear()
    none = np.zeros(0, np.uint64)
    yield _Chunk((number, count + 1), [], none, none, np.zeros((0, 1), np.uint64), dropped)


def _shares_of_keys(chunk: _Chunk, num_shares: int) -> Iterator[tuple[int, tuple[Place, np.ndarray, np.ndarray]]]:
    assert chunk.keys is not None
    keys = chunk.keys.ravel()
    positions = np.arange(len(keys)) // chunk.keys.shape[1]
    shares = (keys % np.uint64(num_shares)).astype(np.int64)
    for share in np.unique(shares).tolist():
        yield share, (chunk.place, positions[shares == share], keys[shares == share])


def _positions_again(
    share: tuple[int, Iterable[tuple[Place, np.ndarray, np.ndarray]]],
) -> Iterator[tuple[Place, np.ndarray]]:
    """Yield for each chunk the positions of documents of which a key stands further to the front as well."""
    in_order = sorted(share[1], key=lambda each: each[0])
    again = repeated(np.concatenate([keys for *_, keys in in_order]))
    start = 0
    for place, positions, keys in in_order:
        found = positions[again[start : start + len(keys)]]
        start += len(keys)
        if len(found):
            yield place, found


def _by_place(chunk: _Chunk) -> tuple[Place, _Chunk]:
    return chunk.place, dataclasses.replace(chunk, keys=None)


def _without_what_occurs_again(grouped: tuple[Place, dict[str, Iterable]]) -> _Chunk:
    (chunk,) = grouped[1]["chunks"]
    again = {position for positions in grouped[1]["again"] for position in positions.tolist()}
    kept = [position for position in range(len(chunk.lines)) if position not in again]
    return dataclasses.replace(
        chunk,
        lines=[chunk.lines[position] for position in kept],
        digests=chunk.digests[kept],
        text_bytes=chunk.text_bytes[kept],
        dropped=chunk.dropped + collections.Counter(duplicate=len(again)),
    )


def _measures(chunk: _Chunk) -> tuple[int, tuple[Place, np.ndarray, np.ndarray, dict[str, int]]]:
    return 0, (chunk.place, chunk.digests, chunk.text_bytes, chunk.dropped)


def _plan(grouped: tuple[int, Iterable], held_out_share: float | None, piece_bytes: int) -> _Plan:
    in_order = sorted(grouped[1], key=lambda each: each[0])

    def measured() -> Iterator[Measured]:
        for place, digests, text_bytes, _ in in_order:
            for position, (digest, size) in enumerate(zip(digests.tolist(), text_bytes.tolist(), strict=True)):
                yield Measured(_PLACE.pack(*place, position), digest, size, 1.0)

    rule, again = held_out_rule(measured(), held_out_share, piece_bytes)
    starts: dict[str, list[tuple[int, int, int]]] = {split: [] for split in SPLITS}
    for piece in group(again, rule, piece_bytes):
        starts[piece.split].append(_PLACE.unpack_from(piece.lines))
    dropped: collections.Counter[str] = collections.Counter()
    for *_, left_out in in_order:
        dropped.update(left_out)
    return _Plan(rule, starts, dropped)


def _parts(chunk: _Chunk, plan: _Plan) -> Iterator[tuple[tuple[str, int], _Part]]:
    positions: dict[tuple[str, int], list[int]] = collections.defaultdict(list)
    for position, digest in enumerate(chunk.digests.tolist()):
        split = plan.rule.split(digest)
        number = bisect.bisect_right(plan.starts[split], (*chunk.place, position)) - 1
        positions[split, number].append(position)
    for piece, members in positions.items():
        lines = b"".join(chunk.lines[position] for position in members)
        yield piece, _Part(chunk.place, lines, len(members), int(chunk.text_bytes[members].sum()))


def _make(
    grouped: tuple[tuple[str, int], Iterable[_Part]], settings: ShardSettings, folder: Path
) -> tuple[list[dict[str, Any]], np.ndarray]:
    (split, number), parts = grouped
    piece = Piece(split, number)
    for part in sorted(parts, key=lambda part: part.place):
        piece.extend(part.lines, part.num_documents, part.text_bytes, 0.0)
    # Runners run several threads in a process: there is memory for one shard at a time.
    with _MAKING:
        shard = _maker(settings).make(folder, piece)
    return [shard.entry], shard.token_counts * (split == "train")


_MAKING = threading.Lock()


@functools.cache
def _maker(settings: ShardSettings) -> ShardMaker:
    return ShardMaker(settings)


def _gathered(
    shards: Iterable[tuple[list[dict[str, Any]], np.ndarray | int]],
) -> tuple[list[dict[str, Any]], np.ndarray | int]:
    entries: list[dict[str, Any]] = []
    counts: np.ndarray | int = 0
    for more, counted in shards:
        entries = entries + more
        counts = counts + counted
    return entries, counts


def _finish(
    gathered: tuple[list[dict[str, Any]], np.ndarray | int],
    plan: _Plan,
    settings: ShardSettings,
    folder: Path,
    identity: dict[str, Any],
    selection: Selection,
) -> None:
    entries, counts = gathered
    dropped = selection.nothing_dropped
    dropped.update(plan.dropped)
    finish_folder(folder, identity, entries, np.asarray(counts), settings.vocabulary, dropped)
