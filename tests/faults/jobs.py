"""The smallest job of each recipe that still saves several times, and what must come out of it."""

import dataclasses
import http.client
import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import Recipe, RecipeServer
from safetensors import safe_open

OUTPUT = "out"
_TEXTS = ["I love this app.", "It crashes after every update!", "So so."]


@dataclasses.dataclass(frozen=True)
class Job:
    """A recipe's job. It is run with a folder of its own as working folder, so that its flags are always the same.

    Args:
        recipe: the module's name.
        flags: the command line, in which {inputs} stands for the folder of `make_inputs`.
        result: what of the output must be the same after any number of kills.
        weight: how many of each twenty kills it gets; the quick ones get more.
        keeps: files that a resumed run must not write again, as a pattern.
        done: what the command says where the result is there already.
    """

    recipe: str
    flags: str
    result: Callable[[Path], dict[str, Any]]
    weight: int
    keeps: str | None = None
    done: str = "holds a finished run"

    def command(self, inputs: Path) -> list[str]:
        return self.flags.format(inputs=inputs).split()


def make_inputs(server: RecipeServer, folder: Path) -> None:
    """Make what the jobs read: a text, a vocabulary's folder, a corpus, a small pre-trained BERT and a classifier."""
    from tfbert.data import DocumentFiles, sample_folder

    folder.mkdir(parents=True)
    reviews = [review for review, *_ in DocumentFiles("sample", text_columns=["content"])]
    text = "".join(review.replace(".", f" {number}.") + "\n\n" for number, review in enumerate(reviews * 2))
    (folder / "text.txt").write_text(text, encoding="utf-8")
    lines = (sample_folder() / "reviews.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "reviews.csv").write_text("".join(lines[:161]), encoding="utf-8")
    small = "".join(f"{review}\n\n" for review in reviews[:160])
    (folder / "small.txt").write_text(small, encoding="utf-8")
    shutil.copy(sample_folder() / "vocab.txt", folder / "vocab.txt")
    corpus = ["--data", folder / "small.txt", "--vocabulary", folder / "vocab.txt", "--sequence-lengths", 32,
              "--shard-megabytes", 0.01, "--processes", 1, "--output", folder / "corpus"]  # fmt: skip
    _check(server.run("prepare_corpus", corpus, folder))
    (folder / "bert").mkdir()
    shutil.copy(folder / "vocab.txt", folder / "bert")
    _write_checkpoint(folder / "bert")
    classifier = ["--data", folder / "reviews.csv", "--encoder", folder / "bert", "--max-length", 24, "--epochs", 1,
                  "--batch-size", 64, "--output", folder / "reviews"]  # fmt: skip
    _check(server.run("finetune_reviews", classifier, folder))


def _write_checkpoint(folder: Path) -> None:
    """Write a transformers folder: one layer, hidden 12, with a masked-language-model head and next sentences."""
    import numpy as np
    from safetensors.numpy import save_file

    rows, hidden, inner = len((folder / "vocab.txt").read_text(encoding="utf-8").splitlines()), 12, 20
    shapes = {"embeddings.word_embeddings": (rows, hidden), "embeddings.position_embeddings": (64, hidden),
              "embeddings.token_type_embeddings": (2, hidden)}  # fmt: skip
    shapes |= {f"encoder.layer.0.{name}": shape for name, shape in (
        ("attention.self.query", (hidden, hidden)), ("attention.self.key", (hidden, hidden)),
        ("attention.self.value", (hidden, hidden)), ("attention.output.dense", (hidden, hidden)),
        ("intermediate.dense", (inner, hidden)), ("output.dense", (hidden, inner)),
        ("attention.output.LayerNorm", (hidden,)), ("output.LayerNorm", (hidden,)))}  # fmt: skip
    shapes |= {"embeddings.LayerNorm": (hidden,), "pooler.dense": (hidden, hidden)}
    draw = np.random.default_rng(0)
    tensors = {}
    for name, shape in shapes.items():
        tensors[f"bert.{name}.weight"] = draw.normal(0, 0.02, shape).astype("f4")
        if "_embeddings" not in name:
            tensors[f"bert.{name}.bias"] = np.zeros(shape[0], "f4")
    for name, shape in (("transform.dense.weight", (hidden, hidden)), ("transform.dense.bias", (hidden,)),
                        ("transform.LayerNorm.weight", (hidden,)), ("transform.LayerNorm.bias", (hidden,)),
                        ("bias", (rows,))):  # fmt: skip
        tensors[f"cls.predictions.{name}"] = draw.normal(0, 0.02, shape).astype("f4")
    tensors |= {
        "cls.seq_relationship.weight": np.ones((2, hidden), "f4"),
        "cls.seq_relationship.bias": np.ones(2, "f4"),
    }
    save_file(tensors, folder / "model.safetensors")
    config = {"model_type": "bert", "vocab_size": rows, "hidden_size": hidden, "num_hidden_layers": 1,
              "num_attention_heads": 2, "intermediate_size": inner, "max_position_embeddings": 64,
              "hidden_act": "gelu"}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))


