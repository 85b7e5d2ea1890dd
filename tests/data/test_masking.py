import numpy as np
import pytest
import tensorflow as tf

from tfbert.data.masking import Masking
from tfbert.errors import InputError
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS, Vocabulary

# 0-4 special, 5-9 unused, 10-69 words, 70-99 pieces that go on.
TOKENS = [
    *SPECIAL_TOKENS,
    *(f"[unused{i}]" for i in range(5)),
    *(f"w{i}" for i in range(60)),
    *(f"##p{i}" for i in range(30)),
]
VOCABULARY = Vocabulary(TOKENS)
PAD, UNK, CLS, SEP, MASK = range(5)
LONGEST = 64


def make_rows(num_rows, length=LONGEST, seed=0):
    """[CLS] A [SEP] B [SEP] [PAD] ..., of unequal lengths."""
    rng = np.random.default_rng(seed)
    token_ids = np.zeros((num_rows, length), np.int32)
    segment_ids = np.zeros_like(token_ids)
    for row in range(num_rows):
        size = rng.integers(5, length + 1)
        split = rng.integers(2, size - 2)
        token_ids[row, :size] = rng.integers(10, 100, size)
        token_ids[row, 0] = CLS
        token_ids[row, [split, size - 1]] = SEP
        segment_ids[row, split + 1 : size] = 1
    return {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": (token_ids != PAD).astype(np.int32)}


def uniform(masking, num_rows, seed=1):
    return np.random.default_rng(seed).random((num_rows, masking.num_draws(LONGEST)), np.float32)


def masked(masking, rows, draws):
    return {name: np.asarray(value) for name, value in masking(rows, tf.constant(draws)).items()}


def reference(rows, draws, rate, mask_share, random_share, whole_words, max_ngram):
    """The rules again, row by row in plain Python; `draws` are split as the class splits them."""
    ordinary = list(range(10, 100))
    length = rows["token_ids"].shape[1]
    slots = max(1, round(rate * length))
    answers = []
    for ids, real, row_draws in zip(rows["token_ids"], rows["padding_mask"], draws, strict=True):
        pick, action, token, ngram = (part[:length] for part in np.split(row_draws, 4))
        wanted = min(slots, max(1, round(rate * int(real.sum()))))
        maskable = [place for place in range(length) if real[place] and ids[place] not in (CLS, SEP)]
        if whole_words:
            words, picked = [], []
            for place in maskable:
                if ids[place] >= 70 and place - 1 in maskable:
                    words[-1].append(place)
                else:
                    words.append([place])
            odds = np.array([1 / count for count in range(1, max_ngram + 1)])
            for index in sorted(range(len(words)), key=lambda index: pick[words[index][0]]):
                draw = ngram[words[index][0]]
                count = 1 + int((draw >= np.float32(np.cumsum(odds / odds.sum())[:-1])).sum())
                run = list(words[index])
                for following in words[index + 1 : index + count]:
                    if following[0] != run[-1] + 1:
                        break
                    run += following
                if len(picked) + len(run) <= wanted and not set(run) & set(picked):
                    picked += run
        else:
            picked = sorted(maskable, key=lambda place: pick[place])[:wanted]
        picked = sorted(picked)
        after = ids.copy()
        for place in picked:
            if action[place] < np.float32(mask_share):
                after[place] = MASK
            elif action[place] >= np.float32(1 - random_share):
                after[place] = ordinary[int(token[place] * np.float32(len(ordinary)))]
        unused = [0] * (slots - len(picked))
        answers.append((after, picked + unused, [*ids[picked], *unused], [1.0] * len(picked) + unused))
    names = ("token_ids", "mask_positions", "mask_ids", "mask_weights")
    return dict(zip(names, (np.array(column) for column in zip(*answers, strict=True)), strict=True))


SETTINGS = [
    {},
    {"rate": 0.4, "mask_share": 0.5, "random_share": 0.3},
    {"whole_words": True},
    {"rate": 0.3, "whole_words": True, "max_ngram": 3},
]
DEFAULTS = {"rate": 0.15, "mask_share": 0.8, "random_share": 0.1, "whole_words": False, "max_ngram": 1}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("length", [LONGEST, 17])
def test_equals_the_rules_in_plain_python(settings, length):
    rows, masking = make_rows(40, length), Masking(VOCABULARY, **settings)
    draws = uniform(masking, 40)
    expected = reference(rows, draws[:, : 4 * LONGEST], **{**DEFAULTS, **settings})
    answer = masked(masking, rows, draws)
    for name, value in expected.items():
        np.testing.assert_array_equal(answer[name], value, err_msg=name)
    for name in ("segment_ids", "padding_mask"):
        np.testing.assert_array_equal(answer[name], rows[name])


@pytest.mark.parametrize("settings", SETTINGS)
def test_shares_over_100_000_tokens(settings):
    """Within three standard deviations of what is declared, and nothing special ever touched or put in."""
    rows, masking = make_rows(3000), Masking(VOCABULARY, **settings)
    answer = masked(masking, rows, uniform(masking, 3000))
    assert rows["padding_mask"].sum() > 100_000
    used = answer["mask_weights"] > 0
    before = np.take_along_axis(rows["token_ids"], answer["mask_positions"], 1)[used]
    after = np.take_along_axis(answer["token_ids"], answer["mask_positions"], 1)[used]
    np.testing.assert_array_equal(answer["mask_ids"][used], before)
    assert before.min() >= 10
    lengths = rows["padding_mask"].sum(1)
    wanted = np.maximum(1, np.round(masking.rate * lengths))
    if masking.whole_words:
        assert (used.sum(1) <= wanted).all()
        # A word may not fit into what is left; it is rarely much.
        assert used.sum() > 0.93 * wanted.sum()
    else:
        np.testing.assert_array_equal(used.sum(1), wanted)
    outside = np.ones_like(rows["token_ids"], bool)
    np.put_along_axis(outside, np.where(used, answer["mask_positions"], 0), False, 1)
    np.testing.assert_array_equal(answer["token_ids"][outside], rows["token_ids"][outside])
    assert (answer["token_ids"][:, 0] == CLS).all()
    count = used.sum()
    random = (after != MASK) & (after != before)
    assert after[random].min() >= 10
    # A random token is the one that stood there in 1 of 90 cases.
    for share, declared in (
        ((after == MASK).mean(), masking.mask_share),
        (random.mean(), masking.random_share * 89 / 90),
        ((after == before).mean(), 1 - masking.mask_share - masking.random_share * 89 / 90),
    ):
        assert abs(share - declared) < 3 * np.sqrt(declared * (1 - declared) / count)
    drawn = np.bincount(after[random], minlength=100)[10:]
    assert drawn.min() > 0
    assert ((drawn - drawn.mean()) ** 2 / drawn.mean()).sum() < 89 + 3 * np.sqrt(2 * 89)


def test_every_token_of_a_row_is_equally_likely():
    rows, masking = make_rows(1), Masking(VOCABULARY)
    rows = {name: np.repeat(value, 4000, axis=0) for name, value in rows.items()}
    answer = masked(masking, rows, uniform(masking, 4000))
    used = answer["mask_weights"] > 0
    maskable = np.flatnonzero(rows["token_ids"][0] >= 10)
    share = used[0].sum() / len(maskable)
    counts = np.bincount(answer["mask_positions"][used], minlength=LONGEST)[maskable] / 4000
    assert np.abs(counts - share).max() < 4 * np.sqrt(share * (1 - share) / 4000)


def test_runs_of_words_are_as_long_as_declared():
    """Of single-piece words far apart, the first run of each row is n words with odds 1/n."""
    ids = np.full((6000, 40), 10, np.int32)
    ids[:, 0], ids[:, -1] = CLS, SEP
    rows = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 0 * ids + 1}
    masking = Masking(VOCABULARY, rate=0.075, whole_words=True, max_ngram=3)
    draws = uniform(masking, 6000)
    answer = masked(masking, rows, draws)
    positions, used = answer["mask_positions"], answer["mask_weights"] > 0
    assert (used.sum(1) == 3).all()
    whole_runs = (positions[:, 2] - positions[:, 0] == 2).mean()
    # Three in a row: a run of three (odds 1/3 of 11/6), or shorter runs that happen to touch.
    assert 2 / 11 < whole_runs < 2 / 11 + 0.1


