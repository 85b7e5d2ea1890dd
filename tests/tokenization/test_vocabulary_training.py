import importlib.util
import random
from pathlib import Path

import pytest

from tfbert.data import sample_folder
from tfbert.data.csv_table import read_csv_table
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer, count_words, learn_vocabulary, measure_vocabulary
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS
from tfbert.tokenization.vocabulary_training import pieces_of

spec = importlib.util.spec_from_file_location("reference", Path(__file__).with_name("reference.py"))
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)

HOSTILE = [
    "Crème brûlée!!",
    "so\u00a0good😀😀",
    "日本\u2028x",
    "",
    "İstanbul ΣΑΣ",
    "a\u200db\x00c [MASK] #ok",
    "ｆｕｌｌ",
]


@pytest.fixture(scope="module")
def sample_words():
    return count_words(read_csv_table(sample_folder() / "reviews.csv", required=["content"]).columns["content"])


@pytest.mark.parametrize("lowercase", [True, False])
def test_words_are_the_tokenizers(lowercase):
    words = count_words(iter(HOSTILE * 1500), lowercase=lowercase)  # more than are counted at once
    expected = [word for text in HOSTILE for word in reference.words(text, lowercase)]
    assert words.counts == {word: 1500 * expected.count(word) for word in expected}
    assert (words.texts, words.texts_with_emoji, words.lowercase) == (7 * 1500, 1500, lowercase)


@pytest.mark.parametrize("texts", [[], ["", " \u00a0"]])
def test_no_words(texts):
    with pytest.raises(InputError, match=rf"{len(texts)} texts hold none"):
        count_words(texts)


@pytest.mark.parametrize("size", [200, 517, 1000])
def test_as_many_tokens_as_asked_for(sample_words, size):
    tokens = learn_vocabulary(sample_words.counts, size)
    assert len(tokens) == len(set(tokens)) == size
    assert tuple(tokens[:5]) == SPECIAL_TOKENS
    tokenizer = BertTokenizer(tokens)
    known = {token for token in tokens if len(token) == 1}
    spelt = [word for word in sample_words.counts if known >= set(word)]
    assert len(spelt) > 0.98 * len(sample_words.counts)
    assert all(tokenizer.unk_id not in pieces for pieces in pieces_of(spelt, tokenizer))


def test_a_larger_vocabulary_cuts_less_and_the_frequent_words_not_at_all(sample_words):
    vocabularies = [learn_vocabulary(sample_words.counts, size) for size in (200, 1000)]
    small, large = (measure_vocabulary(sample_words, BertTokenizer(tokens)) for tokens in vocabularies)
    assert small.pieces_per_word > 1.5 > 1.05 > large.pieces_per_word >= 1
    frequent = {word for word, _ in sample_words.counts.most_common(50)}
    assert frequent <= set(vocabularies[1])


def test_the_order_of_the_words_has_no_part_in_it(sample_words):
    shuffled = list(sample_words.counts.items())
    random.Random(0).shuffle(shuffled)
    assert learn_vocabulary(dict(shuffled), 400) == learn_vocabulary(sample_words.counts, 400)


def test_which_characters_are_kept():
    counts = {"aab": 4, "z": 3, "😀": 2, "b🤖": 1}
    tokens = learn_vocabulary(counts, 100, character_min_count=4, emoji_min_count=2)
    assert {token for token in tokens if len(token.removeprefix("##")) == 1} == {"a", "##a", "b", "##b", "😀", "##😀"}
    assert "aab" in tokens
    assert len(tokens) < 100  # the words have no more to give
    tokens = learn_vocabulary(counts, 100, character_min_count=3, emoji_min_count=1)
    assert {"z", "🤖", "##🤖", "b🤖"} <= set(tokens)


def test_a_size_that_does_not_hold_the_characters(sample_words):
    with pytest.raises(InputError, match=r"A vocabulary of 50 tokens .* at least (\d+) tokens") as caught:
        learn_vocabulary(sample_words.counts, 50)
    enough = int(str(caught.value).split("ask for at least ")[1].split()[0])
    assert len(learn_vocabulary(sample_words.counts, enough)) == enough
    with pytest.raises(InputError, match="ask for at least"):
        learn_vocabulary(sample_words.counts, enough - 1)
    with pytest.raises(InputError, match=r"0 occur at least 5 times.*give more text"):
        learn_vocabulary({"rare": 1}, 50)


def test_the_report_by_hand():
    words = count_words(["good😀 good", "Goodness bad 😀😀", "ok"])
    tokenizer = BertTokenizer([*SPECIAL_TOKENS, "good", "##ness", "##😀", "ok"])
    report = measure_vocabulary(words, tokenizer)
    # good ##😀, good, good ##ness, [UNK] (bad), [UNK] (😀😀), ok
    assert report.pieces_per_word == pytest.approx(8 / 6)
    assert report.unknown_words == pytest.approx(2 / 6)
    assert (report.emoji, report.unknown_emoji) == (3, pytest.approx(2 / 3))
    assert (report.tokens, report.texts, report.texts_with_emoji) == (9, 3, pytest.approx(2 / 3))
    with pytest.raises(InputError, match="count them anew"):
        measure_vocabulary(words, BertTokenizer([*SPECIAL_TOKENS, "good"], lowercase=False))
