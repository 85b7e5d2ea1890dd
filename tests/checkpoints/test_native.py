"""tfbert's own folders, written and read."""

import os
import subprocess
import sys

import numpy as np
import pytest
from folders import TOKENS, assert_identical, make_model, rewrite_json, small_config
from safetensors.numpy import load_file, save_file

import tfbert
from tfbert.checkpoints import load_classifier, load_encoder, load_pretrainer, save
from tfbert.checkpoints.model_tensors import encoder_of
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer

LOADERS = {
    "encoder": load_encoder,
    "pretrainer": load_pretrainer,
    "masked_lm": lambda path: load_pretrainer(path, next_sentence=False),
    "classifier": load_classifier,
}


@pytest.mark.parametrize("kind", LOADERS)
def test_what_is_saved_is_read_bit_for_bit_also_from_elsewhere(tmp_path, kind):
    model = make_model(kind, activation="gelu_erf", layer_norm_epsilon=1e-6, num_segments=3)
    save(model, tmp_path / "runs" / "mine", tokenizer=BertTokenizer(TOKENS, lowercase=False))
    (tmp_path / "runs").rename(tmp_path / "moved")
    folder = tmp_path / "moved" / "mine"
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "vocab.txt",
        "weights.safetensors",
    ]
    loaded = LOADERS[kind](folder)
    assert_identical(model, loaded)
    assert encoder_of(loaded).config == encoder_of(model).config
    if kind == "classifier":
        assert (loaded.labels, loaded.dropout_rate) == (("böse", "gut", "?"), 0.25)
    tokenizer = tfbert.BertTokenizer.from_folder(folder)
    assert (tokenizer.vocabulary.tokens, tokenizer.lowercase) == (tuple(TOKENS), False)


def test_mixed_precision_is_stored_whole(tmp_path):
    model = tfbert.BertEncoder(small_config(), dtype="mixed_bfloat16")
    save(model, tmp_path / "mixed")
    assert {tensor.dtype for tensor in load_file(tmp_path / "mixed/weights.safetensors").values()} == {np.dtype("f4")}
    assert_identical(model, load_encoder(tmp_path / "mixed"))


def test_the_tied_table_is_stored_once(tmp_path):
    save(make_model("pretrainer"), tmp_path / "mine")
    shapes = [tensor.shape for tensor in load_file(tmp_path / "mine/weights.safetensors").values()]
    assert shapes.count((7, 6)) == 1


@pytest.mark.slow
def test_reading_needs_no_tensorflow(tmp_path):
    save(make_model("pretrainer"), tmp_path / "mine")
    script = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import tfbert.checkpoints as c; c.load_pretrainer(sys.argv[1]); c.load_encoder(sys.argv[1])"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", script, tmp_path / "mine"], check=True, env=environment)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "another"}, "format must be 'tfbert checkpoint', received 'another'"),
        ({"format_version": 2}, "format_version must be 1, received 2"),
        ({"encoder": None}, "encoder must be an object"),
        ({"encoder": {"hidden_dim": 6}}, "num_layers is missing"),
        ({"tokenizer": {"lowercase": "no"}}, "say whether it is lowercase, received"),
        ({"labels": "gut"}, "labels must be a list of strings, received 'gut'"),
        ({"labels": [["gut"], "böse"]}, "labels must be a list of strings"),
        ({"labels": ["gut"]}, "at least two different"),
        ({"labels": ["gut", "böse"]}, r"output_weights has shape \(3, 6\), the config says \(2, 6\)"),
        ({"dropout_rate": "high"}, "dropout_rate must be a number"),
        ({"max_length": "long"}, "max_length must be a whole number above 0, received 'long'"),
        ({"max_length": 0}, "max_length must be a whole number above 0"),
    ],
)
def test_a_config_that_does_not_fit(tmp_path, fields, message):
    save(make_model("classifier"), tmp_path / "mine", tokenizer=BertTokenizer(TOKENS))
    rewrite_json(tmp_path / "mine/config.json", **fields)
    with pytest.raises(InputError, match=message):
        load_classifier(tmp_path / "mine")


def test_weights_that_do_not_fit(tmp_path):
    save(make_model("pretrainer"), tmp_path / "mine")
    path = tmp_path / "mine/weights.safetensors"
    tensors = load_file(path)
    tensors["bert/pooler/dense/kernel"] = tensors["bert/pooler/dense/kernel"].astype(np.float16)
    tensors["cls/more"] = tensors.pop("cls/predictions/output_bias")
    save_file(tensors, path)
    with pytest.raises(InputError) as caught:
        load_pretrainer(tmp_path / "mine")
    for problem in ("output_bias is missing", "cls/more is no tensor", "dense/kernel has dtype F16"):
        assert problem in str(caught.value)
