"""Presets of keras-hub: read without it, written with it, opened by it."""

import h5py
import keras
import keras_hub
import numpy as np
import pytest
from folders import rewrite_json

import tfbert
from tfbert.checkpoints import count_identical_tensors, example_rows, inspect, load_encoder, load_tokenizer, save
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cafe", "##s", "😀", "!"]


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    encoder = tfbert.BertEncoder(tfbert.BertConfig(9, 12, 3, 2, 20, max_sequence_length=16, num_segments=3))
    for number, weight in enumerate(encoder.weights):
        weight.assign(np.random.default_rng(number).normal(0, 0.3, size=weight.shape))
    return encoder


@pytest.fixture
def preset(encoder, tmp_path):
    save(encoder, tmp_path / "preset", format="keras_hub", tokenizer=BertTokenizer(TOKENS))
    return tmp_path / "preset"


def test_keras_hub_opens_it(encoder, preset):
    backbone = keras_hub.models.BertBackbone.from_preset(str(preset))
    rows = example_rows(encoder)
    theirs, ours = backbone(rows), encoder(rows)
    real = rows["padding_mask"].astype(bool)
    np.testing.assert_allclose(
        np.asarray(theirs["sequence_output"])[real], np.asarray(ours["sequence_output"])[real], rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(theirs["pooled_output"], ours["pooled_output"], rtol=0, atol=1e-5)
    tokenizer = keras_hub.models.BertTokenizer.from_preset(str(preset))
    texts = ["Cafés 😀!", "CAFE!"]
    ids = [np.asarray(tokenizer(text)).tolist() for text in texts]
    assert ids == load_tokenizer(preset).tokenize(texts).to_list() == [[5, 6, 7, 8], [5, 8]]


def test_what_keras_hub_wrote_is_read(tmp_path):
    keras.utils.set_random_seed(1)
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=9,
        num_layers=11,
        num_heads=2,
        hidden_dim=12,
        intermediate_dim=20,
        dropout=0.2,
        max_sequence_length=16,
    )
    backbone.save_to_preset(str(tmp_path / "theirs"))
    encoder = load_encoder(tmp_path / "theirs")
    assert encoder.config == tfbert.BertConfig(9, 12, 11, 2, 20, 16, dropout_rate=0.2, attention_dropout_rate=0.2)
    rows = example_rows(encoder)
    real = rows["padding_mask"].astype(bool)
    theirs, ours = (np.asarray(model(rows)["sequence_output"])[real] for model in (backbone, encoder))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    with pytest.raises(InputError, match=r"vocab\.txt is missing"):
        load_tokenizer(tmp_path / "theirs")


def test_read_back_bit_for_bit(encoder, preset):
    assert count_identical_tensors(encoder, load_encoder(preset)) == (5 + 16 * 3 + 2,) * 2
    contents = inspect(preset)
    assert (contents.format, contents.vocabulary_tokens, contents.lowercase) == ("keras_hub", 9, True)


@pytest.mark.parametrize(
    ("fields", "lowercase"),
    [
        ({"lowercase": False, "strip_accents": False}, False),
        ({"lowercase": True, "strip_accents": False}, True),  # keras-hub's own uncased presets
        ({}, False),  # keras-hub's default
        ({"lowercase": False, "strip_accents": True}, None),
        ({"lowercase": "yes"}, None),
    ],
)
def test_case(preset, fields, lowercase):
    rewrite_json(preset / "tokenizer.json", config=fields)
    if lowercase is None:
        with pytest.raises(InputError, match="does neither; received lowercase"):
            load_tokenizer(preset)
    else:
        assert load_tokenizer(preset).lowercase is lowercase


QUERY = "layers/transformer_encoder_1/_self_attention_layer/query_dense/vars/0"


def change_weights(preset, change):
    with h5py.File(preset / "model.weights.h5", "r+") as file:
        change(file)


def test_missing_extra_and_misshapen_tensors_are_all_named(preset):
    def change(file):
        del file["layers/dense/vars/1"]
        values = file[QUERY][()]
        del file[QUERY]
        file[QUERY] = values.reshape(12, 12)
        file["layers/transformer_encoder_3/surprise"] = np.zeros(1, "float32")
        values = file["layers/embedding/vars/0"][()]
        del file["layers/embedding/vars/0"]
        file["layers/embedding/vars/0"] = values.astype("float64")

    change_weights(preset, change)
    with pytest.raises(InputError) as caught:
        load_encoder(preset)
    for problem in (
        "layers/dense/vars/1 is missing",
        f"{QUERY} has shape (12, 12), the config says (12, 2, 6)",
        "layers/transformer_encoder_3/surprise is no tensor",
        "layers/embedding/vars/0 has dtype float64, only float32, float16",
    ):
        assert problem in str(caught.value)


def link_outside(file):
    file["layers/more"] = h5py.ExternalLink("/etc/passwd", "/")


def link_inside(file):
    file["layers/more"] = h5py.SoftLink("/layers/dense")


def stored_outside(file):
    file.create_dataset("layers/more", (3,), "float32", external=[("/etc/passwd", 0, 12)])


def virtual(file):
    layout = h5py.VirtualLayout((3,), "float32")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3,))
    file.create_virtual_dataset("layers/more", layout)


def declared_huge(file):
    file.create_dataset("layers/more", (10**9, 10**4), "float32", chunks=(1000, 1000))


def declared_huge_and_plain(file):
    file.create_dataset("layers/more", (10**9, 10**4), "float32")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (link_outside, "/layers/more leads elsewhere"),
        (link_inside, "/layers/more leads elsewhere"),
        (stored_outside, "/layers/more leads elsewhere"),
        (virtual, "/layers/more leads elsewhere"),
        (declared_huge, "not stored plainly"),
        (declared_huge_and_plain, r"declares 40,000,000,0\d\d,\d+ bytes"),
    ],
)
def test_data_sets_that_are_elsewhere_or_nowhere(preset, change, message):
    change_weights(preset, change)
    with pytest.raises(InputError, match=message) as caught:
        load_encoder(preset)
    assert "cannot be read as HDF5" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"class_name": "GPT2Backbone"}, "must be that of keras-hub's BertBackbone, received 'GPT2Backbone'"),
        ({"config": None}, "must be that of keras-hub's BertBackbone"),
        ({"config": {"vocabulary_size": 9}}, "lacks num_layers, num_heads"),
    ],
)
def test_a_config_of_something_else(preset, fields, message):
    rewrite_json(preset / "config.json", **fields)
    with pytest.raises(InputError, match=message):
        load_encoder(preset)


def test_half_precision(encoder, preset):
    def halve(file):
        values = file[QUERY][()]
        del file[QUERY]
        file[QUERY] = values.astype("float16")

    change_weights(preset, halve)
    ours, theirs = (model.blocks[1].attention.query_key_value.kernel for model in (encoder, load_encoder(preset)))
    np.testing.assert_array_equal(theirs[:, :12], np.asarray(ours[:, :12], "float16").astype("float32"))
    np.testing.assert_array_equal(theirs[:, 12:], ours[:, 12:])
