from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from folders import check_outputs, rewrite_huggingface, rewrite_json

from tfbert.checkpoints import load_encoder
from tfbert.errors import InputError


def test_real_weights(minilm):
    encoder = load_encoder(minilm, return_hidden_states=True)
    assert encoder.count_params() == 22_713_216
    expected = np.load(Path(__file__).parent / "minilm_reference.npz", allow_pickle=False)
    assert 0 < expected["padding_mask"].mean() < 1
    assert expected["segment_ids"].any()
    check_outputs(encoder, expected, 1e-5, step=8)  # 4e-6 here; the tanh gelu would be 3e-3 away


def test_names_without_prefix_and_without_heads(copy_of, golden):
    folder = copy_of("huggingface")
    rewrite_huggingface(
        folder, lambda t: {k.removeprefix("bert."): v for k, v in t.items() if not k.startswith("cls.")}
    )
    encoder = load_encoder(str(folder), return_hidden_states=True)
    check_outputs(encoder, np.load(golden / "huggingface_checkpoint/expected.npz"), 5e-6)


def test_names_converted_from_early_files(copy_of, golden):
    folder = copy_of("huggingface")
    rename = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def change(tensors):
        for name in list(tensors):
            for new, old in rename.items():
                if name.endswith(new):
                    tensors[name.replace(new, old)] = tensors.pop(name)

    rewrite_huggingface(folder, change)
    encoder = load_encoder(folder, return_hidden_states=True)
    check_outputs(encoder, np.load(golden / "huggingface_checkpoint/expected.npz"), 5e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 0.02), (ml_dtypes.bfloat16, 0.1)])
def test_half_precision_files(copy_of, golden, dtype, tolerance):
    folder = copy_of("huggingface")
    rewrite_huggingface(folder, lambda tensors: {name: tensor.astype(dtype) for name, tensor in tensors.items()})
    encoder = load_encoder(folder, return_hidden_states=True)
    expected = np.load(golden / "huggingface_checkpoint/expected.npz")
    check_outputs(encoder, expected, tolerance)
    with pytest.raises(AssertionError):
        check_outputs(encoder, expected, 5e-6)


def test_missing_extra_and_misshapen_tensors_of_transformers_are_all_named(copy_of):
    folder = copy_of("huggingface")

    def change(tensors):
        del tensors["bert.pooler.dense.bias"]
        query = "bert.encoder.layer.2.attention.self.query"
        tensors[f"{query}.weight"] = tensors[f"{query}.weight"][:20]
        tensors[f"{query}.bias"] = tensors[f"{query}.bias"].astype("float64")
        tensors["pooler.dense.bias"] = np.zeros(24, "float32")

    rewrite_huggingface(folder, change)
    with pytest.raises(InputError) as caught:
        load_encoder(folder)
    for place in (
        "model.safetensors does not hold",
        "bert.pooler.dense.bias is missing",
        "bert.encoder.layer.2.attention.self.query.weight has shape (20, 24), the config says (24, 24)",
        "bert.encoder.layer.2.attention.self.query.bias has dtype F64, only F32, F16, BF16",
        "; pooler.dense.bias is no tensor",
    ):
        assert place in str(caught.value)
    assert "cls." not in str(caught.value)


def test_config_of_another_size(copy_of):
    folder = copy_of("huggingface")
    rewrite_json(folder / "config.json", vocab_size=102, num_hidden_layers=2)
    with pytest.raises(InputError, match=r"layer\.2\.output.* is no tensor.*word_embeddings\.weight has shape \(101"):
        load_encoder(folder)


def test_config_of_another_model(copy_of):
    folder = copy_of("huggingface")
    rewrite_json(folder / "config.json", position_embedding_type="relative_key")
    with pytest.raises(InputError, match="position_embedding_type='relative_key'"):
        load_encoder(folder)


def test_a_pickle_is_refused(copy_of):
    folder = copy_of("huggingface")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin is a pickle.*save_pretrained"):
        load_encoder(folder)
