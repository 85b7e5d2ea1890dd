import importlib
import json

import numpy as np
import pytest

import tfbert
from tfbert.checkpoints import load_encoder, load_pretrainer, save
from tfbert.cli import run_recipe
from tfbert.data import sample_vocabulary
from tfbert.tokenization import Vocabulary
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

recipe = importlib.import_module("tfbert.recipes.train_vocabulary")


def run(*flags):
    run_recipe(recipe.main, recipe.Settings, [str(flag) for flag in flags])


@pytest.fixture
def checkpoint(tmp_path):
    """A small pretrainer with the sample's vocabulary, cased."""
    tokenizer = tfbert.BertTokenizer(sample_vocabulary(), lowercase=False)
    config = tfbert.BertConfig(tokenizer.vocabulary_size, 8, 1, 2, 12, max_sequence_length=32)
    save(tfbert.BertPretrainer(tfbert.BertEncoder(config)), tmp_path / "bert", tokenizer=tokenizer)
    return tmp_path / "bert"


def test_from_the_sample_to_a_vocabulary(tmp_path, capsys):
    out = tmp_path / "runs" / "vocabulary"
    run("--output", out)
    assert sorted(path.name for path in out.iterdir()) == ["report.json", "tokenizer_config.json", "vocab.txt"]
    assert Vocabulary.from_file(out / "vocab.txt").tokens[:5] == SPECIAL_TOKENS
    report = json.loads((out / "report.json").read_text())
    assert (report["tokens"], report["unknown_emoji"], report["settings"]["size"]) == (1000, 0.0, 1000)
    assert 1 < report["pieces_per_word"] < 1.2
    tokenizer = tfbert.BertTokenizer.from_folder(out)
    assert (tokenizer.vocabulary_size, tokenizer.lowercase) == (1000, True)
    printed = capsys.readouterr().out
    for line in ("2,000 documents", "pieces a word", f"vocabulary  {out / 'vocab.txt'}"):
        assert line in printed


def test_from_files_in_their_own_case(tmp_path):
    for number in range(2):
        (tmp_path / f"part{number}.txt").write_text("Good 😀 Good\n\nfun fun " * 9, encoding="utf-8")
    flags = ["--data", f"{tmp_path}/part0.txt,{tmp_path}/part1.*", "--size", 40, "--no-lowercase"]
    run(*flags, "--output", tmp_path / "out")
    tokenizer = tfbert.BertTokenizer.from_folder(tmp_path / "out")
    assert not tokenizer.lowercase
    assert {"Good", "fun", "😀", "##😀"} <= set(tokenizer.vocabulary.tokens)


def test_extending_a_checkpoint(tmp_path, checkpoint, capsys):
    (tmp_path / "own.txt").write_text("Qwertify 🦆\n\n" * 12, encoding="utf-8")
    flags = ["--data", tmp_path / "own.txt", "--extend", checkpoint, "--output", tmp_path / "out"]
    run(*flags, "--new-tokens", 3)
    before, after = load_pretrainer(checkpoint), load_pretrainer(tmp_path / "out")
    size = before.encoder.config.vocabulary_size
    assert after.encoder.config.vocabulary_size == size + 3
    tokenizer = tfbert.BertTokenizer.from_folder(tmp_path / "out")
    assert tokenizer.vocabulary.tokens[size:] == ("🦆", "##🦆", "Qwertify")
    assert not tokenizer.lowercase
    old, new = (np.array(model.encoder.embeddings.word_embeddings) for model in (before, after))
    np.testing.assert_array_equal(new[:size], old)
    pieces = tfbert.BertTokenizer.from_folder(checkpoint).tokenize("Qwertify").numpy()
    np.testing.assert_allclose(new[size + 2], old[pieces].mean(0), rtol=0, atol=1e-7)
    np.testing.assert_array_equal(new[size], old[tokenizer.unk_id])
    load_encoder(tmp_path / "out")
    printed = capsys.readouterr().out
    assert "unknown emoji" in printed
    assert "100.0% of 12 0.0% of 12" in " ".join(printed.split())
    assert "0.0% of 12" in (tmp_path / "out/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--size", 20], "ask for at least"),
        (["--size", 0], "--size must be at least 1"),
        (["--data", "nowhere.txt"], "nowhere.txt"),
        (["--data", "empty.txt"], "hold none"),
        (["--extend", "nowhere"], "neither a checkpoint folder"),
        (["--extend", "bert", "--word-min-count", 10**6, "--emoji-min-count", 10**6], "nothing is to be added"),
        (["--output", "bert"], "must be a new folder; bert is there"),
    ],
)
def test_bad_input(tmp_path, checkpoint, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(SystemExit, match="2"):
        run("--output", "out", *flags)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bert", "empty.txt"]
