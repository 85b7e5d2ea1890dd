"""From documents to a shard: sentences, ids, a plan of rows, one file."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfbert.data.corpus_pieces import Piece
from tfbert.data.documents import Document
from tfbert.data.records import SPLITS, read_facts, shard_entry, write_shard
from tfbert.data.row_plan import NUM_SPECIAL_TOKENS, plan_rows, row_tokens
from tfbert.data.sentences import split_sentences
from tfbert.data.word_cache import WordCache, batches
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer
from tfbert.tokenization.vocabulary import Vocabulary

_BATCH_CHARACTERS = 1 << 18
_BATCH_TOKENS = 1 << 20


class MadeShard(NamedTuple):
    """A shard on the disk."""

    entry: dict[str, Any]
    """What the manifest says of it."""
    token_counts: np.ndarray
    """int64 (vocabulary,): how often each id stands in it."""
    made: bool
    """False if an earlier run had made it."""


@dataclasses.dataclass(frozen=True)
class ShardSettings:
    """What the content of a shard depends on besides its documents."""

    vocabulary: tuple[str, ...]
    lowercase: bool
    sequence_lengths: tuple[int, ...]
    short_row_rate: float
    random_rate: float
    seed: int

    def identity(self, piece: Piece) -> str:
        """Return a digest of all that the shard depends on: a shard that has it need not be made again."""
        settings = [getattr(self, field.name) for field in dataclasses.fields(self)]
        digest = hashlib.sha256(json.dumps([settings, piece.split, piece.number]).encode())
        digest.update(piece.lines)
        return digest.hexdigest()


class ShardMaker:
    """Makes shards; one lives in each process, since its tokenizer remembers words.

    A shard is a function of the settings, its documents, its split and its number: not of the process that makes it.
    """

    def __init__(self, settings: ShardSettings):
        self._settings = settings
        self._vocabulary = Vocabulary(settings.vocabulary)
        self._words = WordCache(BertTokenizer(self._vocabulary, lowercase=settings.lowercase))
        self._is_word_start = np.array([not token.startswith("##") for token in settings.vocabulary])

    def make(self, folder: Path, piece: Piece) -> MadeShard:
        """Write the shard of a piece into `folder`, unless it is there already.

        Raises:
            InputError: if no document of the piece makes a row.
        """
        path = folder / f"{piece.split}-{piece.number:05d}.safetensors"
        identity = self._settings.identity(piece)
        facts = read_facts(path)
        made = facts is None or facts.get("identity") != identity
        if made:
            self._write(path, piece, identity)
        entry = shard_entry(path)
        first_byte, num_tokens = entry["offsets"]["token_ids"]
        counts = np.zeros(len(self._vocabulary), np.int64)
        for start in range(0, num_tokens, _BATCH_TOKENS):
            count = min(_BATCH_TOKENS, num_tokens - start)
            token_ids = np.fromfile(path, np.int32, count, offset=first_byte + 4 * start)
            counts += np.bincount(token_ids, minlength=len(counts))
        return MadeShard(entry, counts, made)

    def _write(self, path: Path, piece: Piece, identity: str) -> None:
        settings = self._settings
        token_ids, sentence_starts, document_starts = self.encode(piece.documents())
        words = np.add.reduceat(self._is_word_start[token_ids], sentence_starts[:-1], dtype=np.int64)
        word_starts = np.concatenate([[0], np.cumsum(words)])
        tensors = {
            "token_ids": token_ids,
            "sentence_starts": sentence_starts.astype(np.int32),
            "document_starts": document_starts.astype(np.int32),
        }
        facts: dict[str, Any] = {
            "identity": identity,
            "documents": len(document_starts) - 1,
            "sentences": len(sentence_starts) - 1,
            "tokens": len(token_ids),
            "unknown_tokens": int((token_ids == self._vocabulary.unk_id).sum()),
            "text_bytes": piece.text_bytes,
            "empty_documents": piece.num_documents - (len(document_starts) - 1),
        }
        by_length: dict[str, dict[str, int]] = {
            name: {} for name in ("rows", "rows_with_two_sentences", "row_tokens", "dropped_chunks")
        }
        for length in settings.sequence_lengths:
            plan = plan_rows(
                sentence_starts,
                document_starts,
                word_starts,
                length,
                random=np.random.default_rng([settings.seed, SPLITS.index(piece.split), piece.number, length]),
                short_row_rate=settings.short_row_rate,
                random_rate=settings.random_rate,
            )
            tensors[f"rows_{length}"] = plan.rows
            by_length["rows"][str(length)] = len(plan.rows)
            by_length["rows_with_two_sentences"][str(length)] = int((plan.rows[:, 2] - plan.rows[:, 1] > 1).sum())
            by_length["row_tokens"][str(length)] = row_tokens(plan.rows, sentence_starts, length)
            by_length["dropped_chunks"][str(length)] = plan.dropped
        if not all(by_length["rows"].values()):
            raise InputError(
                f"a shard needs a row of two words or more for each sequence length; none of the "
                f"{piece.num_documents:,} documents of {path.stem} makes one, the first is "
                f"{next(piece.documents())!r:.60}: give longer documents, or check the layout, the columns and the "
                "vocabulary (held_out_share 0 holds none out)"
            )
        write_shard(path, tensors, facts | by_length)

    def encode(self, documents: Iterable[Document]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return `token_ids`, `sentence_starts` and `document_starts` of a shard.

        Documents and sentences without tokens are left out; a sentence longer than the shortest row's budget is cut.
        """
        ids, lengths, sentence_counts = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for batch in batches(documents, lambda document: sum(map(len, document)), _BATCH_CHARACTERS):
            sentences = [[sentence for text in document for sentence in split_sentences(text)] for document in batch]
            ids_of_batch, tokens_of_sentence = self._words.tokenize([each for some in sentences for each in some])
            documents_of = np.repeat(np.arange(len(sentences)), [len(each) for each in sentences])
            pieces, owners = self._cut_long_sentences(ids_of_batch, tokens_of_sentence)
            ids.append(ids_of_batch)
            lengths.append(pieces)
            sentence_counts.append(np.bincount(documents_of[owners], minlength=len(sentences)))
        counts = np.concatenate(sentence_counts)
        sentence_starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
        document_starts = np.concatenate([[0], np.cumsum(counts[counts > 0])])
        return np.concatenate(ids), sentence_starts, document_starts

    def _cut_long_sentences(self, token_ids: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the lengths of the pieces and the sentence each comes from; sentences without tokens have none."""
        budget = min(self._settings.sequence_lengths) - NUM_SPECIAL_TOKENS
        owners = np.flatnonzero(lengths)
        kept = lengths[owners]
        if not (kept > budget).any():
            return kept, owners
        starts = np.cumsum(lengths) - lengths
        cuts = [
            _cut(self._is_word_start[token_ids[starts[owner] : starts[owner] + lengths[owner]]], budget)
            if lengths[owner] > budget
            else [lengths[owner]]
            for owner in owners
        ]
        return np.array([piece for each in cuts for piece in each]), np.repeat(owners, [len(each) for each in cuts])


def _cut(word_starts: np.ndarray, budget: int) -> list[int]:
    """Return the lengths of a sentence's pieces: each ends before a word, or is full where one word is longer.

    >>> _cut(np.array([True, True, False, True, False, False, False]), 3)
    [3, 3, 1]
    """
    lengths, start = [], 0
    while len(word_starts) - start > budget:
        starts = np.flatnonzero(word_starts[start + 1 : start + budget + 1])
        lengths.append(int(starts[-1]) + 1 if len(starts) else budget)
        start += lengths[-1]
    return [*lengths, len(word_starts) - start]
