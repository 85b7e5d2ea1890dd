import pytest
from folders import TOKENS, make_model

from tfbert.checkpoints import model_card, save
from tfbert.tokenization import BertTokenizer


def test_the_card(tmp_path):
    save(make_model("classifier"), tmp_path / "one", tokenizer=BertTokenizer(TOKENS))
    card = (tmp_path / "one/README.md").read_text(encoding="utf-8")
    for fact in ("| layers | 2 |", "| classes | böse, gut, ? |", "7 tokens, uncased", "load_classifier", "from_folder"):
        assert fact in card
    save(make_model("encoder"), tmp_path / "two", card="# Mine\n")
    assert (tmp_path / "two/README.md").read_text() == "# Mine\n"


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("encoder", ("# BERT encoder\n", "load_encoder(")),
        ("masked_lm", ("# BERT with its pre-training heads\n", "| heads | masked words |", "load_pretrainer(")),
        ("pretrainer", ("| heads | masked words, next sentence |",)),
    ],
)
def test_the_card_says_what_the_model_is(kind, facts):
    card = model_card(make_model(kind), BertTokenizer(TOKENS, lowercase=False))
    assert all(fact in card for fact in (*facts, "7 tokens, cased"))
    assert "from_folder" not in model_card(make_model(kind), None)
