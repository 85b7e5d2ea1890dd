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


class _Measured(NamedTuple):
    line: bytes
    digest: int
    """Of the text: uniform in 0 .. 2**64 - 1."""
    text_bytes: int
    share_read: float


def cut_pieces(
    documents: Iterable[str | Document], *, held_out_share: float | None, piece_bytes: int
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

    Raises:
        InputError: if a document holds half of a surrogate pair, which is no character.
        TypeError: if a document is neither a text nor a list of texts.
    """
    measured = _measure(documents)
    first: collections.deque[_Measured] = collections.deque()
    size = 0
    for document in measured:
        first.append(document)
        size += document.text_bytes
        if size >= 2 * piece_bytes:
            break
    is_held_out = _held_out_rule([each.digest for each in first], held_out_share, whole=size < 2 * piece_bytes)
    filling = {split: Piece(split, 0) for split in SPLITS}
    waiting: dict[str, Piece] = {}
    for line, digest, text_bytes, share_read in itertools.chain(_drain(first), measured):
        split = "held_out" if is_held_out(digest) else "train"
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


def _drain(first: collections.deque[_Measured]) -> Iterator[_Measured]:
    """Yield what is in the queue, letting go of it."""
    while first:
        yield first.popleft()


def _measure(documents: Iterable[str | Document]) -> Iterator[_Measured]:
    for number, given in enumerate(documents):
        document = [given] if isinstance(given, str) else given
        if not (isinstance(document, list) and all(isinstance(text, str) for text in document)):
            raise TypeError(f"a document must be a text or a list of texts; document {number} is {given!r:.80}")
        try:
            text = "\n".join(document).encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"a document must be text that UTF-8 can write; document {number} has "
                f"{error.object[error.start]!r}, half of a surrogate pair: decode it anew, or replace it"
            ) from error
        line = json.dumps(document).encode() + b"\n"
        digest = int.from_bytes(hashlib.blake2b(text.strip(), digest_size=8).digest(), "big")
        share_read = documents.share_read if isinstance(documents, DocumentFiles) else nan
        yield _Measured(line, digest, len(text), share_read)


def _held_out_rule(first: list[int], share: float | None, *, whole: bool) -> Callable[[int], bool]:
    """Make the rule from the digests of the first documents; `whole` where there are no others."""
    if share is None:
        enough = _ENOUGH_DOCUMENTS / max(1, len(first)) if whole else 0.0
        share = max(_USUAL_SHARE, min(_LARGEST_SHARE, enough))
    limit = share * _DIGESTS
    different = sorted({*first})
    always = different[: max(0, min(2, len(different) - 2))] if share else []
    return lambda digest: digest < limit or digest in always
