"""tfbert's own folders: `config.json`, `weights.safetensors`, a tokenizer's `vocab.txt`, a model card `README.md`.

The tensors have Google's names and layout, float32. `config.json` says what the folder holds:

    format, format_version   "tfbert checkpoint", 1
    encoder                  the fields of `BertConfig`
    parts                    "encoder" and the heads: "masked_lm", "next_sentence", "classifier"
    tokenizer                {"lowercase": true or false}; null without a vocabulary
    labels, dropout_rate     of a classifier
    temperature              by which a classifier's logits are to be divided; null where none was fitted
    max_length               tokens at which texts were cut in training; null, or left out, where that is not known
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbert.checkpoints.files import file_inside, read_json_object
from tfbert.checkpoints.model_tensors import Model, encoder_of, model_places, part_of, parts_of
from tfbert.checkpoints.safetensors_files import open_tensors, write_tensors
from tfbert.checkpoints.tensor_file import TensorFile
from tfbert.config import BertConfig
from tfbert.errors import InputError
from tfbert.models.classifier import BertClassifier

if TYPE_CHECKING:
    from tfbert.tokenization.tokenizer import BertTokenizer

PARTS = ("encoder", "masked_lm", "next_sentence", "classifier")
"""What the format has a place for."""

_CONFIG = "config.json"
_WEIGHTS = "weights.safetensors"
_VERSION: dict[str, Any] = {"format": "tfbert checkpoint", "format_version": 1}


def matches(folder: Path) -> bool:
    """Return whether the folder holds such a checkpoint."""
    return (folder / _CONFIG).exists() and (folder / _WEIGHTS).exists()


def read_config(folder: Path) -> dict[str, Any]:
    """Return the folder's `config.json`, whose version is known and whose fields are of the right kind."""
    fields = read_json_object(folder, _CONFIG)
    problems = [
        f"{name} must be {value!r}, received {fields.get(name)!r}"
        for name, value in _VERSION.items()
        if fields.get(name) != value
    ]
    if not isinstance(fields.get("encoder"), dict):
        problems.append(f"encoder must be an object, received {fields.get('encoder')!r}")
    tokenizer = fields.get("tokenizer")
    if not (tokenizer is None or (isinstance(tokenizer, dict) and isinstance(tokenizer.get("lowercase"), bool))):
        problems.append(f"tokenizer must be null or say whether it is lowercase, received {tokenizer!r}")
    labels = fields.get("labels")
    if not (labels is None or (isinstance(labels, list) and all(isinstance(label, str) for label in labels))):
        problems.append(f"labels must be a list of strings, received {labels!r}")
    for name in ("dropout_rate", "temperature"):
        if not isinstance(fields.get(name), float | int | None):
            problems.append(f"{name} must be a number, received {fields[name]!r}")
    max_length = fields.get("max_length")
    if not (max_length is None or (type(max_length) is int and max_length > 0)):
        problems.append(f"max_length must be a whole number above 0, received {max_length!r}")
    if problems:
        raise InputError(f"{folder / _CONFIG}: {'; '.join(problems)}. Use a folder that this version of tfbert wrote.")
    return fields


def open_folder(folder: Path) -> TensorFile:
    """Return the folder's tensors."""
    fields = read_config(folder)
    path = file_inside(folder, _WEIGHTS)
    stored, read = open_tensors([path])
    return TensorFile(
        source=str(path),
        config=BertConfig.from_dict(fields["encoder"]),
        stored=stored,
        dtypes=("F32",),
        own_name=lambda name: name,
        own_shape=lambda name, shape: shape,
        read=read,
        part_of=part_of,
        labels=fields.get("labels"),
        dropout_rate=fields.get("dropout_rate"),
        temperature=fields.get("temperature"),
        max_length=fields.get("max_length"),
    )


def kept_config(config: BertConfig) -> BertConfig:
    """Return the config that the format keeps: all of it."""
    return config


def write(
    folder: Path,
    model: Model,
    *,
    tokenizer: "BertTokenizer | None",
    temperature: float | None,
    max_length: int | None,
) -> None:
    """Write the files into the folder."""
    fields = {
        **_VERSION,
        "encoder": encoder_of(model).config.to_dict(),
        "parts": list(parts_of(model)),
        "tokenizer": None if tokenizer is None else {"lowercase": tokenizer.lowercase},
        "max_length": max_length,
    }
    if isinstance(model, BertClassifier):
        fields |= {"labels": list(model.labels), "dropout_rate": model.dropout_rate, "temperature": temperature}
    (folder / _CONFIG).write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_tensors(folder / _WEIGHTS, {name: place.value() for name, place in model_places(model).items()})
    if tokenizer is not None:
        tokenizer.vocabulary.write(folder / "vocab.txt")
