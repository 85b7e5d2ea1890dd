import keras
import numpy as np
import pytest
import tensorflow as tf

from tfbert.config import BertConfig
from tfbert.errors import InputError
from tfbert.models import BertEncoder, BertPretrainer

CONFIG = BertConfig(vocabulary_size=31, hidden_dim=14, num_layers=2, num_heads=2, intermediate_dim=23)
PLAIN = BertConfig.from_dict({**CONFIG.to_dict(), "dropout_rate": 0.0, "attention_dropout_rate": 0.0})


def make_batch(seed=0, rows=7, length=11, masks=3):
    """Rows whose masked slots differ in number."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(5, 31, size=(rows, length))
    return {
        "token_ids": ids.astype("int32"),
        "segment_ids": np.tile(np.arange(length) // 6, (rows, 1)).astype("int32"),
        "padding_mask": np.ones((rows, length), "int32"),
        "mask_positions": np.sort(generator.permuted(np.tile(np.arange(length), (rows, 1)), axis=1)[:, :masks]).astype(
            "int32"
        ),
        "mask_ids": generator.integers(5, 31, size=(rows, masks)).astype("int32"),
        "mask_weights": (np.arange(masks) < generator.integers(1, masks + 1, size=(rows, 1))).astype("float32"),
        "next_sentence_labels": (np.arange(rows) % 3 > 0).astype("int32"),
    }


def make_pretrainer(config=PLAIN, policy="float32", **options):
    keras.utils.set_random_seed(5)
    return BertPretrainer(BertEncoder(config, dtype=policy), **options)


def log_softmax(logits):
    logits = np.asarray(logits, "float64")
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def expected_metrics(pretrainer, batches):
    """Each metric over all batches, in NumPy float64 from the logits."""
    masked, rows = [], []
    for batch in batches:
        logits = pretrainer(batch)
        picked = np.take_along_axis(log_softmax(logits["masked_lm_logits"]), batch["mask_ids"][..., None], -1)[..., 0]
        right = np.argmax(logits["masked_lm_logits"], -1) == batch["mask_ids"]
        masked.append(np.stack([-picked, right, batch["mask_weights"]]).reshape(3, -1))
        labels = batch["next_sentence_labels"]
        scores = log_softmax(logits["next_sentence_logits"])
        rows.append(np.stack([-scores[np.arange(len(labels)), labels], scores.argmax(-1) == labels, labels]))
    losses, right, weights = np.concatenate(masked, 1)
    row_losses, row_right, labels = np.concatenate(rows, 1)
    loss = (losses * weights).sum() / weights.sum()
    return {
        "loss": loss + row_losses.mean(),
        "masked_lm_loss": loss,
        "masked_lm_perplexity": np.exp(loss),
        "masked_lm_accuracy": (right * weights).sum() / weights.sum(),
        "next_sentence_loss": row_losses.mean(),
        "next_sentence_accuracy": row_right.mean(),
        "next_sentence_balanced_accuracy": (row_right[labels == 0].mean() + row_right[labels == 1].mean()) / 2,
    }


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_logits_are_float32_and_only_at_the_masked_positions(policy):
    logits = make_pretrainer(policy=policy)(make_batch())
    assert (logits["masked_lm_logits"].shape, logits["masked_lm_logits"].dtype) == ((7, 3, 31), tf.float32)
    assert (logits["next_sentence_logits"].shape, logits["next_sentence_logits"].dtype) == ((7, 2), tf.float32)


def test_the_last_block_computes_what_the_heads_read_alone():
    pretrainer, batch = make_pretrainer(), make_batch()
    encoder, head = pretrainer.encoder, pretrainer.masked_lm_head

    def whole():
        encoded = encoder(batch)
        logits = head(encoded["sequence_output"], batch["mask_positions"], encoder.embeddings.word_embeddings)
        return {
            "masked_lm_logits": logits,
            "next_sentence_logits": pretrainer.next_sentence_head(encoded["pooled_output"]),
        }

    for name, logits in pretrainer(batch).items():
        np.testing.assert_allclose(logits, whole()[name], atol=1e-5)
    graph = tf.function(lambda: pretrainer(batch), autograph=False).get_concrete_function().graph
    scores = [node.outputs[0].shape for node in graph.get_operations() if node.type == "Softmax"]
    assert scores == [(7, 2, 11, 11), (7, 2, 4, 11)]  # of the second block three masked positions and the first


def test_metrics_of_evaluate_by_value():
    pretrainer = make_pretrainer()
    for weight in pretrainer.next_sentence_head.weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    pretrainer.compile("sgd")
    batches = [make_batch(0), make_batch(1, rows=4, length=9)]
    dataset = tf.data.Dataset.from_tensors(batches[0]).concatenate(tf.data.Dataset.from_tensors(batches[1]))
    measured = pretrainer.evaluate(dataset, verbose=0, return_dict=True)
    expected = expected_metrics(pretrainer, batches)
    assert set(measured) == set(expected)
    for name, value in expected.items():
        assert measured[name] == pytest.approx(value, abs=2e-5), name


def test_train_step_by_value_and_in_micro_batches():
    """One SGD step against TensorFlow's own gradient of the loss written out, dropout off."""
    batch = make_batch()
    reference = make_pretrainer(next_sentence_weight=0.5)
    with tf.GradientTape() as tape:
        logits = reference(batch, training=True)
        masked = tf.nn.sparse_softmax_cross_entropy_with_logits(batch["mask_ids"], logits["masked_lm_logits"])
        rows = tf.nn.sparse_softmax_cross_entropy_with_logits(
            batch["next_sentence_labels"], logits["next_sentence_logits"]
        )
        weights = batch["mask_weights"]
        loss = tf.reduce_sum(masked * weights) / weights.sum() + 0.5 * tf.reduce_mean(rows)
    gradients = tape.gradient(loss, [variable.value for variable in reference.trainable_variables])
    expected = [
        variable.numpy() - 0.1 * tf.convert_to_tensor(gradient).numpy()
        for variable, gradient in zip(reference.trainable_variables, gradients, strict=True)
    ]
    for micro_batches in (1, 3):
        trained = make_pretrainer(next_sentence_weight=0.5)
        trained.compile(keras.optimizers.SGD(0.1), micro_batches=micro_batches)
        logs = trained.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0).history
        assert logs["loss"][0] == pytest.approx(float(loss), abs=1e-5)
        for variable, value in zip(trained.trainable_variables, expected, strict=True):
            np.testing.assert_allclose(variable, value, atol=1e-6, err_msg=variable.path)


