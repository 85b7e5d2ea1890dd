"""transformers' folders: `config.json` and `model.safetensors`, in one file or in several with an index."""

import functools
import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfbert.checkpoints.files import file_inside, read_json_object
from tfbert.checkpoints.model_tensors import OUTPUT_BIAS, WORD_EMBEDDINGS, Model, encoder_of, model_places, parts_of
from tfbert.checkpoints.safetensors_files import READABLE_DTYPES, open_tensors, write_tensors
from tfbert.checkpoints.tensor_file import TensorFile
from tfbert.config import BertConfig
from tfbert.errors import InputError
from tfbert.models.classifier import BertClassifier
from tfbert.models.encoder import BertEncoder

if TYPE_CHECKING:
    from tfbert.tokenization.tokenizer import BertTokenizer

PARTS = ("encoder", "masked_lm", "next_sentence", "classifier")
"""What the format has a place for."""

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
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
_ARCHITECTURES = {
    ("encoder",): "BertModel",
    ("encoder", "masked_lm"): "BertForMaskedLM",
    ("encoder", "masked_lm", "next_sentence"): "BertForPreTraining",
    ("encoder", "classifier"): "BertForSequenceClassification",
}
_POSITION_IDS = "embeddings.position_ids"


def matches(folder: Path) -> bool:
    """Return whether the folder holds such a checkpoint; one with weights in a pickle is refused."""
    if not (folder / "config.json").exists():
        return False
    if (folder / _WEIGHTS).exists() or (folder / _INDEX).exists():
        return True
    if (folder / "pytorch_model.bin").exists():
        raise InputError(
            f"{folder / 'pytorch_model.bin'} is a pickle, which can run code when read; only safetensors are read. "
            "Write them with transformers: `AutoModel.from_pretrained(folder).save_pretrained(folder)`."
        )
    return False


def open_folder(folder: Path) -> TensorFile:
    """Return the checkpoint's tensors, of one file or of several with an index; position ids are part of no model."""
    fields = read_json_object(folder, "config.json")
    config = BertConfig.from_huggingface(fields)
    path, parts = _weight_files(folder)
    stored, read = open_tensors(parts)

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
        labels=_labels(fields, folder, stored),
        dropout_rate=fields.get("classifier_dropout"),
    )


def _weight_files(folder: Path) -> tuple[Path, list[Path]]:
    """Return the file that stands for the weights, for messages, and the files that hold them."""
    if (folder / _WEIGHTS).exists():
        path = file_inside(folder, _WEIGHTS)
        return path, [path]
    names = read_json_object(folder, _INDEX).get("weight_map")
    if not (isinstance(names, dict) and names and all(isinstance(name, str) for name in names.values())):
        raise InputError(f"{folder / _INDEX} must map tensors to files in weight_map, received {names!r:.100}.")
    return folder / _INDEX, [file_inside(folder, name) for name in sorted(set(names.values()))]


def _labels(fields: dict[str, Any], folder: Path, stored: Collection[str]) -> list[str] | None:
    labels = fields.get("id2label")
    if labels is None:
        # transformers leaves two classes out of the file where they have the names it gives them.
        return ["LABEL_0", "LABEL_1"] if "classifier.weight" in stored else None
    numbers = [str(number) for number in range(len(labels))]
    if not isinstance(labels, dict) or sorted(labels) != sorted(numbers):
        raise InputError(f"{folder / 'config.json'}: id2label must name the classes 0, 1, ...; received {labels!r}.")
    return [labels[number] for number in numbers]


def kept_config(config: BertConfig) -> BertConfig:
    """Return the config that the format keeps: all of it."""
    return config


def write(folder: Path, model: Model, *, tokenizer: "BertTokenizer | None", **_: None) -> None:
    """Write the files into the folder, as the transformers class for the model's heads would."""
    config = encoder_of(model).config
    fields = config.to_huggingface() | {"tie_word_embeddings": True, "dtype": "float32"}
    if isinstance(model, BertClassifier):
        fields["id2label"] = {str(number): label for number, label in enumerate(model.labels)}
        fields["label2id"] = {label: number for number, label in enumerate(model.labels)}
        fields |= {"classifier_dropout": model.dropout_rate, "problem_type": "single_label_classification"}
    if tokenizer is not None:
        from tfbert.checkpoints.huggingface_tokenizer import write_tokenizer  # tokenizers need TensorFlow

        fields["pad_token_id"] = tokenizer.pad_id
        write_tokenizer(folder, tokenizer, config.max_sequence_length)
    fields["architectures"] = [_ARCHITECTURES[parts_of(model)]]
    (folder / "config.json").write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    prefix = [] if isinstance(model, BertEncoder) else ["bert."]
    tensors = {}
    for name, place in model_places(model).items():
        value = place.value()
        tensors[_own_name(name, prefix)] = np.ascontiguousarray(value.T) if _is_kernel(name) else value
    write_tensors(folder / _WEIGHTS, tensors)


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
