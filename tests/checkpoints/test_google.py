import shutil

import numpy as np
import pytest
from folders import rewrite_google

from tfbert.checkpoints import load_encoder
from tfbert.errors import InputError

BLOCK_1_KERNEL = "bert/encoder/layer_1/output/dense/kernel"


def test_missing_extra_and_misshapen_tensors_of_google_are_all_named(copy_of):
    folder = copy_of("google")

    def change(tensors):
        del tensors["bert/pooler/dense/bias"], tensors["bert/embeddings/LayerNorm/gamma"]
        tensors[BLOCK_1_KERNEL] = tensors[BLOCK_1_KERNEL].T
        tensors["bert/pooler/dense/kernel"] = tensors["bert/pooler/dense/kernel"].astype("float64")
        tensors["bert/encoder/layer_3/output/dense/bias"] = np.zeros(24, "float32")
        tensors["surprise"] = np.zeros(1, "float32")

    rewrite_google(folder, change)
    with pytest.raises(InputError) as caught:
        load_encoder(folder)
    for place in (
        "bert_model.ckpt does not hold",
        "bert/pooler/dense/bias is missing",
        "bert/embeddings/LayerNorm/gamma is missing",
        f"{BLOCK_1_KERNEL} has shape (24, 52), the config says (52, 24)",
        "bert/pooler/dense/kernel has dtype float64, only float32",
        "bert/encoder/layer_3/output/dense/bias is no tensor",
        "surprise is no tensor",
    ):
        assert place in str(caught.value)
    assert "cls/" not in str(caught.value)


def test_two_google_checkpoints_in_one_folder(copy_of):
    folder = copy_of("google")
    shutil.copyfile(folder / "bert_model.ckpt.index", folder / "model.ckpt-7.index")
    with pytest.raises(InputError, match=r"bert_model\.ckpt, model\.ckpt-7"):
        load_encoder(folder)


def test_the_file_that_names_a_path_is_not_followed(copy_of):
    folder = copy_of("google")
    (folder / "checkpoint").write_text('model_checkpoint_path: "/nowhere/else.ckpt"\n')
    load_encoder(folder)
