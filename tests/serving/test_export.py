import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.tools import saved_model_cli

import tfbert
from tfbert.data import sample_vocabulary
from tfbert.errors import InputError
from tfbert.serving import export, largest_difference
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
assert not [name for name in sys.modules if name.split(".")[0] in ("tfbert", "tensorflow_text", "keras_hub")]
print(json.dumps([answer["label"].numpy().astype(str).tolist(), answer["probabilities"].numpy().tolist(),
                  tokens["probabilities"].numpy().tolist(), embedded["embeddings"].shape.as_list(),
                  [op for op in ops if op_def_registry.get(op) is None]]))
"""


@pytest.fixture(scope="module")
def tokenizer():
    return tfbert.BertTokenizer(sample_vocabulary())


def classifier(tokenizer, strategy=None, labels=("bad", "so-so", "good")):
    config = tfbert.BertConfig(tokenizer.vocabulary_size, 24, 2, 3, 40)
    with (strategy or tf.distribute.get_strategy()).scope():
        built = tfbert.BertClassifier(tfbert.BertEncoder(config), labels=labels)
    rng = np.random.default_rng(0)
    built.set_weights([rng.normal(0, 0.6, w.shape).astype("float32") for w in built.get_weights()])
    return built


def expected(model, tokenizer, texts, temperature, max_length):
    """One text at a time, so that nothing is padded."""
    logits = [model(tokenizer.encode([text], max_length=max_length), training=False)[0] for text in texts]
    return tf.nn.softmax(tf.stack(logits) / temperature).numpy()


@pytest.fixture(scope="module")
def exported(tokenizer, tmp_path_factory):
    model = classifier(tokenizer)
    path = export(model, tokenizer, tmp_path_factory.mktemp("serving") / "reviews", max_length=64, temperature=1.7)
    return model, path


def test_answers_equal_the_models(exported, tokenizer):
    model, path = exported
    wanted = expected(model, tokenizer, TEXTS, 1.7, 64)
    served = tf.saved_model.load(str(path)).signatures["serving_default"](text=tf.constant(TEXTS))
    np.testing.assert_allclose(served["probabilities"], wanted, atol=1e-5)
    assert served["label"].numpy().tolist() == [model.labels[i].encode() for i in wanted.argmax(-1)]
    assert wanted.std(axis=0).min() > 0.01
    assert largest_difference(path, TEXTS, wanted) < 1e-5
    assert largest_difference(path, TEXTS, wanted[::-1]) > 0.01


def test_any_batch_and_no_batch(exported):
    served = tf.saved_model.load(str(exported[1])).signatures["serving_default"]
    for rows in (0, 1, 3, 17):
        answer = served(text=tf.constant(TEXTS[:rows], tf.string))
        assert answer["probabilities"].shape == (rows, 3)
        assert answer["label"].shape == (rows,)


def test_embeddings_are_the_pooled_output(exported, tokenizer):
    model, path = exported
    served = tf.saved_model.load(str(path)).signatures["embed"](text=tf.constant(TEXTS))["embeddings"]
    for text, row in zip(TEXTS, served, strict=True):
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


def test_a_classifier_built_under_a_strategy(tokenizer, tmp_path):
    strategy = pick_placement("mirrored").strategy
    model = classifier(tokenizer, strategy)
    path = export(model, tokenizer, tmp_path / "m", version=4)
    assert path == tmp_path / "m" / "4"
    assert largest_difference(path, TEXTS, expected(classifier(tokenizer), tokenizer, TEXTS, 1.0, 128)) < 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 513}, "max_length <= 512"),
        ({"max_length": 2}, "3 <= max_length"),
        ({"temperature": 0.0}, "temperature > 0"),
        ({"version": 0}, "from 1 on"),
    ],
)
def test_bad_settings_leave_nothing(tokenizer, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        export(classifier(tokenizer), tokenizer, tmp_path / "m", **options)
    assert not list(tmp_path.iterdir())


def test_a_vocabulary_that_does_not_fit(tokenizer, tmp_path):
    larger = tfbert.BertTokenizer([*tokenizer.vocabulary.tokens, "onemore"])
    with pytest.raises(InputError, match="do not fit"):
        export(classifier(tokenizer), larger, tmp_path / "m")
