import re

import numpy as np
import pytest
import tensorflow as tf

from tfbert.data import load_reviews
from tfbert.errors import InputError
from tfbert.serving import export_tokens, token_export

TEXTS = load_reviews("sample").texts[:60]


@pytest.fixture(scope="module")
def undecided(make_classifier, tokenizer):
    """A classifier that is near the middle between its classes for most texts."""
    model = make_classifier()
    inputs = tokenizer.encode(TEXTS, max_length=64)
    model.head.bias.assign_sub(model(inputs, training=False).numpy().mean(axis=0))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_a_folder_whose_readme_runs(undecided, tokenizer, tmp_path, monkeypatch, capsys, format):
    folder = tmp_path / "new" / "m"
    found = export_tokens(undecided, tokenizer, folder, format=format, texts=TEXTS, max_length=40, temperature=1.7)
    file = {"onnx": "model.onnx", "litert": "model.tflite"}[format]
    assert sorted(path.name for path in folder.iterdir()) == sorted(["README.md", "labels.txt", file, "vocab.txt"])
    assert [path.name for path in folder.parent.iterdir()] == ["m"]
    assert (folder / "labels.txt").read_text() == "bad\nso-so\ngood\n"
    assert found.comparison.num_rows == 60
    assert found.comparison.largest_difference < 1e-5
    assert found.comparison.same_labels == 1
    assert found.num_bytes[format] == (folder / file).stat().st_size
    assert str(found) in (folder / "README.md").read_text()

    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL).group(1)
    monkeypatch.chdir(folder)
    names: dict = {}
    exec(code, names)
    printed = capsys.readouterr().out
    texts = ["I love this app.", "It crashes!"]
    logits = undecided(tokenizer.encode(texts, max_length=40), training=False)
    expected = tf.nn.softmax(logits / 1.7).numpy()
    np.testing.assert_allclose(names["probabilities"], expected, atol=1e-5)
    labels = [undecided.labels[row] for row in expected.argmax(axis=-1)]
    assert [line.split(" [")[0] for line in printed.splitlines()] == labels


@pytest.mark.slow
def test_what_differs_too_far_is_not_kept(undecided, tokenizer, tmp_path):
    options = {"format": "litert", "weights": "int8", "texts": TEXTS, "max_length": 40}
    found = export_tokens(undecided, tokenizer, tmp_path / "m", largest_difference=1, largest_label_share=1, **options)
    difference, share = found.comparison.largest_difference, 1 - found.comparison.same_labels
    assert difference > 1e-4
    for limits, loose in (
        ({"largest_difference": difference / 2, "largest_label_share": 1.0}, {"largest_difference": 1.0}),
        ({"largest_difference": 1.0, "largest_label_share": share / 2}, {"largest_label_share": 1.0}),
    ):
        if share or "largest_label_share" in loose:
            with pytest.raises(InputError, match=r"int8 may differ .* Nothing was written"):
                export_tokens(undecided, tokenizer, tmp_path / "n" / "m", **limits, **options)
    assert not list((tmp_path / "n").iterdir())


def test_a_missing_package(undecided, tokenizer, tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name=name)

    for format, package in (("onnx", "onnx"), ("litert", "ai_edge_litert")):
        monkeypatch.setattr(token_export, "importlib", type("absent", (), {"import_module": absent}))
        said = rf"{format} needs the package {package}: pip install 'tfbert\[{format}\]'"
        with pytest.raises(InputError, match=said):
            export_tokens(undecided, tokenizer, tmp_path / "m", format=format, texts=TEXTS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "torch"}, "format must be one of onnx, litert, received 'torch'"),
        ({"weights": "int8"}, "weights in onnx must be float32; received 'int8'"),
        ({"format": "litert", "weights": "bfloat16"}, "weights in litert must be float32 or int8"),
        ({"texts": []}, "received 0 texts"),
        ({"largest_difference": 0}, "largest difference above 0"),
        ({"largest_label_share": 1.1}, "share of labels from 0 to 1"),
        ({"max_length": 2}, "max_length"),
        ({"max_length": 513}, "max_length"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_what_cannot_be(undecided, tokenizer, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        export_tokens(undecided, tokenizer, tmp_path / "m", **{"format": "onnx", "texts": TEXTS} | options)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there(undecided, tokenizer, tmp_path):
    with pytest.raises(InputError, match="is there already"):
        export_tokens(undecided, tokenizer, tmp_path, format="onnx", texts=TEXTS)


@pytest.mark.slow
@pytest.mark.parametrize(("format", "weights"), [("onnx", "float32"), ("litert", "float32"), ("litert", "int8")])
def test_real_weights_on_real_reviews(minilm, real_data, tmp_path, format, weights):
    import tfbert

    encoder = tfbert.checkpoints.load_encoder(minilm)
    model = tfbert.BertClassifier(encoder, labels=("negative", "neutral", "positive"))
    tokenizer = tfbert.checkpoints.load_tokenizer(minilm)
    texts = load_reviews(str(real_data / "reviews.csv")).texts[:64]
    found = export_tokens(
        model, tokenizer, tmp_path / "m", format=format, weights=weights, texts=texts, largest_label_share=1
    )
    assert found.comparison.largest_difference < (1e-5 if weights == "float32" else 0.05)
    assert found.num_bytes[format] < (1.01 if weights == "float32" else 0.3) * found.num_bytes["SavedModel"]
