"""Floating-point operations that the mathematics of BERT asks for, an addition and a multiplication counting as two."""

from collections.abc import Iterable

from tfbert.config import BertConfig

BACKWARD = 2
"""What the gradients need, in forward passes: one product for the inputs and one for the weights."""


def encoder_flops(config: BertConfig, lengths: Iterable[int]) -> float:
    """Return what the blocks and the pooler need for rows of so many real tokens, forward alone."""
    hidden, between = config.hidden_dim, config.intermediate_dim
    # Of a token: query, key, value and output, and the feed-forward layer; then its scores and its sum over the values.
    products = 2 * (4 * hidden * hidden + 2 * hidden * between)
    return float(
        sum(config.num_layers * length * (products + 4 * hidden * length) + 2 * hidden * hidden for length in lengths)
    )


def masked_lm_flops(config: BertConfig, masks: int) -> float:
    """Return what the head needs for so many masked tokens, forward alone."""
    return 2.0 * masks * config.hidden_dim * (config.hidden_dim + config.vocabulary_size)
