"""Documents that occur again, exactly or nearly: 64-bit keys that are equal where documents are."""

import hashlib
import re
import unicodedata
import zlib
from collections.abc import Sequence

import numpy as np

from tfbert.data.splitting import normalized_text

_SHINGLE_WORDS = 5
_BANDS, _HASHES_PER_BAND = 14, 8
_MOST_WORDS = 1_000_000
_WORD = re.compile(r"[^\W_]+")
_FACTOR = np.array([0x9E3779B97F4A7C15], np.uint64)


def exact_keys(texts: Sequence[str]) -> np.ndarray:
    """Return a digest of each normalized text, uint64 (texts, 1); see `normalized_text`.

    Two of a billion different texts share one of the 2**64 digests with a chance of 3 in 100, so that one is lost.
    """
    digests = [
        hashlib.blake2b(normalized_text(text).encode(errors="surrogatepass"), digest_size=8).digest() for text in texts
    ]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64).reshape(-1, 1)


def near_keys(texts: Sequence[str]) -> np.ndarray:
    """Return keys of which two nearly equal texts most likely share one, uint64 (texts, 15).

    MinHash with locality-sensitive hashing: Broder 1997, "On the resemblance and containment of documents"; as Lee et
    al. 2022, "Deduplicating training data makes language models better", section 4.2, use it. A text is the set of its
    runs of five words, without case and punctuation; of 112 hash functions each gives the smallest value over the set,
    which two sets share with a probability of their Jaccard similarity s. Eight such values make a key: of the 14, two
    texts share one with a probability of 1 - (1 - s**8)**14, as Penedo et al. 2024 (FineWeb) have it: 5 % at s = 0.5,
    56 % at 0.7, 77 % at 0.75, 92 % at 0.8, 99.96 % at 0.9. The first key is the exact one.

    A text of fewer than five words is one run. The rule needs spaces between words.
    """
    words = [_words(text) for text in texts]
    lengths = np.array([len(each) for each in words])
    flat = np.fromiter((_HASHES[word] for each in words for word in each), np.uint64, lengths.sum())
    if len(_HASHES) > _MOST_WORDS:
        _HASHES.clear()
    shingles = np.zeros(max(0, len(flat) - _SHINGLE_WORDS + 1), np.uint64)
    for word in range(_SHINGLE_WORDS):
        shingles = shingles * _FACTOR + flat[word : word + len(shingles)]
    # A run must not begin in one text and end in the next.
    counts = lengths - (_SHINGLE_WORDS - 1)
    starts = np.cumsum(counts) - counts
    within = np.arange(counts.sum()) + np.repeat(np.cumsum(lengths) - lengths - starts, counts)
    values = (_mixed(shingles[within]) >> np.uint64(32)).astype(np.uint32)
    keys = [exact_keys(texts)[:, 0]]
    for band in range(_BANDS):
        key = np.full(len(texts), band, np.uint64)
        for factor, offset in _HASH_FUNCTIONS[band]:
            key = key * _FACTOR + np.minimum.reduceat(values * factor + offset, starts)
        keys.append(_mixed(key))
    return np.stack(keys, axis=1)


class SeenKeys:
    """Remembers keys in 8 bytes each, and as much again for a moment while they are sorted anew."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []
        """Sorted, each more than twice as long as the next: few to look into, and seldom merged."""

    def add(self, keys: np.ndarray) -> np.ndarray:
        """Remember keys, uint64 (documents, keys); return which documents have one that came before, bool."""
        known = repeated(keys.ravel())
        new = np.sort(keys.ravel()[~known])
        old = np.zeros(len(new), bool)
        for run in self._runs:
            old |= run[np.minimum(np.searchsorted(run, new), len(run) - 1)] == new
        known |= np.isin(keys.ravel(), new[old], assume_unique=False)
        self._runs.append(new[~old])
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            # A stable sort merges the two.
            self._runs[-2:] = [np.sort(np.concatenate(self._runs[-2:]), kind="stable")]
        self._runs = [run for run in self._runs if len(run)]
        return np.logical_or.reduce(known.reshape(keys.shape), axis=1)


def repeated(keys: np.ndarray) -> np.ndarray:
    """Return which keys, of uint64 (keys,), stand further to the front as well, bool."""
    _, first = np.unique(keys, return_index=True)
    again = np.ones(len(keys), bool)
    again[first] = False
    return again


def _words(text: str) -> list[str]:
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold()) or [text.strip()]
    return words + [""] * (_SHINGLE_WORDS - len(words))


class _Hashes(dict[str, int]):
    """A hash of each word that was asked for."""

    def __missing__(self, word: str) -> int:
        self[word] = value = zlib.crc32(word.encode(errors="surrogatepass"))
        return value


_HASHES = _Hashes()


def _mixed(values: np.ndarray) -> np.ndarray:
    """Return uint64 values whose every bit depends on every bit: the last step of SplitMix64 (Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _hash_functions() -> np.ndarray:
    """Return an odd factor and an offset for each, uint32 (bands, hashes, 2): the same with every version of NumPy."""
    numbers = np.arange(1, 2 * _BANDS * _HASHES_PER_BAND + 1, dtype=np.uint64)
    functions = (_mixed(numbers * _FACTOR) >> np.uint64(32)).astype(np.uint32).reshape(_BANDS, _HASHES_PER_BAND, 2)
    functions[:, :, 0] |= 1
    return functions


_HASH_FUNCTIONS = _hash_functions()
