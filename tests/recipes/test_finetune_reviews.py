import csv
import importlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from tfbert import checkpoints
from tfbert.cli import run_recipe
from tfbert.data import Corpus, load_reviews, sample_folder, split_reviews

recipe = importlib.import_module("tfbert.recipes.finetune_reviews")
COMMAND = [sys.executable, recipe.__file__]


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    """A CSV with the first 240 reviews of the sample."""
    path = tmp_path_factory.mktemp("data") / "reviews.csv"
    with open(sample_folder() / "reviews.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:240]
    write_csv(path, rows)
    return path


def write_csv(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_checkpoint(folder, vocabulary_size=None):
    """A transformers folder with the sample's vocabulary: one layer, hidden 12."""
    vocabulary = (sample_folder() / "vocab.txt").read_text(encoding="utf-8")
    rows, hidden, inner = vocabulary_size or len(vocabulary.splitlines()), 12, 20
    shapes = {
        "embeddings.word_embeddings.weight": (rows, hidden),
        "embeddings.position_embeddings.weight": (64, hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
        "encoder.layer.0.intermediate.dense.weight": (inner, hidden),
        "encoder.layer.0.intermediate.dense.bias": (inner,),
        "encoder.layer.0.output.dense.weight": (hidden, inner),
        "encoder.layer.0.output.dense.bias": (hidden,),
    }
    for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
        shapes |= {f"encoder.layer.0.{name}.weight": (hidden, hidden), f"encoder.layer.0.{name}.bias": (hidden,)}
    shapes |= {"pooler.dense.weight": (hidden, hidden), "pooler.dense.bias": (hidden,)}
    for name in ("embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"):
        shapes |= {f"{name}.LayerNorm.weight": (hidden,), f"{name}.LayerNorm.bias": (hidden,)}
    rng = np.random.default_rng(0)
    folder.mkdir()
    save_file({k: rng.normal(0, 0.02, s).astype("float32") for k, s in shapes.items()}, folder / "model.safetensors")
    config = {
        "model_type": "bert",
        "vocab_size": rows,
        "hidden_size": hidden,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": inner,
        "max_position_embeddings": 64,
        "hidden_act": "gelu",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text(vocabulary, encoding="utf-8")
    return folder


def run(*flags):
    run_recipe(recipe.main, recipe.Settings, [str(flag) for flag in flags])


@pytest.mark.slow
def test_from_a_csv_to_an_answering_export_and_a_report(reviews, tmp_path, capsys):
    out = tmp_path / "out"
    flags = ["--data", reviews, "--encoder", write_checkpoint(tmp_path / "bert"), "--max-length", 48, "--output", out]
    run(*flags, "--seeds", "3,4", "--epochs", 1, "--strategy", "mirrored", "--micro-batches", 2, "--layer-decay", 0.8)
    printed = capsys.readouterr().out
    for line in (
        r"duplicates ",
        r"batch 4 x 2 replicas x 2 micro-batches = 16",
        r"TF-IDF \+ logistic regression: accuracy 0\.\d+",
        r"seed 4",
        r"epoch 1/1  accuracy",
        r"of unseen reviews correctly",
    ):
        assert re.search(line, printed), line
    assert sorted(path.name for path in out.iterdir()) == [
        ".lock",
        "checkpoint",
        "finished.json",
        "metrics.json",
        "report.html",
        "seeds",
        "serving",
        "settings.json",
    ]
    metrics = json.loads((out / "metrics.json").read_text())
    assert [seed["seed"] for seed in metrics["seeds"]] == [3, 4]
    assert json.loads((out / "settings.json").read_text())["layer_decay"] == 0.8
    served = tf.saved_model.load(str(out / "serving" / "reviews" / "1")).signatures["serving_default"]
    answer = served(text=tf.constant(["I love it", "It crashes"]))
    assert {label.decode() for label in answer["label"].numpy()} <= {"negative", "neutral", "positive"}
    # The checkpoint answers alike: it knows the temperature and the length.
    contents = checkpoints.inspect(out / "checkpoint")
    assert contents.max_length == 48
    model, tokenizer = checkpoints.load_classifier(out / "checkpoint"), checkpoints.load_tokenizer(out / "checkpoint")
    texts = ["I love it", "It crashes " * 40]
    logits = model(tokenizer.encode(texts, max_length=contents.max_length), training=False)
    again = served(text=tf.constant(texts))["probabilities"]
    np.testing.assert_allclose(tf.nn.softmax(logits / contents.temperature), again, atol=1e-5)
    # Its model card states what was measured of the exported seed.
    card = (out / "serving" / "reviews" / "1" / "model_card.md").read_text(encoding="utf-8")
    shown = re.search(r"\| exported seed \| (\d) \|", card).group(1)
    exported = next(seed for seed in metrics["seeds"] if seed["seed"] == int(shown))
    assert f"| accuracy | {exported['metrics']['accuracy']:.4g} |" in card
    assert f"| expected calibration error | {exported['ece_after']:.4g} |" in card
    assert "| layer_decay | 0.8 |" in card
    before = sorted((path, path.stat().st_mtime_ns) for path in out.rglob("*"))
    with pytest.raises(SystemExit, match="2"):
        run(*flags)
    assert "holds a finished run" in capsys.readouterr().err
    assert sorted((path, path.stat().st_mtime_ns) for path in out.rglob("*")) == before


@pytest.mark.slow
def test_pre_training_first_on_the_text_of_the_training_reviews(reviews, tmp_path, capsys):
    folder, out = write_checkpoint(tmp_path / "bert"), tmp_path / "out"
    flags = ["--data", reviews, "--encoder", folder, "--max-length", 48, "--epochs", 1, "--freeze-embeddings"]
    run(*flags, "--pretrain-epochs", 2, "--pretrain-learning-rate", 1e-3, "--output", out)
    printed = capsys.readouterr().out
    assert printed.index("evaluation 2/2  step") < printed.index("seed 0")
    # No text that is validated or tested on is read.
    corpus = Corpus.open(out / "pretraining" / "corpus")
    documents = sum(corpus.manifest[part]["documents"] for part in ("train", "held_out"))
    assert documents == len(split_reviews(load_reviews(str(reviews)), seed=0).train) < 200
    # Fine-tuning began at the checkpoint that pre-training ended with: its embeddings, which were frozen, are exported.
    table = checkpoints.load_encoder(out / "pretraining" / "checkpoint").get_weights()[0]
    assert np.abs(table - load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]).max() > 1e-4
    exported = tf.train.load_checkpoint(str(out / "serving" / "reviews" / "1" / "variables" / "variables"))
    shapes = exported.get_variable_to_shape_map()
    tables = [exported.get_tensor(name) for name, shape in shapes.items() if shape == list(table.shape)]
    assert any(np.array_equal(each, table) for each in tables)


@pytest.mark.parametrize(
    "flags", [("--pretrain-epochs", -1), ("--pretrain-learning-rate", 1e-3)], ids=["negative", "a rate for nothing"]
)
def test_pre_training_settings_that_mean_nothing_are_refused(flags, tmp_path, capsys):
    refused(flags, "--pretrain-epochs must be at least 0, and above it", tmp_path, capsys)


def edit(reviews, path, change):
    rows = read_csv(reviews)
    change(rows)
    write_csv(path, rows)
    return path


def bad_data(kind, reviews, tmp_path):
    path = tmp_path / "bad.csv"
    if kind == "missing":
        return path
    if kind == "empty":
        path.write_text("")
    elif kind == "html":
        path.write_text("<!DOCTYPE html><html><body>Quota exceeded</body></html>")
    elif kind == "encoding":
        path.write_bytes(reviews.read_bytes() + "x,caf\u00e9".encode("latin-1"))
    elif kind == "column":
        path.write_text("text,score\ngood,5\n")
    elif kind == "class":
        edit(reviews, path, lambda rows: [row.update(score="5") for row in rows if row["score"] == "3"])
    else:
        edit(reviews, path, lambda rows: rows[41].update(score={"range": "6", "word": "five"}[kind]))
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"bad\.csv"),
        ("empty", r"bad\.csv.*empty"),
        ("html", r"bad\.csv.*HTML"),
        ("encoding", r"bad\.csv.*UTF-8"),
        ("column", r"bad\.csv.*content"),
        ("class", r"neutral"),
        ("range", r"bad\.csv.*'6'.*line 43"),
        ("word", r"bad\.csv.*'five'.*line 43"),
    ],
)
def test_bad_data_is_one_line_and_leaves_nothing(kind, message, reviews, tmp_path, capsys):
    refused(["--data", bad_data(kind, reviews, tmp_path)], message, tmp_path, capsys)


