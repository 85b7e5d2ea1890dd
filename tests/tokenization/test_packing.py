import numpy as np
import pytest
import tensorflow as tf

from tfbert.errors import InputError
from tfbert.tokenization import packing


def popped(first: int, second: int, room: int) -> tuple[int, int]:
    """Google's `_truncate_seq_pair`, on lengths."""
    while first + second > room:
        if first > second:
            first -= 1
        else:
            second -= 1
    return first, second


def test_truncation_takes_from_the_longer_and_from_the_second_when_equal():
    first, second = np.meshgrid(np.arange(14), np.arange(14))
    first, second = first.ravel(), second.ravel()
    for room in range(2, 29):
        expected = [popped(a, b, room) for a, b in zip(first, second, strict=True)]
        lengths = packing.truncated_lengths([tf.constant(first), tf.constant(second)], room)
        assert np.stack(lengths, axis=1).tolist() == [list(pair) for pair in expected]


def ragged(rows):
    rows = tf.ragged.constant(rows, tf.int32)
    return rows.values, rows.row_splits


def packed(*texts, **options):
    settings = {"cls_id": 101, "sep_id": 102, "pad_id": 9, "max_length": 12, "pad_to": None} | options
    return {
        name: tensor.numpy().tolist() for name, tensor in packing.pack([ragged(t) for t in texts], **settings).items()
    }


def test_one_text():
    assert packed([[1, 2, 3], [], [4]], max_length=4) == {
        "token_ids": [[101, 1, 2, 102], [101, 102, 9, 9], [101, 4, 102, 9]],
        "segment_ids": [[0, 0, 0, 0]] * 3,
        "padding_mask": [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]],
    }


def test_two_texts():
    assert packed([[1, 2, 3], [5]], [[6, 7], [8]], max_length=7) == {
        "token_ids": [[101, 1, 2, 102, 6, 7, 102], [101, 5, 102, 8, 102, 9, 9]],
        "segment_ids": [[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0]],
        "padding_mask": [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0]],
    }


def test_pad_to():
    assert packed([[1]], pad_to=13)["token_ids"] == [[101, 1, 102] + [9] * 10]


@pytest.mark.parametrize(("num_texts", "least"), [(1, 3), (2, 5)])
def test_refuses_lengths_without_room(num_texts, least):
    packing.check_lengths(least, None, num_texts)
    with pytest.raises(InputError, match=f"at least {least} .* got {least - 1}"):
        packing.check_lengths(least - 1, None, num_texts)


def test_refuses_padding_to_less_than_the_longest_row():
    packing.check_lengths(8, 8, 1)
    with pytest.raises(InputError, match="pad_to=7 and max_length=8"):
        packing.check_lengths(8, 7, 1)


def test_refuses_unequal_numbers_of_texts():
    with pytest.raises(InputError, match="got 2 and 3"):
        packing.check_paired(tf.constant(["a"] * 2), tf.constant(["a"] * 3))
    unknown = tf.function(packing.check_paired, input_signature=[tf.TensorSpec([None], tf.string)] * 2)
    unknown(["a"], ["b"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many texts"):
        unknown(["a"], ["b", "c"])


def test_pairs_are_packed_in_a_graph_too():
    lengths = tf.function(lambda: packing.truncated_lengths([tf.constant([9, 2], tf.int64)] * 2, 7))
    assert [part.numpy().tolist() for part in lengths()] == [[4, 2], [3, 2]]
