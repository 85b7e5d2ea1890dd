"""Google's tokenizer in plain Python, in our own words: what the TensorFlow one is compared with.

The rules are those of `FullTokenizer` in google-research/bert's tokenization.py; `test_tokenizer.py` holds this against
ids that the original gave.
"""

import unicodedata

CJK = frozenset().union(
    range(0x3400, 0x4DC0),
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x2A6E0),
    range(0x2A700, 0x2B740),
    range(0x2B740, 0x2B820),
    range(0x2B820, 0x2CEB0),
    range(0x2F800, 0x2FA20),
)
LONGEST_WORD = 200


def cleaned(text: str) -> str:
    """The text without control characters, with plain spaces, and with spaces around each CJK ideograph."""
    result = []
    for character in text:
        category = unicodedata.category(character)
        if category == "Zs" or character in "\t\n\r":
            result.append(" ")
        elif character not in "\0\ufffd" and category not in ("Cc", "Cf"):
            result.append(f" {character} " if ord(character) in CJK else character)
    return "".join(result)


def is_punctuation(character: str) -> bool:
    ascii_mark = "!" <= character <= "~" and not character.isalnum()
    return ascii_mark or unicodedata.category(character)[0] == "P"


def words(text: str | bytes, lowercase: bool) -> list[str]:
    """The words of a text: cut at white space and around punctuation."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="ignore")
    result = []
    for token in cleaned(text).split():
        if lowercase:
            decomposed = unicodedata.normalize("NFD", token.lower())
            token = "".join(character for character in decomposed if unicodedata.category(character) != "Mn")
        spaced = "".join(f" {character} " if is_punctuation(character) else character for character in token)
        result.extend(spaced.split())
    return result


def pieces(word: str, ids: dict[str, int]) -> list[int]:
    """The longest token that begins the word, then the longest "##" token that begins the rest, and so on."""
    unknown = [ids["[UNK]"]]
    if len(word) > LONGEST_WORD:
        return unknown
    result: list[int] = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        ends = (end for end in range(len(word), start, -1) if prefix + word[start:end] in ids)
        end = next(ends, None)
        if end is None:
            return unknown
        result.append(ids[prefix + word[start:end]])
        start = end
    return result


def tokenize(text: str | bytes, ids: dict[str, int], lowercase: bool) -> list[int]:
    """The ids of a text's pieces under a vocabulary that maps tokens to ids."""
    return [piece for word in words(text, lowercase) for piece in pieces(word, ids)]
