import dataclasses
import io
import json
import re
import sys

import numpy as np
import pytest

from tfbert.data import Corpus, DocumentFiles, Selection, prepare_corpus, sample_vocabulary
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(sample_vocabulary())


def reviews(count):
    return [
        [f"I tried it {number} times. It works, and it is easy!", "Thanks. We fixed it."] for number in range(count)
    ]


def content(folder):
    """Every file with its bytes but the lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def test_texts_and_paragraphs_become_a_corpus(tokenizer, tmp_path):
    corpus = prepare_corpus([*reviews(300), "One more. And it is a text."], tokenizer, tmp_path / "corpus")
    corpus.verify()
    corpus.check_vocabulary(tokenizer)
    train, held_out = corpus.manifest["train"], corpus.manifest["held_out"]
    assert train["documents"] + held_out["documents"] == 301
    assert 10 < held_out["documents"] < 55
    tensors = corpus.shards["train"][0].read()
    ids = tensors["token_ids"]
    first = corpus.shards["train"][0].read()["document_starts"][1]
    text = tokenizer.detokenize(ids[: tensors["sentence_starts"][first]][np.newaxis])[0].numpy().decode()
    assert re.fullmatch(r"i tried it \d+ times \. it works , and it is easy ! thanks \. we fixed it \.", text)
    assert {path.name for path in (tmp_path / "corpus").iterdir()} == {
        ".lock",
        "settings.json",
        "finished.json",
        "manifest.json",
        "vocab.txt",
        "token_counts.safetensors",
        "train-00000.safetensors",
        "held_out-00000.safetensors",
    }


def test_the_manifest_tells_settings_and_totals(tokenizer, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("content,reply\n" + "".join(f"It works {n} times.,Thanks. Bye.\n" for n in range(99)))
    files = DocumentFiles(path, text_columns=["content", "reply"])
    options = {"sequence_lengths": (16, 32), "held_out_share": 0.2, "shard_megabytes": 0.001, "seed": 5}
    corpus = prepare_corpus(files, tokenizer, tmp_path / "corpus", **options, processes=1)
    manifest = corpus.manifest
    assert {name: manifest[name] for name in ("sources", "layout", "text_columns", "sequence_lengths", "seed")} == {
        "sources": [str(path)],
        "layout": "auto",
        "text_columns": ["content", "reply"],
        "sequence_lengths": [16, 32],
        "seed": 5,
    }
    for split in ("train", "held_out"):
        entries = manifest["shards"][split]
        assert len(entries) > 1 or split == "held_out"
        for name in ("documents", "sentences", "tokens", "unknown_tokens", "text_bytes"):
            assert manifest[split][name] == sum(entry[name] for entry in entries)
        for length in ("16", "32"):
            assert manifest[split]["rows"][length] == sum(entry["rows"][length] for entry in entries)


def test_the_seed_and_nothing_of_the_time_decide(tokenizer, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        prepare_corpus(reviews(50), tokenizer, tmp_path / name, seed=seed)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a")["train-00000.safetensors"] != content(tmp_path / "c")["train-00000.safetensors"]


def test_what_an_earlier_run_left_is_used_and_swept(tokenizer, tmp_path):
    options = {"shard_megabytes": 0.001, "processes": 1}
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    prepare_corpus(reviews(100), tokenizer, whole, **options)
    prepare_corpus(reviews(100), tokenizer, folder, **options)
    # As a kill leaves it: some shards, half of one, no manifest; and a shard of a source that was longer then.
    for name in ("finished.json", "manifest.json", "vocab.txt", "train-00002.safetensors"):
        (folder / name).unlink()
    (folder / ".partial-1-train-00002.safetensors").write_bytes(b"half")
    (folder / "train-00099.safetensors").write_bytes((folder / "train-00000.safetensors").read_bytes())
    kept = (folder / "train-00001.safetensors").stat().st_mtime_ns
    report = io.StringIO()
    prepare_corpus(reviews(100), tokenizer, folder, **options, report=report)
    assert content(folder) == content(whole)
    assert (folder / "train-00001.safetensors").stat().st_mtime_ns == kept
    assert "MB of it by an earlier run" in report.getvalue()


def test_other_settings_are_named_and_refused(tokenizer, tmp_path):
    prepare_corpus(reviews(20), tokenizer, tmp_path)
    with pytest.raises(InputError, match="holds a finished run"):
        prepare_corpus(reviews(20), tokenizer, tmp_path)
    (tmp_path / "finished.json").unlink()
    with pytest.raises(InputError, match="seed was 0, now 1"):
        prepare_corpus(reviews(20), tokenizer, tmp_path, seed=1)
    with pytest.raises(InputError, match=r"lowercase was True, now False"):
        prepare_corpus(reviews(20), BertTokenizer(sample_vocabulary(), lowercase=False), tmp_path)
    with pytest.raises(InputError, match=r"vocabulary_sha256 was .*, now .*; vocabulary_size was 1513, now 1514"):
        prepare_corpus(reviews(20), BertTokenizer([*tokenizer.vocabulary.tokens, "zzz"]), tmp_path)


EVERYTHING = Selection(least_characters=10, language="en", quality=True, deduplicate="exact")


def mixed(count):
    """Reviews, each a second time in capitals, among what every filter leaves out."""
    for paragraphs in reviews(count):
        yield paragraphs
        yield ["Good."]
        yield ["Nach dem Update geht nichts mehr, bitte beheben."]
        yield ["Call 0049 30 1234 567 and not 0049 30 7654 now"]
        yield [text.upper() for text in paragraphs]


def test_a_selection_is_as_if_the_rest_were_not_there(tokenizer, tmp_path):
    options = {"shard_megabytes": 0.002, "processes": 1}
    selected = prepare_corpus(mixed(100), tokenizer, tmp_path / "selected", **options, selection=EVERYTHING)
    plain = prepare_corpus(reviews(100), tokenizer, tmp_path / "plain", **options)
    dropped = {"short": 100, "language": 100, "quality": 100, "duplicate": 100}
    assert selected.manifest["dropped"] == dropped
    described = {"least_characters": 10, "language": "en", "quality": True, "deduplicate": "exact"}
    expected = {**plain.manifest, **described, "dropped": dropped}
    assert selected.manifest == expected
    for shard, other in zip(selected.shards["train"], plain.shards["train"], strict=True):
        assert shard.path.read_bytes() == other.path.read_bytes()


def test_nothing_of_a_selection_is_told_where_there_is_none(tokenizer, tmp_path):
    """Folders prepared by earlier versions go on, and stay what they were."""
    corpus = prepare_corpus(reviews(20), tokenizer, tmp_path, selection=Selection())
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert list(settings) == [
        "sources",
        "vocabulary_sha256",
        "vocabulary_size",
        "lowercase",
        "sequence_lengths",
        "held_out_share",
        "short_row_rate",
        "random_rate",
        "seed",
        "shard_megabytes",
    ]
    assert {*corpus.manifest} - {*settings} == {"format", "train", "held_out", "shards"}


def test_another_selection_is_named_and_refused(tokenizer, tmp_path):
    prepare_corpus(reviews(20), tokenizer, tmp_path)
    (tmp_path / "finished.json").unlink()
    with pytest.raises(InputError, match="deduplicate was None, now 'exact'"):
        prepare_corpus(reviews(20), tokenizer, tmp_path, selection=Selection(deduplicate="exact"))


def test_a_selection_that_leaves_nothing_says_so(tokenizer, tmp_path):
    documents = [*["Good."] * 19, "1 2 3 4 5 6 7"]
    selection = Selection(least_characters=10, quality=True)
    with pytest.raises(InputError, match="all were left out: 19 short, 1 quality"):
        prepare_corpus(documents, tokenizer, tmp_path / "corpus", selection=selection)
    assert not (tmp_path / "corpus").exists()


def test_a_pipeline_needs_beam(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(InputError, match=r"needs Apache Beam.*pip install 'tfbert\[beam\]'"):
        prepare_corpus(DocumentFiles("sample"), tokenizer, tmp_path / "corpus", beam_flags=[])


@pytest.mark.parametrize("documents", [[], [[], []], ["", " \n"], ["\u200d"] * 5])
def test_no_documents_are_refused(tokenizer, tmp_path, documents):
    with pytest.raises(InputError, match=r"a corpus needs (documents|text)"):
        prepare_corpus(documents, tokenizer, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_one_document_is_refused_unless_allowed(tokenizer, tmp_path):
    documents = ["A single one. It has two sentences."]
    with pytest.raises(InputError, match=r"two training documents or more; received 1\..*--allow-one-document"):
        prepare_corpus(documents, tokenizer, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
    corpus = prepare_corpus(documents, tokenizer, tmp_path / "corpus", allow_one_document=True)
    assert corpus.manifest["train"]["documents"] == 1
    assert corpus.shards["held_out"] == ()
    assert corpus.num_rows("held_out", 128) == 0


def test_a_vocabulary_that_does_not_know_the_text_is_refused(tmp_path):
    letters = [*SPECIAL_TOKENS, *"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
    for tokens in (SPECIAL_TOKENS, [*SPECIAL_TOKENS, "it"], letters):
        with pytest.raises(InputError, match=rf"must know the text; .*{len(tokens)} tokens, makes \d+% of the first"):
            prepare_corpus(["и так далее. это текст."] * 5, BertTokenizer(tokens), tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
    prepare_corpus(reviews(9), BertTokenizer([*letters, ".", *"0123456789"]), tmp_path / "corpus")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence_lengths": ()}, "sequence_lengths must be different numbers of at least 8"),
        ({"sequence_lengths": (128, 7)}, r"received \[128, 7\]"),
        ({"sequence_lengths": (128, 128)}, "different numbers"),
        ({"short_row_rate": 1.1}, r"short_row_rate must be in 0 \.\. 1; received 1\.1"),
        ({"random_rate": -0.1}, r"random_rate must be in 0 \.\. 1; received -0\.1"),
        ({"held_out_share": 0.6}, r"held_out_share must be in 0 \.\. 0\.5; received 0\.6"),
        ({"seed": -1}, "seed must be 0 or more; received -1"),
        ({"shard_megabytes": 0}, "shard_megabytes must be above 0"),
        ({"shard_megabytes": 257}, "at most 256; received 257"),
        ({"processes": 0}, "processes must be at least 1; received 0"),
    ],
)
def test_wrong_settings_are_refused(tokenizer, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        prepare_corpus(reviews(9), tokenizer, tmp_path / "corpus", **options)
    assert not (tmp_path / "corpus").exists()


def test_a_small_corpus_starts_no_processes(tokenizer, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("processes were started")

    monkeypatch.setattr("tfbert.data.corpus_preparation.make_in_parallel", refuse)
    prepare_corpus(reviews(50), tokenizer, tmp_path / "small", processes=2)
    prepare_corpus(reviews(50), tokenizer, tmp_path / "alone", processes=1, shard_megabytes=0.001)
    with pytest.raises(AssertionError, match="processes were started"):
        prepare_corpus(reviews(50), tokenizer, tmp_path / "many", processes=2, shard_megabytes=0.001)


@pytest.mark.slow
def test_processes_make_the_same_folder(tokenizer, tmp_path):
    """Real processes, more of them than pieces in flight; nothing of them is left behind."""
    for name, processes in (("one", 1), ("two", 2)):
        report = io.StringIO()
        prepare_corpus(
            mixed(400),
            tokenizer,
            tmp_path / name,
            processes=processes,
            shard_megabytes=0.004,
            selection=dataclasses.replace(EVERYTHING, deduplicate="near"),
            report=report,
        )
        assert re.search(r"  0\.0 MB of text  \d+\.\d MB/s\n$", report.getvalue())
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert len(Corpus.open(tmp_path / "two").shards["train"]) > 4
