"""Pre-training models from checkpoints: golden losses and logits, and what is said of tensors that do not fit."""

import json

import numpy as np
import pytest
from folders import INPUTS, check_outputs, rewrite_google, rewrite_huggingface, rewrite_json
from scipy.special import log_softmax

from tfbert.checkpoints import load_encoder, load_pretrainer
from tfbert.errors import InputError


def logits_of(pretrainer, expected, mask_positions):
    inputs = {**{name: expected[name] for name in INPUTS}, "mask_positions": mask_positions}
    return {name: np.asarray(value) for name, value in pretrainer(inputs).items()}


def all_positions(expected):
    rows, length = expected["token_ids"].shape
    return np.tile(np.arange(length, dtype="int32"), (rows, 1))


def test_golden_losses_of_google(golden):
    folder = golden / "google_checkpoint"
    pretrainer = load_pretrainer(folder, return_hidden_states=True)
    expected = np.load(folder / "expected.npz", allow_pickle=False)
    check_outputs(pretrainer.encoder, expected, 5e-6)
    logits = logits_of(pretrainer, expected, expected["mask_positions"])
    masked = log_softmax(logits["masked_lm_logits"].reshape(15, 101), axis=-1)
    np.testing.assert_allclose(masked, expected["masked_lm_log_probs"], rtol=0, atol=1e-5)
    rows = log_softmax(logits["next_sentence_logits"], axis=-1)
    np.testing.assert_allclose(rows, expected["next_sentence_log_probs"], rtol=0, atol=1e-5)
    batch = {name: expected[name] for name in ("mask_ids", "mask_weights", "next_sentence_labels")}
    losses = {name: np.asarray(loss) for name, loss in pretrainer.weighted_losses(batch, None, logits).items()}
    np.testing.assert_allclose(losses["masked_lm"].ravel(), expected["masked_lm_example_loss"], rtol=0, atol=1e-5)
    weights = expected["mask_weights"]
    # Google adds 1e-5 to the sum of weights, which tfbert does not.
    loss = (losses["masked_lm"] * weights).sum() / (weights.sum() + 1e-5)
    assert loss == pytest.approx(float(expected["masked_lm_loss"]), abs=1e-5)
    assert losses["next_sentence"].mean() == pytest.approx(float(expected["next_sentence_loss"]), abs=1e-5)


def test_golden_logits_of_transformers(golden):
    folder = golden / "huggingface_checkpoint"
    pretrainer = load_pretrainer(folder, return_hidden_states=True)
    expected = np.load(folder / "expected.npz", allow_pickle=False)
    check_outputs(pretrainer.encoder, expected, 5e-6)
    logits = logits_of(pretrainer, expected, all_positions(expected))
    np.testing.assert_allclose(logits["masked_lm_logits"], expected["prediction_logits"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(logits["next_sentence_logits"], expected["next_sentence_logits"], rtol=0, atol=1e-5)


def test_without_the_next_sentence_head_it_is_left_aside(golden, copy_of):
    folder = copy_of("huggingface")
    expected = np.load(golden / "huggingface_checkpoint/expected.npz", allow_pickle=False)
    rewrite_huggingface(folder, lambda t: {k: v for k, v in t.items() if "seq_relationship" not in k})
    for source in (folder, golden / "huggingface_checkpoint"):
        logits = logits_of(load_pretrainer(source, next_sentence=False), expected, all_positions(expected))
        assert set(logits) == {"masked_lm_logits"}
        np.testing.assert_allclose(logits["masked_lm_logits"], expected["prediction_logits"], rtol=0, atol=1e-5)


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


def test_allow_missing_says_what_is_new_and_keeps_the_rest(copy_of, golden, capsys):
    folder = copy_of("huggingface")
    query = "bert.encoder.layer.1.attention.self.query.bias"
    gone = ("cls.", "bert.pooler.", query)
    rewrite_huggingface(folder, lambda t: {name: t[name] for name in t if not name.startswith(gone)})
    with pytest.raises(InputError, match=r"query.bias is missing; bert.pooler"):
        load_encoder(folder)
    pretrainer = load_pretrainer(folder, allow_missing=True)
    said = capsys.readouterr().out
    expected_names = {query, "bert.pooler.dense.weight", "bert.pooler.dense.bias", "cls.predictions.bias"}
    expected_names |= {f"cls.predictions.transform.{name}" for name in ("dense.weight", "dense.bias")}
    expected_names |= {f"cls.predictions.transform.LayerNorm.{name}" for name in ("weight", "bias")}
    expected_names |= {f"cls.seq_relationship.{name}" for name in ("weight", "bias")}
    assert set(said.strip().split(": ")[1].split(", ")) == expected_names
    whole = load_encoder(golden / "huggingface_checkpoint")
    ours, theirs = (e.blocks[1].attention.query_key_value.bias for e in (pretrainer.encoder, whole))
    np.testing.assert_array_equal(ours[:24], np.zeros(24))
    np.testing.assert_array_equal(ours[24:], theirs[24:])
    np.testing.assert_array_equal(pretrainer.encoder.blocks[0].weights[0], whole.blocks[0].weights[0])


def test_real_weights_go_on_to_pre_training(minilm, capsys):
    with pytest.raises(InputError, match=r"cls.predictions.transform.dense.weight is missing.*allow_missing"):
        load_pretrainer(minilm)
    pretrainer = load_pretrainer(minilm, allow_missing=True)
    assert "cls.seq_relationship.bias" in capsys.readouterr().out
    np.testing.assert_array_equal(
        pretrainer.encoder.embeddings.word_embeddings, load_encoder(minilm).embeddings.word_embeddings
    )


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


def test_values_that_are_not_finite_are_named(copy_of):
    folder = copy_of("huggingface")

    def change(tensors):
        tensors["bert.pooler.dense.bias"][3] = np.nan
        tensors["cls.predictions.bias"][3] = np.inf

    rewrite_huggingface(folder, change)
    with pytest.raises(InputError, match=r"bert\.pooler\.dense\.bias has values.*cls\.predictions\.bias has values"):
        load_pretrainer(folder)


def test_options_that_keras_refuses_are_not_called_damage(golden):
    with pytest.raises(ValueError, match="float33") as caught:
        load_encoder(golden / "google_checkpoint", dtype="float33")
    assert "Fetch it again" not in str(caught.value)


@pytest.mark.parametrize("kind", ["google", "huggingface"])
@pytest.mark.parametrize("field", ["vocab_size", "num_hidden_layers", "max_position_embeddings", "intermediate_size"])
def test_a_huge_declared_size_takes_no_memory(copy_of, kind, field):
    folder = copy_of(kind)
    rewrite_json(folder / ("config.json" if kind == "huggingface" else "bert_config.json"), **{field: 10**12})
    with pytest.raises(InputError, match=r"holds [\d,]+ numbers, but its config describes"):
        load_encoder(folder)


def test_an_index_that_declares_more_than_the_data(copy_of):
    folder = copy_of("google")
    data = folder / "bert_model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-4])
    with pytest.raises(InputError, match="its index declares 79,572 bytes"):
        load_encoder(folder)


def test_a_tensor_cut_from_a_safetensors_header(copy_of):
    folder = copy_of("huggingface")
    path = folder / "model.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["bert.pooler.dense.bias"]["data_offsets"][1] += 10**9
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        load_encoder(folder)
