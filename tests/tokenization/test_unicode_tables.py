import unicodedata

import numpy as np
import pytest

from tfbert.tokenization.unicode_tables import (
    CASED,
    COMBINING_CLASS_SHIFT,
    IGNORABLE,
    SIGMA,
    STARTER,
    UNICODE_VERSION,
    build_unicode_tables,
    load_unicode_tables,
)


def looked_up(character: str, lowercase: bool) -> tuple[list[int], int]:
    tables = load_unicode_tables(lowercase)
    row = ord(character) + tables.page_offsets[ord(character) >> 8]
    elements = tables.elements[row] + np.array([0, ord(character), 0])
    return [int(element) for element in elements if element >= 0], int(tables.contexts[row])


@pytest.mark.parametrize(
    ("character", "uncased", "cased"),
    [
        ("a", "a", "a"),
        ("É", "e", "É"),
        (",", " , ", " , "),
        ("字", " 字 ", " 字 "),
        ("\u00a0", " ", " "),
        ("\u2028", " ", " "),
        ("\u00ad", "", ""),
        ("\ufffd", "", ""),
        ("\u0301", "", "\u0301"),
        ("각", "\u1100\u1161\u11a8", "각"),
        ("≠", " = ", "≠"),
        ("\uffff", "\uffff", "\uffff"),
        ("\U0010ffff", "\U0010ffff", "\U0010ffff"),
    ],
)
def test_elements(character, uncased, cased):
    assert looked_up(character, lowercase=True)[0] == [ord(element) for element in uncased]
    assert looked_up(character, lowercase=False)[0] == [ord(element) for element in cased]


def test_marks_and_contexts():
    assert looked_up("Σ", lowercase=True) == ([ord("σ") | SIGMA], CASED | STARTER)
    assert looked_up(".", lowercase=True)[1] == IGNORABLE | STARTER
    assert looked_up("1", lowercase=True)[1] == STARTER
    assert looked_up("\x01", lowercase=True)[1] == IGNORABLE
    assert looked_up("\U0001d165", lowercase=True) == ([0x1D165 | 216 << COMBINING_CLASS_SHIFT], 0)


@pytest.mark.slow
@pytest.mark.parametrize("lowercase", [True, False])
def test_the_shipped_tables_are_those_of_unicode_14(lowercase):
    if unicodedata.unidata_version != UNICODE_VERSION:
        pytest.skip(f"this Python has Unicode {unicodedata.unidata_version}")
    for shipped, built in zip(load_unicode_tables(lowercase), build_unicode_tables(lowercase), strict=True):
        assert shipped.dtype == built.dtype
        np.testing.assert_array_equal(shipped, built)
