import shutil

import numpy as np
import pytest
from folders import assert_identical, make_model, rewrite_google

from tfbert.checkpoints import load, load_encoder, load_pretrainer, save
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


def test_missing_extra_and_misshapen_head_tensors_of_google_are_all_named(copy_of):
    folder = copy_of("google")

    def change(tensors):
        del tensors["cls/predictions/transform/LayerNorm/gamma"]
        tensors["cls/seq_relationship/output_weights"] = tensors["cls/seq_relationship/output_weights"].T
        tensors["cls/predictions/more"] = np.zeros(1, "float32")
        tensors["cls/squad/output_weights"] = np.zeros(1, "float32")
        tensors["cls/predictions/output_bias/adam_m"] = np.zeros(101, "float32")

    rewrite_google(folder, change)
    with pytest.raises(InputError) as caught:
        load_pretrainer(folder)
    for place in (
        "cls/predictions/transform/LayerNorm/gamma is missing",
        "cls/seq_relationship/output_weights has shape (24, 2), the config says (2, 24)",
        "cls/predictions/more is no tensor",
    ):
        assert place in str(caught.value)
    assert not any(word in str(caught.value) for word in ("squad", "adam", "bert/"))


def test_two_google_checkpoints_in_one_folder(copy_of):
    folder = copy_of("google")
    shutil.copyfile(folder / "bert_model.ckpt.index", folder / "model.ckpt-7.index")
    with pytest.raises(InputError, match=r"bert_model\.ckpt, model\.ckpt-7"):
        load_encoder(folder)


def test_the_file_that_names_a_path_is_not_followed(copy_of):
    folder = copy_of("google")
    (folder / "checkpoint").write_text('model_checkpoint_path: "/nowhere/else.ckpt"\n')
    load_encoder(folder)


def test_an_index_that_declares_more_than_the_data(copy_of):
    folder = copy_of("google")
    data = folder / "bert_model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-4])
    with pytest.raises(InputError, match="its index declares 79,572 bytes"):
        load_encoder(folder)


def test_optimizer_slots_and_counters_are_left_aside(tmp_path):
    model = make_model("pretrainer")
    save(model, tmp_path / "it", format="google")

    def change(tensors):
        for name in list(tensors):
            for slot in ("adam_m", "adam_v", "lamb_m", "lamb_v", "Adam", "Adam_1"):
                tensors[f"{name}/{slot}"] = np.zeros_like(tensors[name])
        tensors["global_step"] = np.array(7)
        tensors["beta1_power"] = tensors["beta2_power"] = np.array(0.5, "float32")

    rewrite_google(tmp_path / "it", change)
    assert_identical(model, load(tmp_path / "it"))
