"""Preparing a corpus: documents in, a folder of shards out; in parallel, in bounded memory, resumable."""

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import safetensors.numpy

from tfbert.atomic import written_beside
from tfbert.data.corpus_pieces import Piece, cut_pieces
from tfbert.data.documents import Document, DocumentFiles
from tfbert.data.preparation_progress import PreparationProgress
from tfbert.data.records import (
    FORMAT,
    MANIFEST,
    SPLITS,
    TOKEN_COUNTS,
    VOCABULARY,
    Corpus,
    vocabulary_bytes,
    vocabulary_sha256,
)
from tfbert.data.row_plan import NUM_SPECIAL_TOKENS
from tfbert.data.selection import Selection
from tfbert.data.shard_making import MadeShard, ShardMaker, ShardSettings
from tfbert.data.shard_workers import end_if_started_unguarded, make_in_parallel
from tfbert.data.word_cache import batches
from tfbert.errors import InputError
from tfbert.run_folder import check_run_folder, finish, run_folder

if TYPE_CHECKING:
    from tfbert.tokenization.tokenizer import BertTokenizer

_LARGEST_SHARD_MEGABYTES = 256
_FEW_PIECES = 2
"""So many pieces are made faster here than by processes that have to start first."""
_SAMPLE_CHARACTERS = 100_000
_MOST_UNKNOWN = 0.5


