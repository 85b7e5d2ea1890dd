"""tfbert's own folders, written and read."""

import errno
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from folders import rewrite_json
from safetensors.numpy import load_file, save_file

import tfbert
from tfbert.checkpoints import load_classifier, load_encoder, load_pretrainer, load_tokenizer, native, save
from tfbert.checkpoints.model_tensors import encoder_of, model_places
from tfbert.data import sample_vocabulary
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "café", "😀"]
SETTINGS: dict = {"num_layers": 2, "hidden_dim": 6, "num_heads": 2, "intermediate_dim": 10, "max_sequence_length": 11}


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


def make_model(kind, **settings):
    encoder = tfbert.BertEncoder(tfbert.BertConfig(**{"vocabulary_size": 7, **SETTINGS, **settings}))
    model = {
        "encoder": lambda: encoder,
        "pretrainer": lambda: tfbert.BertPretrainer(encoder),
        "masked_lm": lambda: tfbert.BertPretrainer(encoder, next_sentence=False),
        "classifier": lambda: tfbert.BertClassifier(encoder, labels=("böse", "gut"), dropout_rate=0.25),
    }[kind]()
    for weight in model.weights:  # biases start at zero, which a lost tensor would equal
        weight.assign(np.random.default_rng(len(weight.path)).normal(size=weight.shape))
    return model


LOADERS = {
    "encoder": load_encoder,
    "pretrainer": load_pretrainer,
    "masked_lm": lambda path: load_pretrainer(path, next_sentence=False),
    "classifier": load_classifier,
}


def assert_same_tensors(first, second):
    first, second = ({name: place.value() for name, place in model_places(model).items()} for model in (first, second))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value.dtype == second[name].dtype == np.float32
        assert value.tobytes() == second[name].tobytes(), name


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
    assert_same_tensors(model, loaded)
    assert encoder_of(loaded).config == encoder_of(model).config
    if kind == "classifier":
        assert (loaded.labels, loaded.dropout_rate) == (("böse", "gut"), 0.25)
    tokenizer = tfbert.BertTokenizer.from_folder(folder)
    assert (tokenizer.vocabulary.tokens, tokenizer.lowercase) == (tuple(TOKENS), False)


def test_an_encoder_out_of_every_kind(tmp_path):
    for kind in LOADERS:
        model = make_model(kind)
        save(model, tmp_path / kind)
        assert_same_tensors(load_encoder(tmp_path / kind), encoder_of(model))
    with pytest.raises(InputError, match="cls/predictions/output_bias is missing"):
        load_pretrainer(tmp_path / "classifier")
    with pytest.raises(InputError, match="does not name its classes"):
        load_classifier(tmp_path / "encoder")
    new_head = load_classifier(tmp_path / "encoder", labels=("a", "b", "c"), allow_missing=True)
    assert new_head.labels == ("a", "b", "c")


def test_mixed_precision_is_stored_whole(tmp_path):
    model = tfbert.BertEncoder(tfbert.BertConfig(vocabulary_size=7, **SETTINGS), dtype="mixed_bfloat16")
    save(model, tmp_path / "mixed")
    assert {tensor.dtype for tensor in load_file(tmp_path / "mixed/weights.safetensors").values()} == {np.dtype("f4")}
    assert_same_tensors(model, load_encoder(tmp_path / "mixed"))


def test_the_tied_table_is_stored_once(tmp_path):
    save(make_model("pretrainer"), tmp_path / "mine")
    shapes = [tensor.shape for tensor in load_file(tmp_path / "mine/weights.safetensors").values()]
    assert shapes.count((7, 6)) == 1


def test_reading_needs_no_tensorflow(tmp_path):
    save(make_model("pretrainer"), tmp_path / "mine")
    script = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import tfbert.checkpoints as c; c.load_pretrainer(sys.argv[1]); c.load_encoder(sys.argv[1])"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", script, tmp_path / "mine"], check=True, env=environment)


def test_case_is_the_folders_own(tmp_path):
    save(make_model("encoder"), tmp_path / "cased", tokenizer=BertTokenizer(TOKENS, lowercase=False))
    with pytest.raises(InputError, match="says lowercase=false, which lowercase=True contradicts"):
        load_tokenizer(tmp_path / "cased", lowercase=True)
    save(make_model("encoder"), tmp_path / "without")
    with pytest.raises(InputError, match=r"vocab\.txt is missing"):
        load_tokenizer(tmp_path / "without")


def test_the_card(tmp_path):
    save(make_model("classifier"), tmp_path / "one", tokenizer=BertTokenizer(TOKENS))
    card = (tmp_path / "one/README.md").read_text(encoding="utf-8")
    for fact in ("| layers | 2 |", "| classes | böse, gut |", "7 tokens, uncased", "load_classifier", "from_folder"):
        assert fact in card
    save(make_model("encoder"), tmp_path / "two", card="# Mine\n")
    assert (tmp_path / "two/README.md").read_text() == "# Mine\n"


def test_a_temperature_goes_with_a_classifier(tmp_path):
    save(make_model("classifier"), tmp_path / "mine", temperature=1.5)
    assert native.read_config(tmp_path / "mine")["temperature"] == 1.5
    for kind, temperature in (("encoder", 1.5), ("classifier", 0.0)):
        with pytest.raises(InputError, match="temperature above 0 goes with a classifier"):
            save(make_model(kind), tmp_path / "other", temperature=temperature)
    assert not (tmp_path / "other").exists()


def test_what_cannot_be_saved_leaves_nothing(tmp_path, monkeypatch):
    model = make_model("encoder")
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="is there already"):
        save(model, tmp_path / "there")
    with pytest.raises(InputError, match=r"format must be one of native.*received 'onnx'"):
        save(model, tmp_path / "new", format="onnx")
    with pytest.raises(InputError, match="vocabulary must not be larger"):
        save(model, tmp_path / "new", tokenizer=BertTokenizer(sample_vocabulary()))
    with pytest.raises(TypeError, match="received Dense"):
        save(keras.layers.Dense(1), tmp_path / "new")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save(model, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


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
        ({"labels": ["gut", "böse", "?"]}, r"output_weights has shape \(2, 6\), the config says \(3, 6\)"),
        ({"dropout_rate": "high"}, "dropout_rate must be a number"),
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
