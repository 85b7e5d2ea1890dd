import dataclasses
import importlib
import json
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from tfbert import BertConfig, BertEncoder, BertPretrainer, BertTokenizer, checkpoints
from tfbert.cli import run_recipe
from tfbert.data import DocumentFiles, data_service, prepare_corpus, sample_vocabulary
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

recipe = importlib.import_module("tfbert.recipes.pretrain")
finetune = importlib.import_module("tfbert.recipes.finetune_reviews")
prepare = importlib.import_module("tfbert.recipes.prepare_corpus")
COMMAND = [sys.executable, recipe.__file__]


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(sample_vocabulary())


@pytest.fixture(scope="module")
def documents():
    return [review for review, *_ in DocumentFiles("sample", text_columns=["content"])][:160]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, tokenizer, documents):
    """Rows of 32 and of 128 tokens from 160 reviews, in several shards."""
    folder = tmp_path_factory.mktemp("corpus") / "corpus"
    prepare_corpus(documents, tokenizer, folder, sequence_lengths=(32, 128), shard_megabytes=0.01, processes=1)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, tokenizer):
    """One layer, hidden 12, 64 positions, with its heads."""
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "bert", tokenizer)


def write_checkpoint(folder, tokenizer):
    keras.utils.set_random_seed(0)
    config = BertConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        hidden_dim=12,
        num_layers=1,
        num_heads=2,
        intermediate_dim=20,
        max_sequence_length=64,
    )
    checkpoints.save(BertPretrainer(BertEncoder(config)), folder, tokenizer=tokenizer)
    return folder


def run(*flags, of=recipe):
    run_recipe(of.main, of.Settings, [str(flag) for flag in flags])


def small(corpus, encoder):
    return ["--corpus", corpus, "--encoder", encoder, "--sequence-length", 32, "--batch-size", 16, "--evaluations", 2,
            "--evaluation-rows", 32, "--learning-rate", 1e-2]  # fmt: skip


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_from_a_corpus_to_a_checkpoint_that_is_fine_tuned(corpus, checkpoint, tmp_path, capsys):
    out = tmp_path / "out"
    flags = [*small(corpus, checkpoint), "--steps", 20, "--tensorboard", "--output", out]
    run(*flags)
    printed = capsys.readouterr().out
    for line in (
        r"model     .*bert, [\d,]+ parameters, on one CPU, float32",
        r"training  20 steps of rows of at most 32 tokens, \d+\.\d epochs of \d+ rows",
        r"batch 16 x 1 replicas x 1 micro-batches = 16 rows, \d+ tokens a step",
        r"rows      \d+ measured: \d+\.\d tokens, \d+\.\d% masked, .* label 1 for \d+\.\d% of the pairs",
        r"baselines masked words by their frequency: \d\.\d+ nats, accuracy 0\.\d+; pairs: majority 0\.\d+",
        r"evaluation 2/2  step 20  held-out loss \d\.\d+  accuracy 0\.\d+  pairs 0\.\d+",
        r"masked-LM loss, nats +\d\.\d+ +\d\.\d+ +\d\.\d+ +[+-]\d+\.\d%",
        # Twenty steps do not suffice, which the summary says.
        r"warning: The masked language model stands at the unigram level at step 20",
    ):
        assert re.search(line, printed), line
    assert sorted(path.name for path in out.iterdir()) == [
        ".lock",
        "checkpoint",
        "finished.json",
        "logs",
        "metrics.json",
        "report.html",
        "serving",
        "settings.json",
        "state",
    ]

    # What is reported is what was trained and measured.
    metrics = json.loads((out / "metrics.json").read_text())
    assert [record["step"] for record in metrics["history"]] == [10, 20]
    assert [sample["step"] for sample in metrics["samples"]] == [0, 10, 20]
    assert metrics["final"]["val_masked_lm_loss"] < np.log(1513) - 1
    pairs = metrics["pair_accuracy"]
    assert pairs["num_pairs"] > pairs["num_texts"] > 1
    assert f"from {pairs['num_pairs']:,} pairs of {pairs['num_texts']:,} rows" in metrics["verdict"]
    page = (out / "report.html").read_text(encoding="utf-8")
    for finding in metrics["findings"]:
        assert finding["what"] in page
    assert "unigram level" in page

    # The SavedModel answers, and the checkpoint has learned weights and goes on to fine-tuning.
    served = tf.saved_model.load(str(out / "serving" / "bert" / "1")).signatures
    assert {"fill_mask", "next_sentence", "embed"} <= {*served}
    card = (out / "serving" / "bert" / "1" / "model_card.md").read_text(encoding="utf-8")
    assert f"| masked_lm_loss | {metrics['final']['val_masked_lm_loss']:.4g} |" in card
    assert f"| num_pairs | {pairs['num_pairs']:.4g} |" in card
    assert f"| loss of the tokens' frequencies | {metrics['baselines']['unigram_cross_entropy']:.4g} |" in card
    before, after = (checkpoints.load_pretrainer(folder) for folder in (checkpoint, out / "checkpoint"))
    assert np.abs(before.get_weights()[0] - after.get_weights()[0]).max() > 1e-3
    run("--encoder", out / "checkpoint", "--epochs", 1, "--max-length", 32, "--batch-size", 256, "--output",
        tmp_path / "fine", of=finetune)  # fmt: skip
    assert (tmp_path / "fine" / "report.html").exists()

    # The same command again is refused, and touches nothing.
    kept = files(out)
    with pytest.raises(SystemExit, match="2"):
        run(*flags)
    assert "holds a finished run" in capsys.readouterr().err
    assert files(out) == kept