def _check(process: Recipe) -> None:
    assert process.status == 0, process.error()[-3000:]


def _all_bytes(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found.pop(".lock", None)
    return found


def _trained(folder: Path) -> dict[str, Any]:
    """Weights to the bit, and every figure but the seconds."""
    return {
        "weights": (folder / "checkpoint" / "weights.safetensors").read_bytes(),
        "metrics": _without_seconds(json.loads((folder / "metrics.json").read_text())),
        "files": sorted(path.name for path in folder.iterdir()),
        "versions": sorted(path.name for path in folder.glob("serving/*/*") if path.is_dir()),
    }


def _without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_seconds(each) for name, each in value.items() if "second" not in name or "next" in name}
    return [_without_seconds(each) for each in value] if isinstance(value, list) else value


def _exported(folder: Path) -> dict[str, Any]:
    """Weights, vocabulary and labels to the bit; the graph has names that differ from process to process."""
    parts = ("variables/variables.data-00000-of-00001", "variables/variables.index", "assets/vocab.txt")
    found = {name: (folder / "1" / name).read_bytes() for name in parts if (folder / "1" / name).exists()}
    assert len(found) >= 2, sorted(map(str, folder.rglob("*")))
    return found


JOBS = (
    Job(
        "prepare_corpus",
        "--data {inputs}/text.txt --vocabulary {inputs}/vocab.txt --shard-megabytes 0.02 --processes 1 --output out",
        _all_bytes,
        4,
        keeps="train-*.safetensors",
    ),
    Job(
        "pretrain",
        "--corpus {inputs}/corpus --encoder {inputs}/bert --sequence-length 32 --batch-size 16 --steps 12 "
        "--evaluations 3 --evaluation-rows 16 --save-seconds 0 --output out",
        _trained,
        2,
    ),
    Job(
        "finetune_reviews",
        "--data {inputs}/reviews.csv --encoder {inputs}/bert --max-length 24 --epochs 2 --batch-size 16 "
        "--save-seconds 0 --output out",
        _trained,
        2,
    ),
    Job("export_model", "{inputs}/reviews/checkpoint --output out", _exported, 3),
    Job("convert_checkpoint", "{inputs}/bert out --format native", _all_bytes, 3, done="is there already"),
    Job(
        "train_vocabulary",
        "--data {inputs}/text.txt --size 400 --output out",
        _all_bytes,
        4,
        done="must be a new folder",
    ),
    Job("serve", "{inputs}/reviews/serving/reviews --port 0 --no-page", lambda folder: {}, 2),
)


def check_whole(folder: Path) -> None:
    """See that nothing under a final name is half-written."""
    for path in folder.rglob("*"):
        if any(part.startswith(".partial-") for part in path.parts) or not path.is_file():
            continue
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="numpy") as file:
                assert list(file.keys()), path
        elif path.suffix == ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>"), path
        elif path.name == "saved_model.pb":
            assert (path.parent / "model_card.md").stat().st_size, path


def answers(process: Recipe, seconds: float = 120.0) -> Any:
    """Wait until a server serves, ask it, and return what it says."""
    deadline = time.monotonic() + seconds
    while "\nready" not in process.output():
        assert process.poll() is None, process.error()[-2000:]
        assert time.monotonic() < deadline, "the server does not get ready"
        process.server.read(0.05)
    address = process.output().partition("serving     http://")[2].split("/")[0]
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("POST", "/v1/models/reviews:predict", json.dumps({"instances": _TEXTS}))
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def end(process: Recipe) -> None:
    """End a server as an operator does."""
    process.signal(signal.SIGTERM)
    assert process.wait(60) == 0, process.error()[-2000:]
