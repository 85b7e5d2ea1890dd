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
from tfbert.serving import export_pretrainer
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS
from tfbert.training import pick_placement

MAX_LENGTH, TOP_K = 40, 3
TEXTS = [
    "I love this [MASK] app!",
    "no mask at all",
    "",
    "[MASK][MASK] keeps [MASK]ing",
    "It crashes. " * 40 + "[MASK]",  # beyond the cut
    "[MASK] " + "It crashes. " * 40,
    b"\xff [MASK] bad bytes",
    "[mask] [MASK ] MASK",
]
NUM_MASKS = [1, 0, 0, 3, 0, 1, 1, 0]

FRESH = """
import json, sys
for name in ("tfbert", "keras", "tensorflow_text", "keras_hub"):
    sys.modules[name] = None  # cannot be imported
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry
signatures = tf.saved_model.load(sys.argv[1]).signatures
answer = signatures["fill_mask"](text=tf.constant(["I love this [MASK] app!", "nothing"]))
follows = signatures["next_sentence"](first=tf.constant(["It crashes."]), second=tf.constant(["Please fix."]))
embedded = signatures["embed"](text=tf.constant(["I love this app!"]))
saved = saved_model_pb2.SavedModel.FromString(open(sys.argv[1] + "/saved_model.pb", "rb").read())
graph = saved.meta_graphs[0].graph_def
ops = {n.op for n in graph.node} | {n.op for f in graph.library.function for n in f.node_def}
ops -= {f.signature.name for f in graph.library.function}
assert len(ops) > 20
tokens = np.char.decode(answer["tokens"].numpy().astype("S"), "utf-8").tolist()
print(json.dumps([tokens, answer["probabilities"].numpy().tolist(), follows["probability"].numpy().tolist(),
                  embedded["embeddings"].numpy().tolist(), [op for op in ops if op_def_registry.get(op) is None]]))
"""


def masked_row(tokenizer, text):
    """The inputs of one text, its mask put in by hand."""
    ids = [tokenizer.cls_id]
    for number, part in enumerate(text.split(b"[MASK]")):
        ids += [tokenizer.mask_id] * (number > 0) + tokenizer.tokenize(part).numpy().tolist()
    row = np.array([[*ids[: MAX_LENGTH - 1], tokenizer.sep_id]], np.int32)
    return {"token_ids": row, "segment_ids": row * 0, "padding_mask": row * 0 + 1}


def proposals(pretrainer, tokenizer, text):
    """Tokens and probabilities for each mask of one text, by the model itself, the special tokens left out by name."""
    row = masked_row(tokenizer, text if isinstance(text, bytes) else text.encode())
    positions = np.flatnonzero(row["token_ids"][0] == tokenizer.mask_id)[None].astype(np.int32)
    logits = pretrainer({**row, "mask_positions": positions}, training=False)["masked_lm_logits"][0]
    names = list(tokenizer.vocabulary.tokens)
    found = []
    for probabilities in tf.nn.softmax(logits).numpy():
        order = [i for i in np.argsort(-probabilities, kind="stable") if i < len(names)]
        best = [i for i in order if names[i] not in SPECIAL_TOKENS][:TOP_K]
        found.append(([names[i] for i in best], probabilities[best]))
    return found


def pair_probability(pretrainer, tokenizer, first, second):
    row = tokenizer.encode([first], [second], max_length=MAX_LENGTH)
    logits = pretrainer({**row, "mask_positions": tf.zeros([1, 1], tf.int32)}, training=False)["next_sentence_logits"]
    return float(tf.nn.softmax(logits)[0, 0])


def assert_proposals(answer, pretrainer, tokenizer, texts):
    rows = zip(texts, answer["tokens"].numpy(), answer["probabilities"].numpy(), strict=True)
    for text, tokens, probabilities in rows:
        expected = proposals(pretrainer, tokenizer, text)
        masks = len(expected)
        assert [[token.decode() for token in row] for row in tokens[:masks]] == [names for names, _ in expected]
        for found, (_, wanted) in zip(probabilities, expected, strict=False):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-9)
        assert (tokens[masks:] == b"").all()
        assert (probabilities[masks:] == 0).all()


