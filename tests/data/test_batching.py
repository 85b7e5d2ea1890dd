import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfbert.data.batching import LengthBatches, bucket_lengths
from tfbert.errors import InputError
from tfbert.training import pick_placement


def rows(count=131, batch_size=16, seed=0, **options):
    rng = np.random.default_rng(5)
    lengths = np.minimum(rng.lognormal(3, 0.7, count).astype(int) + 3, 97)
    token_ids = [np.full(length, row + 1, np.int32) for row, length in enumerate(lengths)]
    return LengthBatches(token_ids, np.arange(count) % 3, batch_size, seed=seed, **options)


def test_buckets_leave_the_least_padding():
    rng = np.random.default_rng(0)
    lengths = rng.choice([2, 3, 5, 7, 11, 13, 17, 19], 60, p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05])
    sizes = np.unique(lengths)

    def padded(buckets):
        return sum(min(b for b in buckets if b >= length) for length in lengths)

    for num_buckets in (1, 2, 3, 4):
        best = min(padded((*chosen, sizes[-1])) for chosen in itertools.combinations(sizes[:-1], num_buckets - 1))
        buckets = bucket_lengths(lengths, num_buckets)
        assert len(buckets) <= num_buckets
        assert padded(buckets) == best
    np.testing.assert_array_equal(bucket_lengths(lengths, 99), sizes)


def test_an_epoch_holds_each_row_once_in_exact_batches():
    batches = rows()
    epoch = batches.epoch(3)
    assert sorted(np.concatenate(epoch)) == list(range(131))
    assert sorted(map(len, epoch)) == [3] + [16] * 8
    assert len(epoch) == batches.steps_per_epoch == 9


def test_epochs_are_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        return np.concatenate(rows(seed=seed).epoch(epoch)).tolist()

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    assert order(0, 0)[:6] == PINNED


PINNED = [98, 99, 19, 89, 118, 35]


def test_rows_of_like_length_share_a_batch():
    shares = []
    for num_buckets in (1, 16, 64):
        batches = rows(1000, num_buckets=num_buckets)
        shares.append(batches.padding_share())
        assert len({int(batches.padded_lengths[batch].max()) for batch in batches.epoch(0)}) <= num_buckets
    one, some, many = shares
    assert many < 0.03 < 0.06 < some < 0.1 < 0.5 < one


def test_batches_hold_what_the_rows_hold():
    weights = np.random.default_rng(1).uniform(size=131).astype("float32")
    batches = rows(weights=weights)
    for expected, (inputs, labels, row_weights) in zip(batches.epoch(0), batches.training_dataset(1), strict=True):
        np.testing.assert_array_equal(labels, batches.labels[expected])
        np.testing.assert_array_equal(row_weights, weights[expected])
        width = batches.padded_lengths[expected].max()
        for index, row in enumerate(expected):
            padding = [0] * (width - len(batches.token_ids[row]))
            assert inputs["token_ids"][index].numpy().tolist() == [*batches.token_ids[row], *padding]
            assert inputs["padding_mask"][index].numpy().tolist() == [1] * len(batches.token_ids[row]) + padding
        assert not inputs["segment_ids"].numpy().any()
        assert {tensor.dtype for tensor in (*inputs.values(), labels)} == {tf.int32}


def test_a_dataset_starts_anywhere():
    batches = rows()
    whole = [labels.numpy().tolist() for _, labels, _ in batches.training_dataset(3)]
    assert [labels.numpy().tolist() for _, labels, _ in batches.training_dataset(3, 1, 4)] == whole[13:]


def test_evaluation_sees_each_row_once_on_two_replicas():
    batches = rows()
    strategy = pick_placement("mirrored").strategy
    seen, sizes = [], []
    for inputs, _, _ in strategy.experimental_distribute_dataset(batches.evaluation_dataset()):
        parts = strategy.experimental_local_results(inputs["token_ids"])
        sizes.append([part.shape[0] for part in parts])
        seen += [int(row) - 1 for part in parts for row in part[:, 0]]
    assert seen == batches.evaluation_order().tolist()
    assert sizes == [[8, 8]] * 8 + [[2, 1]]


def test_a_training_batch_is_divided_between_replicas():
    strategy = pick_placement("mirrored").strategy
    sizes = [
        [part.shape[0] for part in strategy.experimental_local_results(labels)]
        for _, labels, _ in strategy.experimental_distribute_dataset(rows().training_dataset(1))
    ]
    assert sorted(sizes) == [[2, 1], *[[8, 8]] * 8]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([np.ones(2)], np.zeros(2), 1), "1 rows, 2 labels"),
        (([np.ones(2)], np.zeros(1), 0), "batch_size=0"),
        (([], np.zeros(0), 1), "at least one row"),
    ],
)
def test_bad_rows(arguments, message):
    with pytest.raises(InputError, match=message):
        LengthBatches(*arguments)
