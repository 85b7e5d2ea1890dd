"""Floating-point operations that the mathematics of BERT asks for, an addition and a multiplication counting as two."""

from collections.abc import Iterable

from tfbert.config import BertConfig

BACKWARD = 2
"""What the gradients need, in forward passes: one product for the inputs and one for the weights."""


def encoder_flops(config: BertConfig, lengths: Iterable[int], outputs: int) -> float:
    """Return what the blocks and the pooler need for rows of so many real tokens, forward alone.

    Args:
        config: the sizes.
        lengths: of the rows.
        outputs: the positions of each row whose output is read: the last block owes the others keys and values alone.
    """
    hidden, between = config.hidden_dim, config.intermediate_dim
    keys_and_values = 2 * 2 * hidden * hidden
    # Query and output, and the feed-forward layer.
    others = 2 * (2 * hidden * hidden + 2 * hidden * between)

    def block(length: int, asking: int) -> int:
        return length * keys_and_values + asking * (others + 4 * hidden * length)

    return float(
        sum(
            (config.num_layers - 1) * block(length, length) + block(length, outputs) + 2 * hidden * hidden
            for length in lengths
        )
    )


def masked_lm_flops(config: BertConfig, masks: int) -> float:
    """Return what the head needs for so many masked tokens, forward alone."""
    return 2.0 * masks * config.hidden_dim * (config.hidden_dim + config.vocabulary_size)
