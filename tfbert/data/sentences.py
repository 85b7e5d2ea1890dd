"""Splitting text into sentences."""

import re

_ENDS = re.compile(r"(?<=[.!?])\s+|\n+")


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text, in order, without the white space around them."""
    return [sentence for sentence in map(str.strip, _ENDS.split(text)) if sentence]
