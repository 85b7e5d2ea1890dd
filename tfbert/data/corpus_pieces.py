"""Which documents are held out, and which go into one shard together."""

import collections
import dataclasses
import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from math import nan
from typing import NamedTuple

from tfbert.data.documents import Document, DocumentFiles
from tfbert.data.records import SPLITS
from tfbert.data.selection import Selection
from tfbert.errors import InputError

_USUAL_SHARE, _LARGEST_SHARE, _ENOUGH_DOCUMENTS = 0.02, 0.1, 500
_DIGESTS = 1 << 64


@dataclasses.dataclass
class Piece:
    """What one shard is made of."""

    split: str
    number: int
    """Counted from 0 in its split."""
    lines: bytearray = dataclasses.field(default_factory=bytearray)
    """Each document as JSON on a line: as one object they take less memory, and go to another process at no cost."""
    num_documents: int = 0
    text_bytes: int = 0
    share_read: float = 0.0
    """How much of the source had been read when its last document was; NaN where the size is unknown."""

    def extend(self, lines: bytes | bytearray, num_documents: int, text_bytes: int, share_read: float) -> None:
        """Put further documents at the end."""
        self.lines += lines
        self.num_documents += num_documents
        self.text_bytes += text_bytes
        self.share_read = share_read

    def documents(self) -> Iterator[Document]:
        """Yield the documents."""
        return map(json.loads, io.BytesIO(self.lines))


class Measured(NamedTuple):
    """A document, and what decides about its place."""

    line: bytes
    """What stands for it in its piece: the document as JSON, with a line feed."""
    digest: int
    """Of the text: uniform in 0 .. 2**64 - 1."""
    text_bytes: int
    share_read: float


class HeldOutRule(NamedTuple):
    """Tells by the digest of a document whether it is held out."""

    limit: float
    always: frozenset[int]

    def split(self, digest: int) -> str:
        """Return "held_out" or "train"."""
        return "held_out" if digest < self.limit or digest in self.always else "train"


def cut_pieces(
    documents: Iterable[str | Document],
    *,
    held_out_share: float | None,
    piece_bytes: int,
    selection: Selection | None = None,
    dropped: collections.Counter[str] | None = None,
) -> Iterator[Piece]:
    """Group documents, in their order, into pieces of training and of held-out documents.

    A document is held out by a digest of its text, so that equal texts are never on both sides. Of the documents that
    fill the first two pieces two are held out at least, if two others stay (`held_out_share` 0: none).

    Args:
        documents: each a text or the list of its paragraphs.
        held_out_share: share of the texts to hold out; None: 0.02, and in a corpus that fills less than two pieces
            more, up to 0.1, so that 500 documents are.
        piece_bytes: a piece is full when it holds so much text; what is left at the end goes into the last full one, or
            becomes a piece if it is half as much.
        selection: what to leave out; nothing by default.
        dropped: where to count what is left out.

    Raises:
        InputError: if a document holds half of a surrogate pair, which is no character.
        TypeError: if a document is neither a text nor a list of texts.
    """
    kept = (selection or Selection()).select(_checked(documents), collections.Counter() if dropped is None else dropped)
    share_read = (lambda: documents.share_read) if isinstance(documents, DocumentFiles) else lambda: nan
    rule, measured = held_out_rule(measure(kept, share_read), held_out_share, piece_bytes)
    return group(measured, rule, piece_bytes)


def held_out_rule(
    measured: Iterator[Measured], share: float | None, piece_bytes: int
) -> tuple[HeldOutRule, Iterator[Measured]]:
    """Look at the documents that fill two pieces; return the rule made of them, and all documents again."""
    first: collections.deque[Measured] = collections.deque()
    size = 0
    for document in measured:
        first.append(document)
        size += document.text_bytes
        if size >= 2 * piece_bytes:
            break
    if share is None:
        enough = _ENOUGH_DOCUMENTS / max(1, len(first)) if size < 2 * piece_bytes else 0.0
        share = max(_USUAL_SHARE, min(_LARGEST_SHARE, enough))
    different = sorted({each.digest for each in first})
    always = different[: max(0, min(2, len(different) - 2))] if share else []
    return HeldOutRule(share * _DIGESTS, frozenset(always)), itertools.chain(_drain(first), measured)


def group(measured: Iterable[Measured], rule: HeldOutRule, piece_bytes: int) -> Iterator[Piece]:
    """Yield full pieces as `cut_pieces` says; those of a split come in the order of their numbers."""
    filling = {split: Piece(split, 0) for split in SPLITS}
    waiting: dict[str, Piece] = {}
    for line, digest, text_bytes, share_read in measured:
        split = rule.split(digest)
        piece = filling[split]
        piece.extend(line, 1, text_bytes, share_read)
        if piece.text_bytes >= piece_bytes:
            if split in waiting:
                yield waiting.pop(split)
            waiting[split] = piece
            filling[split] = Piece(split, piece.number + 1)
    for split, rest in filling.items():
        last = [waiting[split]] if split in waiting else []
        if last and rest.text_bytes < piece_bytes // 2:
            last[0].extend(rest.lines, rest.num_documents, rest.text_bytes, 1.0)
        elif rest.num_documents:
            last.append(rest)
        yield from last


def _drain(first: collections.deque[Measured]) -> Iterator[Measured]:
    """Yield what is in the queue, letting go of it."""
    while first:
        yield first.popleft()


def _checked(documents: Iterable[str | Document]) -> Iterator[Document]:
    for number, given in enumerate(documents):
        document = [given] if isinstance(given, str) else given
        if not (isinstance(document, list) and all(isinstance(text, str) for text in document)):
            raise TypeError(f"a document must be a text or a list of texts; document {number} is {given!r:.80}")
        for text in document:
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InputError(
                    f"a document must be text that UTF-8 can write; document {number} has "
                    f"{text[error.start]!r}, half of a surrogate pair: decode it anew, or replace it"
                ) from error
        yield document


def measure(documents: Iterable[Document], share_read: Callable[[], float] = lambda: nan) -> Iterator[Measured]:
    """Yield each document with its size and its digest; `share_read` says how much of the source has been read."""
    for document in documents:
        text = "\n".join(document).encode()
        line = json.dumps(document).encode() + b"\n"
        digest = int.from_bytes(hashlib.blake2b(text.strip(), digest_size=8).digest(), "big")
        yield Measured(line, digest, len(text), share_read())
