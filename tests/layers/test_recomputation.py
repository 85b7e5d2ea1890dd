"""Gradient checkpointing: the same gradients, the forward pass twice."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfbert.config import BertConfig
from tfbert.models import BertClassifier, BertEncoder
from tfbert.training import pick_placement

SIZES = {"hidden_dim": 14, "num_layers": 3, "num_heads": 2, "intermediate_dim": 23, "max_sequence_length": 13}
CONFIG = BertConfig(31, **SIZES, dropout_rate=0.2, attention_dropout_rate=0.3, initializer_stddev=0.4)


def data():
    generator = np.random.default_rng(0)
    ids = generator.integers(0, 31, size=(8, 11)).astype("int32")
    mask = (np.arange(11) < generator.integers(3, 12, size=(8, 1))).astype("int32")
    return {"token_ids": ids, "segment_ids": ids % 2, "padding_mask": mask}, generator.integers(0, 3, size=8)


def trained(checkpointing: bool, policy: str = "float32", replicas: str = "cpu", **options):
    strategy = pick_placement(replicas).strategy
    with strategy.scope():
        keras.utils.set_random_seed(5)
        encoder = BertEncoder(CONFIG, dtype=policy)
        encoder.gradient_checkpointing = checkpointing
        encoder.freeze(layers=1)
        model = BertClassifier(encoder, labels=("a", "b", "c"))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        # No Adam: it makes steps of the key's bias, whose gradient is rounding alone.
        model.compile(keras.optimizers.SGD(0.1), loss, **options)
    dataset = tf.data.Dataset.from_tensor_slices(data()).batch(4, drop_remainder=True)
    losses = model.fit(dataset, epochs=3, verbose=0, shuffle=False).history["loss"]
    return losses, [weight.numpy() for weight in model.weights]


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"replicas": "mirrored", "micro_batches": 2}, marks=pytest.mark.slow),
        {"policy": "mixed_bfloat16"},
        {"run_eagerly": True},
    ],
    ids=["plain", "replicas", "bfloat16", "eager"],
)
def test_gradient_checkpointing_trains_alike_with_dropout(options):
    losses, weights = trained(True, **options)
    expected_losses, expected = trained(False, **options)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for got, each in zip(weights, expected, strict=True):
        np.testing.assert_allclose(got, each, atol=2e-5)


def test_the_forward_pass_is_computed_again():
    inputs, _ = data()

    def softmaxes(checkpointing: bool, training: bool) -> int:
        encoder = BertEncoder(CONFIG)
        encoder.gradient_checkpointing = checkpointing

        @tf.function(autograph=False)
        def gradients():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(encoder(inputs, training=training)["sequence_output"])
            return tape.gradient(loss, [encoder.embeddings.word_embeddings.value])

        graph = gradients.get_concrete_function().graph.as_graph_def()
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        return sum(node.op == "Softmax" for node in nodes)

    assert softmaxes(False, training=True) == 3
    assert softmaxes(True, training=True) == 5  # that of the last block is wanted at once
    assert softmaxes(True, training=False) == 3
