"""From each format to each: the same tensors to the last bit."""

import json

import pytest
from folders import TOKENS, assert_identical, make_model, small_config
from safetensors.numpy import load_file

from tfbert.checkpoints import (
    example_rows,
    inspect,
    load,
    load_encoder,
    load_tokenizer,
    output_differences,
    save,
)
from tfbert.checkpoints.model_tensors import encoder_of
from tfbert.tokenization import BertTokenizer


@pytest.mark.parametrize("format", ["native", "huggingface", "google"])
@pytest.mark.parametrize("kind", ["encoder", "masked_lm", "pretrainer", "classifier"])
def test_each_kind_of_model_in_each_format(tmp_path, kind, format):
    model = make_model(kind)
    save(model, tmp_path / "it", format=format, tokenizer=BertTokenizer(TOKENS, lowercase=False))
    labels = ("böse", "gut", "?") if kind == "classifier" else None
    given = labels if format == "google" else None
    loaded = load(tmp_path / "it", labels=given)
    assert type(loaded) is type(model)
    assert_identical(model, loaded)
    assert encoder_of(loaded).config == small_config()
    if labels:
        assert loaded.labels == labels
        assert loaded.dropout_rate == (0.1 if format == "google" else 0.25)
    tokenizer = BertTokenizer.from_folder(tmp_path / "it")
    assert (tokenizer.vocabulary.tokens, tokenizer.lowercase) == (tuple(TOKENS), False)
    contents = inspect(tmp_path / "it")
    heads = {"encoder": (), "masked_lm": ("masked_lm",), "pretrainer": ("masked_lm", "next_sentence")}
    assert contents.parts == ("encoder", *heads.get(kind, ("classifier",)))
    assert (contents.format, contents.lowercase, contents.vocabulary_tokens) == (format, False, 7)
    assert contents.labels == (None if format == "google" else labels)
    rows = example_rows(model)
    assert set(output_differences(model, loaded, rows).values()) == {0.0}


def test_google_to_native_to_transformers_to_keras_hub_and_back(golden, tmp_path, capsys):
    original = load(golden / "google_checkpoint")
    model = original
    for format in ("native", "huggingface", "native", "google"):
        path = tmp_path / f"{format}{len(list(tmp_path.iterdir()))}"
        save(model, path, format=format)
        model = load(path)
        assert_identical(original, model)
    save(model.encoder, tmp_path / "hub", format="keras_hub")
    encoder = load(tmp_path / "hub")
    save(encoder, tmp_path / "back", format="native")
    save(load(tmp_path / "back"), tmp_path / "google", format="google")
    assert_identical(original.encoder, load(tmp_path / "google"))
    assert capsys.readouterr().out == ""  # nothing was lost on the way
    ours, theirs = (
        json.loads((folder / "bert_config.json").read_text())
        for folder in (tmp_path / "google", golden / "google_checkpoint")
    )
    assert ours == {name: theirs[name] for name in ours}


@pytest.mark.slow
def test_real_weights_from_transformers_and_back(minilm, tmp_path):
    encoder = load_encoder(minilm)
    save(encoder, tmp_path / "native", tokenizer=load_tokenizer(minilm))
    save(load(tmp_path / "native"), tmp_path / "theirs", format="huggingface", tokenizer=load_tokenizer(minilm))
    before, after = load_file(minilm / "model.safetensors"), load_file(tmp_path / "theirs/model.safetensors")
    assert before.keys() - after.keys() == {"embeddings.position_ids"}
    assert all(before[name].tobytes() == value.tobytes() for name, value in after.items())
    assert (minilm / "vocab.txt").read_bytes() == (tmp_path / "theirs/vocab.txt").read_bytes()
    assert_identical(encoder, load(tmp_path / "theirs"))


SIZES: dict[str, dict] = {
    "one layer, one head, odd sizes": {"num_layers": 1, "num_heads": 1, "hidden_dim": 7, "intermediate_dim": 3},
    "three layers, a head a unit": {"num_layers": 3, "num_heads": 6, "intermediate_dim": 1},
    "one segment, one position": {"num_segments": 1, "max_sequence_length": 1},
    "sixteen segments": {"num_segments": 16, "max_sequence_length": 700},
    "more rows than tokens": {"vocabulary_size": 8},
    "relu": {"activation": "relu"},
    "gelu_erf": {"activation": "gelu_erf"},
    "epsilon": {"layer_norm_epsilon": 1e-5},
    "rates": {"dropout_rate": 0.0, "attention_dropout_rate": 0.3, "initializer_stddev": 0.1},
}
NOT_THERE = {"google": {"gelu_erf", "epsilon"}, "keras_hub": {"relu", "gelu_erf", "epsilon", "rates"}}


@pytest.mark.parametrize("format", ["native", "huggingface", "google", "keras_hub"])
@pytest.mark.parametrize("sizes", SIZES)
def test_other_sizes_and_settings(tmp_path, sizes, format):
    if sizes in NOT_THERE.get(format, ()):
        return  # refused, or told: `test_saving`
    model = make_model("encoder" if format == "keras_hub" else "pretrainer", **SIZES[sizes])
    save(model, tmp_path / "it", format=format, tokenizer=BertTokenizer(TOKENS))
    loaded = load(tmp_path / "it")
    assert_identical(model, loaded)
    assert encoder_of(loaded).config == small_config(**SIZES[sizes])
    assert inspect(tmp_path / "it").config == small_config(**SIZES[sizes])
    assert set(output_differences(model, loaded, example_rows(model)).values()) == {0.0}