@pytest.fixture(scope="module")
def exported(exported_pretrainer):
    return exported_pretrainer


@pytest.fixture(scope="module")
def signatures(exported):
    loaded = tf.saved_model.load(str(exported[1]))
    return {"keep": loaded, **loaded.signatures}  # a signature does not keep its module alive


@pytest.mark.parametrize("signature", ["fill_mask", "serving_default"])
def test_proposals_equal_the_models(exported, signatures, tokenizer, signature):
    answer = signatures[signature](text=tf.constant(TEXTS))
    assert answer["num_masks"].numpy().tolist() == NUM_MASKS
    assert answer["num_masks"].dtype == tf.int32
    assert answer["tokens"].shape == answer["probabilities"].shape == (len(TEXTS), 3, TOP_K)
    assert_proposals(answer, exported[0], tokenizer, TEXTS)


def test_special_tokens_are_never_proposed(exported, signatures, tokenizer):
    """Although the model finds them, and the rows of its table that no token has, by far the likeliest."""
    row = {**masked_row(tokenizer, b"good [MASK]"), "mask_positions": np.array([[2]], np.int32)}
    likeliest = tf.math.top_k(exported[0](row, training=False)["masked_lm_logits"][0, 0], TOP_K).indices.numpy()
    special = {tokenizer.token_to_id(token) for token in SPECIAL_TOKENS}
    assert all(index in special or index >= tokenizer.vocabulary_size for index in likeliest)
    answer = signatures["fill_mask"](text=tf.constant(["good [MASK]"]))
    assert not {token.decode() for token in answer["tokens"].numpy().ravel()} & set(SPECIAL_TOKENS)


def test_more_texts_than_are_computed_together(exported, signatures, tokenizer):
    texts = [f"{'It crashes. ' * (i % 7)}[MASK] good {'[MASK]' * (i % 3)}" for i in range(37)]
    answer = signatures["fill_mask"](text=tf.constant(texts))
    assert answer["num_masks"].numpy().tolist() == [1 + i % 3 for i in range(37)]
    assert_proposals(answer, exported[0], tokenizer, texts)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_any_batch(signatures, rows):
    answer = signatures["fill_mask"](text=tf.constant(TEXTS[:rows], tf.string))
    masks = max(NUM_MASKS[:rows], default=0)
    assert answer["tokens"].shape == answer["probabilities"].shape == (rows, masks, TOP_K)
    assert answer["num_masks"].shape == (rows,)
    pairs = tf.constant(["It crashes."] * rows, tf.string)
    assert signatures["next_sentence"](first=pairs, second=pairs)["probability"].shape == (rows,)
    assert signatures["embed"](text=pairs)["embeddings"].shape == (rows, 24)


def test_texts_without_a_mask_alone(signatures):
    answer = signatures["fill_mask"](text=tf.constant(["one", "two three"]))
    assert answer["tokens"].shape == (2, 0, TOP_K)
    assert answer["num_masks"].numpy().tolist() == [0, 0]


def test_tokens_answer_like_text(exported, signatures, tokenizer):
    text = "[MASK][MASK] keeps [MASK]ing"
    row = {name: tf.constant(ids) for name, ids in masked_row(tokenizer, text.encode()).items()}
    assert_proposals(signatures["tokens"](**row), exported[0], tokenizer, [text])


def test_next_sentence_is_the_probability_of_following(exported, signatures, tokenizer):
    firsts = ["It crashes.", "I love it! " * 30, "", "[MASK]"] * 6
    seconds = ["Please fix.", "Thank you.", "short", "I love it! " * 30] * 6
    answer = signatures["next_sentence"](first=tf.constant(firsts), second=tf.constant(seconds))["probability"]
    expected = [pair_probability(exported[0], tokenizer, *pair) for pair in zip(firsts[:4], seconds[:4], strict=True)]
    np.testing.assert_allclose(answer, expected * 6, atol=1e-5)
    assert np.std(expected) > 0.01


def test_pairs_of_unequal_number_are_refused(signatures):
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many texts"):
        signatures["next_sentence"](first=tf.constant(["a", "b"]), second=tf.constant(["a"]))


