import numpy as np
import pytest
import tensorflow as tf
from folders import check_outputs, rewrite_google, rewrite_huggingface

import tfbert
from tfbert.checkpoints import load_encoder, save
from tfbert.checkpoints.model_tensors import model_places


def test_every_weight_has_its_places(golden):
    encoder = load_encoder(golden / "google_checkpoint")
    places = model_places(encoder)
    assert len(places) == 5 + 16 * 3 + 2
    assert {id(place.variable) for place in places.values()} == {id(weight) for weight in encoder.weights}
    assert sum(int(np.prod(place.shape)) for place in places.values()) == encoder.count_params()


@pytest.mark.parametrize("kind", ["google", "huggingface"])
def test_golden_outputs(golden, kind):
    folder = golden / f"{kind}_checkpoint"
    encoder = load_encoder(folder, return_hidden_states=True)
    expected = np.load(folder / "expected.npz", allow_pickle=False)
    assert {"embedding_output", "layer_0", "sequence_output", "pooled_output"} <= set(expected.files)
    check_outputs(encoder, expected, 5e-6)


def test_known_extras_are_left_aside(copy_of):
    google = copy_of("google")

    def add_slots(tensors):
        for name in [name for name in tensors if name.startswith("bert/")]:
            tensors[f"{name}/adam_m"] = tensors[f"{name}/adam_v"] = tensors[name]
        tensors["output_weights"] = tensors["output_bias"] = np.zeros(3, "float32")

    rewrite_google(google, add_slots)
    load_encoder(google)
    theirs = copy_of("huggingface")
    extras = ("classifier.weight", "qa_outputs.bias", "bert.embeddings.position_ids")
    rewrite_huggingface(theirs, lambda tensors: tensors.update({name: np.arange(32)[None] for name in extras}))
    load_encoder(theirs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An encoder with a table of 17.6 MB, each of its numbers another."""
    encoder = tfbert.BertEncoder(tfbert.BertConfig(55_001, 80, 1, 2, 4, max_sequence_length=8))
    table = encoder.embeddings.word_embeddings
    table.assign(np.arange(np.prod(table.shape), dtype="float32").reshape(table.shape))
    path = tmp_path_factory.mktemp("large") / "it"
    save(encoder, path)
    return path


@pytest.mark.parametrize("strategy", [tf.distribute.get_strategy, tf.distribute.MirroredStrategy])
def test_a_large_table_is_whole_on_every_replica(folder, strategy):
    with strategy().scope():
        table = load_encoder(folder).embeddings.word_embeddings
    expected = np.arange(55_001 * 80, dtype="float32").reshape(55_001, 80)
    copies = getattr(table.value, "values", [table.value])
    assert len(copies) == (2 if strategy is tf.distribute.MirroredStrategy else 1)
    for copy in copies:
        np.testing.assert_array_equal(copy.numpy(), expected)
