import pytest

from tfbert.checkpoints import load_encoder
from tfbert.errors import InputError


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


@pytest.mark.parametrize("content", ["[]", "{", "\ufeff{}"])
def test_config_that_is_no_json_object(copy_of, content):
    folder = copy_of("huggingface")
    (folder / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"config\.json must"):
        load_encoder(folder)


def test_vocabulary_longer_than_the_embeddings(copy_of):
    folder = copy_of("google")
    (folder / "vocab.txt").write_text("token\n" * 101)
    load_encoder(folder)
    (folder / "vocab.txt").write_text("token\n" * 102)
    with pytest.raises(InputError, match="102 tokens but the word embeddings have 101 rows"):
        load_encoder(folder)
