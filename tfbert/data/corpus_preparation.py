"""Preparing a corpus: documents in, a folder of shards out."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy

from tfbert.atomic import written_beside
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
from tfbert.data.shard_making import Document, ShardMaker, ShardSettings
from tfbert.run_folder import finish, run_folder

if TYPE_CHECKING:
    from tfbert.tokenization.tokenizer import BertTokenizer


def prepare_corpus(
    documents: Iterable[str | Document],
    tokenizer: "BertTokenizer",
    folder: Path | str,
    *,
    sequence_lengths: Sequence[int] = (128,),
    held_out_share: float = 0.02,
    short_row_rate: float = 0.1,
    random_rate: float = 0.5,
    seed: int = 0,
    shard_megabytes: int = 16,
) -> Corpus:
    """Write a corpus of `documents` into `folder` and open it."""
    settings = ShardSettings(
        tuple(tokenizer.vocabulary.tokens),
        tokenizer.lowercase,
        tuple(sequence_lengths),
        short_row_rate,
        random_rate,
        seed,
    )
    identity = {
        "vocabulary_sha256": vocabulary_sha256(settings.vocabulary),
        "vocabulary_size": len(settings.vocabulary),
        "lowercase": settings.lowercase,
        "sequence_lengths": list(settings.sequence_lengths),
        "held_out_share": held_out_share,
        "short_row_rate": short_row_rate,
        "random_rate": random_rate,
        "seed": seed,
    }
    with run_folder(folder, identity) as held:
        maker = ShardMaker(settings)
        entries: dict[str, list[dict]] = {split: [] for split in SPLITS}
        counts = np.zeros(len(settings.vocabulary), np.int64)
        for split, number, piece in _pieces(documents, held_out_share, shard_megabytes * 1_000_000):
            entry, token_counts = maker.make(held / f"{split}-{number:05d}.safetensors", piece, split, number)
            entries[split].append(entry)
            if split == "train":
                counts += token_counts
        _finish_corpus(held, identity, entries, counts, settings)
    return Corpus.open(folder)


def _finish_corpus(folder: Path, identity: dict, entries: dict, counts: np.ndarray, settings: ShardSettings) -> None:
    with written_beside(folder / VOCABULARY) as partial:
        partial.write_bytes(vocabulary_bytes(settings.vocabulary))
    with written_beside(folder / TOKEN_COUNTS) as partial:
        partial.write_bytes(safetensors.numpy.save({"train": counts}))
    totals = {split: _totals(entries[split]) for split in SPLITS}
    manifest = {"format": FORMAT, **identity, **totals, "shards": entries}
    with written_beside(folder / MANIFEST) as partial:
        partial.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    finish(folder, totals)


def _totals(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up the counts of shards."""
    totals: dict[str, Any] = {"shards": len(entries)}
    for entry in entries:
        for name, value in entry.items():
            if name == "offsets":
                continue
            if isinstance(value, int):
                totals[name] = totals.get(name, 0) + value
            elif isinstance(value, dict):
                sums = totals.setdefault(name, {})
                for key, count in value.items():
                    sums[key] = sums.get(key, 0) + count
    return totals


def _pieces(
    documents: Iterable[str | Document], held_out_share: float, piece_bytes: int
) -> Iterator[tuple[str, int, list[Document]]]:
    """Group documents into pieces of about `piece_bytes`; yield split, number in the split, documents."""
    pieces: dict[str, list[Document]] = {split: [] for split in SPLITS}
    sizes = dict.fromkeys(SPLITS, 0)
    numbers = dict.fromkeys(SPLITS, 0)
    for document in documents:
        paragraphs = [document] if isinstance(document, str) else document
        text = "\n".join(paragraphs)
        digest = hashlib.sha256(" ".join(text.split()).casefold().encode()).digest()
        split = "held_out" if int.from_bytes(digest[:8], "big") < held_out_share * 2**64 else "train"
        pieces[split].append(paragraphs)
        sizes[split] += len(text)
        if sizes[split] >= piece_bytes:
            yield split, numbers[split], pieces[split]
            pieces[split], sizes[split] = [], 0
            numbers[split] += 1
    for split in SPLITS:
        if pieces[split]:
            yield split, numbers[split], pieces[split]
