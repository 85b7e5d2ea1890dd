import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file

from tfbert.data import prepare_corpus
from tfbert.data.records import Corpus, read_facts, write_shard
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

TOKENS = [*SPECIAL_TOKENS, "good", "app", "bad", "it", "is", "."]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "corpus"
    documents = [f"It is {'good ' * (number % 7)}. Bad app. {number}" for number in range(60)]
    tokenizer = BertTokenizer(TOKENS)
    prepare_corpus(documents, tokenizer, folder, sequence_lengths=(16, 8), shard_megabytes=0.0004, processes=1)
    return folder


@pytest.fixture
def folder(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "corpus")


def test_offsets_lead_to_each_tensor(folder):
    corpus = Corpus.open(folder)
    assert len(corpus.shards["train"]) > 2
    for shard in (*corpus.shards["train"], *corpus.shards["held_out"]):
        content = shard.path.read_bytes()
        tensors = shard.read()
        assert set(shard.offsets) == set(tensors)
        for name, (first, count) in shard.offsets.items():
            assert np.array_equal(np.frombuffer(content, np.int32, count, first), tensors[name].ravel())
        assert shard.rows == {length: len(tensors[f"rows_{length}"]) for length in (8, 16)}


def test_what_a_reader_asks(folder):
    corpus = Corpus.open(folder)
    assert corpus.sequence_lengths == (16, 8)
    for length in corpus.sequence_lengths:
        rows = [len(shard.read()[f"rows_{length}"]) for shard in corpus.shards["train"]]
        assert corpus.num_rows("train", length) == sum(rows) == corpus.manifest["train"]["rows"][str(length)]
    ids = np.concatenate([shard.read()["token_ids"] for shard in corpus.shards["train"]])
    assert np.array_equal(corpus.token_counts(), np.bincount(ids, minlength=len(TOKENS)))
    assert corpus.tokenizer().vocabulary.tokens == tuple(TOKENS)
    with pytest.raises(InputError, match=r"lengths 16, 8; received 32"):
        corpus.num_rows("train", 32)


def test_a_corpus_can_be_moved(folder, tmp_path):
    moved = folder.rename(tmp_path / "elsewhere")
    Corpus.open(moved).verify()


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "the shard is missing"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-1]),
            r"the shard has [\d,]+ bytes, the manifest says [\d,]+",
        ),
        (flip_a_bit, "the shard's bytes are not those that were written"),
    ],
    ids=["missing", "cut", "bit"],
)
def test_a_damaged_shard_is_named(folder, damage, message):
    corpus = Corpus.open(folder)
    corpus.verify()
    damage(folder / "train-00001.safetensors")
    with pytest.raises(InputError, match=rf"train-00001\.safetensors: {message}.*Prepare the corpus again"):
        corpus.verify()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "cannot be read"),
        (flip_a_bit, r"add up to [\d,]+; they are of shape \(11,\)"),
    ],
    ids=["missing", "cut", "bit"],
)
def test_damaged_token_counts_are_named(folder, damage, message):
    damage(folder / "token_counts.safetensors")
    with pytest.raises(InputError, match=rf"token_counts\.safetensors: .*{message}.*Prepare the corpus again"):
        Corpus.open(folder).token_counts()


def test_every_damaged_shard_is_counted(folder):
    corpus = Corpus.open(folder)
    for shard in (*corpus.shards["train"], *corpus.shards["held_out"]):
        flip_a_bit(shard.path)
    count = len(corpus.shards["train"]) + len(corpus.shards["held_out"])
    with pytest.raises(InputError, match=rf"train-00002.* and {count - 3} more"):
        corpus.verify()


def test_another_vocabulary_or_case_is_refused(folder):
    corpus = Corpus.open(folder)
    corpus.check_vocabulary(BertTokenizer(TOKENS))
    swapped = [*TOKENS[:-2], TOKENS[-1], TOKENS[-2]]
    for tokens in (swapped, [*TOKENS, "more"]):
        with pytest.raises(InputError, match=r"another vocabulary \(11 tokens\).*vocab\.txt"):
            corpus.check_vocabulary(BertTokenizer(tokens))
    with pytest.raises(InputError, match="lowercase=True; received lowercase=False"):
        corpus.check_vocabulary(BertTokenizer(TOKENS, lowercase=False))
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in swapped))
    with pytest.raises(InputError, match="another vocabulary"):
        corpus.tokenizer()


def change_manifest(folder, change):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda manifest: manifest.update(format="tfbert corpus 2"),
            "format must be 'tfbert corpus 1'.*'tfbert corpus 2'",
        ),
        (lambda manifest: manifest.pop("vocabulary_sha256"), "the fields vocabulary_sha256 are missing"),
        (lambda manifest: manifest.pop("shards"), "a field is missing.*'shards'"),
        (lambda manifest: manifest["shards"]["train"][0].pop("offsets"), "a field is missing.*'offsets'"),
        (lambda manifest: manifest["shards"]["train"][0].update(rows=3), "of another kind"),
        (
            lambda manifest: manifest["shards"]["train"][0].update(file="../a.safetensors"),
            "lies in the corpus folder",
        ),
    ],
)
def test_a_broken_manifest_is_refused(folder, change, message):
    change_manifest(folder, change)
    with pytest.raises(InputError, match=rf"manifest\.json: .*{message}"):
        Corpus.open(folder)


def test_a_manifest_that_is_not_json_or_not_there_is_refused(folder, tmp_path):
    (folder / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest\.json: must be JSON"):
        Corpus.open(folder)
    (folder / "manifest.json").unlink()
    for path in (folder, tmp_path / "absent"):
        with pytest.raises(InputError, match=r"holds manifest\.json, which is written last"):
            Corpus.open(path)


def test_the_same_tensors_and_facts_make_the_same_bytes(tmp_path):
    tensors = {name: np.arange(5, dtype=np.int32) for name in ("b", "a", "c")}
    facts = {"identity": "1", "tokens": 2}
    for name in ("one", "two"):
        write_shard(tmp_path / name, tensors, facts)
        tensors, facts = dict(reversed(tensors.items())), dict(reversed(facts.items()))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert read_facts(tmp_path / "one") == facts
    assert sorted(load_file(tmp_path / "one")) == ["a", "b", "c"]
    assert read_facts(tmp_path / "absent") is None
