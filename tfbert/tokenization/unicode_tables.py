"""What Google's BasicTokenizer does to each code point, as tables: made once from Unicode 14.0, shipped as data.

The reference ids come from Python 3.11, whose `unicodedata` is version 14.0.0; looking characters up in shipped tables
keeps a newer Python from changing a single id. `python -m tfbert.tokenization.unicode_tables` writes them anew.

A code point becomes at most three **elements**: `[before, itself + shift, after]`. A punctuation mark or CJK ideograph
gets a space on either side, a Hangul syllable becomes two or three letters, most have one element, itself. An element
that is no code point (negative) is dropped. Because the middle one is relative, thousands of code points that stay as
they are share one page of the table: a code point's row is `code_point + page_offsets[code_point >> 8]`.

The uncased table marks the two cases in which a character's neighbours matter with bits above the code point: a
capital sigma, whose lower case depends on its place in the word, and characters of a non-zero combining class that
survive the removal of accents, which NFD sorts. The column `contexts` is what is needed to settle these.
"""

import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np

UNICODE_VERSION = "14.0.0"
PATH = Path(__file__).with_name("unicode_tables.npz")

DROPPED = -0x200000
"""Added to any code point this gives a negative number: no code point, and dropped."""
COMBINING_CLASS_SHIFT = 21
"""An element's combining class lies above the 21 bits of its code point."""
SIGMA = 1 << 29
"""The mark on the element of a capital sigma; above the combining classes, which end at 240."""

# Bits of `contexts`.
CASED = 1
IGNORABLE = 2
STARTER = 4

_SPACE = ord(" ")
_MAX_ELEMENTS = 3
_CJK_RANGES = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


class UnicodeTables(NamedTuple):
    """The tables of one casing."""

    page_offsets: np.ndarray
    """int32 (4352,): added to a code point, by its upper bits, it gives the code point's row."""
    elements: np.ndarray
    """int32 (rows, 3): `[before, shift, after]`."""
    contexts: np.ndarray
    """int32 (rows,): bits CASED, IGNORABLE (for Python's rule of the final sigma), STARTER (has combining class 0)."""


def load_unicode_tables(lowercase: bool) -> UnicodeTables:
    """Read the shipped tables of the uncased or of the cased tokenizer."""
    casing = "uncased" if lowercase else "cased"
    with np.load(PATH, allow_pickle=False) as arrays:
        return UnicodeTables(*(arrays[f"{casing}_{name}"] for name in UnicodeTables._fields))


def build_unicode_tables(lowercase: bool) -> UnicodeTables:
    """Make the tables from this Python's `unicodedata`."""
    count = 0x110000
    elements = np.empty((count, _MAX_ELEMENTS), np.int32)
    contexts = np.empty(count, np.int32)
    for code_point in range(count):
        elements[code_point] = _elements(code_point, lowercase)
        contexts[code_point] = _context(chr(code_point)) if lowercase else 0
    pages = np.concatenate([elements, contexts[:, None]], axis=1).reshape(count // 256, -1)
    unique_pages, page_of = np.unique(pages, axis=0, return_inverse=True)
    rows = unique_pages.reshape(-1, _MAX_ELEMENTS + 1)
    page_offsets = (page_of.reshape(-1) - np.arange(count // 256)) * 256
    return UnicodeTables(page_offsets.astype(np.int32), rows[:, :-1].copy(), rows[:, -1].copy())


def _elements(code_point: int, lowercase: bool) -> list[int]:
    """`[before, shift, after]` of a code point."""
    character = chr(code_point)
    if _is_dropped(character):
        return [DROPPED, DROPPED, DROPPED]
    if character.isspace():
        return [_SPACE, DROPPED, DROPPED]
    if lowercase:
        # NFD is taken of the lower case, and nonspacing marks go: what is left of an accented letter is the letter.
        decomposed = unicodedata.normalize("NFD", character.lower())
        characters = [part for part in decomposed if unicodedata.category(part) != "Mn"]
    else:
        characters = [character]
    if any(_is_punctuation(part) for part in characters) or _is_cjk(code_point):
        characters = [" ", *characters, " "]
    values = [_marked(part) if lowercase else ord(part) for part in characters]
    if character == "Σ" and lowercase:
        values = [values[0] | SIGMA]
    if len(values) == 1:  # the commonest case stands in the middle, so that its shift is 0
        values = [DROPPED, *values]
    values += [DROPPED] * (_MAX_ELEMENTS - len(values))
    before, itself, after = values  # three at most, which unpacking checks
    return [before, itself - code_point if itself != DROPPED else DROPPED, after]


def _marked(character: str) -> int:
    return ord(character) | unicodedata.combining(character) << COMBINING_CLASS_SHIFT


def _context(character: str) -> int:
    """The bits of `contexts`."""
    if _is_dropped(character):
        return IGNORABLE  # it is gone before anything is lower-cased
    decomposed = unicodedata.normalize("NFD", character.lower())
    starter = STARTER if any(unicodedata.combining(part) == 0 for part in decomposed) else 0
    # unicodedata has neither property, but the lower case of a sigma tells: it is final after a cased letter, looking
    # back over characters that case ignores.
    if (character + "Σ").lower().endswith("ς"):
        return starter | CASED
    return starter | (IGNORABLE if ("A" + character + "Σ").lower().endswith("ς") else 0)


def _is_dropped(character: str) -> bool:
    if character in "\t\n\r":
        return False
    return character in "\x00\ufffd" or unicodedata.category(character) in ("Cc", "Cf")


def _is_punctuation(character: str) -> bool:
    if character.isascii():
        return character.isprintable() and not character.isalnum() and character != " "
    return unicodedata.category(character).startswith("P")


def _is_cjk(code_point: int) -> bool:
    return any(first <= code_point <= last for first, last in _CJK_RANGES)


if __name__ == "__main__":
    if unicodedata.unidata_version != UNICODE_VERSION:
        raise SystemExit(f"the tables are of Unicode {UNICODE_VERSION}, this Python has {unicodedata.unidata_version}")
    np.savez_compressed(
        PATH,
        allow_pickle=False,
        **{
            f"{casing}_{name}": array
            for casing in ("cased", "uncased")
            for name, array in build_unicode_tables(casing == "uncased")._asdict().items()
        },
    )
