import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfbert.data import sample_vocabulary, word_cache
from tfbert.data.word_cache import WordCache
from tfbert.tokenization import BertTokenizer

HOSTILE = [
    "",
    " ",
    "  two  spaces ",
    "a\tb\nc\rd\xa0e\u2003f\u2028g\x0bh\x0ci\x1cj\x85k",
    "ΟΔΟΣ ΟΔΟΣ. ΟΔΟΣ'Σ Σ",
    "e\u0301 \u0301x a\u0323\u0301 \u0301\u0323",
    "İstanbul ǅ ﬁ ß Ⅷ",
    "深度学习 很好。 한국어 ｶﾞ",
    "👨‍👩‍👧 ok👍🏽 a\u200db \u00ad so\u00adft",
    "[MASK] [SEP]##x",
    "x" * 201 + " y" * 3,
    "\ufffd\x00 \ue000",
    "good Good GOOD good",
]


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def tokenizer(request):
    return BertTokenizer(sample_vocabulary(), lowercase=request.param)


def check(cache, tokenizer, texts):
    ids, lengths = cache.tokenize(texts)
    expected = tokenizer.tokenize(texts)
    assert np.array_equal(ids, expected.values.numpy())
    assert np.array_equal(lengths, expected.row_lengths().numpy())
    assert ids.dtype == np.int32


def test_ids_are_those_of_the_tokenizer(tokenizer):
    cache = WordCache(tokenizer)
    check(cache, tokenizer, HOSTILE)
    check(cache, tokenizer, HOSTILE[::-1])
    check(cache, tokenizer, [" ".join(HOSTILE), "".join(HOSTILE)])


def test_ids_of_real_reviews(tokenizer, real_data):
    import csv

    with open(real_data / "reviews.csv", newline="", encoding="utf-8") as file:
        check(WordCache(tokenizer), tokenizer, [row["content"] for row in csv.DictReader(file)][:2000])


@settings(deadline=None, max_examples=40)
@given(texts=st.lists(st.text(alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from(" aΣ\u0301.")))))
def test_ids_of_any_text(tokenizer, texts):
    check(WordCache(tokenizer), tokenizer, [*texts, "a"])


def test_no_texts_have_no_ids(tokenizer):
    ids, lengths = WordCache(tokenizer).tokenize([])
    assert len(ids) == len(lengths) == 0


def test_each_word_is_tokenized_once_in_batches(tokenizer, monkeypatch):
    monkeypatch.setattr(word_cache, "_BATCH_CHARACTERS", 8)
    seen = []

    class Counting:
        def tokenize(self, texts):
            seen.append(texts.numpy().tolist())
            return tokenizer.tokenize(texts)

    cache = WordCache(Counting())
    check(cache, tokenizer, ["good app good app", "good"])
    check(cache, tokenizer, ["it is a good app", ""])
    assert seen == [[b"good", b"app"], [b"it", b"is", b"a"], [b""]]


def test_what_is_remembered_is_forgotten_before_it_fills_the_memory(tokenizer, monkeypatch):
    monkeypatch.setattr(word_cache, "_MOST_TOKENS", 3)
    cache = WordCache(tokenizer)
    for texts in (["one two three"], ["four five six"], ["one four"]):
        check(cache, tokenizer, texts)
    assert len(cache._numbers) <= 3
