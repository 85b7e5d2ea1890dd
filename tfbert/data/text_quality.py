"""Rules that tell running English text from other text, one document at a time."""

import re

from tfbert.data.documents import Document

LANGUAGES = ("en",)
"""The languages that can be told; each needs its function words."""

# Function words, but for those that other languages in Latin letters have too ("in", "is", "no", "for", "of", "we").
_FUNCTION_WORDS = (
    "the be to and that with it not you this but his from they say she or my one all would there their what up out if "
    "about who get which when can like just your some could them than then its only after how our because these are "
    "were been was did does don other most very any where why him us also"
)
_ENGLISH = frozenset(_FUNCTION_WORDS.split())
_LEAST_ENGLISH = 0.1
_WORD = re.compile(r"[^\W\d_]+")
_HAS_LETTER = re.compile(r"[^\W\d_]").search

_BULLETS = ("•", "‣", "●", "-", "*")
_ELLIPSES = ("…", "...")
_SYMBOL = re.compile(r"#|…|\.\.\.")


def is_english(document: Document) -> bool:
    """Tell whether at least a tenth of a document's words are English function words.

    Nothing is downloaded or learned. The rule needs running text: a document without such words, "Great app!" say,
    is not taken for English, and one in few words cannot be told with certainty.

    >>> is_english(["It stopped working after the update."]), is_english(["Funktioniert nach dem Update nicht mehr."])
    (True, False)
    """
    words = _WORD.findall("\n".join(document).lower())
    return len([*filter(_ENGLISH.__contains__, words)]) >= max(1, _LEAST_ENGLISH * len(words))


def is_running_text(document: Document) -> bool:
    """Tell whether a document passes the quality rules of Rae et al. 2021 (Gopher), appendix A.1.1.

    Words are what stands between white space. Their mean length is 3 to 10 characters; 80 % of them hold a letter; "#"
    and ellipses are at most a tenth as many; at most 90 % of the lines begin with a bullet, at most 30 % end with an
    ellipsis; lines that stood in the document before are at most 30 % of the lines and hold at most 20 % of their
    characters. Left out of Gopher's rules: 50 to 100,000 words (that is `least_characters`), two English stop words
    (that is the language), repeated paragraphs and n-grams.
    """
    text = "\n".join(document)
    words = text.split()
    lines = [line.strip() for line in text.split("\n") if line and not line.isspace()]
    if not words or not 3 <= sum(map(len, words)) / len(words) <= 10:
        return False
    # Most words are letters alone, which is quickly said.
    without_letter = [word for word in words if not word.isalpha() and not _HAS_LETTER(word)]
    if len(without_letter) > 0.2 * len(words):
        return False
    if len(_SYMBOL.findall(text)) > 0.1 * len(words):
        return False
    if sum(line.startswith(_BULLETS) for line in lines) > 0.9 * len(lines):
        return False
    if sum(line.endswith(_ELLIPSES) for line in lines) > 0.3 * len(lines):
        return False
    different = {*lines}
    characters = sum(map(len, lines))
    return len(different) >= 0.7 * len(lines) and sum(map(len, different)) >= 0.8 * characters
