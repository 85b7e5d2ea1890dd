"""Which documents are held out, and which go into one shard together."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from math import nan
from typing import NamedTuple

from tfbert.data.documents import Document, DocumentFiles
from tfbert.data.records import SPLITS
from tfbert.errors import InputError

_USUAL_SHARE, _LARGEST_SHARE, _ENOUGH_DOCUMENTS = 0.02, 0.1, 500
_DIGESTS = 1 << 64


class Piece(NamedTuple):
    """What one shard is made of."""

    split: str
    number: int
    """Counted from 0 in its split."""
    documents: list[Document]
    text_bytes: int
    share_read: float
    """How much of the source had been read when its last document was; NaN where the size is unknown."""


class _Measured(NamedTuple):
    document: Document
    digest: int
    """Uniform in 0 .. 2**64 - 1, the same for texts that differ in case and white space alone."""
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
    first, size = [], 0
    for each in measured:
        first.append(each)
        size += each.text_bytes
        if size >= 2 * piece_bytes:
            break
    is_held_out = _held_out_rule([each.digest for each in first], held_out_share, whole=size < 2 * piece_bytes)
    measured = itertools.chain(first, measured)
    # The chain lets go of the list when it is through; the name would not.
    del first
    waiting: dict[str, Piece] = {}
    filling = {split: Piece(split, 0, [], 0, 0.0) for split in SPLITS}
    for document, digest, text_bytes, share_read in measured:
        split = "held_out" if is_held_out(digest) else "train"
        _, number, kept, total, _ = filling[split]
        kept.append(document)
        piece = filling[split] = Piece(split, number, kept, total + text_bytes, share_read)
        if piece.text_bytes >= piece_bytes:
            filling[split] = Piece(split, number + 1, [], 0, 0.0)
            if split in waiting:
                yield waiting[split]
            waiting[split] = piece
    for split, rest in filling.items():
        if split not in waiting:
            yield from [rest] if rest.documents else []
        elif rest.text_bytes < piece_bytes // 2:
            full = waiting[split]
            yield Piece(split, full.number, full.documents + rest.documents, full.text_bytes + rest.text_bytes, 1.0)
        else:
            yield from (waiting[split], rest)


def _measure(documents: Iterable[str | Document]) -> Iterator[_Measured]:
    for number, given in enumerate(documents):
        document = [given] if isinstance(given, str) else given
        if not (isinstance(document, list) and all(isinstance(text, str) for text in document)):
            raise TypeError(f"a document must be a text or a list of texts; document {number} is {given!r:.80}")
        try:
            text = " ".join("\n".join(document).split()).casefold().encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"a document must be text that UTF-8 can write; document {number} has {error.object[error.start]!r}, "
                "half of a surrogate pair: decode it anew, or replace it"
            ) from error
        digest = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
        yield _Measured(
            document, digest, len(text), documents.share_read if isinstance(documents, DocumentFiles) else nan
        )


def _held_out_rule(first: list[int], share: float | None, *, whole: bool) -> Callable[[int], bool]:
    """Make the rule from the digests of the first documents; `whole` where there are no others."""
    if share is None:
        share = (
            max(_USUAL_SHARE, min(_LARGEST_SHARE, _ENOUGH_DOCUMENTS / max(1, len(first)))) if whole else _USUAL_SHARE
        )
    limit = share * _DIGESTS
    different = sorted({*first})
    always = different[: max(0, min(2, len(different) - 2))] if share else []
    return lambda digest: digest < limit or digest in always
