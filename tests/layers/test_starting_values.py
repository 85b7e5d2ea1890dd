import keras
import numpy as np

import tfbert
from tfbert.layers.starting_values import StartingValues, spared


def test_a_normal_distribution_cut_at_two_deviations():
    values = np.asarray(StartingValues(stddev=0.02, seed=0)((200, 200)))
    assert np.abs(values).max() <= 0.04
    assert abs(values.std() - 0.0176) < 0.0003


def test_spared_models_hold_zeros_and_leave_the_seeds_as_they_are():
    def make(sparing):
        keras.utils.set_random_seed(0)
        config = tfbert.BertConfig(7, 6, 1, 2, 10, max_sequence_length=11)
        if sparing:
            with spared():
                encoder = tfbert.BertEncoder(config)
        else:
            encoder = tfbert.BertEncoder(config)
        return encoder, tfbert.BertClassifier(encoder, labels=("a", "b")).head.kernel

    (drawn, head), (empty, same_head) = make(False), make(True)
    assert np.any(drawn.embeddings.word_embeddings)
    assert not np.any(empty.embeddings.word_embeddings)
    np.testing.assert_array_equal(head, same_head)
