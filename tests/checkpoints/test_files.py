import pytest
from folders import TOKENS

from tfbert.checkpoints import load_encoder, load_tokenizer, save
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("google", "bert_model.ckpt.index"),
        ("google", "bert_model.ckpt.data-00000-of-00001"),
        ("google", "bert_config.json"),
        ("huggingface", "model.safetensors"),
        ("huggingface", "config.json"),
    ],
)
def test_files_cut_short_or_linked_from_elsewhere(copy_of, tmp_path, kind, name):
    folder = copy_of(kind)
    elsewhere = tmp_path / "elsewhere"
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(InputError, match="leads out of its folder"):
        load_encoder(folder)
    (folder / name).unlink()
    (folder / name).write_bytes(elsewhere.read_bytes()[:100])
    with pytest.raises(InputError, match=r"cannot be read|must be JSON"):
        load_encoder(folder)


@pytest.mark.parametrize(
    "content",
    ["[]", "{", "\ufeff{}", "", "[" * 100_000, '{"hidden_size": ' + "9" * 5000 + "}"],
    ids=["a list", "cut", "a mark", "empty", "brackets", "digits"],
)
def test_config_that_is_no_json_object(copy_of, content):
    folder = copy_of("huggingface")
    (folder / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"config\.json must"):
        load_encoder(folder)


def test_bytes_that_are_no_text(copy_of):
    folder = copy_of("huggingface")
    (folder / "config.json").write_bytes(b'{"model_type": "b\xffert"}')
    with pytest.raises(InputError, match=r"config\.json must be JSON in UTF-8"):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("native", "weights.safetensors"),
        ("native", "vocab.txt"),
        ("huggingface", "tokenizer_config.json"),
        ("keras_hub", "model.weights.h5"),
        ("keras_hub", "tokenizer.json"),
        ("keras_hub", "assets"),
    ],
)
def test_links_are_not_followed_in_any_format(models, tmp_path, format, name):
    save(models["encoder"], tmp_path / "it", format=format, tokenizer=BertTokenizer(TOKENS))
    (tmp_path / "it" / name).rename(tmp_path / "elsewhere")
    (tmp_path / "it" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of its folder"):
        load_tokenizer(tmp_path / "it") and load_encoder(tmp_path / "it")
    (tmp_path / "it" / name).unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "it" / "inside")
    (tmp_path / "it" / name).symlink_to("inside")
    load_tokenizer(tmp_path / "it")
    load_encoder(tmp_path / "it")


def test_vocabulary_longer_than_the_embeddings(copy_of):
    folder = copy_of("google")
    (folder / "vocab.txt").write_text("token\n" * 101)
    load_encoder(folder)
    (folder / "vocab.txt").write_text("token\n" * 102)
    with pytest.raises(InputError, match="102 tokens but the word embeddings have 101 rows"):
        load_encoder(folder)
