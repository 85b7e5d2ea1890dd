import json

import numpy as np
import pandas as pd
import pytest

from tfbert.data.review_audit import ReviewAudit, audit_reviews
from tfbert.data.review_sources import load_reviews, sample_vocabulary
from tfbert.data.reviews import Reviews, read_reviews
from tfbert.errors import InputError
from tfbert.tokenization.tokenizer import BertTokenizer

WORDS = ["good", "bad", "app", "so", "the", "it", "is", "i", "love", "👍", ".", ",", "!", "没", "用"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    return BertTokenizer(str(path), lowercase=True)


def make(texts, labels=None) -> Reviews:
    labels = [0] * len(texts) if labels is None else labels
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object), "label": pd.Series(labels, dtype="int32")})
    return Reviews(frame, ("negative", "neutral", "positive"), "a test", len(frame) + 5, 3, 2)


def test_rows_and_classes(tokenizer):
    audit = audit_reviews(make(["good", "bad", "so", "app"], [2, 0, 1, 2]), tokenizer, 8)
    assert (audit.rows_read, audit.empty_dropped, audit.unmapped_dropped, audit.reviews) == (9, 3, 2, 4)
    assert audit.classes == {"negative": 1, "neutral": 1, "positive": 2}


def test_duplicates_and_conflicts_are_of_normalized_texts(tokenizer):
    texts = ["Good app!", "good app", "GOOD  APP", "bad", "Bad.", "so", "so so"]
    audit = audit_reviews(make(texts, [2, 2, 0, 0, 0, 1, 1]), tokenizer, 8)
    assert (audit.duplicated_texts, audit.surplus_rows) == (2, 3)
    assert (audit.conflicting_texts, audit.conflicting_rows) == (1, 3)


def test_tokens_unknown_pieces_and_truncation(tokenizer):
    texts = ["good", "good app .", "zebra good zebra app so", "the app is so good , i love it !"]  # 1, 3, 5, 10 pieces
    audit = audit_reviews(make(texts), tokenizer, 7)
    assert (audit.tokens_mean, audit.tokens_median, audit.tokens_max) == (19 / 4, 4, 10)
    assert audit.tokens_95th == pytest.approx(np.percentile([1, 3, 5, 10], 95))
    assert audit.unk_pieces == pytest.approx(2 / 19)
    assert audit.unk_rows == 1 / 4
    assert audit.truncated_rows == 1 / 4  # 5 pieces with [CLS] and [SEP] are 7
    assert audit_reviews(make(texts), tokenizer, 6).truncated_rows == 2 / 4


def test_emoji_and_what_the_vocabulary_makes_of_them(tokenizer):
    texts = ["good 👍", "bad 😡 zebra 👎", "app 👍 👎", "zebra 👍", "good!!", "so ☕"]
    audit = audit_reviews(make(texts), tokenizer, 8)
    assert audit.emoji_rows == 5 / 6
    assert audit.emoji_unk_rows == 3 / 5  # "zebra" beside a known emoji does not count
    assert audit_reviews(make(["good", "bad"]), tokenizer, 8).emoji_rows == 0


def test_scripts_by_most_letters(tokenizer):
    texts = {
        "good app": "Latin",
        "ça été": "Latin",
        "没有用 ok": "CJK",
        "とても": "Kana",
        "좋아요": "Hangul",
        "очень app хорошо": "Cyrillic",
        "καλό": "Greek",
        "تطبيق": "Arabic",
        "טוב": "Hebrew",
        "अच्छा": "Devanagari",
        "ดี": "Thai",
        "ಒಳ್ಳೆಯ": "other",
        "👍 5!": "none",
    }
    for text, script in texts.items():
        assert audit_reviews(make([text]), tokenizer, 8).scripts == {script: 1.0}, text
    audit = audit_reviews(make(["a", "b", "да"]), tokenizer, 8)
    assert list(audit.scripts.items()) == [("Latin", 2 / 3), ("Cyrillic", 1 / 3)]


def test_the_hint_at_other_languages_in_latin_script(tokenizer):
    texts = ["Muy buena aplicación, funciona siempre", "The app works always", "Superb!", "Нет нет нет нет нет"]
    assert audit_reviews(make(texts), tokenizer, 8).no_common_english == 1 / 4


def test_more_texts_than_are_tokenized_at_once(tokenizer, monkeypatch):
    reviews = make(["good app", "zebra", "bad 👍"] * 5)
    whole = audit_reviews(reviews, tokenizer, 8)
    monkeypatch.setattr("tfbert.data.review_audit._TEXTS_AT_ONCE", 4)
    assert audit_reviews(reviews, tokenizer, 8) == whole


def test_a_length_without_place_for_a_token_is_refused(tokenizer):
    with pytest.raises(InputError, match="got 2"):
        audit_reviews(make(["good"]), tokenizer, 2)


def test_json_and_terminal(tokenizer):
    audit = audit_reviews(make(["good app", "zebra 👍", "so"], [2, 0, 1]), tokenizer, 8)
    assert ReviewAudit(**json.loads(json.dumps(audit.to_dict()))) == audit
    lines = str(audit).split("\n")
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 120
    starts = {len(line) - len(line.split("  ", 2)[2].lstrip()) for line in lines[1:]}
    assert len(starts) == 1  # the values stand below one another
    assert lines[0] == "Audit of a test"
    for part in ("3 of 8 rows", "3 empty", "positive 1 (33.3%)", "33.3%; of those, 0.0% give [UNK]", "at 8 positions"):
        assert part in str(audit)


def test_the_vocabulary_of_the_sample_on_the_sample():
    audit = audit_reviews(load_reviews("sample"), BertTokenizer(str(sample_vocabulary()), lowercase=True), 128)
    assert audit.unk_pieces == 0
    assert audit.truncated_rows == 0
    assert 28 < audit.tokens_mean < 40


def test_real_reviews(real_data, minilm):
    reviews = read_reviews(real_data)
    audit = audit_reviews(reviews, BertTokenizer(str(minilm / "vocab.txt"), lowercase=True), 160)
    assert 35 < audit.tokens_mean < 39
    assert audit.tokens_max > 400
    assert 0.03 < audit.emoji_rows < 0.06
    assert audit.emoji_unk_rows > 0.9
    assert audit.scripts["Latin"] > 0.98
