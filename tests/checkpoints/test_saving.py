"""What is refused or told when a model is written."""

import errno

import keras
import pytest
from folders import make_model, small_config

import tfbert
from tfbert.checkpoints import example_rows, inspect, load, native, output_differences, save
from tfbert.data import sample_vocabulary
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer


def test_a_length_of_texts_goes_with_the_native_format(tmp_path):
    most = small_config().max_sequence_length
    for kind in ("encoder", "classifier", "pretrainer"):
        model = make_model(kind)
        save(model, tmp_path / kind, max_length=most)
        assert native.read_config(tmp_path / kind)["max_length"] == most
        assert inspect(tmp_path / kind).max_length == most
        assert f"texts       cut at {most} tokens" in str(inspect(tmp_path / kind))
    for wrong, format in ((0, "native"), (most + 1, "native"), (most, "huggingface")):
        with pytest.raises(InputError, match="max_length goes with the native format"):
            save(model, tmp_path / "other", max_length=wrong, format=format)
    assert not (tmp_path / "other").exists()


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


def test_another_gelu_is_refused_or_measured(tmp_path, capsys):
    model = make_model("classifier", labels=("a", "b"), activation="gelu_erf")
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
