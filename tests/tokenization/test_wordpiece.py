import importlib.util
import random
from pathlib import Path

import pytest
import tensorflow as tf

from tfbert.tokenization.wordpiece import Wordpiece

spec = importlib.util.spec_from_file_location("reference", Path(__file__).with_name("reference.py"))
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)


@pytest.fixture
def make(tmp_path):
    def make(tokens):
        path = tmp_path / "vocab.txt"
        path.write_text("\n".join(tokens), encoding="utf-8")
        wordpiece = Wordpiece(str(path), max(len(token.encode()) for token in tokens), tokens.index("[UNK]"))

        def segment(words):
            pieces, splits = wordpiece.segment(tf.constant(words, tf.string))
            return tf.RaggedTensor.from_row_splits(pieces, splits).to_list()

        return segment

    return make


def test_longest_match_first(make):
    segment = make(["the", "[UNK]", "un", "##aff", "##able", "##a", "unaff", "a", "#", "##"])
    words = ["the", "unaffable", "una", "able", "unaffx", "", "aaaa", "the"]
    # "able": "a" begins it, but no "##ble"; the pieces before a failure do not count.
    assert segment(words)[:5] == [[0], [6, 4], [2, 5], [1], [1]]
    assert segment(words)[6:] == [[7, 5, 5, 5], [0]]
    assert segment([]) == []


def test_a_word_of_more_than_200_characters_is_unknown(make):
    segment = make(["[UNK]", "é", "##é", "b"])
    assert segment(["é" * 200, "é" * 201, "b"]) == [[1] + [2] * 199, [0], [3]]


def test_a_character_is_never_cut(make):
    # "é" and "è" begin with the same byte; "##\u20ac" shares two bytes with "\u20ad".
    segment = make(["[UNK]", "a", "##é", "##\u20ac"])
    assert segment(["aé", "aè", "a\u20ac", "a\u20ad"]) == [[1, 2], [0], [1, 3], [0]]


def test_prefix_alone_is_no_piece(make):
    # The rest of a word is looked up as "##" and its characters; "#" and "##" are tokens that must not match there.
    assert make(["[UNK]", "a", "#", "##"])(["ab"]) == [[0]]


def test_random_words_equal_the_reference(make):
    draw = random.Random(5)
    alphabet = "abé字"
    tokens = ["[UNK]"]
    for prefix, count in (("", 25), ("##", 40)):
        made = {prefix + "".join(draw.choices(alphabet, k=draw.randint(1, 5))) for _ in range(count)}
        tokens += sorted(made)
    ids = {token: number for number, token in enumerate(tokens)}
    words = ["".join(draw.choices(alphabet, k=draw.randint(1, 12))) for _ in range(3000)]
    expected = [reference.pieces(word, ids) for word in words]
    assert sum(len(pieces) > 2 for pieces in expected) > 100
    assert make(tokens)(words) == expected
