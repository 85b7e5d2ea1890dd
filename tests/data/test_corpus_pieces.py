import itertools
import math

import pytest

from tfbert.data import DocumentFiles
from tfbert.data.corpus_pieces import cut_pieces
from tfbert.errors import InputError


def cut(documents, share=0.0, size=100):
    return list(cut_pieces(documents, held_out_share=share, piece_bytes=size))


def texts(pieces, split):
    return [text for piece in pieces if piece.split == split for [text] in piece.documents()]


def make(count, prefix="document"):
    return [f"{prefix} {number:05d}" for number in range(count)]


def test_pieces_are_full_in_order_and_numbered():
    documents = make(58)  # 14 bytes each
    pieces = cut(documents)
    assert [(piece.split, piece.number, piece.num_documents) for piece in pieces] == [
        ("train", number, 8) for number in range(6)
    ] + [("train", 6, 10)]
    assert texts(pieces, "train") == documents
    assert [piece.text_bytes for piece in pieces] == [8 * 14] * 6 + [10 * 14]


def test_a_rest_of_half_a_piece_is_one_of_its_own():
    assert [piece.num_documents for piece in cut(make(20))] == [8, 8, 4]
    assert [piece.num_documents for piece in cut(make(19))] == [8, 11]
    assert [piece.num_documents for piece in cut(make(3))] == [3]
    assert cut([]) == []


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_the_share_is_held_out_whatever_the_order(share):
    documents = make(20_000)
    pieces = cut(documents, share, 10_000)
    held_out = texts(pieces, "held_out")
    assert abs(len(held_out) - share * 20_000) < 4 * math.sqrt(20_000 * share * (1 - share))
    assert sorted(held_out) == sorted(texts(cut(documents[::-1], share, 10_000), "held_out"))
    assert sorted(held_out + texts(pieces, "train")) == documents


def test_equal_texts_are_on_one_side():
    documents = make(500)
    pieces = cut([*documents, *(f" {text}\n" for text in documents)], 0.3, 1000)
    sides = [{text.strip() for text in texts(pieces, split)} for split in ("train", "held_out")]
    assert not sides[0] & sides[1]
    assert len(sides[0]) + len(sides[1]) == 500


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, 0), (1, 0), (2, 0), (3, 1), (4, 2), (20, 2), (3000, 300), (10_000, 500), (100_000, 2000)],
)
def test_by_default_enough_is_held_out_to_measure_with(count, expected):
    """At least 2 of 4; then a tenth, until that is 500; a fiftieth of a large corpus."""
    pieces = cut(make(count), None, 10_000_000)
    assert abs(len(texts(pieces, "held_out")) - expected) <= 4 * math.sqrt(expected if count > 20 else 0)


def test_only_a_small_corpus_gives_more_than_a_fiftieth():
    """3,000 documents that fill many pieces are not small: 60 are held out, not 300."""
    assert abs(len(texts(cut(make(3000), None, 1000), "held_out")) - 60) < 32


def test_two_are_held_out_of_few_documents_that_fill_many_pieces():
    documents = [f"{number} " + "word " * 5 for number in range(50)]
    assert len(texts(cut(documents, 1e-9), "held_out")) == 2
    assert not texts(cut(documents, 0), "held_out")


def test_one_piece_at_a_time_is_read():
    """A corpus without end: two pieces are read ahead, to see whether it is small, and one waits for its rest."""
    count = itertools.count()
    pieces = cut_pieces((f"document {number:05d}" for number in count), held_out_share=0, piece_bytes=100)
    assert next(pieces).number == 0
    assert next(count) == 16
    for _ in range(5):
        next(pieces)
    assert next(count) < 80


def test_the_share_read_goes_with_the_piece(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(make(100_000)))
    pieces = cut(DocumentFiles(path), 0, 100_000)
    shares = [piece.share_read for piece in pieces]
    assert shares == sorted(shares)
    assert shares[len(shares) // 2] == pytest.approx(0.5, abs=0.1)
    assert shares[-1] == 1
    assert math.isnan(cut(make(20))[0].share_read)


def test_paragraphs_and_texts_are_documents_and_nothing_else_is():
    assert list(cut(["one", ["two\n\u2028", "Zoë 😀"]])[0].documents()) == [["one"], ["two\n\u2028", "Zoë 😀"]]
    for wrong in (b"bytes", None, ["one", 2], 3.0):
        with pytest.raises(TypeError, match="document 1 is"):
            cut(["one", wrong])
    with pytest.raises(InputError, match=r"document 1 has '.*ud83d', half of a surrogate pair"):
        cut(["one", "\ud83d"])