def test_embeddings_are_the_pooled_output(exported, signatures, tokenizer):
    answer = signatures["embed"](text=tf.constant(TEXTS))["embeddings"]
    for text, row in zip(TEXTS, answer, strict=True):
        pooled = exported[0].encoder(tokenizer.encode([text], max_length=MAX_LENGTH), training=False)["pooled_output"]
        np.testing.assert_allclose(row, pooled[0], atol=1e-5)


@pytest.mark.slow
def test_moved_into_a_process_that_knows_tensorflow_alone(exported, tokenizer, tmp_path):
    model, path = exported
    moved = shutil.copytree(path, tmp_path / "elsewhere" / "7")
    command = [sys.executable, "-c", FRESH, str(moved)]
    out = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True).stdout
    tokens, probabilities, follows, embedded, foreign_ops = json.loads(out.splitlines()[-1])
    assert foreign_ops == []
    assert (moved / "assets" / "vocab.txt").read_text().splitlines() == list(tokenizer.vocabulary.tokens)
    ((names, expected),) = proposals(model, tokenizer, "I love this [MASK] app!")
    assert tokens == [[names], [[""] * TOP_K]]
    np.testing.assert_allclose(probabilities, [[expected], [[0] * TOP_K]], atol=1e-5)
    assert follows == pytest.approx([pair_probability(model, tokenizer, "It crashes.", "Please fix.")], abs=1e-5)
    row = tokenizer.encode(["I love this app!"])
    np.testing.assert_allclose(embedded, model.encoder(row, training=False)["pooled_output"], atol=1e-5)


def test_saved_model_cli_runs_it(exported, tokenizer, tmp_path):
    """It loads with a session and the saver's restore op, as TensorFlow Serving does."""
    text = "I love this [MASK] app!"
    saved_model_cli.run_saved_model_with_feed_dict(
        str(exported[1]), "serve", "fill_mask", {"text": [text]}, str(tmp_path), overwrite_flag=False
    )
    ((_, expected),) = proposals(exported[0], tokenizer, text)
    np.testing.assert_allclose(np.load(tmp_path / "probabilities.npy"), [[expected]], atol=1e-5)


@pytest.mark.slow
def test_built_under_a_strategy_without_the_next_sentence_head(tokenizer, make_pretrainer, tmp_path):
    model = make_pretrainer(pick_placement("mirrored").strategy, next_sentence=False)
    path = export_pretrainer(model, tokenizer, tmp_path / "m", max_length=MAX_LENGTH, top_k=TOP_K, version=4)
    assert path == tmp_path / "m" / "4"
    loaded = tf.saved_model.load(str(path))
    assert sorted(loaded.signatures) == ["embed", "fill_mask", "serving_default", "tokens"]
    answer = loaded.signatures["fill_mask"](text=tf.constant(TEXTS))
    assert_proposals(answer, make_pretrainer(next_sentence=False), tokenizer, TEXTS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 513}, "max_length <= 512"),
        ({"max_length": 4}, "5 <= max_length"),
        ({"top_k": 0}, "1 <= top_k"),
        ({"version": 0}, "from 1 on"),
    ],
)
def test_bad_settings_leave_nothing(tokenizer, make_pretrainer, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        export_pretrainer(make_pretrainer(), tokenizer, tmp_path / "m", **options)
    assert not list(tmp_path.iterdir())


def test_no_more_is_proposed_than_there_are_ordinary_tokens(tokenizer, make_pretrainer, tmp_path):
    ordinary = tokenizer.vocabulary_size - 5
    with pytest.raises(InputError, match=f"1 <= top_k <= {ordinary}, .* received .* top_k={ordinary + 1}"):
        export_pretrainer(make_pretrainer(), tokenizer, tmp_path / "m", top_k=ordinary + 1)


def test_a_vocabulary_that_does_not_fit(tokenizer, make_pretrainer, tmp_path):
    larger = tfbert.BertTokenizer([*tokenizer.vocabulary.tokens, "onemore"])
    with pytest.raises(InputError, match="must not be larger"):
        export_pretrainer(make_pretrainer(spare_rows=0), larger, tmp_path / "m")
