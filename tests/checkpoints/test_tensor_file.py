"""What is said of tensors that do not fit a model."""

import numpy as np
import pytest
from folders import make_model, rewrite_huggingface, rewrite_json, small_config

from tfbert.checkpoints import example_rows, load, load_encoder, load_pretrainer, output_differences, save
from tfbert.errors import InputError


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


def test_values_that_are_not_finite_are_named(copy_of):
    folder = copy_of("huggingface")

    def change(tensors):
        tensors["bert.pooler.dense.bias"][3] = np.nan
        tensors["cls.predictions.bias"][3] = np.inf

    rewrite_huggingface(folder, change)
    with pytest.raises(InputError, match=r"bert\.pooler\.dense\.bias has values.*cls\.predictions\.bias has values"):
        load_pretrainer(folder)


@pytest.mark.parametrize("kind", ["google", "huggingface"])
@pytest.mark.parametrize("field", ["vocab_size", "num_hidden_layers", "max_position_embeddings", "intermediate_size"])
def test_a_huge_declared_size_takes_no_memory(copy_of, kind, field):
    folder = copy_of(kind)
    rewrite_json(folder / ("config.json" if kind == "huggingface" else "bert_config.json"), **{field: 10**12})
    with pytest.raises(InputError, match=r"holds [\d,]+ numbers, but its config describes"):
        load_encoder(folder)


def test_positions_are_cut_when_asked(models, tmp_path):
    save(models["pretrainer"], tmp_path / "it", format="huggingface")
    cut, whole = load(tmp_path / "it", max_sequence_length=5), models["pretrainer"]
    assert cut.encoder.config == small_config(max_sequence_length=5)
    table = np.array(whole.encoder.embeddings.position_embeddings)
    np.testing.assert_array_equal(cut.encoder.embeddings.position_embeddings, table[:5])
    assert set(output_differences(cut, whole, example_rows(cut)).values()) == {0.0}
    for rows in (0, 12):
        with pytest.raises(InputError, match=rf"has 11 positions, of which max_sequence_length={rows} cannot"):
            load_encoder(tmp_path / "it", max_sequence_length=rows)
    rewrite_json(tmp_path / "it/config.json", max_position_embeddings=9)
    for asked in (None, 5):
        with pytest.raises(InputError, match=r"position_embeddings.weight has shape \(11, 6\)"):
            load_encoder(tmp_path / "it", max_sequence_length=asked)


@pytest.mark.parametrize("format", ["native", "google", "keras_hub"])
def test_positions_are_cut_in_every_format(tmp_path, format):
    encoder = make_model("encoder")
    save(encoder, tmp_path / "it", format=format)
    cut = load_encoder(tmp_path / "it", max_sequence_length=5)
    assert cut.config == small_config(max_sequence_length=5)
    np.testing.assert_array_equal(
        cut.embeddings.position_embeddings, np.array(encoder.embeddings.position_embeddings)[:5]
    )


@pytest.mark.parametrize("format", ["native", "huggingface", "google"])
def test_a_missing_tensor_may_be_initialised_in_every_format(tmp_path, capsys, format):
    save(make_model("encoder"), tmp_path / "it", format=format)
    pretrainer = load_pretrainer(tmp_path / "it", allow_missing=True)
    printed = capsys.readouterr().out
    assert "lacks these tensors, which are newly initialised: cls" in printed
    assert printed.count(", ") == 7
    assert 0.01 < np.std(pretrainer.masked_lm_head.dense.kernel) < 0.03
