import numpy as np
import pytest
from folders import check_outputs, rewrite_google, rewrite_huggingface

from tfbert.checkpoints import load_encoder
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
