"""A prepared corpus: shards of token ids that can be indexed, and the manifest that describes them.

    manifest.json              written last: a folder without it is no corpus yet
    vocab.txt                  the vocabulary of the ids
    token_counts.safetensors   `train`, int64 (vocabulary,): how often each id stands in the training shards
    train-00000.safetensors    shards, plain safetensors files; held_out-00000.safetensors and on: documents kept back

A shard holds `token_ids` int32 (tokens,), all sentences of all documents without special tokens; `sentence_starts`
int32 (sentences + 1,), offsets into the tokens; `document_starts` int32 (documents + 1,), offsets into the sentences;
and for each sequence length, 128 say, `rows_128` int32 (rows, 3): document, first sentence, and the sentence after the
last. The manifest gives the byte at which each tensor begins, so that a reader needs no parser.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy

from tfbert.atomic import written_beside
from tfbert.errors import InputError

if TYPE_CHECKING:
    from tfbert.tokenization.tokenizer import BertTokenizer

FORMAT = "tfbert corpus 1"
SPLITS = ("train", "held_out")
MANIFEST, VOCABULARY, TOKEN_COUNTS = "manifest.json", "vocab.txt", "token_counts.safetensors"
_FACTS = "facts"
_SHARD_NAME = re.compile(rf"({'|'.join(SPLITS)})-[0-9]+\.safetensors")
_AGAIN = "Prepare the corpus again into a new folder, or copy the file again from where it is whole."


@dataclass(frozen=True)
class Shard:
    """One file of a corpus, as the manifest describes it."""

    path: Path
    bytes: int
    sha256: str
    documents: int
    sentences: int
    tokens: int
    unknown_tokens: int
    text_bytes: int
    rows: Mapping[int, int]
    """The number of rows for each sequence length."""
    rows_with_two_sentences: Mapping[int, int]
    """How many of them hold two sentences or more."""
    offsets: Mapping[str, tuple[int, int]]
    """For each tensor, the byte of the file at which it begins and its number of int32 elements."""

    @classmethod
    def from_entry(cls, folder: Path, entry: Mapping[str, Any]) -> "Shard":
        """Take what the manifest in `folder` says of a shard."""
        if not _SHARD_NAME.fullmatch(entry["file"]):
            raise InputError(
                f"{folder / MANIFEST}: a shard lies in the corpus folder and has a name such as "
                f"train-00000.safetensors; received {entry['file']!r}. {_AGAIN}"
            )
        return cls(
            path=folder / entry["file"],
            bytes=entry["bytes"],
            sha256=entry["sha256"],
            documents=entry["documents"],
            sentences=entry["sentences"],
            tokens=entry["tokens"],
            unknown_tokens=entry["unknown_tokens"],
            text_bytes=entry["text_bytes"],
            rows={int(length): rows for length, rows in entry["rows"].items()},
            rows_with_two_sentences={int(length): rows for length, rows in entry["rows_with_two_sentences"].items()},
            offsets={name: (first, count) for name, (first, count) in entry["offsets"].items()},
        )

    def read(self) -> dict[str, np.ndarray]:
        """Return every tensor of the shard by name."""
        return safetensors.numpy.load_file(self.path)


@dataclass(frozen=True)
class Corpus:
    """An opened corpus folder.

    Attributes:
        folder: where it lies.
        manifest: the whole manifest.
        shards: the shards of "train" and of "held_out", in order.
    """

    folder: Path
    manifest: Mapping[str, Any]
    shards: Mapping[str, tuple[Shard, ...]]

    @classmethod
    def open(cls, folder: Path | str) -> "Corpus":
        """Read and check the manifest; the shards are looked at by `verify`.

        Raises:
            InputError: if the folder holds no finished corpus, or one of another format.
        """
        folder = Path(folder)
        path = folder / MANIFEST
        if not path.is_file():
            raise InputError(
                f"{folder}: a corpus folder holds {MANIFEST}, which is written last; this one does not. Prepare it "
                "with recipes/prepare_corpus.py; the same command goes on where it was stopped."
            )
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            if manifest["format"] != FORMAT:
                raise InputError(f"{path}: the format must be {FORMAT!r}, received {manifest['format']!r}. {_AGAIN}")
            shards = {
                split: tuple(Shard.from_entry(folder, each) for each in manifest["shards"][split]) for split in SPLITS
            }
            missing = {"sequence_lengths", "vocabulary_sha256", "vocabulary_size", "lowercase", *SPLITS} - {*manifest}
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise InputError(f"{path}: must be JSON in UTF-8: {error}. {_AGAIN}") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: a field is missing or of another kind: {error}. {_AGAIN}") from error
        if missing:
            raise InputError(f"{path}: the fields {', '.join(sorted(missing))} are missing. {_AGAIN}")
        return cls(folder, manifest, shards)

    @property
    def sequence_lengths(self) -> tuple[int, ...]:
        """The sequence lengths that rows are planned for."""
        return tuple(self.manifest["sequence_lengths"])

    def num_rows(self, split: str, sequence_length: int) -> int:
        """Return the number of rows in an epoch of "train" or "held_out".

        Raises:
            InputError: if no rows of that length were planned.
        """
        if sequence_length not in self.sequence_lengths:
            raise InputError(
                f"{self.folder}: rows are planned for the sequence lengths "
                f"{', '.join(map(str, self.sequence_lengths))}; received {sequence_length}. Choose one of them, or "
                "prepare the corpus for it."
            )
        return sum(shard.rows[sequence_length] for shard in self.shards[split])

    def token_counts(self) -> np.ndarray:
        """Return how often each id stands in the training shards, int64 (vocabulary,).

        Raises:
            InputError: if the file is missing, cannot be read or is not of these shards.
        """
        path = self.folder / TOKEN_COUNTS
        try:
            counts = safetensors.numpy.load_file(path)["train"]
        except (OSError, safetensors.SafetensorError, KeyError) as error:
            raise InputError(f"{path}: the token counts cannot be read ({error}). {_AGAIN}") from error
        tokens, size = self.manifest["train"]["tokens"], self.manifest["vocabulary_size"]
        if counts.shape != (size,) or counts.sum() != tokens:
            raise InputError(
                f"{path}: the counts must be of {size:,} ids and add up to {tokens:,}; they are of shape "
                f"{counts.shape} and add up to {counts.sum():,}. {_AGAIN}"
            )
        return counts

    def tokenizer(self) -> "BertTokenizer":
        """Return the tokenizer that the corpus was prepared with."""
        from tfbert.tokenization import BertTokenizer

        tokenizer = BertTokenizer(self.folder / VOCABULARY, lowercase=self.manifest["lowercase"])
        self.check_vocabulary(tokenizer)
        return tokenizer

    def check_vocabulary(self, tokenizer: "BertTokenizer") -> None:
        """Refuse a tokenizer whose ids would mean something else.

        Raises:
            InputError: if its vocabulary or its case is not the corpus's.
        """
        if vocabulary_sha256(tokenizer.vocabulary.tokens) != self.manifest["vocabulary_sha256"]:
            raise InputError(
                f"{self.folder}: the corpus was prepared with another vocabulary ({self.manifest['vocabulary_size']:,} "
                f"tokens) than {tokenizer.vocabulary.source} ({len(tokenizer.vocabulary):,} tokens). Use the corpus's "
                f"own, {self.folder / VOCABULARY}, or prepare the corpus with this one."
            )
        if tokenizer.lowercase != self.manifest["lowercase"]:
            raise InputError(
                f"{self.folder}: the corpus was prepared with lowercase={self.manifest['lowercase']}; received "
                f"lowercase={tokenizer.lowercase}. Use the same, or prepare the corpus again."
            )

    def verify(self) -> None:
        """Read every shard and compare it with the manifest.

        Raises:
            InputError: naming the files that are missing, have another size or another checksum.
        """
        with ThreadPoolExecutor(4) as threads:
            faults = list(threads.map(_fault, (shard for split in SPLITS for shard in self.shards[split])))
        _refuse([fault for fault in faults if fault], _AGAIN)

    def stamps(self) -> dict[Path, tuple[int, int, int] | None]:
        """Return what changes when a shard does: its size, time of change and number; None where it is gone."""
        return {shard.path: _stamp(shard.path) for split in SPLITS for shard in self.shards[split]}

    def check_unchanged(self, stamps: Mapping[Path, tuple[int, int, int] | None]) -> None:
        """Refuse to go on with shards that were changed, or removed, since their `stamps` were taken.

        Raises:
            InputError: naming the first three of them.
        """
        found = [
            f"{path}: the shard was {'removed' if stamp is None else 'changed'} while it was read"
            for path, stamp in self.stamps().items()
            if stamp is None or stamp != stamps[path]
        ]
        _refuse(found, "Bring back the shards that were, and run again.")


def vocabulary_sha256(tokens: Sequence[str]) -> str:
    """Return the checksum of the vocabulary file with these tokens."""
    return hashlib.sha256(vocabulary_bytes(tokens)).hexdigest()


def vocabulary_bytes(tokens: Sequence[str]) -> bytes:
    """Return the content of the vocabulary file with these tokens."""
    return "".join(f"{token}\n" for token in tokens).encode()


def write_shard(path: Path, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write a shard in one rename; `facts`, a JSON object, stays in the file beside the tensors.

    The same tensors and facts always give the same bytes.
    """
    # One key: safetensors writes several in an order that changes from run to run.
    content = safetensors.numpy.save(dict(tensors), metadata={_FACTS: json.dumps(facts, sort_keys=True)})
    with written_beside(path) as partial:
        partial.write_bytes(content)


