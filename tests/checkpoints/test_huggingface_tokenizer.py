"""The tokenizer's files; that transformers reads them as meant: `test_transformers`."""

import json
import re

import pytest
from folders import TOKENS

from tfbert.checkpoints import load_tokenizer
from tfbert.checkpoints.huggingface_tokenizer import write_tokenizer
from tfbert.tokenization import BertTokenizer


@pytest.mark.parametrize("lowercase", [True, False])
def test_files(tmp_path, lowercase):
    write_tokenizer(tmp_path, BertTokenizer(TOKENS, lowercase=lowercase), 11)
    assert (tmp_path / "vocab.txt").read_text(encoding="utf-8").splitlines() == TOKENS
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert (settings["do_lower_case"], settings["model_max_length"]) == (lowercase, 11)
    whole = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    assert whole["model"]["vocab"] == {token: number for number, token in enumerate(TOKENS)}
    assert [(entry["id"], entry["content"]) for entry in whole["added_tokens"]] == list(enumerate(TOKENS[:5]))
    normalizer = whole["normalizer"]["normalizers"][1]
    assert (normalizer["lowercase"], normalizer["strip_accents"]) == (lowercase, lowercase)
    assert whole["post_processor"]["special_tokens"]["[SEP]"]["ids"] == [3]
    tokenizer = load_tokenizer(tmp_path)
    assert (tokenizer.vocabulary.tokens, tokenizer.lowercase) == (tuple(TOKENS), lowercase)


def test_special_tokens_may_stand_anywhere(tmp_path):
    write_tokenizer(tmp_path, BertTokenizer(["a", *reversed(TOKENS)]), 11)
    whole = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    added = {entry["content"]: entry["id"] for entry in whole["added_tokens"]}
    assert added == {"[MASK]": 3, "[SEP]": 4, "[CLS]": 5, "[UNK]": 6, "[PAD]": 7}
    assert list(added.values()) == sorted(added.values())
    assert whole["post_processor"]["special_tokens"]["[CLS]"]["ids"] == [5]
    assert re.search("unk", json.dumps(whole["model"]))
