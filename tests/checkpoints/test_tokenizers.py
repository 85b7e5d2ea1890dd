import json

import pytest

from tfbert.checkpoints import load_tokenizer
from tfbert.data import sample_vocabulary
from tfbert.errors import InputError


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