def refused(flags, message, tmp_path, capsys, of=recipe):
    """The recipe with these flags prints one line, ends with status 2 and leaves no output."""
    with pytest.raises(SystemExit) as stopped:
        run(*flags, "--output", tmp_path / "out", of=of)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), r"exactly one of --steps, --epochs and --minutes .*; received none of them"),
        (("--steps", 20, "--minutes", 1), r"received --steps, --minutes"),
        (("--corpus", "sample", "--epochs", 1, "--minutes", 1), r"received --epochs, --minutes"),
        (("--steps", 0), r"--steps must be above 0; received 0"),
        (("--minutes", "nan"), r"--minutes must be above 0; received nan"),
        (("--steps", 20, "--batch-size", 0), r"--batch-size must be above 0"),
        (("--steps", 21), r"--evaluations must divide the steps; received 2 for 21 steps. Take 20 or 22 steps"),
        (("--corpus", "sample", "--evaluations", 7), r"received 7 for 1300 steps. Take 1295 or 1302 steps"),
        (("--steps", 20, "--sequence-length", 64), r"lengths 32, 128; received 64"),
        (("--steps", 20, "--sequence-length", 128), r"64 positions; received 128"),
        (("--steps", 20, "--objective", "nsp"), r"objective must be one of"),
        (("--steps", 20, "--optimizer", "sgd"), r"optimizer must be one of adamw, lamb"),
        (("--steps", 20, "--encoder", "absent"), r"absent"),
        (("--steps", 20, "--max-ngram", 2), r"whole_words"),
        (("--steps", 20, "--all-reduce", "ring"), r"need strategy multi_worker; received all_reduce='ring'"),
        (("--steps", 20, "--all-reduce-timeout", 9), r"all_reduce_timeout_seconds=9.0 for strategy 'auto'"),
        (("--steps", 20, "--data-service", "nonsense"), r"the data service nonsense must answer"),
    ],
)
def test_bad_settings_are_one_line_and_leave_nothing(flags, message, corpus, checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(data_service, "_ANSWER_SECONDS", 2.0)
    refused([*small(corpus, checkpoint), *flags], message, tmp_path, capsys)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-7])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "name", "message"),
    [
        (cut_short, "train-00001.safetensors", r"the shard has [\d,]+ bytes, the manifest says"),
        (flip_a_bit, "train-00001.safetensors", "the shard's bytes are not those that were written"),
        (flip_a_bit, "held_out-00000.safetensors", "the shard's bytes are not those that were written"),
        (lambda path: path.unlink(), "train-00000.safetensors", "the shard is missing"),
        (cut_short, "token_counts.safetensors", "cannot be read"),
        (lambda path: path.unlink(), "manifest.json", "Prepare it with recipes/prepare_corpus.py"),
        (lambda path: path.write_text("[PAD]\n"), "vocab.txt", r"\[UNK\]"),
    ],
)
def test_a_damaged_corpus_is_named(damage, name, message, corpus, checkpoint, tmp_path, capsys):
    damaged = shutil.copytree(corpus, tmp_path / "damaged")
    damage(damaged / name)
    where = re.escape(name) if name != "manifest.json" else "damaged"
    refused([*small(damaged, checkpoint), "--steps", 20], rf"{where}.*{message}", tmp_path, capsys)


def test_a_corpus_of_another_vocabulary_than_the_checkpoints(corpus, tokenizer, tmp_path, capsys):
    tokens = list(tokenizer.vocabulary.tokens)
    tokens[-2:] = reversed(tokens[-2:])
    other = write_checkpoint(tmp_path / "other", BertTokenizer(tokens))
    message = r"prepared with another vocabulary \(1,513 tokens\) than .*other/vocab\.txt"
    refused([*small(corpus, other), "--steps", 20], message, tmp_path, capsys)