def refused(flags, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(*flags, "--output", tmp_path / "out")
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert re.search(message, error, re.IGNORECASE), error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def change_vocabulary(folder, change):
    path = folder / "vocab.txt"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def change_tensors(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "flags", "message"),
    [
        (lambda folder: change_vocabulary(folder, lambda text: text.replace("[CLS]\n", "cls\n")), (), r"\[CLS\]"),
        (lambda folder: change_vocabulary(folder, lambda text: text + "the\n"), (), r"the.*line"),
        (lambda folder: change_tensors(folder, lambda t: t.pop("pooler.dense.bias")), (), r"pooler\.dense\.bias"),
        (
            lambda folder: change_tensors(folder, lambda t: t.update({"extra.weight": np.ones(2, "float32")})),
            (),
            r"extra\.weight",
        ),
        (
            lambda folder: change_tensors(folder, lambda t: t.update({"pooler.dense.bias": np.ones(5, "float32")})),
            (),
            r"pooler\.dense\.bias.*5.*12",
        ),
        (None, ("--max-length", 65), r"64 positions.*65"),
        (None, ("--batch-size", 6, "--strategy", "mirrored", "--micro-batches", 2), r"2 x 2.*6.*Try 8"),
        (None, ("--freeze-layers", 2), r"layers=2"),
    ],
    ids=["no-cls", "duplicate", "missing", "extra", "misshapen", "positions", "batch", "freeze"],
)
def test_a_bad_model_is_one_line_and_leaves_nothing(change, flags, message, reviews, tmp_path, capsys):
    folder = write_checkpoint(tmp_path / "bert")
    if change:
        change(folder)
    flags = ("--max-length", 48, *flags)
    refused(["--data", reviews, "--encoder", folder, *flags], message, tmp_path, capsys)


