import keras
import numpy as np
import pytest
import tensorflow as tf

from tfbert.config import BertConfig
from tfbert.errors import InputError
from tfbert.models import BertClassifier, BertEncoder

CONFIG = BertConfig(vocabulary_size=31, hidden_dim=14, num_layers=2, num_heads=2, intermediate_dim=23)
LABELS = ("negative", "neutral", "positive")


def make_inputs(batch=12, length=7):
    generator = np.random.default_rng(0)
    token_ids = generator.integers(3, 31, size=(batch, length)).astype("int32")
    return {"token_ids": token_ids, "segment_ids": np.zeros_like(token_ids), "padding_mask": np.ones_like(token_ids)}


@pytest.fixture
def classifier():
    keras.utils.set_random_seed(5)
    return BertClassifier(BertEncoder(CONFIG), LABELS, dropout_rate=0.0)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_logits_are_float32_under_every_policy(policy):
    classifier = BertClassifier(BertEncoder(CONFIG, dtype=policy), LABELS)
    logits = classifier(make_inputs())
    assert (logits.shape, logits.dtype) == ((12, 3), tf.float32)
    assert classifier.dtype_policy.name == policy


def test_logits_by_hand(classifier):
    classifier.head.bias.assign([1.0, -2.0, 3.0])
    inputs = make_inputs()
    pooled_output = classifier.encoder(inputs)["pooled_output"].numpy()
    kernel, bias = (weight.numpy() for weight in classifier.head.weights)
    np.testing.assert_allclose(classifier(inputs), pooled_output @ kernel + bias, atol=1e-6)


def test_head_starts_from_a_truncated_normal_and_zero():
    head = BertClassifier(BertEncoder(CONFIG), [str(index) for index in range(500)]).head
    assert abs(head.kernel.numpy().std() - 0.0176) < 0.001
    assert not head.bias.numpy().any()


def test_dropout_of_the_pooled_output_acts_in_training_only():
    config = BertConfig.from_dict({**CONFIG.to_dict(), "dropout_rate": 0.0, "attention_dropout_rate": 0.0})
    classifier = BertClassifier(BertEncoder(config), LABELS, dropout_rate=0.5)
    inputs = make_inputs()
    np.testing.assert_array_equal(classifier(inputs), classifier(inputs, training=False))
    assert np.abs(classifier(inputs, training=True) - classifier(inputs)).max() > 1e-3


@pytest.mark.slow
def test_learns_and_comes_back_from_a_keras_file(tmp_path):
    policy = "mixed_bfloat16"
    keras.utils.set_random_seed(5)
    classifier = BertClassifier(BertEncoder(CONFIG, dtype=policy), LABELS, dropout_rate=0.0)
    inputs, labels = make_inputs(), np.arange(12) % 3
    classifier.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = classifier.fit(inputs, labels, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    classifier.save(tmp_path / "classifier.keras")
    copy = keras.saving.load_model(tmp_path / "classifier.keras")
    assert copy.labels == LABELS
    assert copy.encoder.config == CONFIG
    assert copy.encoder.dtype_policy.name == policy
    np.testing.assert_allclose(copy.predict(inputs, verbose=0), classifier.predict(inputs, verbose=0), atol=1e-6)


def test_frozen_parts_stay_and_survive_a_keras_file(classifier, tmp_path):
    classifier.freeze(embeddings=True, layers=1)
    classifier.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [[variable.numpy().copy() for variable in group] for group in classifier.depth_groups()]
    classifier.fit(make_inputs(), np.arange(12) % 3, verbose=0)
    moved = [
        any(not np.array_equal(old, new.numpy()) for old, new in zip(olds, news, strict=True) if old.dtype == "float32")
        for olds, news in zip(before, classifier.depth_groups(), strict=True)
    ]
    assert moved == [False, False, True, True]
    classifier.save(tmp_path / "classifier.keras")
    copy = keras.saving.load_model(tmp_path / "classifier.keras")  # warns, so fails, if the optimizer does not fit
    assert len(copy.trainable_weights) == len(classifier.trainable_weights)


def test_depth_groups_hold_every_variable_once_with_the_head_on_top(classifier):
    groups = classifier.depth_groups()
    assert len(groups) == 1 + 2 + 1
    assert {id(variable) for variable in classifier.head.variables} <= {id(variable) for variable in groups[-1]}
    everything = [id(variable) for group in groups for variable in group]
    weights = {id(variable) for variable in classifier.trainable_variables}
    assert weights <= set(everything)
    assert len(everything) == len(set(everything))


@pytest.mark.parametrize("labels", [("one",), ("same", "same"), "ab", (1, 2), ("", "b"), ()])
def test_wrong_labels(labels):
    with pytest.raises(InputError, match="at least two different non-empty strings"):
        BertClassifier(BertEncoder(CONFIG), labels)


def test_wrong_encoder_and_rate():
    with pytest.raises(TypeError, match="takes a BertEncoder, received BertConfig"):
        BertClassifier(CONFIG, LABELS)
    with pytest.raises(InputError, match=r"dropout_rate .*1\.0"):
        BertClassifier(BertEncoder(CONFIG), LABELS, dropout_rate=1.0)
