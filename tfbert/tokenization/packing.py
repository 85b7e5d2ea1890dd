"""Put pieces between [CLS] and [SEP]: the encoder's inputs (Devlin et al. 2019, section 3, input representation)."""

import tensorflow as tf

from tfbert.errors import InputError


def check_lengths(max_length: int, pad_to: int | None, num_texts: int) -> None:
    """Refuse lengths that leave no room for the special tokens and one piece of each text."""
    least = 2 * num_texts + 1
    if max_length < least:
        raise InputError(
            f"max_length must be at least {least} for {num_texts} text{'s'[: num_texts - 1]}, with room for the "
            f"special tokens and a piece of each: got {max_length}"
        )
    if pad_to is not None and pad_to < max_length:
        raise InputError(
            f"pad_to must not be less than max_length, or rows would not fit: got pad_to={pad_to} and "
            f"max_length={max_length}; lower max_length to {pad_to}"
        )


def check_paired(first: tf.Tensor, second: tf.Tensor) -> None:
    """Refuse pairs whose sides have different numbers of texts, now where they are known, else when they run."""
    message = "first and second must have as many texts each"
    if None not in (first.shape[0], second.shape[0]) and first.shape[0] != second.shape[0]:
        raise InputError(f"{message}: got {first.shape[0]} and {second.shape[0]}")
    tf.debugging.assert_equal(tf.size(first), tf.size(second), message)


def truncated_lengths(lengths: list[tf.Tensor], room: int) -> list[tf.Tensor]:
    """Return how many pieces of each text stay when at most `room` may.

    Pieces go one by one from the end of the longer text, of the second where both are equally long: the longer is cut
    down to what the other leaves it, but not below its half, and of an odd room the first has the larger half.
    """
    if len(lengths) == 1:
        return [tf.minimum(lengths[0], room)]
    first, second = lengths
    first = tf.minimum(first, tf.maximum(room - second, (room + 1) // 2))
    return [first, tf.minimum(second, room - first)]


def pack(
    texts: list[tuple[tf.Tensor, tf.Tensor]],
    *,
    cls_id: int,
    sep_id: int,
    pad_id: int,
    max_length: int,
    pad_to: int | None,
) -> dict[str, tf.Tensor]:
    """Pack one text, or two, a row: `[CLS] first [SEP] second [SEP] [PAD] ...`.

    Args:
        texts: for each, the ids int32 (pieces,) and the row splits int64 (batch + 1,).
        cls_id: the id of [CLS].
        sep_id: the id of [SEP].
        pad_id: the id of [PAD].
        max_length: the most tokens in a row.
        pad_to: the length of the rows, or None: that of the longest.

    Returns:
        `token_ids`, `segment_ids`, `padding_mask`, each int32 (batch, length).
    """
    lengths = truncated_lengths([splits[1:] - splits[:-1] for _, splits in texts], max_length - 1 - len(texts))
    totals = tf.add_n(lengths) + 1 + len(texts)
    # An empty batch is as long as the special tokens.
    length = tf.reduce_max(tf.concat([totals, [1 + len(texts)]], axis=0)) if pad_to is None else pad_to
    segments = [(ids, splits[:-1], count) for (ids, splits), count in zip(texts, lengths, strict=True)]
    return lay_out(segments, length, cls_id=cls_id, sep_id=sep_id, pad_id=pad_id)


def lay_out(
    segments: list[tuple[tf.Tensor, tf.Tensor, tf.Tensor]], length, *, cls_id: int, sep_id: int, pad_id: int
) -> dict[str, tf.Tensor]:
    """Lay spans of ids into rows: `[CLS] first [SEP] second [SEP] [PAD] ...`.

    Args:
        segments: for each of one or two, flat ids int32 (pieces,), where each row's span begins in them and how many it
            has, both int64 (batch,).
        length: of the rows, at least that of the longest.
        cls_id: the id of [CLS].
        sep_id: the id of [SEP].
        pad_id: the id of [PAD].

    Returns:
        `token_ids`, `segment_ids`, `padding_mask`, each int32 (batch, length).
    """
    lengths = [count for _, _, count in segments]
    totals = tf.add_n(lengths) + 1 + len(segments)
    columns = tf.range(tf.cast(length, tf.int64))[tf.newaxis]
    real = columns < totals[:, tf.newaxis]
    token_ids = tf.where(real, sep_id, pad_id)
    token_ids = tf.where(columns == 0, cls_id, token_ids)
    begin = tf.ones_like(totals)
    for piece_ids, starts, count in segments:
        inside = (columns >= begin[:, tf.newaxis]) & (columns < (begin + count)[:, tf.newaxis])
        positions = tf.where(inside, starts[:, tf.newaxis] + columns - begin[:, tf.newaxis], 0)
        token_ids = tf.where(inside, tf.gather(tf.concat([piece_ids, [pad_id]], axis=0), positions), token_ids)
        begin += count + 1
    segment_ids = real & (columns >= (lengths[0] + 2)[:, tf.newaxis]) if len(segments) == 2 else tf.zeros_like(real)
    return {
        "token_ids": token_ids,
        "segment_ids": tf.cast(segment_ids, tf.int32),
        "padding_mask": tf.cast(real, tf.int32),
    }
