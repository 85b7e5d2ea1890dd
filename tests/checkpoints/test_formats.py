"""From each format to each: the same tensors to the last bit, or a refusal that says why."""

import json
import os

import keras
import numpy as np
import pytest
from folders import rewrite_json
from safetensors.numpy import load_file, save_file

import tfbert
from tfbert.checkpoints import (
    count_identical_tensors,
    example_rows,
    inspect,
    load,
    load_classifier,
    load_encoder,
    load_pretrainer,
    load_tokenizer,
    output_differences,
    save,
)
from tfbert.checkpoints.model_tensors import model_places
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "café", "😀"]


def small_config(**settings):
    sizes = {"num_layers": 2, "hidden_dim": 6, "num_heads": 2, "intermediate_dim": 10, "max_sequence_length": 11}
    return tfbert.BertConfig(**{"vocabulary_size": 7, **sizes, **settings})


def fill(model):
    """Give every weight values of its own, so that no two can be taken for one another."""
    for number, weight in enumerate(model.weights):
        weight.assign(np.random.default_rng(number).normal(size=weight.shape))
    return model


@pytest.fixture(scope="module")
def models():
    keras.utils.set_random_seed(0)
    encoders = [tfbert.BertEncoder(small_config()) for _ in range(4)]
    return {
        "encoder": fill(encoders[0]),
        "masked_lm": fill(tfbert.BertPretrainer(encoders[1], next_sentence=False)),
        "pretrainer": fill(tfbert.BertPretrainer(encoders[2])),
        "classifier": fill(tfbert.BertClassifier(encoders[3], labels=("böse", "gut", "?"), dropout_rate=0.25)),
    }


def assert_identical(first, second):
    same, total = count_identical_tensors(first, second)
    assert (same, total) == (total, len(model_places(second)))


@pytest.mark.parametrize("format", ["native", "huggingface", "google"])
@pytest.mark.parametrize("kind", ["encoder", "masked_lm", "pretrainer", "classifier"])
def test_each_kind_of_model_in_each_format(tmp_path, models, kind, format):
    model = models[kind]
    save(model, tmp_path / "it", format=format, tokenizer=BertTokenizer(TOKENS, lowercase=False))
    labels = ("böse", "gut", "?") if kind == "classifier" else None
    given = labels if format == "google" else None
    loaded = load(tmp_path / "it", labels=given)
    assert type(loaded) is type(model)
    assert_identical(model, loaded)
    assert getattr(loaded, "encoder", loaded).config == small_config()
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


def test_real_weights_from_transformers_and_back(minilm, tmp_path):
    encoder = load_encoder(minilm)
    save(encoder, tmp_path / "native", tokenizer=load_tokenizer(minilm))
    save(load(tmp_path / "native"), tmp_path / "theirs", format="huggingface", tokenizer=load_tokenizer(minilm))
    before, after = load_file(minilm / "model.safetensors"), load_file(tmp_path / "theirs/model.safetensors")
    assert before.keys() - after.keys() == {"embeddings.position_ids"}
    assert all(before[name].tobytes() == value.tobytes() for name, value in after.items())
    assert (minilm / "vocab.txt").read_bytes() == (tmp_path / "theirs/vocab.txt").read_bytes()
    assert_identical(encoder, load(tmp_path / "theirs"))


def test_names_and_config_are_those_of_transformers(models, tmp_path, golden):
    expected = {"encoder": "BertModel", "masked_lm": "BertForMaskedLM", "pretrainer": "BertForPreTraining"}
    for kind, model in models.items():
        save(model, tmp_path / kind, format="huggingface", tokenizer=BertTokenizer(TOKENS))
        config = json.loads((tmp_path / kind / "config.json").read_text(encoding="utf-8"))
        assert config["architectures"] == [expected.get(kind, "BertForSequenceClassification")]
        assert (config["model_type"], config["hidden_act"], config["pad_token_id"]) == ("bert", "gelu_new", 0)
    assert config["id2label"] == {"0": "böse", "1": "gut", "2": "?"}
    assert config["label2id"] == {"böse": 0, "gut": 1, "?": 2}
    assert config["classifier_dropout"] == 0.25
    save(load(golden / "huggingface_checkpoint"), tmp_path / "golden", format="huggingface")
    ours, theirs = (
        load_file(folder / "model.safetensors") for folder in (tmp_path / "golden", golden / "huggingface_checkpoint")
    )
    assert ours.keys() == theirs.keys()
    assert all(value.tobytes() == theirs[name].tobytes() for name, value in ours.items())
    ours, theirs = (
        json.loads((folder / "config.json").read_text())
        for folder in (tmp_path / "golden", golden / "huggingface_checkpoint")
    )
    assert {name: ours[name] for name in ours.keys() & theirs.keys()} == {
        name: theirs[name] for name in ours.keys() & theirs.keys()
    }


