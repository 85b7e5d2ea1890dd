import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.tools import saved_model_cli

import tfbert
from tfbert.errors import InputError
from tfbert.serving import export, largest_difference
from tfbert.serving.serving_readme import signatures_of
from tfbert.training import pick_placement

TEXTS: list = [
    "I love this app!",
    "",
    "It crashes. " * 40,
    "Größe 👍 caf\u00e9",
    "ok",
    "\u2028",
    b"\xff\xfe bad bytes",
] * 4

FRESH = """
import json, sys
for name in ("tfbert", "keras", "tensorflow_text", "keras_hub"):
    sys.modules[name] = None  # cannot be imported
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry
loaded = tf.saved_model.load(sys.argv[1])
answer = loaded.signatures["serving_default"](text=tf.constant(["I love this app!", "It crashes."]))
tokens = loaded.signatures["tokens"](**{
    name: tf.constant(rows, tf.int32) for name, rows in json.loads(sys.argv[2]).items()})
embedded = loaded.signatures["embed"](text=tf.constant(["I love this app!"]))
saved = saved_model_pb2.SavedModel.FromString(open(sys.argv[1] + "/saved_model.pb", "rb").read())
graph = saved.meta_graphs[0].graph_def
ops = {n.op for n in graph.node} | {n.op for f in graph.library.function for n in f.node_def}
ops -= {f.signature.name for f in graph.library.function}
assert len(ops) > 20
print(json.dumps([answer["label"].numpy().astype(str).tolist(), answer["probabilities"].numpy().tolist(),
                  tokens["probabilities"].numpy().tolist(), embedded["embeddings"].shape.as_list(),
                  [op for op in ops if op_def_registry.get(op) is None]]))
"""


def expected(model, tokenizer, texts, temperature, max_length):
    """One text at a time, so that nothing is padded."""
    logits = [model(tokenizer.encode([text], max_length=max_length), training=False)[0] for text in texts]
    return tf.nn.softmax(tf.stack(logits) / temperature).numpy()


@pytest.fixture(scope="module")
def served(exported):
    return tf.saved_model.load(str(exported[1]))


def test_answers_equal_the_models(exported, served, tokenizer):
    model, path = exported
    wanted = expected(model, tokenizer, TEXTS, 1.7, 64)
    answer = served.signatures["serving_default"](text=tf.constant(TEXTS))
    np.testing.assert_allclose(answer["probabilities"], wanted, atol=1e-5)
    assert answer["label"].numpy().tolist() == [model.labels[i].encode() for i in wanted.argmax(-1)]
    assert wanted.std(axis=0).min() > 0.01
    assert largest_difference(path, TEXTS, wanted[::-1]) > 0.01


def test_any_batch_and_no_batch(served):
    for rows in (0, 1, 3, 17):
        answer = served.signatures["serving_default"](text=tf.constant(TEXTS[:rows], tf.string))
        assert answer["probabilities"].shape == (rows, 3)
        assert answer["label"].shape == (rows,)


def example(text):
    feature = tf.train.Feature(
        bytes_list=tf.train.BytesList(value=[text] if isinstance(text, bytes) else [text.encode()])
    )
    return tf.train.Example(features=tf.train.Features(feature={"text": feature})).SerializeToString()


def test_examples_are_classified(exported, served, tokenizer):
    model, path = exported
    answer = served.signatures["classify"](inputs=tf.constant([example(text) for text in TEXTS]))
    np.testing.assert_allclose(answer["scores"], expected(model, tokenizer, TEXTS, 1.7, 64), atol=1e-5)
    assert answer["classes"].numpy().tolist() == [[b"bad", b"so-so", b"good"]] * len(TEXTS)
    with pytest.raises(tf.errors.InvalidArgumentError, match="text"):
        served.signatures["classify"](inputs=tf.constant([tf.train.Example().SerializeToString()]))
    methods = {key: signature.method_name for key, signature in signatures_of(path).items()}
    assert methods.pop("classify") == "tensorflow/serving/classify"
    assert {*methods.values()} == {"tensorflow/serving/predict"}


def test_pairs(exported, served, tokenizer):
    model = exported[0]
    firsts, seconds = ["It crashes.", "I love it! " * 30, "ok"], ["Please fix.", "Thank you.", ""]
    answer = served.signatures["pairs"](first=tf.constant(firsts), second=tf.constant(seconds))
    for row, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
        logits = model(tokenizer.encode([first], [second], max_length=64), training=False)[0]
        np.testing.assert_allclose(answer["probabilities"][row], tf.nn.softmax(logits / 1.7), atol=1e-5)


