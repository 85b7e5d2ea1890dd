import json

import pytest
from folders import TOKENS

from tfbert.checkpoints import load_tokenizer, save
from tfbert.data import sample_vocabulary
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(sample_vocabulary().read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("stored", "asked", "lowercase"),
    [(None, None, True), (None, False, False), (False, None, False), (True, None, True), (False, False, False)],
)
def test_case_goes_with_the_checkpoint(folder, stored, asked, lowercase):
    if stored is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": stored}))
    assert load_tokenizer(folder, lowercase=asked).lowercase is lowercase


def test_a_contradiction_is_refused(folder):
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    with pytest.raises(InputError, match="do_lower_case=false, which lowercase=True contradicts"):
        load_tokenizer(folder, lowercase=True)


def test_another_vocabulary(folder, tmp_path):
    (tmp_path / "mine.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\n")
    assert load_tokenizer(folder, vocabulary=tmp_path / "mine.txt").vocabulary_size == 6


def test_neither_a_folder_nor_a_size(tmp_path):
    with pytest.raises(InputError, match="neither a checkpoint folder nor one of tiny, mini"):
        load_tokenizer(tmp_path / "huge")
    with pytest.raises(InputError, match=r"vocab.txt is missing"):
        load_tokenizer(tmp_path)


def test_the_real_weights_are_uncased(minilm):
    assert load_tokenizer(minilm).tokenize("HELLO").numpy().tolist() == [7592]


@pytest.mark.parametrize(
    "settings",
    [
        {"do_lower_case": True, "strip_accents": False},
        {"do_lower_case": False, "strip_accents": True},
        {"strip_accents": False},
        {"do_lower_case": True, "tokenize_chinese_chars": False},
        {"do_lower_case": "yes"},
    ],
)
def test_tokenizers_that_tfbert_does_not_have(models, tmp_path, settings):
    save(models["encoder"], tmp_path / "it", format="huggingface", tokenizer=BertTokenizer(TOKENS))
    (tmp_path / "it/tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="tfbert has no other"):
        load_tokenizer(tmp_path / "it")


def test_case_is_the_folders_own(models, tmp_path):
    save(models["encoder"], tmp_path / "cased", tokenizer=BertTokenizer(TOKENS, lowercase=False))
    with pytest.raises(InputError, match="says lowercase=false, which lowercase=True contradicts"):
        load_tokenizer(tmp_path / "cased", lowercase=True)
    save(models["encoder"], tmp_path / "without")
    with pytest.raises(InputError, match=r"vocab\.txt is missing"):
        load_tokenizer(tmp_path / "without")