def test_files_may_be_read_by_whom_the_umask_lets(models, tmp_path):
    before = os.umask(0o027)
    try:
        save(models["encoder"], tmp_path / "it", format="huggingface")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "it").iterdir()} == {0o640}


def test_a_sharded_folder(models, tmp_path):
    save(models["pretrainer"], tmp_path / "it", format="huggingface")
    tensors = load_file(tmp_path / "it/model.safetensors")
    (tmp_path / "it/model.safetensors").unlink()
    shards = {f"model-0000{n}-of-00003.safetensors": sorted(tensors)[n::3] for n in range(3)}
    for name, names in shards.items():
        save_file({key: tensors[key] for key in names}, tmp_path / "it" / name)
    index = tmp_path / "it/model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {key: name for name, names in shards.items() for key in names}}))
    assert_identical(models["pretrainer"], load_pretrainer(tmp_path / "it"))
    first, second = list(shards)[:2]
    twice = sorted(tensors)[0]
    save_file({key: tensors[key] for key in [*shards[second], twice]}, tmp_path / "it" / second)
    with pytest.raises(InputError, match=rf"{second} holds {twice}, which .*{first} holds too"):
        load_pretrainer(tmp_path / "it")
    save_file({key: tensors[key] for key in shards[second][1:]}, tmp_path / "it" / second)
    with pytest.raises(InputError, match=rf"{shards[second][0]} is missing"):
        load_pretrainer(tmp_path / "it")
    (tmp_path / "it" / second).unlink()
    with pytest.raises(InputError, match=rf"{second} is missing from the checkpoint"):
        load_pretrainer(tmp_path / "it")
    for weight_map in (None, {}, {"a": 1}, ["a"]):
        index.write_text(json.dumps({"weight_map": weight_map}))
        with pytest.raises(InputError, match="must map tensors to files"):
            load_pretrainer(tmp_path / "it")
    save_file(tensors, tmp_path / "outside.safetensors")
    index.write_text(json.dumps({"weight_map": dict.fromkeys(tensors, "../outside.safetensors")}))
    with pytest.raises(InputError, match="leads out of its folder"):
        load_pretrainer(tmp_path / "it")


def test_another_gelu_is_refused_or_measured(models, tmp_path, capsys):
    model = fill(tfbert.BertClassifier(tfbert.BertEncoder(small_config(activation="gelu_erf")), labels=("a", "b")))
    for format, written in (("google", model), ("keras_hub", model.encoder)):
        with pytest.raises(InputError, match=r"'gelu_erf' becomes 'gelu_tanh'.*allow_activation_change=True"):
            save(written, tmp_path / format, format=format)
        assert not (tmp_path / format).exists()
        rows = example_rows(written, rows=3, seed=5)
        save(written, tmp_path / format, format=format, allow_activation_change=True, rows=rows)
        changed = load(tmp_path / format, labels=("a", "b"))
        (name, difference), *_ = output_differences(written, changed, rows).items()
        assert 1e-5 < difference < 1e-2
        printed = capsys.readouterr().out
        assert f"computes gelu_tanh: the largest differences of the outputs are {name} {difference:.2g}" in printed
    save(model, tmp_path / "theirs", format="huggingface")
    assert capsys.readouterr().out == ""


