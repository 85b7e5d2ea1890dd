import numpy as np
import pytest
import tensorflow as tf
from unique_corpus import FIRST_ID, make_unique_corpus, some_shards

from tfbert.data.inputs import PretrainingInputs
from tfbert.data.masking import Masking
from tfbert.data.sentence_pairs import SentencePairs
from tfbert.errors import InputError

LENGTH = 32


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Eleven training shards of 25 documents, one held out."""
    return make_unique_corpus(tmp_path_factory.mktemp("corpus"), some_shards(12, 25), LENGTH)


@pytest.fixture
def inputs(made):
    return make_inputs(made)


def make_inputs(made, objective="next_sentence", random_rate=0.5, batch_size=7, seed=3, **options):
    corpus, vocabulary, *_ = made
    pairs = SentencePairs(vocabulary, LENGTH, objective, random_rate)
    return PretrainingInputs(corpus, pairs, Masking(vocabulary), batch_size, seed=seed, **options)


def read(dataset):
    return [{name: value.numpy() for name, value in batch.items()} for batch in dataset]


def same(first, second):
    return len(first) == len(second) and all(
        a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in zip(first, second, strict=True)
    )


def unmasked(batch):
    """Put the masked tokens back."""
    token_ids = batch["token_ids"].copy()
    for row, position, token, weight in zip(
        np.indices(batch["mask_ids"].shape)[0].ravel(),
        batch["mask_positions"].ravel(),
        batch["mask_ids"].ravel(),
        batch["mask_weights"].ravel(),
        strict=True,
    ):
        if weight:
            token_ids[row, position] = token
    return token_ids


def test_an_epoch_has_each_planned_row_once(made, inputs):
    """Of rows with one text, every planned run of tokens is there, and no other."""
    plain = make_inputs(made, "none")
    corpus = made[0]
    planned = set()
    for shard in corpus.shards["train"]:
        tensors = shard.read()
        for _, first, end in tensors[f"rows_{LENGTH}"]:
            span = tensors["token_ids"][tensors["sentence_starts"][first] : tensors["sentence_starts"][end]]
            planned.add(tuple(span) if len(span) <= LENGTH - 2 else (int(span[0]) // 1000, len(span)))
    seen, too_long = [], 0
    batches = read(plain.dataset(0, plain.steps_in_epoch(0)))
    for batch in batches:
        assert batch["token_ids"].shape[1] % 8 == 0
        for row, mask in zip(unmasked(batch), batch["padding_mask"], strict=True):
            text = row[1 : mask.sum() - 1]
            assert (np.diff(text) == 1).all()
            if len(text) == LENGTH - 2:
                too_long += 1
            else:
                seen.append(tuple(text))
    assert len(seen) == len(set(seen))
    assert set(seen) <= planned
    assert len(seen) + too_long == plain.num_rows == sum(len(b["token_ids"]) for b in batches)
    assert [len(batch["token_ids"]) for batch in batches].count(7) >= len(batches) - 3
    assert len(batches) == plain.steps_in_epoch(0)
    assert inputs.num_rows == plain.num_rows


def test_a_row_has_the_same_number_in_each_epoch(made):
    plain = make_inputs(made, "none", numbered=True)
    texts = {}
    for epoch in (0, 1):
        first = sum(plain.steps_in_epoch(each) for each in range(epoch))
        numbers = []
        for batch in read(plain.dataset(first, plain.steps_in_epoch(epoch))):
            for number, row, mask in zip(batch["row_numbers"], unmasked(batch), batch["padding_mask"], strict=True):
                numbers.append(number)
                text = tuple(row[1 : mask.sum() - 1])
                # A text that is too long is cut, and at either end.
                if len(text) < LENGTH - 2:
                    assert texts.setdefault(number, text) == text
        assert sorted(numbers) == list(range(plain.num_rows))
    assert len(set(texts.values())) == len(texts) > 100


@pytest.mark.slow
def test_the_next_epoch_and_another_seed_draw_anew_and_a_replay_the_same(made, inputs):
    steps = inputs.steps_in_epoch(0)
    first = read(inputs.dataset(0, steps))
    assert same(first, read(make_inputs(made).dataset(0, steps)))
    assert not same(first, read(make_inputs(made, seed=4).dataset(0, steps)))
    second = read(inputs.dataset(steps, inputs.steps_in_epoch(1)))
    labels = [{}, {}]
    masks = [{}, {}]
    for number, batches in enumerate((first, second)):
        for batch in batches:
            for row, label, positions in zip(
                unmasked(batch), batch["next_sentence_labels"], batch["mask_positions"], strict=True
            ):
                labels[number][row[1]] = label
                masks[number][row[1]] = tuple(positions)
    common = labels[0].keys() & labels[1].keys()
    assert len(common) > 200
    assert 0.4 < np.mean([labels[0][token] == labels[1][token] for token in common]) < 0.6
    assert np.mean([masks[0][token] == masks[1][token] for token in common]) < 0.3


@pytest.mark.slow
def test_starts_anywhere_without_replaying(made, inputs):
    steps = inputs.steps_in_epoch(0) + inputs.steps_in_epoch(1) + 9
    whole = read(inputs.dataset(0, steps))
    assert len(whole) == steps
    for start in (57, inputs.steps_in_epoch(0)):
        assert same(whole[start:], read(inputs.dataset(start, steps - start)))
    assert same(whole[20:25], read(inputs.dataset(20, 5)))


@pytest.mark.slow
def test_what_is_drawn_for_a_row_depends_on_no_batch_size(made):
    """Label, split and masks belong to (seed, epoch, row): in other batches they are the same."""

    def facts(batch_size):
        drawn = {}
        inputs = make_inputs(made, "sentence_order", batch_size=batch_size)
        for batch in read(inputs.dataset(0, inputs.steps_in_epoch(0))):
            tokens = unmasked(batch)
            for row in range(len(tokens)):
                real = batch["padding_mask"][row].sum()
                used = batch["mask_weights"][row] > 0
                drawn[tuple(sorted(tokens[row, :real]))] = (
                    int(batch["next_sentence_labels"][row]),
                    int(batch["segment_ids"][row].sum()),
                    tuple(batch["mask_positions"][row][used]),
                )
        return drawn

    assert facts(7) == facts(50)


@pytest.mark.slow
def test_threads_change_nothing(inputs):
    one, eight = tf.data.Options(), tf.data.Options()
    one.threading.private_threadpool_size, eight.threading.private_threadpool_size = 1, 8
    dataset = inputs.dataset(0, 40)
    assert same(read(dataset.with_options(one)), read(dataset.with_options(eight)))


@pytest.mark.slow
def test_two_replicas_read_the_same_rows(inputs):
    """Each replica gets its part of the same global batch."""
    from tfbert.training import pick_placement

    strategy = pick_placement("mirrored").strategy
    alone = read(inputs.dataset(0, 30))
    for expected, batch in zip(alone, strategy.experimental_distribute_dataset(inputs.dataset(0, 30)), strict=True):
        for name, value in batch.items():
            parts = [part.numpy() for part in strategy.experimental_local_results(value)]
            assert min(map(len, parts)) >= 3 or len(expected[name]) < 7
            np.testing.assert_array_equal(np.concatenate(parts), expected[name], err_msg=name)


def test_shards_that_are_open_together_change_from_epoch_to_epoch(inputs):
    def together(epoch):
        return {frozenset(opening.shards.tolist()) for opening in inputs._openings(epoch)}

    assert together(0) != together(1)
    assert sorted(i for opened in together(0) for i in opened) == list(range(11))
    assert {len(opened) for opened in together(0)} == {3, 4}


def test_batches_are_cut_by_length(made):
    """Rows of one batch are about as long, so that little is padded, and the batches come in no order of length."""
    inputs = make_inputs(made, "none")
    batches = read(inputs.dataset(0, inputs.steps_in_epoch(0)))
    spread = [np.ptp(batch["padding_mask"].sum(1)) for batch in batches]
    assert np.median(spread) <= 3
    longest = [batch["padding_mask"].sum(1).max() for batch in batches]
    assert np.abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.3


@pytest.mark.slow
def test_held_out_rows_come_from_held_out_documents(made):
    inputs = make_inputs(made, split="held_out")
    held_out = set(made[0].shards["held_out"][0].read()["token_ids"].tolist())
    batches = read(inputs.dataset(0, inputs.steps_in_epoch(0)))
    seen = {int(token) for batch in batches for token in unmasked(batch).ravel() if token >= FIRST_ID}
    assert seen <= held_out
    assert same(batches, read(inputs.dataset(0, inputs.steps_in_epoch(0))))


@pytest.mark.slow
def test_a_pinned_batch(made):
    """What a seed draws is part of the contract: a change here breaks every run that is resumed across it."""
    (batch,) = read(make_inputs(made, batch_size=2).dataset(5, 1))
    assert unmasked(batch).sum() == PINNED["tokens"]
    assert batch["mask_positions"].tolist() == PINNED["positions"]
    assert batch["next_sentence_labels"].tolist() == PINNED["labels"]


PINNED = {"tokens": 78281, "positions": [[3, 4], [1, 8]], "labels": [1, 0]}


def test_a_shard_that_changes_after_it_was_opened_is_named(tmp_path):
    made = make_unique_corpus(tmp_path, some_shards(3, 10), LENGTH)
    inputs = make_inputs(made)
    path = made[0].shards["train"][1].path
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"a shard has changed.*train-00001"):
        read(inputs.dataset(0, 1))


@pytest.mark.slow
def test_one_document_is_refused_for_next_sentences_alone(tmp_path):
    made = make_unique_corpus(tmp_path, [[[9] * 40], [[9] * 40]], LENGTH)
    with pytest.raises(InputError, match=r"needs two documents or more, and 'train' has 1.*sentence_order or none"):
        make_inputs(made)
    for objective in ("sentence_order", "none"):
        assert read(make_inputs(made, objective).dataset(0, 2))


def test_no_rows_and_wrong_settings(tmp_path, made):
    with pytest.raises(InputError, match="no rows of length 32 in 'held_out'"):
        make_inputs(make_unique_corpus(tmp_path, some_shards(2, 10), LENGTH, held_out=0), split="held_out")
    for options in ({"batch_size": 0}, {"open_shards": 1}):
        with pytest.raises(InputError, match=f"{next(iter(options))}={next(iter(options.values()))}"):
            make_inputs(made, **options)


def test_the_graph_holds_no_python(inputs):
    """No py_function: the pipeline can be serialized, moved to a tf.data service, and runs without the interpreter."""
    graph = inputs.dataset(0, 3)._as_serialized_graph().numpy()
    assert b"PyFunc" not in graph
    assert b"StatelessRandomUniform" in graph
