import numpy as np
import pytest
import tensorflow as tf

from tfbert.data import load_reviews
from tfbert.errors import InputError
from tfbert.serving import SmallerWeights, export, export_pretrainer

TEXTS = load_reviews("sample").texts[:150]


@pytest.fixture(scope="module")
def undecided(make_classifier, tokenizer):
    """A classifier that is near the middle between its classes for most texts, and its answers."""
    model = make_classifier()
    inputs = tokenizer.encode(TEXTS, max_length=64)
    model.head.bias.assign_sub(model(inputs, training=False).numpy().mean(axis=0))
    return model, [model.labels[i] for i in model(inputs, training=False).numpy().argmax(axis=-1)]


@pytest.mark.slow
def test_the_loss_is_measured_and_stated(undecided, exported, tokenizer, tmp_path):
    model, labels = undecided
    weights = SmallerWeights("int8", TEXTS, labels, largest_drop=0.2)
    path = export(model, tokenizer, tmp_path / "m", max_length=64, weights=weights)
    answer = tf.saved_model.load(str(path)).signatures["serving_default"](text=tf.constant(list(TEXTS)))
    found = [label.decode() for label in answer["label"].numpy()]
    share = np.mean([one == other for one, other in zip(found, labels, strict=True)])
    assert 0.8 < share < 1
    card = (path / "model_card.md").read_text()
    for row in (
        "| weights | int8 |",
        "| rows measured on | 150 |",
        "| accuracy with float32 | 1.0000 |",
        f"| accuracy with int8 | {share:.4f} |",
        f"| drop | {1 - share:.4f}, at most 0.2 was allowed |",
        f"| answered alike | {share:.4f} |",
    ):
        assert row in card, row
    variables = [each / "variables/variables.data-00000-of-00001" for each in (path, exported[1])]
    assert variables[0].stat().st_size < 0.35 * variables[1].stat().st_size

    too_much = SmallerWeights("int8", TEXTS, labels, largest_drop=(1 - share) / 2)
    with pytest.raises(InputError, match=rf"falls by {1 - share:.4f}, from 1.0000 to {share:.4f}. Nothing was written"):
        export(model, tokenizer, tmp_path / "n" / "m", max_length=64, weights=too_much)
    assert not (tmp_path / "n").exists()


@pytest.mark.slow
def test_a_classifier_computes_in_bfloat16(exported, tokenizer, tmp_path):
    model = exported[0]
    weights = SmallerWeights("bfloat16_compute", TEXTS[:8], [model.labels[0]] * 8, largest_drop=0.99)
    path = export(model, tokenizer, tmp_path / "m", max_length=64, temperature=1.7, weights=weights)
    text = tf.constant(TEXTS[:8])
    exact, found = (
        tf.saved_model.load(str(each)).signatures["serving_default"](text=text)["probabilities"].numpy()
        for each in (exported[1], path)
    )
    assert 1e-5 < np.abs(found - exact).max() < 0.05
    # The matrix products, and not their results alone.
    graph = tf.saved_model.load(str(path)).signatures["tokens"].graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    kinds = [node.attr["T"].type for node in nodes if node.op == "MatMul"]
    assert kinds.count(tf.bfloat16.as_datatype_enum) >= 4 * model.encoder.config.num_layers
    assert "| weights | bfloat16_compute |" in (path / "model_card.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bfloat16", "bfloat16_compute"])
def test_a_pretrainer_fills_masks_with_what_is_kept(exported_pretrainer, tokenizer, tmp_path, kind):
    texts = ["I love this [MASK] app!", "[MASK] crashes", "fix. " * 60 + "[MASK]"]
    weights = SmallerWeights(kind, texts, ["good", "it", "this"], largest_drop=0.9)
    path = export_pretrainer(exported_pretrainer[0], tokenizer, tmp_path / "m", max_length=40, top_k=3, weights=weights)
    exact, stored = (
        tf.saved_model.load(str(each)).signatures["fill_mask"](text=tf.constant(texts))
        for each in (exported_pretrainer[1], path)
    )
    np.testing.assert_allclose(stored["probabilities"], exact["probabilities"], atol=0.1)
    assert not np.array_equal(stored["probabilities"], exact["probabilities"])
    assert stored["num_masks"].numpy().tolist() == [1, 1, 0]
    first = stored["tokens"][:2, 0, 0].numpy().tolist()
    right = sum(token.decode() == label for token, label in zip(first, ("good", "it"), strict=True))
    assert f"| accuracy with {kind} | {right / 3:.4f} |" in (path / "model_card.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("float16", ["a"], ["b"]), "must be one of bfloat16, int8, bfloat16_compute; received 'float16'"),
        (("float32", ["a"], ["b"]), "must be one of bfloat16, int8, bfloat16_compute"),
        (("int8", [], []), "received 0 texts and 0 labels"),
        (("int8", ["a", "b"], ["c"]), "received 2 texts and 1 labels"),
        (("int8", ["a"], ["b"], 1.0), "largest_drop must be at least 0 and below 1; received 1.0"),
        (("int8", ["a"], ["b"], -0.1), "largest_drop"),
    ],
)
def test_what_cannot_be(arguments, message):
    with pytest.raises(InputError, match=message):
        SmallerWeights(*arguments)


def test_rows_that_the_model_cannot_answer(make_classifier, make_pretrainer, tokenizer, tmp_path):
    unknown = SmallerWeights("int8", ["a", "b"], ["good", "great"])
    with pytest.raises(InputError, match="row 1 of the rows for smaller weights has 'great'"):
        export(make_classifier(), tokenizer, tmp_path / "m", weights=unknown)
    two = SmallerWeights("int8", ["[MASK]", "two [MASK][MASK]"], ["good", "good"])
    with pytest.raises(InputError, match=r"row 1 is 'two \[MASK\]\[MASK\]'"):
        export_pretrainer(make_pretrainer(), tokenizer, tmp_path / "m", weights=two)
    assert not list(tmp_path.iterdir())
