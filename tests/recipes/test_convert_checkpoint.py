import importlib
import json

import numpy as np
import pytest

import tfbert
from tfbert import checkpoints
from tfbert.cli import run_recipe
from tfbert.tokenization import BertTokenizer

recipe = importlib.import_module("tfbert.recipes.convert_checkpoint")
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "B"]


def run(*flags):
    run_recipe(recipe.main, recipe.Settings, [str(flag) for flag in flags])


@pytest.fixture
def classifier(tmp_path):
    """A folder of Google's, with a classifier's head, cased vocabulary and no word of its case."""
    encoder = tfbert.BertEncoder(tfbert.BertConfig(7, 6, 1, 2, 10, max_sequence_length=11))
    model = tfbert.BertClassifier(encoder, labels=("bad", "good"))
    checkpoints.save(model, tmp_path / "google", format="google", tokenizer=BertTokenizer(TOKENS))
    (tmp_path / "google/tokenizer_config.json").unlink()
    return tmp_path / "google"


def test_there_and_back(classifier, tmp_path, capsys):
    run(classifier, tmp_path / "theirs", "--format", "huggingface", "--labels", "bad,good", "--no-lowercase")
    printed = capsys.readouterr().out
    for line in (
        "format      google",
        "format      huggingface",
        "vocabulary  7 tokens, case not said",
        "vocabulary  7 tokens, cased",
        "classes     bad, good",
        "25 of 25 tensors are bit-identical",
        "logits differs by at most 0.0e+00 on 4 rows",
    ):
        assert line in printed, line
    run(tmp_path / "theirs", tmp_path / "mine")
    assert checkpoints.load_classifier(tmp_path / "mine").labels == ("bad", "good")
    run(tmp_path / "mine", tmp_path / "back", "--format", "google", "--labels", "bad,good")
    before, after = (next(folder.glob("*.data-*")).read_bytes() for folder in (classifier, tmp_path / "back"))
    assert before == after


def test_the_encoder_alone_with_fewer_positions(classifier, tmp_path, capsys):
    flags = ["--format", "keras_hub", "--encoder-only", "--max-sequence-length", 5]
    run(classifier, tmp_path / "hub", *flags)
    assert "23 of 23 tensors are bit-identical" in capsys.readouterr().out
    encoder = checkpoints.load_encoder(tmp_path / "hub")
    assert encoder.config.max_sequence_length == 5
    whole = checkpoints.load_encoder(classifier).embeddings.position_embeddings
    np.testing.assert_array_equal(encoder.embeddings.position_embeddings, np.array(whole)[:5])


def test_the_length_of_texts_goes_along(classifier, tmp_path):
    source = checkpoints.load_classifier(classifier, labels=["bad", "good"])
    checkpoints.save(source, tmp_path / "long", max_length=9)
    run(tmp_path / "long", tmp_path / "same")
    run(tmp_path / "long", tmp_path / "short", "--max-sequence-length", 5)
    run(tmp_path / "long", tmp_path / "theirs", "--format", "huggingface")
    lengths = [checkpoints.inspect(tmp_path / name).max_length for name in ("same", "short", "theirs")]
    assert lengths == [9, 5, None]


def test_missing_tensors_and_another_gelu_when_allowed(classifier, tmp_path, capsys):
    run(classifier, tmp_path / "mine", "--labels", "bad,good")
    path = tmp_path / "mine/config.json"
    fields = json.loads(path.read_text())
    fields["encoder"]["activation"] = "gelu_erf"
    path.write_text(json.dumps(fields))
    with pytest.raises(SystemExit, match="2"):
        run(tmp_path / "mine", tmp_path / "out", "--format", "google")
    assert "allow_activation_change" in capsys.readouterr().err
    flags = ["--format", "google", "--allow-activation-change", "--labels", "bad,good"]
    run(tmp_path / "mine", tmp_path / "out", *flags)
    printed = capsys.readouterr().out
    assert "computes gelu_tanh" in printed
    assert "25 of 25 tensors are bit-identical" in printed


def test_a_folder_that_reads_otherwise_is_a_defect(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "count_identical_tensors", lambda *_: (24, 25))
    with pytest.raises(RuntimeError, match="would not hold the tensors"):
        run(classifier, tmp_path / "mine", "--labels", "bad,good")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["nowhere", "out"], "nowhere is not there"),
        (["google", "google", "--labels", "a,b"], "google is there already"),
        (["google", "out"], "give labels="),
        (["google", "out", "--labels", "a,b,c"], "output_weights has shape (2, 6), the config says (3, 6)"),
        (["google", "out", "--labels", "a,b", "--format", "onnx"], "format must be one of native"),
        (["google", "out", "--labels", "a,b", "--format", "keras_hub"], "no place for a classifier head"),
        (["bare", "out", "--lowercase"], "--lowercase says something of a vocabulary"),
    ],
)
def test_bad_input(classifier, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    checkpoints.save(checkpoints.load_encoder(classifier), "bare")
    with pytest.raises(SystemExit, match="2"):
        run(*flags)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare", "google"]
