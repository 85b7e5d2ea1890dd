import pytest

from tfbert.benchmarks.useful_work import BACKWARD, encoder_flops, masked_lm_flops
from tfbert.config import BertConfig


def test_a_small_encoder_counted_by_hand():
    config = BertConfig(11, hidden_dim=4, num_layers=2, num_heads=2, intermediate_dim=6)
    of_token = 4 * 2 * 4 * 4 + 2 * 2 * 4 * 6  # query, key, value, output; in and out of the feed-forward layer
    of_pair = 2 * 2 * 4  # a score, and its part of the sum
    pooler = 2 * 4 * 4
    assert encoder_flops(config, [3], 3) == 2 * (3 * of_token + 9 * of_pair) + pooler
    assert encoder_flops(config, [3, 2], 1) == encoder_flops(config, [3], 1) + encoder_flops(config, [2], 1)
    # Of the last block's three positions one is read: two have a key and a value alone, and no scores.
    spared = 2 * (of_token - 2 * 2 * 4 * 4) + 6 * of_pair
    assert encoder_flops(config, [3], 1) == encoder_flops(config, [3], 3) - spared
    assert masked_lm_flops(config, 5) == 5 * (2 * 4 * 4 + 2 * 4 * 11)


def test_a_step_of_6_x_384_on_32_x_128_with_20_masks():
    config = BertConfig(30_522, hidden_dim=384, num_layers=6, num_heads=12, intermediate_dim=1536)
    heads = masked_lm_flops(config, 640)
    assert (1 + BACKWARD) * (encoder_flops(config, [128] * 32, 128) + heads) == pytest.approx(321e9, rel=0.01)
    assert (1 + BACKWARD) * (encoder_flops(config, [128] * 32, 21) + heads) == pytest.approx(288e9, rel=0.01)
