"""Small models, changing a checkpoint folder, and comparing what it computes; shared by the tests beside it."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file, save_file

import tfbert
from tfbert.checkpoints.model_tensors import model_places

INPUTS = ("token_ids", "segment_ids", "padding_mask")
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "café", "😀"]


def small_config(**settings):
    sizes = {"num_layers": 2, "hidden_dim": 6, "num_heads": 2, "intermediate_dim": 10, "max_sequence_length": 11}
    return tfbert.BertConfig(**{"vocabulary_size": 7, **sizes, **settings})


def make_model(kind, *, labels=("böse", "gut", "?"), **settings):
    """Return a small model, each of whose weights has values of its own, so that no two can be confused."""
    encoder = tfbert.BertEncoder(small_config(**settings))
    model = {
        "encoder": lambda: encoder,
        "masked_lm": lambda: tfbert.BertPretrainer(encoder, next_sentence=False),
        "pretrainer": lambda: tfbert.BertPretrainer(encoder),
        "classifier": lambda: tfbert.BertClassifier(encoder, labels=labels, dropout_rate=0.25),
    }[kind]()
    for number, weight in enumerate(model.weights):
        weight.assign(np.random.default_rng(number).normal(size=weight.shape))
    return model


def assert_identical(first, second):
    first, second = ({name: place.value() for name, place in model_places(model).items()} for model in (first, second))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value.dtype == second[name].dtype == np.float32
        assert value.tobytes() == second[name].tobytes(), name


def logits_of(pretrainer, expected, mask_positions):
    inputs = {**{name: expected[name] for name in INPUTS}, "mask_positions": mask_positions}
    return {name: np.asarray(value) for name, value in pretrainer(inputs).items()}


def all_positions(expected):
    rows, length = expected["token_ids"].shape
    return np.tile(np.arange(length, dtype="int32"), (rows, 1))


def check_outputs(encoder, expected, tolerance, step=1):
    outputs = encoder({name: expected[name] for name in INPUTS})
    got = {
        "embedding_output": outputs["hidden_states"][0][..., ::step],
        "layer_0": outputs["hidden_states"][1],
        "sequence_output": outputs["sequence_output"][..., ::step],
        "pooled_output": outputs["pooled_output"],
    }
    for name in got.keys() & set(expected.files):
        np.testing.assert_allclose(got[name], expected[name], rtol=0, atol=tolerance, err_msg=name)


def rewrite_google(folder: Path, change) -> None:
    """Write the checkpoint anew after `change` has had its tensors."""
    reader = tf.train.load_checkpoint(str(folder / "bert_model.ckpt"))
    tensors = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    change(tensors)
    for path in folder.glob("bert_model.ckpt.*"):
        path.unlink()
    names = sorted(tensors)
    tf.raw_ops.SaveV2(
        prefix=str(folder / "bert_model.ckpt"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tensors[name] for name in names],
    )


def rewrite_huggingface(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors) or tensors, folder / "model.safetensors")


def rewrite_json(path: Path, **fields) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