def test_vocabulary_and_labels_are_assets(exported, served, tokenizer):
    assert (exported[1] / "assets/vocab.txt").read_text().splitlines() == list(tokenizer.vocabulary.tokens)
    assert (exported[1] / "assets/labels.txt").read_text().splitlines() == ["bad", "so-so", "good"]
    assert served.labels_file.asset_path.numpy().decode() == str(exported[1] / "assets/labels.txt")


def test_embeddings_are_the_pooled_output(exported, served, tokenizer):
    model = exported[0]
    answer = served.signatures["embed"](text=tf.constant(TEXTS))["embeddings"]
    for text, row in zip(TEXTS, answer, strict=True):
        pooled = model.encoder(tokenizer.encode([text], max_length=64), training=False)["pooled_output"]
        np.testing.assert_allclose(row, pooled[0], atol=1e-5)


def test_moved_into_a_process_that_knows_tensorflow_alone(exported, tokenizer, tmp_path):
    model, path = exported
    moved = shutil.copytree(path, tmp_path / "elsewhere" / "7")
    tokens = {name: ids.numpy().tolist() for name, ids in tokenizer.encode(["I love this app!", "It crashes."]).items()}
    out = subprocess.run(
        [sys.executable, "-c", FRESH, str(moved), json.dumps(tokens)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    ).stdout
    labels, probabilities, from_tokens, shape, foreign_ops = json.loads(out.splitlines()[-1])
    assert foreign_ops == []
    assert (moved / "assets" / "vocab.txt").read_text().splitlines() == list(tokenizer.vocabulary.tokens)
    wanted = expected(model, tokenizer, ["I love this app!", "It crashes."], 1.7, 64)
    np.testing.assert_allclose(probabilities, wanted, atol=1e-5)
    np.testing.assert_allclose(from_tokens, wanted, atol=1e-5)
    assert labels == [model.labels[i] for i in wanted.argmax(-1)]
    assert shape == [1, 24]


def test_saved_model_cli_runs_it(exported, tokenizer, tmp_path):
    """It loads with a session and the saver's restore op, as TensorFlow Serving does."""
    texts = {"text": ["great app"]}
    saved_model_cli.run_saved_model_with_feed_dict(
        str(exported[1]), "serve", "serving_default", texts, str(tmp_path), overwrite_flag=False
    )
    wanted = expected(exported[0], tokenizer, texts["text"], 1.7, 64)
    np.testing.assert_allclose(np.load(tmp_path / "probabilities.npy"), wanted, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_what_was_trained_in_half_precision_is_served_in_float32(exported, served, tokenizer, tmp_path, policy):
    model = exported[0]
    encoder = tfbert.BertEncoder(model.encoder.config, dtype=policy)
    half = tfbert.BertClassifier(encoder, labels=model.labels)
    half.set_weights(model.get_weights())
    path = export(half, tokenizer, tmp_path / "m", max_length=64, temperature=1.7)
    text = tf.constant(TEXTS)
    found, wanted = (each.signatures["serving_default"](text=text) for each in (tf.saved_model.load(str(path)), served))
    np.testing.assert_array_equal(found["probabilities"], wanted["probabilities"])


@pytest.mark.slow
def test_a_classifier_built_under_a_strategy(tokenizer, make_classifier, tmp_path):
    model = make_classifier(pick_placement("mirrored").strategy)
    path = export(model, tokenizer, tmp_path / "m", version=4)
    assert path == tmp_path / "m" / "4"
    assert sorted(signatures_of(path)) == ["classify", "embed", "serving_default", "tokens"]
    assert largest_difference(path, TEXTS, expected(make_classifier(), tokenizer, TEXTS, 1.0, 128)) < 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 513}, "max_length <= 512"),
        ({"max_length": 2}, "3 <= max_length"),
        ({"max_length": 4, "pairs": True}, "5 <= max_length"),
        ({"temperature": 0.0}, "temperature > 0"),
        ({"version": 0}, "from 1 on"),
    ],
)
def test_bad_settings_leave_nothing(tokenizer, make_classifier, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        export(make_classifier(), tokenizer, tmp_path / "m", **options)
    assert not list(tmp_path.iterdir())


def test_labels_of_several_lines_leave_nothing(tokenizer, make_classifier, tmp_path):
    with pytest.raises(InputError, match="one label a line"):
        export(make_classifier(labels=("good", "not\ngood")), tokenizer, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_vocabulary_that_does_not_fit(tokenizer, make_classifier, tmp_path):
    larger = tfbert.BertTokenizer([*tokenizer.vocabulary.tokens, "onemore"])
    with pytest.raises(InputError, match="do not fit"):
        export(make_classifier(), larger, tmp_path / "m")
