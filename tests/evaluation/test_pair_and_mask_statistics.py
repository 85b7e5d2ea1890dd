import types

import numpy as np
import pytest

from tfbert.errors import InputError
from tfbert.evaluation import PairAndMaskStatistics

PAD, UNK, CLS, SEP, MASK = range(5)
VOCABULARY = types.SimpleNamespace(pad_id=PAD, unk_id=UNK, cls_id=CLS, sep_id=SEP, mask_id=MASK)


def batch_by_hand():
    """Two pairs of unequal length: 3 masks and 1; the [UNK] of the first row is under a mask."""
    return {
        "token_ids": np.array([[CLS, MASK, 8, SEP, 7, 9, SEP], [CLS, 6, SEP, 5, SEP, PAD, PAD]], np.int32),
        "segment_ids": np.array([[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0]], np.int32),
        "padding_mask": np.array([[1] * 7, [1] * 5 + [0] * 2], np.int32),
        "mask_positions": np.array([[1, 2, 5], [3, 0, 0]], np.int32),
        "mask_ids": np.array([[UNK, 8, 6], [5, 0, 0]], np.int32),  # [MASK], kept, random; kept
        "mask_weights": np.array([[1, 1, 1], [1, 0, 0]], np.float32),
        "next_sentence_labels": np.array([0, 1], np.int32),
    }


def random_batches(rows=600, length=40, pairs=True, lengths=(20, 20), seed=0, num_batches=3):
    """Rows masked at 15 %, 80/10/10; `lengths` are the mean lengths of rows of label 0 and label 1."""
    generator = np.random.default_rng(seed)
    batches = []
    for _ in range(num_batches):
        labels = generator.integers(0, 2, rows)
        sizes = np.clip(np.round(generator.normal(np.array(lengths)[labels], 4)), 8, length).astype(int)
        columns = np.arange(length)
        real = columns < sizes[:, None]
        ids = np.where(real, generator.integers(10, 1000, (rows, length)), PAD)
        cut = sizes // 2
        ids[:, 0] = CLS
        ids[np.arange(rows), cut] = ids[np.arange(rows), sizes - 1] = SEP
        slots = round(0.15 * length)
        positions, answers, weights = np.zeros((3, rows, slots), int)
        for row in range(rows):
            maskable = np.flatnonzero(real[row] & ~np.isin(ids[row], (CLS, SEP)))
            count = max(1, round(0.15 * sizes[row]))
            chosen = np.sort(generator.choice(maskable, count, replace=False))
            positions[row, :count], answers[row, :count], weights[row, :count] = chosen, ids[row, chosen], 1
            draws = generator.uniform(size=count)
            shown = np.where(draws < 0.8, MASK, ids[row, chosen])
            ids[row, chosen] = np.where(draws >= 0.9, generator.integers(1000, 2000, count), shown)
        batch = {"token_ids": ids, "segment_ids": (real & (columns > cut[:, None])).astype(int), "padding_mask": real}
        batch |= {"mask_positions": positions, "mask_ids": answers, "mask_weights": weights}
        batches.append(batch | ({"next_sentence_labels": labels} if pairs else {}))
    return batches


def test_by_hand():
    found = PairAndMaskStatistics.measure([batch_by_hand()], VOCABULARY)
    assert (found.num_rows, found.num_tokens) == (2, 12)
    # 4 and 2 tokens can be masked; 15 % of 7 and of 5 tokens ask for 1 mask each.
    assert (found.masked.value, found.masked.declared) == (4 / 6, 2 / 6)
    assert (found.became_mask.value, found.kept.value, found.became_random.value) == (1 / 4, 2 / 4, 1 / 4)
    assert found.unknown.value == 1 / 6
    assert found.padding.value == 2 / 14
    assert found.tokens_per_row.value == 6
    assert found.not_next is not None
    assert (found.not_next.value, found.not_next.declared) == (0.5, 0.5)
    assert [one.value for one in found.first_tokens or ()] == [2, 1]
    assert [one.value for one in found.second_tokens or ()] == [2, 1]
    # R = 4/6: rows miss it by 3 - 4·R and 1 - 2·R; n/(n - 1) is 2, the maskable tokens are 6.
    assert found.masked.standard_error == pytest.approx(np.sqrt(2 * ((3 - 16 / 6) ** 2 + (1 - 8 / 6) ** 2)) / 6)