def test_nothing_masked_gives_a_finite_loss():
    batch = {**make_batch(), "mask_weights": np.zeros((7, 3), "float32")}
    pretrainer = make_pretrainer()
    pretrainer.compile("sgd")
    before = [np.array(weight) for weight in pretrainer.masked_lm_head.weights]
    logs = pretrainer.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0).history
    assert logs["masked_lm_loss"] == [0.0]
    assert np.isfinite(logs["loss"]).all()
    for weight, old in zip(pretrainer.masked_lm_head.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_weights_of_zero_hide_what_stands_in_their_slots():
    pretrainer = make_pretrainer()
    pretrainer.compile("sgd")
    batch = make_batch()
    hidden = batch["mask_weights"] == 0
    other = {**batch, "mask_ids": np.where(hidden, 7, batch["mask_ids"]).astype("int32")}
    assert hidden.any()
    first, second = (
        pretrainer.evaluate(tf.data.Dataset.from_tensors(each), verbose=0, return_dict=True) for each in (batch, other)
    )
    assert first == second


def test_the_word_embeddings_are_one_variable_also_after_reloading(tmp_path):
    pretrainer = make_pretrainer(CONFIG)
    tables = [weight for weight in pretrainer.weights if weight.shape == (31, 14)]
    assert len(tables) == 1
    expected = make_pretrainer().encoder.count_params() + (14 * 14 + 14 + 2 * 14 + 31) + (2 * 14 + 2)
    assert pretrainer.count_params() == expected
    pretrainer.save(tmp_path / "pretrainer.keras")
    loaded = keras.saving.load_model(tmp_path / "pretrainer.keras")
    batch = make_batch()
    before = loaded(batch)["masked_lm_logits"].numpy()
    np.testing.assert_array_equal(before, pretrainer(batch)["masked_lm_logits"])
    loaded.encoder.embeddings.word_embeddings.assign(2 * tables[0])
    assert np.abs(loaded(batch)["masked_lm_logits"] - before).max() > 1e-2


@pytest.mark.slow
def test_without_a_next_sentence_head():
    pretrainer = make_pretrainer(CONFIG, next_sentence=False)
    assert set(pretrainer(make_batch())) == {"masked_lm_logits"}
    assert not any("pooler" in weight.path for weight in pretrainer.trainable_weights)
    pretrainer.compile("adam")
    logs = pretrainer.fit(tf.data.Dataset.from_tensors(make_batch()), shuffle=False, verbose=0).history
    assert set(logs) == {"loss", "masked_lm_loss", "masked_lm_perplexity", "masked_lm_accuracy"}


@pytest.mark.slow
def test_learns_with_every_word_it_masked():
    pretrainer = make_pretrainer()
    pretrainer.compile(keras.optimizers.Adam(3e-3))
    batch = make_batch()
    data = tf.data.Dataset.from_tensors(batch)
    before = pretrainer.evaluate(data, verbose=0, return_dict=True)
    pretrainer.fit(data.repeat(150), shuffle=False, verbose=0)
    logs = pretrainer.evaluate(data, verbose=0, return_dict=True)
    assert logs["masked_lm_accuracy"] > 0.9 > 0.3 > before["masked_lm_accuracy"]
    assert logs["next_sentence_balanced_accuracy"] == 1.0


def test_wrong_use():
    with pytest.raises(TypeError, match="takes a BertEncoder"):
        BertPretrainer("encoder")
    with pytest.raises(InputError, match="next_sentence_weight"):
        make_pretrainer(next_sentence_weight=-1.0)
    with pytest.raises(InputError, match="losses of its own"):
        make_pretrainer().compile("sgd", loss="mse")
