"""Splitting text into sentences, by rule: abbreviations, emoji, CJK stops, line breaks."""

import re

_MARKS = ".!?…‼⁉؟।"
_STOPS = "。！？｡"
_EMOJI = "☀-➿⭐⭕\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff\u200d\ufe0f"


def _candidates(searched: str) -> re.Pattern[str]:
    """Make the pattern of places where a sentence might end, each at one of the characters `searched`.

    A run of marks matches whole, so that the search takes time in proportion to the text. The class comes first: the
    search for a class is several times faster than for alternatives.
    """
    return re.compile(
        rf"""(?P<first> [{searched}] )
             (?: (?<=[{_MARKS}]) (?P<more> [{_MARKS}]* ) (?P<closing> ["'”’»)\]}}*]* ) (?: [ \t]* [{_EMOJI}] )*
               | (?<=[{_STOPS}]) [{_STOPS}]* ["'”’»)\]」』）】》]*
               | (?<=[{_EMOJI}]) [{_EMOJI}]*
               | (?<=\n) \s* )
             (?= (?P<space> \s* ) ["'“‘«(\[{{¿¡*]* (?P<following> \w{{0,20}} ) )""",
        re.VERBOSE,
    )


_CANDIDATE = _candidates(rf"{_MARKS}{_STOPS}{_EMOJI}\n")
_ASCII_CANDIDATE = _candidates(r".!?\n")


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Abbreviations, in lower case and without the last period, and words that often begin a sentence.
_NEVER_LAST = _words(
    "mr mrs ms dr prof st mt gen sen rep gov lt col capt sgt rev hon messrs mme mlle e.g i.e vs cf viz approx ca"
)
_BEFORE_NUMBERS = _words("no nos fig figs eq sec ch vol p pp art ver v")
_RARELY_LAST = _words(
    "etc inc ltd co corp jr sr bros dept est univ al min max avg hr hrs ph.d "
    "jan feb aug sep sept oct nov dec mon tue wed thu fri"
)
_OFTEN_FIRST = _words(
    "a an the i it he she we they you this that these those there here my our your his its their in on at for from to "
    "with but and or so if when while as after before since then also however please what why how who where no not"
)
_WRAPPED = range(60, 101)
"""The characters of a line that was wrapped."""
_WRAPPED_BEFORE_LOWER_CASE = range(40, 101)
"""The same, where the next line begins in lower case."""


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text, in order, without the white space around them.

    Nothing but white space is lost, and a text without any mark is one sentence. Takes time in proportion to the
    text's length.

    >>> split_sentences("Mr. Lee paid $4.50 for v1.2! Worth it… maybe 😀 Get it")
    ['Mr. Lee paid $4.50 for v1.2!', 'Worth it… maybe 😀', 'Get it']
    """
    sentences, start = [], 0
    for candidate in (_ASCII_CANDIDATE if text.isascii() else _CANDIDATE).finditer(text):
        if _ends_sentence(text, start, candidate):
            sentences.append(text[start : candidate.end()].strip())
            start = candidate.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def _ends_sentence(text: str, start: int, candidate: re.Match[str]) -> bool:
    """Decide whether the sentence that begins at `start` ends with the candidate."""
    first, more, closing, space, following = candidate.groups()
    if first in _MARKS:
        if not space:
            return not closing and _is_glued_end(text, candidate)
        if first == "." and not more:
            return _period_ends(text[max(start, candidate.start() - 24) : candidate.start()], closing, following)
        if closing or not (first + more).strip(".…"):
            # "Really?" she asked.  Well... maybe.
            return not following[:1].islower()
        return True
    if first == "\n":
        return not _is_wrapped(text, candidate)
    if first in _STOPS:
        return True
    # 😀 Emoji that begin a sentence do not end it.
    return bool(space) and following[:1].isupper() and bool(text[start : candidate.start()].strip())


def _period_ends(sentence_end: str, closing: str, following: str) -> bool:
    """Decide about one period before white space, by the sentence's last characters and the word after."""
    *before, word = sentence_end.split() or [""]
    if not before and (len(word) == 1 or word.isdigit()):
        # "1. Open the app." is one sentence, "a. like this" too.
        return False
    word = word.lstrip("\"'“‘«([{*")
    lower = word.lower()
    if lower in _NEVER_LAST or (lower in _BEFORE_NUMBERS and following[:1].isdigit()):
        return False
    if lower in _RARELY_LAST or _is_initials(word):
        return following[:1].isupper() and following.lower() in _OFTEN_FIRST
    return not (closing and following[:1].islower())


def _is_initials(word: str) -> bool:
    """Tell whether a word is one of "J", "U.S", "a.m"; "I" is a word of its own."""
    return (len(word) == 1 and word.isupper() and word != "I") or (
        "." in word and all(len(letter) == 1 and letter.isalpha() for letter in word.split("."))
    )


def _is_glued_end(text: str, candidate: re.Match[str]) -> bool:
    """Decide about a mark without white space behind it: "It crashes.Please fix", but not "Any.do" or "v1.2"."""
    following = candidate["following"]
    if not (following.istitle() and text.startswith(following, candidate.end())):
        return False
    if candidate["first"] != "." or candidate["more"]:
        return True
    *_, word = text[max(0, candidate.start() - 24) : candidate.start()].split() or [""]
    return word.isalpha() and word[-2:].islower()


def _is_wrapped(text: str, candidate: re.Match[str]) -> bool:
    """Decide whether a line break only wraps a long line, so that the sentence goes on in the next."""
    if candidate[0].count("\n") > 1:
        return False
    begin, end = candidate.span()
    length = begin - (text.rfind("\n", 0, begin) + 1)
    return length in (_WRAPPED_BEFORE_LOWER_CASE if text[end : end + 1].islower() else _WRAPPED)
