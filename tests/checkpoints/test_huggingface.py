import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from folders import (
    TOKENS,
    all_positions,
    assert_identical,
    check_outputs,
    logits_of,
    make_model,
    rewrite_huggingface,
    rewrite_json,
)
from safetensors.numpy import load_file, save_file

from tfbert.checkpoints import inspect, load, load_classifier, load_encoder, load_pretrainer, save
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer


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


def test_names_and_config_are_those_of_transformers(models, tmp_path, golden):
    expected = {"encoder": "BertModel", "masked_lm": "BertForMaskedLM", "pretrainer": "BertForPreTraining"}
    for kind, model in models.items():
        save(model, tmp_path / kind, format="huggingface", tokenizer=BertTokenizer(TOKENS))
        config = json.loads((tmp_path / kind / "config.json").read_text(encoding="utf-8"))
        assert config["architectures"] == [expected.get(kind, "BertForSequenceClassification")]
        assert (config["model_type"], config["hidden_act"], config["pad_token_id"]) == ("bert", "gelu_new", 0)
    assert config["id2label"] == {"0": "böse", "1": "gut", "2": "?"}
    assert config["label2id"] == {"böse": 0, "gut": 1, "?": 2}
    assert config["classifier_dropout"] == 0.25
    save(load(golden / "huggingface_checkpoint"), tmp_path / "golden", format="huggingface")
    ours, theirs = (
        load_file(folder / "model.safetensors") for folder in (tmp_path / "golden", golden / "huggingface_checkpoint")
    )
    assert ours.keys() == theirs.keys()
    assert all(value.tobytes() == theirs[name].tobytes() for name, value in ours.items())
    ours, theirs = (
        json.loads((folder / "config.json").read_text())
        for folder in (tmp_path / "golden", golden / "huggingface_checkpoint")
    )
    assert {name: ours[name] for name in ours.keys() & theirs.keys()} == {
        name: theirs[name] for name in ours.keys() & theirs.keys()
    }


def test_a_sharded_folder(models, tmp_path):
    save(models["pretrainer"], tmp_path / "it", format="huggingface")
    tensors = load_file(tmp_path / "it/model.safetensors")
    (tmp_path / "it/model.safetensors").unlink()
    shards = {f"model-0000{n}-of-00003.safetensors": sorted(tensors)[n::3] for n in range(3)}
    for name, names in shards.items():
        save_file({key: tensors[key] for key in names}, tmp_path / "it" / name)
    index = tmp_path / "it/model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {key: name for name, names in shards.items() for key in names}}))
    assert_identical(models["pretrainer"], load_pretrainer(tmp_path / "it"))
    first, second = list(shards)[:2]
    twice = sorted(tensors)[0]
    save_file({key: tensors[key] for key in [*shards[second], twice]}, tmp_path / "it" / second)
    with pytest.raises(InputError, match=rf"{second} holds {twice}, which .*{first} holds too"):
        load_pretrainer(tmp_path / "it")
    save_file({key: tensors[key] for key in shards[second][1:]}, tmp_path / "it" / second)
    with pytest.raises(InputError, match=rf"{shards[second][0]} is missing"):
        load_pretrainer(tmp_path / "it")
    (tmp_path / "it" / second).unlink()
    with pytest.raises(InputError, match=rf"{second} is missing from the checkpoint"):
        load_pretrainer(tmp_path / "it")
    for weight_map in (None, {}, {"a": 1}, ["a"]):
        index.write_text(json.dumps({"weight_map": weight_map}))
        with pytest.raises(InputError, match="must map tensors to files"):
            load_pretrainer(tmp_path / "it")
    save_file(tensors, tmp_path / "outside.safetensors")
    index.write_text(json.dumps({"weight_map": dict.fromkeys(tensors, "../outside.safetensors")}))
    with pytest.raises(InputError, match="leads out of its folder"):
        load_pretrainer(tmp_path / "it")


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


def test_missing_extra_and_misshapen_head_tensors_of_transformers_are_all_named(copy_of):
    folder = copy_of("huggingface")

    def change(tensors):
        del tensors["cls.predictions.bias"], tensors["cls.seq_relationship.weight"], tensors["bert.pooler.dense.bias"]
        tensors["cls.predictions.transform.dense.weight"] = np.zeros((24, 23), "float32")
        tensors["cls.predictions.surprise"] = np.zeros(1, "float32")
        tensors["classifier.weight"] = np.zeros(1, "float32")

    rewrite_huggingface(folder, change)
    with pytest.raises(InputError) as caught:
        load_pretrainer(folder)
    for place in (
        "cls.predictions.bias is missing",
        "cls.seq_relationship.weight is missing",
        "bert.pooler.dense.bias is missing",
        "cls.predictions.transform.dense.weight has shape (24, 23), the config says (24, 24)",
        "cls.predictions.surprise is no tensor",
        "allow_missing=True",
    ):
        assert place in str(caught.value)
    assert "classifier" not in str(caught.value)


def test_a_decoder_beside_the_table_must_equal_it(copy_of, golden):
    folder = copy_of("huggingface")

    def tie(tensors):
        tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
        tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"]

    rewrite_huggingface(folder, tie)
    load_pretrainer(folder)

    def untie(tensors):
        for name in ("weight", "bias"):
            tensors[f"cls.predictions.decoder.{name}"] = tensors[f"cls.predictions.decoder.{name}"] + 1e-3

    rewrite_huggingface(folder, untie)
    with pytest.raises(InputError, match=r"decoder\.weight differs from bert.*decoder\.bias differs from cls"):
        load_pretrainer(folder)
    load_encoder(folder)


def test_a_tied_bias_may_be_stored_as_the_decoders_alone(copy_of, golden):
    folder = copy_of("huggingface")
    rewrite_huggingface(folder, lambda t: t.update({"cls.predictions.decoder.bias": t.pop("cls.predictions.bias")}))
    expected = np.load(golden / "huggingface_checkpoint/expected.npz", allow_pickle=False)
    logits = logits_of(load_pretrainer(folder), expected, all_positions(expected))
    np.testing.assert_allclose(logits["masked_lm_logits"], expected["prediction_logits"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("labels", [{"0": "a", "2": "b"}, ["a", "b", "c"], "abc"])
def test_labels_that_are_none(models, tmp_path, labels):
    save(models["classifier"], tmp_path / "it", format="huggingface")
    rewrite_json(tmp_path / "it/config.json", id2label=labels)
    with pytest.raises(InputError, match="id2label must name the classes 0, 1"):
        load_classifier(tmp_path / "it")


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


def test_two_classes_without_names_have_those_that_transformers_gives(tmp_path):
    save(make_model("classifier", labels=("a", "b")), tmp_path / "it", format="huggingface")
    path = tmp_path / "it/config.json"
    fields = {name: value for name, value in json.loads(path.read_text()).items() if "label" not in name}
    path.write_text(json.dumps(fields))
    assert load(tmp_path / "it").labels == ("LABEL_0", "LABEL_1")
    rewrite_huggingface(tmp_path / "it", lambda t: {k: v for k, v in t.items() if not k.startswith("classifier")})
    assert inspect(tmp_path / "it").labels is None
    with pytest.raises(InputError, match="does not name its classes"):
        load_classifier(tmp_path / "it", allow_missing=True)