def read_facts(path: Path) -> dict[str, Any] | None:
    """Return the facts kept in a shard; None where the file is missing, cut short or something else."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return json.loads(file.metadata()[_FACTS])
    except (OSError, safetensors.SafetensorError, TypeError, KeyError, ValueError):
        return None


def shard_entry(path: Path) -> dict[str, Any]:
    """Return what the manifest says of a shard: its facts, size, checksum and the place of each tensor."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    facts = json.loads(header.pop("__metadata__")[_FACTS])
    return {
        "file": path.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **{name: value for name, value in facts.items() if name != "identity"},
        "offsets": {
            name: [start + tensor["data_offsets"][0], int(np.prod(tensor["shape"], dtype=np.int64))]
            for name, tensor in sorted(header.items())
        },
    }


def _refuse(faults: Sequence[str], remedy: str) -> None:
    """Raise with the first three faults and what to do, if there are any."""
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise InputError(f"{'; '.join(faults[:3])}{more}. {remedy}")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def _fault(shard: Shard) -> str | None:
    """Say what is wrong with the file of a shard."""
    try:
        with open(shard.path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            if size != shard.bytes:
                return f"{shard.path}: the shard has {size:,} bytes, the manifest says {shard.bytes:,}"
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return f"{shard.path}: the shard is missing"
    except OSError as error:
        return f"{shard.path}: the shard cannot be read ({error.strerror})"
    return None if digest == shard.sha256 else f"{shard.path}: the shard's bytes are not those that were written"
