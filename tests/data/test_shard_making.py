import json

import numpy as np
import pytest

from tfbert.data.corpus_pieces import Piece
from tfbert.data.records import Shard
from tfbert.data.row_plan import plan_rows
from tfbert.data.shard_making import ShardMaker, ShardSettings
from tfbert.errors import InputError
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

TOKENS = (*SPECIAL_TOKENS, "good", "app", "bad", "it", "is", ".", "!", "##s", "##ly", "a")
ID = {token: number for number, token in enumerate(TOKENS)}
DOCUMENTS = [["Good app. It is!", "Bad."], ["zzz good apps"], ["\u200d"], ["", "a"], ["bad app"]]


def settings(**changes):
    values = {
        "vocabulary": TOKENS,
        "lowercase": True,
        "sequence_lengths": (8,),
        "short_row_rate": 0.1,
        "random_rate": 0.5,
        "seed": 0,
    }
    return ShardSettings(**(values | changes))


def piece(documents=DOCUMENTS, split="train", number=0):
    made = Piece(split, number)
    for document in documents:
        made.extend(json.dumps(document).encode() + b"\n", 1, len("\n".join(document).encode()), 0.0)
    return made


def words(*tokens):
    return [ID[token] for token in tokens]


def test_sentences_of_paragraphs_become_ids_with_offsets():
    token_ids, sentence_starts, document_starts = ShardMaker(settings()).encode(DOCUMENTS)
    sentences = [
        words("good", "app", "."),
        words("it", "is", "!"),
        words("bad", "."),
        words("[UNK]", "good", "app", "##s"),
        words("a"),
        words("bad", "app"),
    ]
    assert token_ids.tolist() == [each for sentence in sentences for each in sentence]
    assert np.diff(sentence_starts).tolist() == [len(sentence) for sentence in sentences]
    # The third document has no character that the tokenizer keeps.
    assert document_starts.tolist() == [0, 3, 4, 5, 6]


def test_batches_change_nothing(monkeypatch):
    whole = ShardMaker(settings()).encode(DOCUMENTS * 3)
    monkeypatch.setattr("tfbert.data.shard_making._BATCH_CHARACTERS", 20)
    for one, other in zip(whole, ShardMaker(settings()).encode(DOCUMENTS * 3), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("good app bad it is", [5]),  # the budget of 8 is 5
        ("good app bad it is a", [5, 1]),
        ("good app bad apps apps a", [5, 3]),  # the cut moves in front of "app ##s"
        ("appssssssss good a", [5, 5, 1]),  # one word of 9 pieces, cut hard
        ("is good app bad it is good app bad it is good", [5, 5, 2]),
    ],
)
def test_long_sentences_are_cut_at_words(text, pieces):
    maker = ShardMaker(settings(sequence_lengths=(16, 8)))
    token_ids, sentence_starts, document_starts = maker.encode([["it is"], [text, "a"]])
    assert np.diff(sentence_starts).tolist() == [2, *pieces, 1]
    assert document_starts.tolist() == [0, 1, 2 + len(pieces)]
    is_word_start = np.array([not token.startswith("##") for token in TOKENS])
    if max(len(word) for word in text.split()) < 9:
        assert is_word_start[token_ids[sentence_starts[:-1]]].all()


def test_the_shard_on_the_disk(tmp_path):
    made = ShardMaker(settings(sequence_lengths=(8, 16))).make(tmp_path, piece(number=7))
    assert made.made
    shard = Shard.from_entry(tmp_path, made.entry)
    assert shard.path == tmp_path / "train-00007.safetensors"
    tensors = shard.read()
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.int32)}
    starts, documents = tensors["sentence_starts"], tensors["document_starts"]
    word_starts = np.array([0, 3, 6, 8, 11, 12, 14])
    for length in (8, 16):
        random = np.random.default_rng([0, 0, 7, length])
        plan = plan_rows(starts, documents, word_starts, length, random=random)
        assert np.array_equal(tensors[f"rows_{length}"], plan.rows)
        assert made.entry["dropped_chunks"][str(length)] == plan.dropped > 0
        assert made.entry["rows_with_two_sentences"][str(length)] == sum(row[2] - row[1] > 1 for row in plan.rows)
    assert (shard.documents, shard.sentences, shard.tokens, shard.unknown_tokens) == (4, 6, 15, 1)
    assert made.entry["empty_documents"] == 1
    assert shard.text_bytes == sum(len("\n".join(document).encode()) for document in DOCUMENTS)
    assert np.array_equal(made.token_counts, np.bincount(tensors["token_ids"], minlength=len(TOKENS)))


def test_a_shard_that_is_there_is_not_made_again(tmp_path):
    maker = ShardMaker(settings())
    first = maker.make(tmp_path, piece())
    path = tmp_path / first.entry["file"]
    written = path.stat().st_mtime_ns
    again = ShardMaker(settings()).make(tmp_path, piece())
    assert (first.made, again.made) == (True, False)
    assert again.entry == first.entry
    assert np.array_equal(again.token_counts, first.token_counts)
    assert path.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"another file, of another format altogether"),
    ],
    ids=["cut", "empty", "other"],
)
def test_a_file_that_is_no_whole_shard_is_made_again(tmp_path, change):
    first = ShardMaker(settings()).make(tmp_path, piece())
    change(tmp_path / first.entry["file"])
    again = ShardMaker(settings()).make(tmp_path, piece())
    assert again.made
    assert again.entry == first.entry


@pytest.mark.parametrize(
    ("changed_settings", "changed_piece"),
    [
        ({"seed": 1}, {}),
        ({"lowercase": False}, {}),
        ({"vocabulary": (*TOKENS, "more")}, {}),
        ({"sequence_lengths": (9,)}, {}),
        ({"short_row_rate": 0.2}, {}),
        ({"random_rate": 0.2}, {}),
        ({}, {"documents": [*DOCUMENTS, ["more"]]}),
        ({}, {"documents": [["Good app. It is!"], ["Bad."], *DOCUMENTS[1:]]}),
    ],
)
def test_a_shard_of_other_settings_or_texts_is_made_again(tmp_path, changed_settings, changed_piece):
    ShardMaker(settings()).make(tmp_path, piece())
    assert ShardMaker(settings(**changed_settings)).make(tmp_path, piece(**changed_piece)).made


def test_split_and_number_change_the_plan(tmp_path):
    maker = ShardMaker(settings())
    long = [["it is. good app. " * 30]]
    plans = [
        Shard.from_entry(tmp_path, maker.make(tmp_path, piece(long, split, number)).entry).read()["rows_8"].tolist()
        for split, number in (("train", 0), ("train", 1), ("held_out", 0))
    ]
    assert plans[0] != plans[1]
    assert plans[0] != plans[2]


def test_a_shard_without_rows_is_refused_and_not_written(tmp_path):
    with pytest.raises(
        InputError, match=r"none of the 2 documents of held_out-00000 makes one, the first is \['good'\]"
    ):
        ShardMaker(settings()).make(tmp_path, piece([["good"], ["apps"]], "held_out"))
    assert not list(tmp_path.iterdir())
