import pytest
from folders import TOKENS, make_model, small_config

from tfbert.checkpoints import inspect, save
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer


def test_inspect_says_it_all(models, tmp_path):
    save(models["classifier"], tmp_path / "it", temperature=1.25, tokenizer=BertTokenizer(TOKENS))
    contents = inspect(tmp_path / "it")
    assert contents.config == small_config()
    assert contents.tensors["output_weights"] == ((3, 6), "F32")
    for line in ("native", "encoder, classifier", "7 tokens, uncased", "böse, gut, ?", "1.25", "2 layers, 6 units"):
        assert line in str(contents)
    with pytest.raises(InputError, match="holds no checkpoint"):
        inspect(tmp_path)


def test_what_a_folder_does_not_say(tmp_path):
    save(make_model("masked_lm"), tmp_path / "it", format="google", tokenizer=BertTokenizer(TOKENS))
    (tmp_path / "it/tokenizer_config.json").unlink()
    (tmp_path / "it/vocab.txt").write_text("\n".join(TOKENS), encoding="utf-8")  # no line's end at the end
    contents = inspect(str(tmp_path / "it"))
    assert (contents.labels, contents.temperature, contents.lowercase) == (None, None, None)
    assert contents.vocabulary_tokens == 7
    assert contents.parts == ("encoder", "masked_lm")
    assert "7 tokens, case not said" in str(contents)
    (tmp_path / "it/vocab.txt").unlink()
    assert inspect(tmp_path / "it").vocabulary_tokens is None
