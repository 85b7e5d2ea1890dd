"""Which documents go into a corpus: filters that look at one document, then what occurs again."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tfbert.data.documents import Document
from tfbert.data.duplicates import SeenKeys, exact_keys, near_keys
from tfbert.data.text_quality import LANGUAGES, is_english, is_running_text
from tfbert.data.word_cache import batches
from tfbert.errors import InputError

DEDUPLICATE = ("none", "exact", "near")
_BATCH_CHARACTERS = 1 << 18


@dataclasses.dataclass(frozen=True)
class Selection:
    """What to leave out, in this order; nothing by default. What is left is a function of the documents in their order.

    Attributes:
        least_characters: documents with fewer, without the white space around paragraphs, are "short".
        language: keep documents in it alone; only "en" can be told, see `is_english`.
        quality: keep what passes the rules of `is_running_text` alone.
        deduplicate: "exact" drops a document whose normalized text came before; "near" one that most likely shares 80 %
            of its runs of five words with one before, see `near_keys`. The first is kept, unless a filter dropped it.

    Raises:
        InputError: if there is no such language or deduplication, or `least_characters` is negative.
    """

    least_characters: int = 0
    language: str | None = None
    quality: bool = False
    deduplicate: str = "none"

    def __post_init__(self) -> None:
        if self.least_characters < 0:
            raise InputError(f"least_characters must be 0 or more; received {self.least_characters}.")
        if self.language not in (None, *LANGUAGES):
            raise InputError(
                f"language must be one that can be told, {', '.join(LANGUAGES)}; received {self.language!r}: filter "
                "other languages before, with a program that knows them."
            )
        if self.deduplicate not in DEDUPLICATE:
            raise InputError(f"deduplicate must be one of {', '.join(DEDUPLICATE)}; received {self.deduplicate!r}.")

    @property
    def description(self) -> dict[str, Any]:
        """The settings for a manifest; empty where nothing is left out."""
        return dataclasses.asdict(self) if self != Selection() else {}

    @property
    def nothing_dropped(self) -> collections.Counter[str]:
        """A count of 0 for each step that is on: `short`, `language`, `quality`, `duplicate`."""
        steps = {
            "short": self.least_characters > 0,
            "language": self.language is not None,
            "quality": self.quality,
            "duplicate": self.deduplicate != "none",
        }
        return collections.Counter({name: 0 for name, is_on in steps.items() if is_on})

    def select(self, documents: Iterable[Document], dropped: collections.Counter[str]) -> Iterator[Document]:
        """Yield the documents that are kept, and count the others in `dropped`."""
        passing = self.filtered(documents, dropped)
        if self.deduplicate == "none":
            yield from passing
            return
        seen = SeenKeys()
        for batch in batches_of_text(passing):
            for document, again in zip(batch, seen.add(self.keys(batch)).tolist(), strict=True):
                if again:
                    dropped["duplicate"] += 1
                else:
                    yield document

    def filtered(self, documents: Iterable[Document], dropped: collections.Counter[str]) -> Iterator[Document]:
        """Yield the documents that pass the filters, and count the others in `dropped`."""
        for document in documents:
            if self.least_characters and sum(len(text.strip()) for text in document) < self.least_characters:
                dropped["short"] += 1
            elif self.language and not is_english(document):
                dropped["language"] += 1
            elif self.quality and not is_running_text(document):
                dropped["quality"] += 1
            else:
                yield document

    def keys(self, documents: list[Document]) -> np.ndarray:
        """Return keys, uint64 (documents, keys): a document repeats another if they share one."""
        keys_of = near_keys if self.deduplicate == "near" else exact_keys
        return keys_of(["\n".join(document) for document in documents])


def batches_of_text(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Yield documents in lists of some 260,000 characters, enough for NumPy and little memory."""
    return batches(documents, lambda document: sum(map(len, document)), _BATCH_CHARACTERS)