def test_a_vocabulary_larger_than_the_embedding(reviews, tmp_path, capsys):
    folder = write_checkpoint(tmp_path / "bert", vocabulary_size=1000)
    refused(["--data", reviews, "--encoder", folder, "--max-length", 48], r"vocab\.txt.*1000", tmp_path, capsys)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--encoder", "huge"), r"huge is neither a checkpoint folder nor one of tiny"),
        (("--split", "even"), r"--split must be one of grouped, random"),
        (("--seeds", "0,0"), r"different whole numbers"),
        (("--epochs", "0"), r"--epochs must be at least 1"),
        (("--mapping", "1-2=bad"), r"."),
        (("--precision", "int4"), r"precision must be one of"),
        (("--warmup-share", "1.5"), r"warmup_share"),
    ],
)
def test_bad_settings_are_one_line_and_leave_nothing(flags, message, tmp_path, capsys):
    refused(flags, message, tmp_path, capsys)


@pytest.mark.slow
def test_a_full_disk(reviews, tmp_path):
    """No file may grow past 300,000 bytes, as on a disk that is full: the state cannot be written."""
    done = subprocess.run(
        [*COMMAND, "--data", str(reviews), "--epochs", "1", "--output", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert re.fullmatch(r"error: .*Free some space.*\n", done.stderr)
    left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert left == {".lock", "settings.json"}


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_end(reviews, tmp_path):
    """SIGKILL inside the second epoch; every figure is that of an undisturbed run, to the last digit."""
    flags = ["--data", str(reviews), "--epochs", "3", "--save-seconds", "0"]
    subprocess.run([*COMMAND, *flags, "--output", str(tmp_path / "whole")], check=True, capture_output=True)
    process = subprocess.Popen([*COMMAND, *flags, "--output", str(tmp_path / "killed")], stdout=subprocess.DEVNULL)
    state = tmp_path / "killed" / "seeds" / "0" / "state.safetensors"
    while not (state.exists() and b'"epoch\\": 1, \\"step\\": ' in state.read_bytes()[:4000]):
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "killed" / "checkpoint").mkdir()  # as a run leaves it that is killed later
    subprocess.run([*COMMAND, *flags, "--output", str(tmp_path / "killed")], check=True, capture_output=True)
    ends = []
    for name in ("whole", "killed"):
        metrics = json.loads((tmp_path / name / "metrics.json").read_text())
        ends.append({key: metrics[key] for key in ("seeds", "summary", "baselines")})
    assert ends[0] == ends[1]
    assert os.path.getsize(tmp_path / "killed" / "report.html") > 10_000