def prepare_corpus(
    documents: DocumentFiles | Iterable[str | Document],
    tokenizer: "BertTokenizer",
    folder: Path | str,
    *,
    sequence_lengths: Sequence[int] = (128,),
    held_out_share: float | None = None,
    short_row_rate: float = 0.1,
    random_rate: float = 0.5,
    seed: int = 0,
    shard_megabytes: float = 8,
    processes: int | None = None,
    allow_one_document: bool = False,
    selection: Selection | None = None,
    beam_flags: Sequence[str] | None = None,
    report: TextIO | None = None,
) -> Corpus:
    """Write a corpus into `folder` and open it; see `records` for what the folder holds.

    Documents are read one by one and cut into pieces; processes split sentences, tokenize, plan the rows and write each
    piece as one shard. The folder is a function of the arguments: neither the number of processes nor a kill changes a
    byte of it. The same call goes on after a kill, keeping the shards that are whole. A script calls it below
    `if __name__ == "__main__":`, since each process imports the script.

    Args:
        documents: `DocumentFiles`, or texts, or lists of paragraphs, from Python.
        tokenizer: gives the ids.
        folder: new, or that of an unfinished run with the same arguments.
        sequence_lengths: tokens in a row, special ones included; one plan of rows is made for each. Sentences are cut
            to the shortest.
        held_out_share: share of the documents to keep back for evaluation; by default 0.02, in a small corpus more, up
            to 0.1, so that 500 documents are.
        short_row_rate, random_rate: as `plan_rows` takes them.
        seed: fixes the plan.
        shard_megabytes: text that goes into one shard; 8 MB give about as many MB of ids.
        processes: how many to use; by default as many as there are cores. Each imports the script that calls this,
            which must do so under `if __name__ == "__main__":`.
        allow_one_document: prepare a single training document, which is of no use for next-sentence prediction.
        selection: what to leave out: documents that are short, of another language, of low quality, or that occur
            again; nothing by default. Counts of what was left out stand in the manifest as `dropped`.
        beam_flags: prepare by an Apache Beam pipeline instead of processes, see `corpus_beam`; the flags of its runner,
            `["--runner=FlinkRunner", ...]`. The folder and the files must have the same paths on every worker.
        report: where to print progress.

    Raises:
        InputError: if there are no documents, or only one; if the folder holds a finished run, one with other settings,
            or other files; if the vocabulary makes most tokens [UNK]; or a setting or file cannot be used.
    """
    end_if_started_unguarded()
    selection = selection or Selection()
    _check_settings(sequence_lengths, held_out_share, short_row_rate, random_rate, seed, shard_megabytes, processes)
    settings = ShardSettings(
        tuple(tokenizer.vocabulary.tokens),
        tokenizer.lowercase,
        tuple(sequence_lengths),
        short_row_rate,
        random_rate,
        seed,
    )
    description = documents.description if isinstance(documents, DocumentFiles) else {"sources": None}
    identity = {
        **description,
        "vocabulary_sha256": vocabulary_sha256(settings.vocabulary),
        "vocabulary_size": len(settings.vocabulary),
        "lowercase": settings.lowercase,
        "sequence_lengths": list(sequence_lengths),
        "held_out_share": held_out_share,
        "short_row_rate": short_row_rate,
        "random_rate": random_rate,
        "seed": seed,
        "shard_megabytes": shard_megabytes,
        **selection.description,
    }
    check_run_folder(folder, identity)
    # The first pieces are read before the folder is made, so that what is wrong with a small corpus leaves no trace.
    dropped = selection.nothing_dropped
    pieces = cut_pieces(
        documents,
        held_out_share=held_out_share,
        piece_bytes=int(shard_megabytes * 1e6),
        selection=selection,
        dropped=dropped,
    )
    first = list(itertools.islice(pieces, _FEW_PIECES + 1))
    maker = ShardMaker(settings)
    _check_documents(first, allow_one_document, dropped)
    _check_vocabulary(tokenizer, maker, first[0])
    few = len(first) <= _FEW_PIECES
    pieces = itertools.chain(first, pieces)
    # The chain lets go of the list when it is through; the name would not.
    del first
    with run_folder(folder, identity) as held:
        if beam_flags is not None:
            from tfbert.data.corpus_beam import prepare_with_beam

            del pieces
            prepare_with_beam(documents, settings, held, identity, selection, beam_flags)
            return Corpus.open(folder)
        made: Iterator[tuple[float, MadeShard]]
        if few or processes == 1:
            made = ((piece.share_read, maker.make(held, piece)) for piece in pieces)
        else:
            made = make_in_parallel(settings, held, pieces, processes or len(os.sched_getaffinity(0)))
        progress = PreparationProgress(report)
        entries: list[dict[str, Any]] = []
        counts = np.zeros(len(settings.vocabulary), np.int64)
        for share_read, shard in made:
            progress.shard_done(shard.entry["text_bytes"], share_read, made=shard.made)
            entries.append(shard.entry)
            if _split_of(shard.entry) == "train":
                counts += shard.token_counts
        progress.finished()
        finish_folder(held, identity, entries, counts, settings.vocabulary, dropped)
    return Corpus.open(folder)


def finish_folder(
    folder: Path,
    identity: dict[str, Any],
    entries: Iterable[dict[str, Any]],
    counts: np.ndarray,
    tokens: Sequence[str],
    dropped: Mapping[str, int],
) -> None:
    """Write all that stands beside the shards, the manifest last; remove shards of a source that was longer once.

    `entries` say what the manifest has of each shard, in any order.
    """
    shards: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    for entry in sorted(entries, key=lambda entry: entry["file"]):
        shards[_split_of(entry)].append(entry)
    names = {entry["file"] for each in shards.values() for entry in each}
    for path in itertools.chain.from_iterable(folder.glob(f"{split}-*.safetensors") for split in SPLITS):
        if path.name not in names:
            path.unlink()
    with written_beside(folder / VOCABULARY) as partial:
        partial.write_bytes(vocabulary_bytes(tokens))
    with written_beside(folder / TOKEN_COUNTS) as partial:
        partial.write_bytes(safetensors.numpy.save({"train": counts}))
    totals: dict[str, Any] = {split: _totals(shards[split]) for split in SPLITS}
    if dropped:
        totals["dropped"] = dict(dropped)
    manifest = {"format": FORMAT, **identity, **totals, "shards": shards}
    with written_beside(folder / MANIFEST) as partial:
        partial.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    finish(folder, totals)


