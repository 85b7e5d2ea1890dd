"""The tokenizer against the plain-Python transcription of Google's rules, on texts that hypothesis makes up."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tfbert.tokenization import BertTokenizer
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

spec = importlib.util.spec_from_file_location("reference", Path(__file__).parents[1] / "tokenization" / "reference.py")
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)

# Letters with and without accents, cased and not, joiners, ideographs, white space of every kind, what is cut away.
_HARD = (
    "aAbzZ09 .,-_'#[]\t\n\r\x00\x07\x0b\x1f\x7f\x85\xa0\xad\u2009\u200b\u200d\u2028\u3000\ufeff\ufffd"
    "éÉe\u0301\u0327ÅşİıßΣσçñ中文あ한😀\U0001f468\U000e0041"
)
_WORDS = [
    "un",
    "##aff",
    "##able",
    "a",
    "##a",
    "##b",
    "ab",
    "é",
    "e",
    "中",
    "##文",
    "😀",
    "##😀",
    "'",
    ".",
    "σ",
    "ς",
    "##ς",
]
_TEXTS = st.lists(
    st.one_of(
        st.text(alphabet=st.sampled_from(_HARD)),
        st.text(alphabet=st.characters(codec="utf-8")),
        st.sampled_from(
            [
                "[MASK]",
                "[UNK]",
                "ΑΣ",
                *(word.removeprefix("##") for word in _WORDS),
                "unaffable",
                "a" * 200,
                "a" * 201,
                "İ" * 120,
            ]
        ),
    ),
    max_size=12,
).map("".join)


@pytest.fixture(scope="module")
def tokenizers():
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*SPECIAL_TOKENS, *dict.fromkeys([*_WORDS, *letters, "A", "##z", "α"])]
    return tokens, {lowercase: BertTokenizer(tokens, lowercase=lowercase) for lowercase in (True, False)}


@settings(max_examples=150, deadline=None)
@given(st.lists(_TEXTS, min_size=1, max_size=8))
@example(["", " ", "\u0301", "a\u0301\u0327", "a" * 201, "中文a", "[MASK]a", "\ufffd"])
def test_ids_are_those_of_the_transcription(tokenizers, texts):
    tokens, made = tokenizers
    ids = {token: number for number, token in enumerate(tokens)}
    for lowercase, tokenizer in made.items():
        expected = [reference.tokenize(text, ids, lowercase) for text in texts]
        assert tokenizer.tokenize(texts).to_list() == expected


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_bytes_that_are_no_text_are_those_of_the_transcription(tokenizers, content):
    tokens, made = tokenizers
    ids = {token: number for number, token in enumerate(tokens)}
    assert made[True].tokenize([content]).to_list() == [reference.tokenize(content, ids, True)]