def test_what_a_format_has_no_place_for(models, tmp_path, capsys):
    for kind, head in (("pretrainer", "masked lm and a next sentence head"), ("classifier", "classifier head")):
        with pytest.raises(InputError, match=rf"no place for a {head}: save the model's encoder alone"):
            save(models[kind], tmp_path / "it", format="keras_hub")
    epsilon = tfbert.BertEncoder(small_config(layer_norm_epsilon=1e-5))
    for format in ("google", "keras_hub"):
        with pytest.raises(InputError, match="layer_norm_epsilon 1e-05 becomes 1e-12"):
            save(epsilon, tmp_path / "it", format=format, allow_activation_change=True)
    with pytest.raises(InputError, match=r"in the native format, received 2\.0"):
        save(models["classifier"], tmp_path / "it", format="huggingface", temperature=2.0)
    assert not (tmp_path / "it").exists()
    save(tfbert.BertEncoder(small_config(attention_dropout_rate=0.0)), tmp_path / "it", format="keras_hub")
    printed = capsys.readouterr().out
    assert "does not keep all settings: attention_dropout_rate 0.0 becomes 0.1\n" in printed


def test_positions_are_cut_when_asked(models, tmp_path):
    save(models["pretrainer"], tmp_path / "it", format="huggingface")
    cut, whole = load(tmp_path / "it", max_sequence_length=5), models["pretrainer"]
    assert cut.encoder.config == small_config(max_sequence_length=5)
    table = np.array(whole.encoder.embeddings.position_embeddings)
    np.testing.assert_array_equal(cut.encoder.embeddings.position_embeddings, table[:5])
    rows = example_rows(cut)
    assert set(output_differences(cut, whole, rows).values()) == {0.0}
    for rows in (0, 12):
        with pytest.raises(InputError, match=rf"has 11 positions, of which max_sequence_length={rows} cannot"):
            load_encoder(tmp_path / "it", max_sequence_length=rows)
    rewrite_json(tmp_path / "it/config.json", max_position_embeddings=9)
    for asked in (None, 5):
        with pytest.raises(InputError, match=r"position_embeddings.weight has shape \(11, 6\)"):
            load_encoder(tmp_path / "it", max_sequence_length=asked)


@pytest.mark.parametrize("labels", [{"0": "a", "2": "b"}, ["a", "b", "c"], "abc"])
def test_labels_that_are_none(models, tmp_path, labels):
    save(models["classifier"], tmp_path / "it", format="huggingface")
    rewrite_json(tmp_path / "it/config.json", id2label=labels)
    with pytest.raises(InputError, match="id2label must name the classes 0, 1"):
        load_classifier(tmp_path / "it")


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


def test_inspect_says_it_all(models, tmp_path):
    save(models["classifier"], tmp_path / "it", temperature=1.25, tokenizer=BertTokenizer(TOKENS))
    contents = inspect(tmp_path / "it")
    assert contents.config == small_config()
    assert contents.tensors["output_weights"] == ((3, 6), "F32")
    for line in ("native", "encoder, classifier", "7 tokens, uncased", "böse, gut, ?", "1.25", "2 layers, 6 units"):
        assert line in str(contents)
    with pytest.raises(InputError, match="holds no checkpoint"):
        inspect(tmp_path)


def test_example_rows_fit_the_model(models):
    rows = example_rows(models["pretrainer"], rows=6)
    assert rows["token_ids"].shape == (6, 11)
    assert rows["token_ids"].max() < 7
    assert 0 < rows["padding_mask"].mean() < 1
    assert set(np.unique(rows["segment_ids"])) == {0, 1}
    assert not (rows["token_ids"] * (1 - rows["padding_mask"])).any()
    one_segment = fill(tfbert.BertEncoder(small_config(num_segments=1)))
    assert not example_rows(one_segment)["segment_ids"].any()


def test_output_differences_by_value(models):
    encoder = models["encoder"]
    other = fill(tfbert.BertEncoder(small_config()))
    other.pooler.dense.bias.assign(other.pooler.dense.bias + 1.0)
    rows = example_rows(encoder)
    apart = output_differences(encoder, other, rows)
    expected = np.abs(np.asarray(encoder(rows)["pooled_output"]) - np.asarray(other(rows)["pooled_output"])).max()
    assert apart == {"pooled_output": pytest.approx(expected), "sequence_output": 0.0}
    assert count_identical_tensors(encoder, other) == (5 + 16 * 2 + 1, 5 + 16 * 2 + 2)
