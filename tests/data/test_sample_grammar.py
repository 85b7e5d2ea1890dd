import re

import numpy as np
import pytest

from tfbert.data import load_reviews, sample_folder, sample_vocabulary, split_reviews
from tfbert.data.csv_table import read_csv_table
from tfbert.data.sample_grammar import APPS, PLANS, REPLIES, REVIEW_COLUMNS, RULES, generate_reviews
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS, Vocabulary


@pytest.fixture(scope="module")
def reviews():
    return load_reviews("sample")


def test_every_rule_is_defined_and_used():
    texts = [*RULES.values(), *REPLIES.values(), *(plan for plans in PLANS.values() for plan in plans)]
    used = {name.lower() for text in texts for name in re.findall(r"\{(\w+)\}", text)}
    assert used == set(RULES) | {"app"}


def test_nothing_is_left_unexpanded_and_no_sentence_is_bent():
    for row in generate_reviews(1000, 0):
        for text in (row["content"], row["replyContent"]):
            assert not re.search(r"[{}|\n]|  |\.\.|^ | $", text), text


def test_the_sample_is_as_described(reviews):
    frame = reviews.frame
    assert len(reviews) == reviews.rows_read == 2000
    shares = np.bincount(reviews.labels) / 2000
    assert (shares > 0.25).all()
    assert 0.30 < (frame["reply"] != "").mean() < 0.37
    assert frame["app"].nunique() == len(APPS) == 15
    words = [len(text.split()) for text in reviews.texts]
    assert 25 <= np.mean(words) <= 35
    assert max(words) <= 70
    sentences = [len(re.findall(r"[.!?]+(?=\s|$)", text)) or 1 for text in reviews.texts]
    assert max(sentences) <= 7  # six of the plan, and "But" may open one more
    assert 30 < 2000 - frame["text"].nunique() < 200
    assert (frame.groupby("text")["label"].nunique() > 1).sum() >= 3


def test_users_are_not_there_and_the_folder_says_that_it_is_synthetic():
    table = read_csv_table(sample_folder() / "reviews.csv", required=REVIEW_COLUMNS)
    assert set(table.columns["userName"]) == {"a synthetic user"}
    assert set(table.columns["userImage"]) == {""}
    assert "invented by a program" in (sample_folder() / "README.md").read_text()


def test_the_vocabulary_knows_the_sample(reviews):
    vocabulary = Vocabulary.from_file(sample_vocabulary())
    assert vocabulary.tokens[:5] == SPECIAL_TOKENS
    assert vocabulary.pad_id == 0
    assert 1_000 <= len(vocabulary) <= 4_000
    for token in ("reminders", "crashes", "love", "👍", "ह", "7", "##7", "##q", "%"):
        assert token in vocabulary.tokens


def test_a_linear_model_scores_as_on_real_work_and_no_better(reviews):
    pytest.importorskip("sklearn")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    split = split_reviews(reviews, seed=0)
    model = make_pipeline(
        make_union(TfidfVectorizer(ngram_range=(1, 2)), TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5))),
        LogisticRegression(C=2, max_iter=1000),
    )
    model.fit(reviews.texts[split.train], reviews.labels[split.train])
    score = model.score(reviews.texts[split.test], reviews.labels[split.test])
    assert score > 0.75
    assert score < 0.90
