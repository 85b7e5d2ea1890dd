import importlib.util
import random
import unicodedata
from pathlib import Path

import pytest
import tensorflow as tf

from tfbert.tokenization.normalization import Normalizer, split_words

spec = importlib.util.spec_from_file_location("reference", Path(__file__).with_name("reference.py"))
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)

CHARACTERS = [chr(number) for number in range(0x110000) if not 0xD800 <= number < 0xE000]
ASSIGNED = [character for character in CHARACTERS if unicodedata.category(character) not in ("Co", "Cn")]
UNASSIGNED = ["\u0378", "\ue000", "\ufdd0", "\ufffe", "\uffff", "\U0001ffff", "\U000f0000", "\U0010ffff"]
MARKS = [character for character in ASSIGNED if unicodedata.combining(character)]
LASTING_MARKS = [character for character in MARKS if unicodedata.category(character) != "Mn"]
IGNORED_BY_CASE = [character for character in ASSIGNED if ("A" + character + "Σ").lower().endswith("ς")]


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def casing(request):
    """The casing and a function from texts to lists of words."""
    normalizer = Normalizer(request.param)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def split(texts):
        return tf.RaggedTensor.from_row_splits(*split_words(normalizer.normalize(texts)))

    return request.param, lambda texts: [[word.decode() for word in row] for row in split(texts).to_list()]


def check(casing, texts):
    lowercase, split = casing
    # Several batches: what a row holds must not lean on its neighbours, nor on whether the batch has a capital sigma.
    got = [words for begin in range(0, len(texts), 512) for words in split(texts[begin : begin + 512])]
    expected = [reference.words(text, lowercase) for text in texts]
    wrong = [(text, a, b) for text, a, b in zip(texts, got, expected, strict=True) if a != b]
    assert not wrong, f"{len(wrong)} of {len(texts)}, such as {wrong[:3]}"


@pytest.mark.slow
def test_every_assigned_character(casing):
    check(casing, [f"{c} ab{c}cd Α{c}Σ Σ{c}β" for c in ASSIGNED + UNASSIGNED])


def random_text(draw: random.Random) -> str:
    length = draw.randint(0, 25)
    kind = draw.randrange(5)
    if kind == 0:
        pool = draw.choices(ASSIGNED, k=length)
    elif kind == 1:  # combining characters of all classes, those that last among them
        pool = [*draw.choices(LASTING_MARKS, k=6), *draw.choices(MARKS, k=3), "\U0001d15e", "a", " ", "ः", ".", "字"]
    elif kind == 2:  # sigmas
        pool = ["Σ", "Σ", "Α", "β", " ", "1", "日", "\u2028", "\x01", "\u00ad", *draw.choices(IGNORED_BY_CASE, k=4)]
    elif kind == 3:
        pool = [chr(draw.randrange(0x20, 0x600)) for _ in range(20)]
    else:
        pool = [
            "İ",
            "ß",
            "e\u0301",
            "한",
            "ﬁ",
            "≠",
            "\u2029",
            "\x85",
            "\x1c",
            "\u3000",
            "[SEP]",
            "😂\u200d",
            "\ufeff",
            "\0",
        ]
    return "".join(draw.choice(pool) for _ in range(length) if pool)


@pytest.mark.parametrize("seed", [1, 2])
def test_random_texts(casing, seed):
    draw = random.Random(seed)
    check(casing, [random_text(draw) for _ in range(3000)])


def test_bytes_that_are_no_utf8(casing):
    draw = random.Random(3)
    parts = [
        b"a",
        b"\xe2",
        b"\x82",
        b"\xac",
        b"\xf0",
        b"\x9f",
        b"\x98",
        b"\x80",
        b"\xed",
        b"\xa0",
        b"\xff",
        b"\xc0",
        b"\xf4",
        b"\xef",
    ]
    check(casing, [b"".join(draw.choices(parts, k=draw.randint(1, 8))) for _ in range(3000)])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("ΟΔΟΣ", "οδος"),
        ("Σ", "σ"),
        ("ΑΣ.Β", "ασ"),
        ("ΑΣ. Β", "ας"),
        ("Α\u0301Σ\u00ad", "ας"),
        ("1Σ", "1σ"),
        ("ΣΣ", "σς"),
    ],
)
def test_final_sigma(casing, text, word):
    lowercase, split = casing
    if lowercase:
        # Beside texts that would change the sigma if they were part of its word.
        assert split(["Α", text, "Β"])[1][0] == word
    else:
        assert split([text])[0][0] == text.split(".")[0].replace("\u00ad", "")


def test_marks_are_sorted_within_a_run_and_a_text(casing):
    low, high, starter = "\U0001d165", "\U0001d16d", "\u0901"  # combining classes 216, 226, 0; the last is an accent
    texts = [f"a{high}{low}", f"a{high}{starter}{low}", f"a{high}", f"{low}a"]
    expected = [[f"a{low}{high}"], [f"a{high}{low}"], [f"a{high}"], [f"{low}a"]] if casing[0] else [[t] for t in texts]
    assert casing[1](texts) == expected


def test_empty_batch_and_texts(casing):
    assert casing[1](tf.constant([], tf.string)) == []
    assert casing[1](["", " ", "\u00ad\n", "a", ""]) == [[], [], [], ["a"], []]
