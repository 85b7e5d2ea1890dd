"""Classifiers of random weights and uneven rows for them, and what each program of token ids must answer."""

import numpy as np
import tensorflow as tf

import tfbert


def uneven(rows, length, seed=0):
    """Random ids of rows of different lengths, the first one full, the second one of a single token."""
    rng = np.random.default_rng(seed)
    lengths = np.r_[length, 1, rng.integers(1, length + 1, rows)][:rows]
    mask = (np.arange(length) < lengths[:, np.newaxis]).astype("int32")
    ids = rng.integers(1, 50, (rows, length)).astype("int32") * mask
    return {"token_ids": ids, "segment_ids": rng.integers(0, 2, ids.shape).astype("int32") * mask, "padding_mask": mask}


def random_classifier(activation="gelu_tanh", num_layers=2, **config):
    sizes = {"vocabulary_size": 53, "hidden_dim": 15, "intermediate_dim": 22, "max_sequence_length": 19}
    model = tfbert.BertClassifier(
        tfbert.BertEncoder(
            tfbert.BertConfig(**sizes | config, num_heads=3, num_layers=num_layers, activation=activation)
        ),
        labels=("bad", "so-so", "good", "best"),
    )
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 1, weight.shape).astype("float32") for weight in model.get_weights()])
    return model


CONFIGS = [
    {"activation": "gelu_tanh", "num_layers": 1},
    {"activation": "gelu_erf", "num_layers": 3, "layer_norm_epsilon": 0.1},
    {"activation": "relu", "num_layers": 2},
]


def check_answers(model, program, temperature):
    """Hold a program's answers against the Keras model's: one row and several, of all lengths."""
    for rows, length in ((1, 1), (1, 19), (5, 13), (2, 7), (5, 19)):
        inputs = uneven(rows, length)
        expected = tf.nn.softmax(model(inputs, training=False) / temperature).numpy()
        found = program(inputs)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=2e-5)
    # The rows differ from each other, so that no constant passes.
    assert np.ptp(expected, axis=0).max() > 0.01
