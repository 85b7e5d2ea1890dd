"""Damaged folders of every kind: one clear error each, and no large allocation."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from folders import make_model, rewrite_google, rewrite_json
from safetensors.numpy import load_file, save_file

from tfbert.checkpoints import load_encoder, load_pretrainer, save
from tfbert.errors import InputError

WEIGHTS = {"native": "weights.safetensors", "huggingface": "model.safetensors"}
TABLE = {"native": "bert/embeddings/word_embeddings", "huggingface": "bert.embeddings.word_embeddings.weight"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    for format in ("native", "huggingface", "google"):
        save(make_model("pretrainer"), folder / format, format=format)
    save(make_model("encoder"), folder / "keras_hub", format="keras_hub")
    for format in ("native", "huggingface", "google", "keras_hub"):  # so that what is read once is in memory
        load_encoder(folder / format)
    return folder


def megabytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


@pytest.fixture(autouse=True)
def no_large_allocation(whole):
    """Set the process's highest mark back, and see that the test does not raise it by much."""
    Path("/proc/self/clear_refs").write_text("5")
    before = megabytes("VmRSS")
    yield
    assert megabytes("VmHWM") - before < 50


def change_bytes(change):
    def damage(path: Path, table: str) -> None:
        path.write_bytes(change(path.read_bytes()))

    return damage


def set_entry(**fields):
    """Write the header of the safetensors file anew, with other fields for the table."""

    def damage(path: Path, table: str) -> None:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        header[table].update(fields)
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])

    return damage


def change_tensors(change):
    def damage(path: Path, table: str) -> None:
        tensors = load_file(path)
        change(tensors, table)
        save_file(tensors, path)

    return damage


def set_value(value):
    def change(tensors, table):
        tensors[table][3, 4] = value

    return change_tensors(change)


UNREADABLE = "cannot be read as safetensors"
SAFETENSORS = {
    "empty": (change_bytes(lambda c: b""), UNREADABLE),
    "seven bytes": (change_bytes(lambda c: c[:7]), UNREADABLE),
    "header cut": (change_bytes(lambda c: c[:100]), UNREADABLE),
    "data cut": (change_bytes(lambda c: c[:-4]), UNREADABLE),
    "bytes appended": (change_bytes(lambda c: c + b"0000"), UNREADABLE),
    "not safetensors": (change_bytes(lambda c: b"PK\3\4" + c), UNREADABLE),
    "header length of 2^63": (change_bytes(lambda c: (1 << 63).to_bytes(8, "little") + c[8:]), UNREADABLE),
    "header length of 0": (change_bytes(lambda c: bytes(8) + c[8:]), UNREADABLE),
    "header no JSON": (change_bytes(lambda c: c[:8] + b"x" + c[9:]), UNREADABLE),
    "offsets beyond the end": (set_entry(data_offsets=[0, 1 << 40]), UNREADABLE),
    "offsets reversed": (set_entry(data_offsets=[8, 0]), UNREADABLE),
    "offsets negative": (set_entry(data_offsets=[-8, 0]), UNREADABLE),
    "a shape of 2^60": (set_entry(shape=[1 << 30, 1 << 30]), UNREADABLE),
    "a shape that overflows": (set_entry(shape=[1 << 62, 1 << 62]), UNREADABLE),
    "a shape that lies": (set_entry(shape=[6, 7]), r"word_embeddings\S* has shape \(6, 7\)"),
    "an unknown dtype": (set_entry(dtype="Q8"), UNREADABLE),
    "integers for floats": (set_entry(dtype="I32"), "has dtype I32"),
    "a tensor less": (change_tensors(lambda t, table: t.pop(table)), r"word_embeddings\S* is missing"),
    "a tensor more": (
        change_tensors(lambda t, table: t.update({table + "2": np.zeros(3, "float32")})),
        "2 is no tensor of this model",
    ),
    "NaN": (set_value(np.nan), "word_embeddings.* has values that are not finite"),
    "infinity": (set_value(-np.inf), "word_embeddings.* has values that are not finite"),
    "float64": (change_tensors(lambda t, table: t.update({table: t[table].astype("f8")})), "has dtype F64"),
}


@pytest.mark.parametrize("format", WEIGHTS)
@pytest.mark.parametrize("kind", SAFETENSORS)
def test_safetensors(whole, tmp_path, format, kind):
    shutil.copytree(whole / format, tmp_path / "it")
    damage, message = SAFETENSORS[kind]
    damage(tmp_path / "it" / WEIGHTS[format], TABLE[format])
    with pytest.raises(InputError, match=message):
        load_pretrainer(tmp_path / "it")