def test_batches_are_not_changed_and_may_differ_in_length():
    short = {name: values[1:] for name, values in batch_by_hand().items()}
    whole = batch_by_hand()
    found = PairAndMaskStatistics.measure(iter([whole, short]), VOCABULARY)
    assert found.num_rows == 3
    assert (whole["token_ids"] == batch_by_hand()["token_ids"]).all()


def test_what_is_drawn_as_declared_is_found_within_its_errors():
    found = PairAndMaskStatistics.measure(random_batches(), VOCABULARY)
    assert found.masked.value == pytest.approx(found.masked.declared)
    for share in (found.became_mask, found.kept, found.became_random, found.not_next):
        assert share is not None
        assert share.declared is not None
        assert abs(share.value - share.declared) < 3 * share.standard_error
        assert 0.001 < share.standard_error < 0.03


def test_the_standard_error_of_a_label_share_is_the_binomial_one():
    share = PairAndMaskStatistics.measure(random_batches(), VOCABULARY).not_next
    assert share is not None
    assert share.standard_error == pytest.approx(np.sqrt(share.value * (1 - share.value) / 1799))


def test_the_standard_error_is_the_spread_over_repeats():
    found = [
        PairAndMaskStatistics.measure(random_batches(100, seed=seed, num_batches=1), VOCABULARY).kept
        for seed in range(40)
    ]
    spread = np.std([one.value for one in found], ddof=1)
    assert spread == pytest.approx(np.mean([one.standard_error for one in found]), rel=0.35)


def test_other_settings_are_declared():
    found = PairAndMaskStatistics.measure(
        [batch_by_hand()],
        VOCABULARY,
        masking_rate=0.4,
        mask_share=0.5,
        random_share=0.2,
        max_masks=2,
        not_next_share=0.3,
    )
    assert found.masked.declared == 4 / 6  # 40 % of 7 tokens are 3, cut at 2; 40 % of 5 are 2
    assert found.became_mask.declared == 0.5
    assert found.kept.declared == pytest.approx(0.3)
    assert found.became_random.declared == 0.2
    assert found.not_next is not None
    assert found.not_next.declared == 0.3


@pytest.mark.parametrize("lengths", [(14, 26), (26, 14)])
def test_lengths_that_tell_the_label_are_found_out(lengths):
    rule = PairAndMaskStatistics.measure(random_batches(lengths=lengths), VOCABULARY).length_balanced_accuracy
    assert rule is not None
    assert rule.value == pytest.approx(0.933, abs=0.03)  # Φ(6 / 4)


def test_lengths_that_tell_nothing_stay_at_chance():
    rules = [
        PairAndMaskStatistics.measure(random_batches(100, seed=seed), VOCABULARY).length_balanced_accuracy
        for seed in range(20)
    ]
    values = [rule.value for rule in rules if rule is not None]
    assert np.mean(values) == pytest.approx(0.5, abs=3 * np.std(values) / np.sqrt(20))
    errors = [rule.standard_error for rule in rules if rule is not None]
    assert np.std(values, ddof=1) == pytest.approx(np.mean(errors), rel=0.4)


def test_without_pairs_there_are_no_figures_of_pairs():
    found = PairAndMaskStatistics.measure(random_batches(pairs=False, num_batches=1), VOCABULARY)
    assert found.not_next is found.first_tokens is found.second_tokens is found.length_balanced_accuracy is None
    assert found.masked.value == pytest.approx(found.masked.declared)


def test_nothing_to_measure_is_refused():
    with pytest.raises(InputError, match="0 rows"):
        PairAndMaskStatistics.measure([], VOCABULARY)
    with pytest.raises(InputError, match="2 rows and none"):
        PairAndMaskStatistics.measure([batch_by_hand() | {"mask_weights": np.zeros((2, 3))}], VOCABULARY)
    with pytest.raises(InputError, match="all 2 rows have label 1"):
        PairAndMaskStatistics.measure([batch_by_hand() | {"next_sentence_labels": np.array([1, 1])}], VOCABULARY)
