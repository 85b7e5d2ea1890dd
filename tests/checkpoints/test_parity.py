"""How far two models lie apart."""

import numpy as np
import pytest
from folders import make_model

from tfbert.checkpoints import count_identical_tensors, example_rows, output_differences


def test_example_rows_fit_the_model(models):
    rows = example_rows(models["pretrainer"], rows=6)
    assert rows["token_ids"].shape == (6, 11)
    assert rows["token_ids"].max() < 7
    assert 0 < rows["padding_mask"].mean() < 1
    assert set(np.unique(rows["segment_ids"])) == {0, 1}
    assert not (rows["token_ids"] * (1 - rows["padding_mask"])).any()
    one_segment = make_model("encoder", num_segments=1)
    assert not example_rows(one_segment)["segment_ids"].any()


def test_output_differences_by_value(models):
    encoder = models["encoder"]
    other = make_model("encoder")
    other.pooler.dense.bias.assign(other.pooler.dense.bias + 1.0)
    rows = example_rows(encoder)
    apart = output_differences(encoder, other, rows)
    expected = np.abs(np.asarray(encoder(rows)["pooled_output"]) - np.asarray(other(rows)["pooled_output"])).max()
    assert apart == {"pooled_output": pytest.approx(expected), "sequence_output": 0.0}
    assert count_identical_tensors(encoder, other) == (5 + 16 * 2 + 1, 5 + 16 * 2 + 2)


def test_heads_that_one_model_lacks_are_not_identical(models):
    assert count_identical_tensors(models["pretrainer"], models["encoder"]) == (5 + 16 * 2 + 2, 5 + 16 * 2 + 9)
    assert set(output_differences(models["pretrainer"], models["masked_lm"], example_rows(models["pretrainer"]))) == {
        "masked_lm_logits"
    }


def test_padded_positions_are_left_out(models):
    rows = example_rows(models["encoder"])
    rows["padding_mask"][:, -1] = 0
    other = make_model("encoder")
    table = np.array(other.embeddings.position_embeddings)
    table[-1] *= -1
    other.embeddings.position_embeddings.assign(table)
    first, second = (np.asarray(model(rows)["sequence_output"]) for model in (models["encoder"], other))
    assert np.abs(first - second).max() > 0.01
    assert output_differences(models["encoder"], other, rows) == {"pooled_output": 0.0, "sequence_output": 0.0}
