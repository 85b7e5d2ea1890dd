"""Fuzz the files of a corpus folder: whatever one of them holds, the folder opens or an `InputError` says why not."""

import contextlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import safetensors.numpy

sys.path.insert(0, str(Path(__file__).parent))
import fuzzing

with fuzzing.instrumented() if __name__ == "__main__" else contextlib.nullcontext():
    from tfbert.data import records
    from tfbert.data.corpus_summary import corpus_summary
    from tfbert.errors import InputError
    from tfbert.tokenization.vocabulary import SPECIAL_TOKENS, Vocabulary

_FOLDER = fuzzing.scratch_folder()
_SHARD = "train-00000.safetensors"
_FILES = (records.MANIFEST, _SHARD, records.TOKEN_COUNTS, records.VOCABULARY)


def _write_corpus(folder: Path) -> None:
    """Two documents for training, one held out."""
    tokens = [*SPECIAL_TOKENS, "a", "b"]
    entries: dict[str, list[dict]] = {}
    for split in records.SPLITS:
        tensors = {
            "token_ids": np.array([5, 6, 5, 6, 6], np.int32),
            "sentence_starts": np.array([0, 2, 5], np.int32),
            "document_starts": np.array([0, 1, 2], np.int32),
            "rows_8": np.array([[0, 0, 1], [1, 1, 2]], np.int32),
        }
        facts = {"identity": "x", "documents": 2, "sentences": 2, "tokens": 5, "unknown_tokens": 0, "text_bytes": 9,
                 "empty_documents": 0, "rows": {"8": 2}, "rows_with_two_sentences": {"8": 0}, "row_tokens": {"8": 9},
                 "dropped_chunks": {"8": 0}}  # fmt: skip
        path = folder / f"{split}-00000.safetensors"
        records.write_shard(path, tensors, facts)
        entries[split] = [records.shard_entry(path)]
    totals = {
        split: {name: value for name, value in entries[split][0].items() if isinstance(value, int | dict)}
        for split in records.SPLITS
    }
    manifest = {"format": records.FORMAT, "sources": None, "lowercase": True, "sequence_lengths": [8], "seed": 0,
                "vocabulary_sha256": records.vocabulary_sha256(tokens), "vocabulary_size": len(tokens),
                **totals, "shards": entries}  # fmt: skip
    (folder / records.MANIFEST).write_text(json.dumps(manifest))
    (folder / records.VOCABULARY).write_bytes(records.vocabulary_bytes(tokens))
    counts = np.array([0, 0, 0, 0, 0, 2, 3], np.int64)
    (folder / records.TOKEN_COUNTS).write_bytes(safetensors.numpy.save({"train": counts}))


_WHOLE = Path(_FOLDER, "whole")
_WHOLE.mkdir()
_write_corpus(_WHOLE)
_IT = shutil.copytree(_WHOLE, Path(_FOLDER, "it"))


def seeds() -> list[bytes]:
    return [bytes([number]) + (_WHOLE / name).read_bytes() for number, name in enumerate(_FILES)]


def one_input(data: bytes) -> None:
    """The first byte says which file the rest is."""
    if not data:
        return
    name = _FILES[data[0] % len(_FILES)]
    (_IT / name).write_bytes(data[1:])
    try:
        if name == _SHARD and records.read_facts(_IT / name) is not None:
            records.shard_entry(_IT / name)
        with contextlib.suppress(InputError):
            Vocabulary.from_file(_IT / records.VOCABULARY)
        with contextlib.suppress(InputError):
            corpus = records.Corpus.open(_IT)
            with contextlib.suppress(InputError):
                corpus.token_counts()
            for length in corpus.sequence_lengths:
                for split in records.SPLITS:
                    corpus.num_rows(split, length)
            corpus_summary(corpus)
            corpus.verify()
            for shard in corpus.shards["train"]:
                assert shard.path.parent == _IT
    finally:
        shutil.copyfile(_WHOLE / name, _IT / name)


if __name__ == "__main__":
    fuzzing.run(one_input, seeds)