def _split_of(entry: Mapping[str, Any]) -> str:
    return entry["file"].rpartition("-")[0]


def _totals(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up the counts of shards, those by sequence length too."""
    totals: dict[str, Any] = {}
    for entry in entries:
        for name, value in entry.items():
            if isinstance(value, int):
                totals[name] = totals.get(name, 0) + value
            elif isinstance(value, dict) and name != "offsets":
                sums = totals.setdefault(name, dict.fromkeys(value, 0))
                for length, count in value.items():
                    sums[length] += count
    return totals


def _check_settings(
    sequence_lengths: Sequence[int],
    held_out_share: float | None,
    short_row_rate: float,
    random_rate: float,
    seed: int,
    shard_megabytes: float,
    processes: int | None,
) -> None:
    least = NUM_SPECIAL_TOKENS + 5
    if not sequence_lengths or min(sequence_lengths) < least or len({*sequence_lengths}) < len(sequence_lengths):
        raise InputError(
            f"sequence_lengths must be different numbers of at least {least} tokens, such as 128; received "
            f"{list(sequence_lengths)}."
        )
    for name, rate in (("short_row_rate", short_row_rate), ("random_rate", random_rate)):
        if not 0 <= rate <= 1:
            raise InputError(f"{name} must be in 0 .. 1; received {rate}.")
    if held_out_share is not None and not 0 <= held_out_share <= 0.5:
        raise InputError(f"held_out_share must be in 0 .. 0.5; received {held_out_share}.")
    if seed < 0:
        raise InputError(f"seed must be 0 or more; received {seed}.")
    if not 0 < shard_megabytes <= _LARGEST_SHARD_MEGABYTES:
        raise InputError(
            f"shard_megabytes must be above 0 and at most {_LARGEST_SHARD_MEGABYTES}; received {shard_megabytes}."
        )
    if processes is not None and processes < 1:
        raise InputError(f"processes must be at least 1; received {processes}.")


def _check_documents(first: Sequence[Piece], allow_one_document: bool, dropped: Mapping[str, int]) -> None:
    if not first and any(dropped.values()):
        raise InputError(
            "a corpus needs documents; all were left out: "
            f"{', '.join(f'{count:,} {name}' for name, count in dropped.items())}. Select less strictly."
        )
    if not first:
        raise InputError(
            "a corpus needs documents; the sources hold none, only white space: check the files and their layout."
        )
    if len(first) <= _FEW_PIECES and not allow_one_document:
        num_documents = sum(piece.num_documents for piece in first if piece.split == "train")
        if num_documents < 2:
            raise InputError(
                f"next-sentence prediction needs two training documents or more; received {num_documents}. Put a blank "
                "line between documents, or choose the layout line where each line is one; to pre-train without "
                "next-sentence prediction, allow one document (--allow-one-document)."
            )


def _check_vocabulary(tokenizer: "BertTokenizer", maker: ShardMaker, piece: Piece) -> None:
    """Refuse a vocabulary under which most of the first documents is unknown."""
    sample = next(batches(piece.documents(), lambda document: sum(map(len, document)), _SAMPLE_CHARACTERS))
    token_ids, _, _ = maker.encode(sample)
    if not len(token_ids):
        raise InputError("a corpus needs text; the first documents hold no character that the tokenizer keeps.")
    unknown = float((token_ids == tokenizer.unk_id).mean())
    if unknown > _MOST_UNKNOWN:
        raise InputError(
            f"a vocabulary must know the text; {tokenizer.vocabulary.source}, {len(tokenizer.vocabulary):,} tokens, "
            f"makes {unknown:.0%} of the first documents' tokens [UNK]. Learn one from this text with "
            "recipes/train_vocabulary.py, or check its language and --lowercase."
        )
