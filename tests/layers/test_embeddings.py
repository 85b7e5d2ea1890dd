import keras
import numpy as np
import numpy_reference as reference
import pytest
import tensorflow as tf
from layer_contract import check_layer_contract

from tfbert.errors import InputError
from tfbert.layers import Embeddings

ARGUMENTS = {
    "vocabulary_size": 17,
    "hidden_dim": 7,
    "max_sequence_length": 11,
    "num_segments": 3,
    "layer_norm_epsilon": 1e-5,
    "dropout_rate": 0.0,
    "initializer_stddev": 0.5,
}
IDS = np.array([[1, 2, 3, 4, 5], [6, 0, 16, 2, 0]], dtype="int32")
SEGMENTS = np.array([[0, 0, 1, 1, 2], [1, 1, 0, 0, 0]], dtype="int32")
INPUTS = {"token_ids": IDS, "segment_ids": SEGMENTS}


def test_contract():
    check_layer_contract(Embeddings, ARGUMENTS, INPUTS, 5, (2, 5, 7), ("mixed_float16", "mixed_bfloat16"))


def test_sum_by_hand():
    layer = Embeddings(**ARGUMENTS)
    layer.build(IDS.shape)
    tables = layer.word_embeddings, layer.position_embeddings, layer.segment_embeddings
    words, positions, segments = (table.numpy().astype("float64") for table in tables)
    expected = np.zeros((2, 5, 7))
    for row in range(2):
        for position in range(5):
            expected[row, position] = (
                words[IDS[row, position]] + positions[position] + segments[SEGMENTS[row, position]]
            )
    expected = reference.layer_norm(expected, 1.0, 0.0, 1e-5)
    np.testing.assert_allclose(layer(**INPUTS), expected, atol=2e-6)


def test_padding_row_is_trained_like_any_other():
    layer = Embeddings(**ARGUMENTS)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(**INPUTS) ** 3)
    gradient = tf.convert_to_tensor(tape.gradient(loss, layer.word_embeddings.value))
    assert np.abs(gradient[0]).max() > 0
    assert np.abs(gradient[7]).max() == 0


def test_dropout_in_training_only():
    layer = Embeddings(**{**ARGUMENTS, "dropout_rate": 0.5})
    assert np.mean(layer(**INPUTS, training=True).numpy() == 0) > 0.2
    np.testing.assert_array_equal(layer(**INPUTS), layer(**INPUTS, training=False))
    assert np.mean(layer(**INPUTS).numpy() == 0) == 0


def test_tables_start_from_a_truncated_normal():
    layer = Embeddings(5000, 7, initializer_stddev=0.02)
    layer.build((None, None))
    table = layer.word_embeddings.numpy()
    assert np.abs(table).max() <= 0.04 + 1e-6
    assert abs(table.std() - 0.0176) < 0.0003  # 0.88 × 0.02 after the cut at two deviations
    assert not np.array_equal(layer.position_embeddings.numpy()[:5], table[:5])


def test_table_is_not_copied_in_half_precision():
    layer = Embeddings(**{**ARGUMENTS, "dtype": "mixed_bfloat16"})
    layer.build(IDS.shape)
    layer.word_embeddings.assign(layer.word_embeddings * 0 + np.linspace(1, 1.001, 7))  # one number in bfloat16
    layer.position_embeddings.assign(layer.position_embeddings * 0)
    layer.segment_embeddings.assign(layer.segment_embeddings * 0)
    assert np.ptp(keras.ops.cast(layer(**INPUTS), "float32").numpy()) > 0.1


def test_length_above_the_positions():
    with pytest.raises(InputError, match=r"max_sequence_length=11 .*\(1, 13\)"):
        Embeddings(**ARGUMENTS)(np.zeros((1, 13), "int32"), np.zeros((1, 13), "int32"))


def test_wrong_arguments():
    with pytest.raises(InputError, match=r"vocabulary_size=0, .*num_segments=-1"):
        Embeddings(**{**ARGUMENTS, "vocabulary_size": 0, "num_segments": -1})
    with pytest.raises(InputError, match="dropout_rate=1"):
        Embeddings(**{**ARGUMENTS, "dropout_rate": 1})
