import importlib
import sys

import numpy as np
import pytest
import tensorflow as tf

import tfbert
from tfbert import checkpoints
from tfbert.cli import run_recipe
from tfbert.data import load_reviews, sample_vocabulary
from tfbert.models import BertPretrainer

recipe = importlib.import_module("tfbert.recipes.export_model")
LABELS = ("negative", "neutral", "positive")
TEXTS = ["I love this app.", "It crashes!", "so so " * 40]


def run(*flags):
    run_recipe(recipe.main, recipe.Settings, [str(flag) for flag in flags])


def filled(model):
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.6, weight.shape).astype("float32") for weight in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Checkpoints: `classifier`, with a temperature and a length; `pretrainer`; `encoder`."""
    tokenizer = tfbert.BertTokenizer(sample_vocabulary())
    config = tfbert.BertConfig(tokenizer.vocabulary_size, 12, 1, 2, 20, max_sequence_length=64)
    folder = tmp_path_factory.mktemp("checkpoints")
    classifier = filled(tfbert.BertClassifier(tfbert.BertEncoder(config), labels=LABELS))
    inputs = tokenizer.encode(load_reviews("sample").texts[:64], max_length=30)
    classifier.head.bias.assign_sub(classifier(inputs, training=False).numpy().mean(axis=0))
    checkpoints.save(classifier, folder / "classifier", tokenizer=tokenizer, temperature=1.6, max_length=30)
    pretrainer = filled(BertPretrainer(tfbert.BertEncoder(config), next_sentence=False))
    checkpoints.save(pretrainer, folder / "pretrainer", tokenizer=tokenizer)
    checkpoints.save(classifier.encoder, folder / "encoder", tokenizer=tokenizer)
    return folder


def answers(folder):
    """What the checkpoint says of the texts: cut at its length, divided by its temperature."""
    inputs = checkpoints.load_tokenizer(folder).encode(TEXTS, max_length=30)
    return tf.nn.softmax(checkpoints.load_classifier(folder)(inputs, training=False) / 1.6).numpy()


@pytest.mark.slow
def test_again_with_smaller_weights(folders, tmp_path, capsys):
    for weights in ("float32", "int8"):
        flags = ["--largest-drop", 0.9, "--rows", 70] if weights == "int8" else []
        run(folders / "classifier", "--output", tmp_path / "reviews", "--weights", weights, *flags)
        assert f"| weights | {weights} |" in capsys.readouterr().out
    expected = answers(folders / "classifier")
    for version, tolerance in ((1, 1e-5), (2, 0.2)):
        served = tf.saved_model.load(str(tmp_path / "reviews" / str(version))).signatures["serving_default"]
        difference = np.abs(served(text=tf.constant(TEXTS))["probabilities"] - expected).max()
        assert difference < tolerance
    assert difference > 1e-5
    card = (tmp_path / "reviews/2/model_card.md").read_text()
    assert "| rows measured on | 70 |" in card
    assert "at most 0.9 was allowed" in card


@pytest.mark.slow
def test_a_pretrainer_is_measured_on_words_it_fills(folders, tmp_path, capsys):
    flags = ["--weights", "bfloat16", "--largest-drop", 0.9, "--rows", 50, "--max-length", 40]
    run(folders / "pretrainer", "--output", tmp_path / "bert", *flags)
    printed = capsys.readouterr().out
    assert "| kind | pre-trained BERT |" in printed
    assert "| tokens at which a text is cut | 40 |" in printed
    assert (tmp_path / "bert/1/saved_model.pb").exists()


@pytest.mark.slow
def test_onnx_as_the_checkpoint_says(folders, tmp_path, capsys):
    from tfbert.serving.onnx_model import open_onnx

    run(folders / "classifier", "--format", "onnx", "--output", tmp_path / "m", "--rows", 40)
    printed = capsys.readouterr().out
    assert "on 40 texts: probabilities within" in printed
    assert "texts       cut at 30 tokens" in printed
    assert "cut at 30 tokens" in (tmp_path / "m/README.md").read_text()
    inputs = checkpoints.load_tokenizer(tmp_path / "m", lowercase=True).encode(TEXTS, max_length=30)
    found = open_onnx(tmp_path / "m/model.onnx", 1)({name: ids.numpy() for name, ids in inputs.items()})
    np.testing.assert_allclose(found, answers(folders / "classifier"), atol=1e-5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["nowhere"], "nowhere is not there"),
        (["classifier", "--format", "torch"], "--format must be one of serving, litert, onnx; received 'torch'"),
        (
            ["classifier", "--weights", "int4"],
            "--weights must be one of float32, bfloat16, int8, bfloat16_compute; received 'int4'",
        ),
        (["classifier", "--format", "onnx", "--weights", "int8"], "weights in onnx must be float32"),
        (["classifier", "--format", "litert", "--weights", "bfloat16"], "weights in litert must be float32 or int8"),
        (["classifier", "--rows", 0], "--rows must be at least 1"),
        (["classifier", "--data", "a.csv"], "--data says nothing of serving with weights in float32"),
        (["classifier", "--largest-drop", 0.1], "--largest-drop says nothing of serving with weights in float32"),
        (["classifier", "--format", "onnx", "--largest-drop", 0.1], "--largest-drop says nothing of onnx"),
        (["classifier", "--weights", "int8", "--largest-difference", 0.1], "--largest-difference says nothing"),
        (["classifier", "--largest-label-share", 0.1], "--largest-label-share says nothing of serving"),
        (["classifier", "--format", "onnx", "--data", "a.csv"], "a.csv"),
        (["classifier", "--format", "onnx", "--max-length", 65], "max_length"),
        (["classifier", "--weights", "int8", "--mapping", "1-4=bad,5=good"], "row 0 of the rows"),
        (["pretrainer", "--format", "litert"], "holds encoder, masked_lm; serving takes a classifier or masked words"),
        (["encoder"], "holds encoder; serving takes"),
    ],
)
def test_bad_input(folders, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    model, *others = flags
    model = model if model == "nowhere" else folders / model
    with pytest.raises(SystemExit, match="2"):
        run(model, "--output", tmp_path / "out", *others)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_output_that_is_there_and_a_missing_extra(folders, tmp_path, monkeypatch, capsys):
    flags = [folders / "classifier", "--format", "onnx", "--output"]
    with pytest.raises(SystemExit, match="2"):
        run(*flags, tmp_path)
    assert "is there already" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SystemExit, match="2"):
        run(*flags, tmp_path / "out")
    assert "onnx needs the package onnxruntime: pip install 'tfbert[onnx]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