CONFIGS: dict[str, tuple[dict | None, str]] = {
    "a size of 10^18": ({"vocab_size": 10**18}, "config describes"),
    "layers without end": ({"num_hidden_layers": 10**18}, "config describes"),
    "a size of 0": ({"hidden_size": 0}, "must be at least 1"),
    "a negative size": ({"num_hidden_layers": -2}, "must be at least 1"),
    "a size in words": ({"vocab_size": "fifty"}, "must be an integer"),
    "heads that do not divide": ({"num_attention_heads": 5}, "must be a multiple"),
    "another activation": ({"hidden_act": "swish"}, "hidden_act='swish' is not supported"),
    "a field less": (None, "hidden_size is missing"),
}


@pytest.mark.parametrize("format", ["huggingface", "google"])
@pytest.mark.parametrize("kind", CONFIGS)
def test_configs(whole, tmp_path, format, kind):
    shutil.copytree(whole / format, tmp_path / "it")
    changed, message = CONFIGS[kind]
    path = tmp_path / "it" / {"huggingface": "config.json", "google": "bert_config.json"}[format]
    fields = json.loads(path.read_text())
    if changed is None:
        del fields["hidden_size"]
    path.write_text(json.dumps({**fields, **(changed or {})}))
    with pytest.raises(InputError, match=message):
        load_pretrainer(tmp_path / "it")


@pytest.mark.parametrize("name", ["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"])
@pytest.mark.parametrize("change", [lambda c: b"", lambda c: c[:50], lambda c: c[: len(c) // 2], lambda c: c[::-1]])
def test_google(whole, tmp_path, name, change):
    shutil.copytree(whole / "google", tmp_path / "it")
    path = tmp_path / "it" / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match="cannot be read"):
        load_pretrainer(tmp_path / "it")


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("format", ["google", "keras_hub"])
def test_values_that_are_not_finite(whole, tmp_path, format, value):
    shutil.copytree(whole / format, tmp_path / "it")
    if format == "google":
        rewrite_google(tmp_path / "it", lambda tensors: tensors["bert/pooler/dense/bias"].put(2, value))
    else:
        with h5py.File(tmp_path / "it/model.weights.h5", "r+") as file:
            file["layers/dense/vars/1"][2] = value
    with pytest.raises(InputError, match=r"dense/(bias|vars/1) has values that are not finite"):
        load_encoder(tmp_path / "it")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vocabulary_size": 10**18}, "its config describes an encoder of"),
        ({"num_layers": 10**18}, "its config describes an encoder of"),
        ({"num_layers": 0}, "num_layers=0 must be at least 1"),
        ({"hidden_dim": 6.5}, "hidden_dim=6.5 must be an integer"),
        ({"hidden_dim": None}, "hidden_dim=None must be an integer"),
        ({"num_heads": 4}, "must be a multiple of num_heads=4"),
        ({"num_segments": 3}, r"has shape \(2, 6\), the config says \(3, 6\)"),
        ({"num_layers": 1}, "is no tensor of this model"),
    ],
)
@pytest.mark.parametrize("format", ["native", "keras_hub"])
def test_configs_with_our_names(whole, tmp_path, format, fields, message):
    shutil.copytree(whole / format, tmp_path / "it")
    path, key = tmp_path / "it/config.json", {"native": "encoder", "keras_hub": "config"}[format]
    rewrite_json(path, **{key: {**json.loads(path.read_text())[key], **fields}})
    with pytest.raises(InputError, match=message):
        load_encoder(tmp_path / "it")


@pytest.mark.parametrize(
    "change",
    [
        lambda c: b"",
        lambda c: c[:100],
        lambda c: c[: len(c) // 2],
        lambda c: c[::-1],
        lambda c: c.replace(b"layer_normalization", b"layer_\xff\xffrmalization"),
        lambda c: c.replace(b"\x17\x08\x00\x17\x7f\x00\x00\x00", b"\x17\x08\x00\x17\xff\xff\xff\x00"),  # float32
        lambda c: c.replace(b"TREE", b"EERT"),
        lambda c: c.replace(b"SNOD", b"DONS"),
    ],
)
def test_keras_hub(whole, tmp_path, change):
    shutil.copytree(whole / "keras_hub", tmp_path / "it")
    path = tmp_path / "it/model.weights.h5"
    damaged = change(path.read_bytes())
    assert damaged != path.read_bytes()
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="cannot be read as HDF5"):
        load_encoder(tmp_path / "it")


def test_google_shards_whose_sizes_hide_that_one_is_short(whole, tmp_path):
    shutil.copytree(whole / "google", tmp_path / "it")
    path = tmp_path / "it/bert_model.ckpt.data-00000-of-00001"
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    (tmp_path / "it/bert_model.ckpt.data-00001-of-00002").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a TensorFlow checkpoint"):
        load_pretrainer(tmp_path / "it")
