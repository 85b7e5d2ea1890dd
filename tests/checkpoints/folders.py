"""Changing a checkpoint folder, and comparing what it computes; shared by the tests beside it."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file, save_file

INPUTS = ("token_ids", "segment_ids", "padding_mask")


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