@pytest.mark.parametrize(
    ("documents", "flags", "message"),
    [
        ("", (), "a corpus needs documents"),
        ("One document.\nOne more line of it.\n", (), "two training documents or more; received 1"),
    ],
)
def test_too_few_documents_make_no_corpus(documents, flags, message, tmp_path, capsys):
    (tmp_path / "a.txt").write_text(documents)
    flags = ["--data", tmp_path / "a.txt", "--vocabulary", sample_vocabulary()]
    refused(flags, message, tmp_path, capsys, of=prepare)


@pytest.mark.parametrize("tokens", [SPECIAL_TOKENS, [*SPECIAL_TOKENS, "the", "app", "."]])
def test_a_vocabulary_too_small_for_the_text_makes_no_corpus(tokens, tmp_path, capsys):
    (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    message = rf"must know the text; .*vocab\.txt, {len(tokens)} tokens, makes \d+% .* \[UNK\]. Learn one"
    refused(["--vocabulary", tmp_path / "vocab.txt"], message, tmp_path, capsys, of=prepare)


def made(texts, tokenizer, folder, **options):
    prepare_corpus(texts, tokenizer, folder, sequence_lengths=(32,), processes=1, **options)
    return folder


def test_one_document_has_no_next_sentences(tokenizer, documents, checkpoint, tmp_path, capsys):
    """Nor has it one to hold out."""
    folder = made([" ".join(documents)], tokenizer, tmp_path / "one", allow_one_document=True)
    flags = [*small(folder, checkpoint), "--steps", 20]
    refused(flags, "needs two documents or more, and 'train' has 1. .* sentence_order or none", tmp_path, capsys)
    refused([*flags, "--objective", "none"], "no rows of length 32 in 'held_out'", tmp_path, capsys)


def test_a_corpus_without_held_out_documents(tokenizer, documents, checkpoint, tmp_path, capsys):
    folder = made(documents, tokenizer, tmp_path / "all", held_out_share=0.0)
    message = "no rows of length 32 in 'held_out'. .* a larger share of held-out documents"
    refused([*small(folder, checkpoint), "--steps", 20], message, tmp_path, capsys)


def stopped_at(step, flags, monkeypatch):
    """Run the recipe and stop it, as a kill would, at the end of `step`, counted in its round."""

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == step:
                raise KeyboardInterrupt

    from tfbert.training.pretraining import Pretraining

    train = Pretraining.train
    with monkeypatch.context() as patch:
        patch.setattr(Pretraining, "train", lambda self, steps, folder, callbacks: train(
            self, steps, folder, [*callbacks, Stop()]
        ))  # fmt: skip
        with pytest.raises(KeyboardInterrupt):
            run(*flags)


@pytest.mark.slow
def test_changed_settings_are_named_and_refused_unless_accepted(corpus, checkpoint, tmp_path, capsys, monkeypatch):
    flags = [*small(corpus, checkpoint), "--steps", 8, "--save-seconds", 0, "--output", tmp_path / "out"]
    stopped_at(2, flags, monkeypatch)
    kept = files(tmp_path / "out")
    changed = [*flags, "--mask-rate", 0.2, "--learning-rate", 0.005]
    with pytest.raises(SystemExit, match="2"):
        run(*changed)
    error = capsys.readouterr().err
    assert "learning_rate was 0.01, now 0.005; mask_rate was 0.15, now 0.2" in error
    assert "--accept-changes" in error
    assert error.count("\n") == 1
    assert files(tmp_path / "out") == kept

    # A checkpoint may be left by a run that was killed right after it: it is of the settings before.
    (tmp_path / "out" / "checkpoint").mkdir()
    (tmp_path / "out" / "checkpoint" / "config.json").write_text("of other settings")
    run(*changed, "--accept-changes")
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["mask_rate"] == 0.2
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert [record["step"] for record in metrics["history"]] == [4, 8]
    assert [sample["step"] for sample in metrics["samples"]] == [0, 4, 8]
    assert metrics["settings"]["mask_rate"] == 0.2
    assert checkpoints.load_pretrainer(tmp_path / "out" / "checkpoint").count_params()


@pytest.mark.slow
def test_divergence_names_the_step_and_keeps_the_last_good_state(corpus, checkpoint, tmp_path, capsys):
    """The learning rate rises to 1e38: a weight of that size times another is no number."""
    out = tmp_path / "out"
    flags = ["--steps", 10, "--evaluations", 10, "--learning-rate", 1e38, "--warmup-share", 0.5, "--output", out]
    with pytest.raises(SystemExit, match="2"):
        run(*small(corpus, checkpoint), *flags)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    found = re.search(r" at step (\d+): training has diverged\..*holds the last good state", error)
    assert found, error
    step = int(found[1])
    # The first step has learning rate 0.
    assert 1 < step < 5
    state = load_file(out / "state" / "state.safetensors")
    assert all(np.isfinite(values).all() for values in state.values())
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["non_finite_step"] == step
    assert [record["step"] for record in metrics["history"]] == list(range(1, step))
    assert [sample["step"] for sample in metrics["samples"]] == list(range(step))
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"The loss was not finite at step {step}; training stopped there and kept the last good state." in page
    assert sorted(path.name for path in out.iterdir()) == [
        ".lock", "metrics.json", "report.html", "settings.json", "state"
    ]  # fmt: skip


@pytest.mark.slow
def test_a_full_disk(corpus, tmp_path):
    """No file may grow past 300,000 bytes, as on a disk that is full: the state cannot be written."""
    flags = [*map(str, small(corpus, "tiny")), "--steps", "2", "--output", str(tmp_path / "out")]
    done = subprocess.run(
        [*COMMAND, *flags],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert re.fullmatch(r"error: .*Free some space.*\n", done.stderr)
    left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert left == {".lock", "settings.json", "samples.json"}


def test_every_setting_reaches_training(corpus, tmp_path, monkeypatch):
    """A flag that is not handed on would be ignored."""
    settings = {
        "allow_new_heads": True,
        "objective": "none",
        "random_rate": 0.4,
        "mask_rate": 0.2,
        "whole_words": True,
        "max_ngram": 2,
        "sequence_length": 32,
        "long_sequence_length": 128,
        "long_share": 0.2,
        "batch_size": 8,
        "long_batch_size": 4,
        "micro_batches": 2,
        "optimizer": "lamb",
        "learning_rate": 0.3,
        "warmup_share": 0.2,
        "bias_correction": True,
        "evaluations": 5,
        "evaluation_rows": 64,
        "seed": 9,
        "jit_compile": True,
        "gradient_checkpointing": True,
    }
    received = {}

    def take(corpus, encoder, placement, **options):
        received.update(options, encoder=encoder, dtype=placement.dtype_policy)
        raise KeyboardInterrupt

    monkeypatch.setattr("tfbert.training.pretraining.Pretraining", take)
    flags = ["--corpus", corpus, "--encoder", "small", "--steps", 10, "--save-seconds", 7, "--precision", "bfloat16"]
    flags += ["--data-service", "one:5050,two:5050"]
    for name, value in settings.items():
        flag = "--" + name.replace("_", "-")
        flags += [flag] if value is True else [flag, value]
    with pytest.raises(KeyboardInterrupt):
        run(*flags, "--output", tmp_path / "out")
    others = {"save_every_seconds": 7.0, "encoder": "small", "dtype": "mixed_bfloat16"}
    assert received == {**settings, **others, "data_services": ("one:5050", "two:5050")}
    fields = {field.name for field in dataclasses.fields(recipe.Settings)}
    assert fields - {*received} == {
        "corpus", "steps", "epochs", "minutes", "strategy", "precision", "save_seconds", "tensorboard",
        "accept_changes", "output", "all_reduce", "all_reduce_timeout", "data_service",
    }  # fmt: skip


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_end(corpus, tmp_path):
    """SIGKILL inside the second round; every figure, filled sentence and weight is that of an undisturbed run."""
    flags = [*map(str, small(corpus, "tiny")), "--steps", "40", "--save-seconds", "0", "--output"]
    subprocess.run([*COMMAND, *flags, str(tmp_path / "whole")], check=True, capture_output=True)
    process = subprocess.Popen([*COMMAND, *flags, str(tmp_path / "killed")], stdout=subprocess.DEVNULL)
    state = tmp_path / "killed" / "state" / "state.safetensors"
    while not (state.exists() and re.search(rb'"epoch\\": 1, \\"step\\": [1-9]', state.read_bytes()[:9000])):
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "finished.json").exists()
    subprocess.run([*COMMAND, *flags, str(tmp_path / "killed")], check=True, capture_output=True)
    ends = []
    for name in ("whole", "killed"):
        metrics = json.loads((tmp_path / name / "metrics.json").read_text())
        for record in metrics["history"]:
            del record["seconds"]
        weights = load_file(tmp_path / name / "checkpoint" / "weights.safetensors")
        ends.append(([metrics[key] for key in ("history", "samples", "baselines", "statistics")], weights))
    assert ends[0][0] == ends[1][0]
    for name, values in ends[0][1].items():
        np.testing.assert_array_equal(ends[1][1][name], values)
