import itertools
import zlib

import numpy as np
import pytest

from tfbert.data.duplicates import SeenKeys, exact_keys, near_keys, repeated


def words(random, count):
    return [f"word{number}" for number in random.integers(0, 1_000_000, count)]


def test_exact_keys_are_those_of_normalized_texts():
    keys = exact_keys(["Great app!!", "great  APP", "Great apps", "Ｇｒｅａｔ　ａｐｐ", "?!", "!"])
    assert keys.dtype == np.uint64
    assert keys.shape == (6, 1)
    _, group = np.unique(keys[:, 0], return_inverse=True)
    assert group[0] == group[1] == group[3]
    assert len({*group.tolist()}) == 4


def test_the_keys_are_the_same_everywhere():
    """They decide what a corpus holds, on whatever machine it is prepared."""
    [near] = near_keys(["The quick brown fox jumps over the lazy dog."])
    assert near[0] == exact_keys(["the quick brown fox jumps over the lazy dog"])[0, 0]
    assert near[[0, 1, 14]].tolist() == [12728612350432717258, 4591103835923160622, 6548205680121357186]


def mixed(value):
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
    return value ^ value >> 31


def keys_of_one(text_words):
    """The keys but the first, one number after the other."""
    golden = 0x9E3779B97F4A7C15
    shingles = []
    for start in range(max(1, len(text_words) - 4)):
        shingle = 0
        for word in (text_words[start : start + 5] + [""] * 5)[:5]:
            shingle = (shingle * golden + zlib.crc32(word.encode())) % 2**64
        shingles.append(mixed(shingle) >> 32)
    keys = []
    for band in range(14):
        key = band
        for function in range(8 * band, 8 * band + 8):
            factor, offset = (mixed((2 * function + place) * golden % 2**64) >> 32 for place in (1, 2))
            least = min((shingle * (factor | 1) + offset) % 2**32 for shingle in shingles)
            key = (key * golden + least) % 2**64
        keys.append(mixed(key))
    return keys


def test_near_keys_are_those_of_a_plain_transcription_in_whatever_batch():
    random = np.random.default_rng(0)
    texts = [" ".join(words(random, count)) for count in (5, 1, 60, 4, 6, 0, 200)]
    expected = [keys_of_one(text.split()) for text in texts]
    assert near_keys(texts)[:, 1:].tolist() == expected
    assert np.concatenate([near_keys([text]) for text in texts])[:, 1:].tolist() == expected


@pytest.mark.parametrize("changed", [5, 14, 33])
def test_two_texts_share_a_key_as_often_as_their_similarity_says(changed):
    """Of 100 runs of five words the last `changed` differ: 95/105, 86/114 and 67/133 are shared."""
    random = np.random.default_rng(changed)
    pairs = 400
    firsts = [words(random, 104) for _ in range(pairs)]
    seconds = [first[: 104 - changed] + words(random, changed) for first in firsts]
    first_keys, second_keys = (near_keys([" ".join(each) for each in texts]) for texts in (firsts, seconds))
    share = (first_keys == second_keys).any(axis=1).mean()
    similarity = (100 - changed) / (100 + changed)
    expected = 1 - (1 - similarity**8) ** 14
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / pairs) + 1 / pairs


def test_unlike_texts_share_no_key():
    random = np.random.default_rng(0)
    keys = near_keys([" ".join(words(random, count % 40)) for count in range(1, 2000)])
    different = np.array([bool(count % 40) for count in range(1, 2000)])
    assert not repeated(keys[different].ravel()).any()
    # The 49 without words are all the same text.
    assert repeated(keys[~different].ravel()).sum() == 48 * 15


def test_near_is_also_exact():
    """Without spaces the words are others, the normalized text is not; texts without words are themselves."""
    keys = near_keys(["Great app, works", "great appworks", "👍👍", "👎", "👍 👍"])
    assert keys[0, 0] == keys[1, 0] != keys[2, 0] != keys[3, 0]
    assert keys[2, 0] == keys[4, 0]
    assert not (keys[2] == keys[3]).any()


def test_seen_keys_are_those_of_a_set_and_take_8_bytes():
    random = np.random.default_rng(0)
    seen, known = SeenKeys(), set()
    for batch in range(60):
        keys = random.integers(0, 30_000, (random.integers(0, 200), 3), dtype=np.uint64)
        found = seen.add(keys).tolist()
        expected = []
        for document in keys.tolist():
            expected.append(any(key in known or document.count(key) > 1 for key in document))
            known.update(document)
        assert found == expected, batch
    assert sum(run.nbytes for run in seen._runs) == 8 * len(known)
    assert all(len(longer) > 2 * len(shorter) for longer, shorter in itertools.pairwise(seen._runs))