def test_ties_round_to_even_as_python_does():
    ids = np.full((1, 30), 10, np.int32)
    masking = Masking(VOCABULARY)
    for real, wanted in ((10, 2), (30, 4), (3, 1)):
        padding_mask = (np.arange(30) < real).astype(np.int32)[None]
        rows = {"token_ids": ids * padding_mask, "segment_ids": 0 * ids, "padding_mask": padding_mask}
        assert masked(masking, rows, uniform(masking, 1))["mask_weights"].sum() == wanted == max(1, round(real * 0.15))


def test_slots_are_limited():
    rows, masking = make_rows(50), Masking(VOCABULARY, rate=0.5, max_masks=7)
    answer = masked(masking, rows, uniform(masking, 50))
    assert answer["mask_positions"].shape == (50, 7)
    assert answer["mask_weights"].sum(1).max() == 7


def test_eager_mapped_and_batched_otherwise_are_equal():
    rows, masking = make_rows(24), Masking(VOCABULARY, whole_words=True, max_ngram=2)
    draws = uniform(masking, 24)
    eager = masked(masking, rows, draws)
    for size in (24, 5):
        mapped = list(tf.data.Dataset.from_tensor_slices((rows, draws)).batch(size).map(masking))
        for name, value in eager.items():
            np.testing.assert_array_equal(np.concatenate([part[name] for part in mapped]), value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0.0}, "rate=0.0"),
        ({"rate": 1.0}, "rate=1.0"),
        ({"mask_share": 0.95}, "mask_share=0.95"),
        ({"random_share": -0.1}, "random_share=-0.1"),
        ({"max_ngram": 2}, "max_ngram=2, whole_words=False"),
        ({"max_ngram": 0, "whole_words": True}, "max_ngram=0"),
        ({"max_masks": 0}, "max_masks"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message):
        Masking(VOCABULARY, **settings)


def test_a_vocabulary_without_words():
    with pytest.raises(InputError, match="no token but special ones"):
        Masking(Vocabulary([*SPECIAL_TOKENS, "[unused0]"]))
