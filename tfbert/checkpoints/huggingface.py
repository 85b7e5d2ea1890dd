"""transformers' folders: `config.json` and `model.safetensors`."""

import functools
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from tfbert.checkpoints.files import file_inside, read_json_object
from tfbert.checkpoints.model_tensors import OUTPUT_BIAS, WORD_EMBEDDINGS
from tfbert.checkpoints.safetensors_files import READABLE_DTYPES, open_tensors
from tfbert.checkpoints.tensor_file import TensorFile
from tfbert.config import BertConfig
from tfbert.errors import InputError

_WEIGHTS = "model.safetensors"
_HEADS = {
    "cls.predictions.": "masked_lm",
    "cls.seq_relationship.": "next_sentence",
    "classifier.": "classifier",
    "qa_outputs.": "other",
}
# Google's name of what each head's `weight` and `bias` are.
_NAMES = {
    OUTPUT_BIAS: "cls.predictions.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
    "output_weights": "classifier.weight",
    "output_bias": "classifier.bias",
}
# transformers' own decoder of masked tokens is tied to these two.
_TIED = {"cls.predictions.decoder.weight": WORD_EMBEDDINGS, "cls.predictions.decoder.bias": OUTPUT_BIAS}
_POSITION_IDS = "embeddings.position_ids"


def matches(folder: Path) -> bool:
    """Return whether the folder holds such a checkpoint; one with weights in another format is refused."""
    if not (folder / "config.json").exists():
        return False
    if (folder / _WEIGHTS).exists():
        return True
    for name, reason, remedy in (
        ("pytorch_model.bin", "is a pickle, which can run code when read", "save_pretrained(folder)"),
        ("model.safetensors.index.json", "stands for weights in several files", "save_pretrained(folder, ...)"),
    ):
        if (folder / name).exists():
            raise InputError(
                f"{folder / name} {reason}; only {_WEIGHTS} in one file is read. Write it with transformers: "
                f"`AutoModel.from_pretrained(folder).{remedy}`."
            )
    return False


def open_folder(folder: Path) -> TensorFile:
    """Return the checkpoint's tensors; position ids are part of no model."""
    path = file_inside(folder, _WEIGHTS)
    fields = read_json_object(folder, "config.json")
    config = BertConfig.from_huggingface(fields)
    stored, read = open_tensors([path])

    def read_in_google_layout(name: str) -> np.ndarray:
        tensor = read(_own_name(name, stored))
        return tensor.T if _is_kernel(name) else tensor

    return TensorFile(
        source=str(path),
        config=config,
        stored=stored,
        dtypes=tuple(READABLE_DTYPES),
        own_name=lambda name: _own_name(name, stored),
        own_shape=lambda name, shape: shape[::-1] if _is_kernel(name) else shape,
        read=read_in_google_layout,
        part_of=_part_of,
        copies={
            own: (name, functools.partial(read, own))
            for own, name in _TIED.items()
            if own in stored and own != _own_name(name, stored)
        },
        labels=_labels(fields, path.parent),
        dropout_rate=fields.get("classifier_dropout"),
    )


def _labels(fields: dict[str, Any], folder: Path) -> list[str] | None:
    labels = fields.get("id2label")
    if labels is None:
        return None
    numbers = [str(number) for number in range(len(labels))]
    if not isinstance(labels, dict) or sorted(labels) != sorted(numbers):
        raise InputError(f"{folder / 'config.json'}: id2label must name the classes 0, 1, ...; received {labels!r}.")
    return [labels[number] for number in numbers]


def _is_kernel(name: str) -> bool:
    return name.endswith("/kernel")


def _own_name(name: str, names: Collection[str]) -> str:
    """Return the name of Google's tensor `name` in a file that holds `names`.

    A model with a head puts `bert.` before the encoder's names; files converted from Google's early ones keep `gamma`
    and `beta`; a tied bias may be stored as the decoder's alone.
    """
    if name in _NAMES:
        own = _NAMES[name]
        decoders = [tied for tied, ours in _TIED.items() if ours == name and tied in names and own not in names]
        return decoders[0] if decoders else own
    if name.startswith("bert/") and not any(own.startswith("bert.") for own in names):
        name = name.removeprefix("bert/")
    dotted = re.sub(r"layer_(\d+)", r"layer.\1", name).replace("/", ".")
    if dotted in names and dotted.endswith((".gamma", ".beta")):
        return dotted
    if dotted.endswith("_embeddings"):
        return f"{dotted}.weight"
    for theirs, ours in ((".kernel", ".weight"), (".gamma", ".weight"), (".beta", ".bias")):
        dotted = dotted.removesuffix(theirs) + (ours if dotted.endswith(theirs) else "")
    return dotted


def _part_of(own_name: str) -> str:
    if own_name.removeprefix("bert.") == _POSITION_IDS:
        return "other"
    return next((part for prefix, part in _HEADS.items() if own_name.startswith(prefix)), "encoder")
