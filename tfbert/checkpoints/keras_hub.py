"""keras-hub's presets of a BertBackbone: `config.json`, `model.weights.h5` and, with a tokenizer, `tokenizer.json`."""

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfbert.checkpoints.files import file_inside, read_json_object
from tfbert.checkpoints.model_tensors import Model, encoder_of, model_places
from tfbert.checkpoints.tensor_file import Stored, TensorFile
from tfbert.config import BertConfig
from tfbert.errors import InputError

if TYPE_CHECKING:
    from tfbert.tokenization.tokenizer import BertTokenizer

PARTS = ("encoder",)
"""What the format has a place for: its head of masked words computes another gelu and epsilon than the backbone."""

VOCABULARY = "assets/tokenizer/vocabulary.txt"

_CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"
# Their names of our settings; what they fix is in `kept_config`.
_SETTINGS = {
    "vocabulary_size": "vocabulary_size",
    "num_layers": "num_layers",
    "num_heads": "num_heads",
    "hidden_dim": "hidden_dim",
    "intermediate_dim": "intermediate_dim",
    "dropout": "dropout_rate",
    "max_sequence_length": "max_sequence_length",
    "num_segments": "num_segments",
}
# The layers that hold what Google calls so; a layer's variables are numbered.
_EMBEDDINGS = {
    "bert/embeddings/word_embeddings": "reversible_embedding/vars/0",
    "bert/embeddings/position_embeddings": "position_embedding/vars/0",
    "bert/embeddings/token_type_embeddings": "embedding/vars/0",
}
_LAYERS = {
    "bert/embeddings/LayerNorm": "layer_normalization",
    "bert/pooler/dense": "dense",
    "attention/self/query": "_self_attention_layer/query_dense",
    "attention/self/key": "_self_attention_layer/key_dense",
    "attention/self/value": "_self_attention_layer/value_dense",
    "attention/output/dense": "_self_attention_layer/output_dense",
    "attention/output/LayerNorm": "_self_attention_layer_norm",
    "intermediate/dense": "_feedforward_intermediate_dense",
    "output/dense": "_feedforward_output_dense",
    "output/LayerNorm": "_feedforward_layer_norm",
}
_VARIABLES = {"kernel": 0, "bias": 1, "gamma": 0, "beta": 1}


def matches(folder: Path) -> bool:
    """Return whether the folder holds such a preset."""
    return (folder / _CONFIG).exists() and (folder / _WEIGHTS).exists()


def open_folder(folder: Path) -> TensorFile:
    """Return the backbone's tensors; heads of a task are in a file of their own, which is not read."""
    import h5py

    config = _read_config(folder)
    path = file_inside(folder, _WEIGHTS)
    try:
        with h5py.File(path, "r") as file:
            stored = _datasets(path, file)
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be read as HDF5: {error}. Fetch it again.") from error

    def read(name: str) -> np.ndarray:
        try:
            with h5py.File(path, "r") as file:
                values = file[_own_name(name)][()]
        except (OSError, RuntimeError) as error:
            raise InputError(f"{path} cannot be read as HDF5: {error}. Fetch it again.") from error
        return values.astype(np.float32, copy=False).reshape(_google_shape(name, values.shape))

    return TensorFile(
        source=str(path),
        config=config,
        stored=stored,
        dtypes=("float32", "float16"),
        own_name=_own_name,
        own_shape=lambda name, shape: _own_shape(name, shape, config),
        read=read,
        part_of=lambda own_name: "encoder",
    )


def read_case(folder: Path) -> bool | None:
    """Return whether the preset's tokenizer lower-cases and removes accents; None where there is no tokenizer.

    Raises:
        InputError: it does one without the other.
    """
    if not (folder / "tokenizer.json").exists():
        return None
    settings = read_json_object(folder, "tokenizer.json").get("config")
    settings = settings if isinstance(settings, dict) else {}
    lowercase, strip_accents = settings.get("lowercase", False), settings.get("strip_accents", False)
    if not isinstance(lowercase, bool) or (strip_accents and not lowercase):
        raise InputError(
            f"{folder / 'tokenizer.json'}: BERT's tokenizer lower-cases and removes accents, or does neither; received "
            f"lowercase={lowercase!r}, strip_accents={strip_accents!r}."
        )
    return lowercase


def kept_config(config: BertConfig) -> BertConfig:
    """Return what keras-hub would compute with such an encoder, and start one from."""
    return dataclasses.replace(
        config,
        activation="gelu_tanh",
        layer_norm_epsilon=1e-12,
        attention_dropout_rate=config.dropout_rate,
        initializer_stddev=0.02,
    )


def write(folder: Path, model: Model, *, tokenizer: "BertTokenizer | None", **_: None) -> None:
    """Write the preset, with keras-hub, into the folder."""
    import h5py
    import keras_hub

    config = encoder_of(model).config
    settings: dict[str, Any] = {theirs: getattr(config, ours) for theirs, ours in _SETTINGS.items()}
    backbone = keras_hub.models.BertBackbone(**settings, dtype="float32")
    backbone.save_to_preset(str(folder), max_shard_size=None)
    with h5py.File(folder / _WEIGHTS, "r+") as file:
        for name, place in model_places(model).items():
            dataset = file[_own_name(name)]
            dataset[...] = place.value().reshape(dataset.shape)
    if tokenizer is not None:
        keras_hub.models.BertTokenizer(
            list(tokenizer.vocabulary.tokens), lowercase=tokenizer.lowercase, strip_accents=tokenizer.lowercase
        ).save_to_preset(str(folder))


def _read_config(folder: Path) -> BertConfig:
    """Read the settings of the backbone; nothing that the file names is imported."""
    fields = read_json_object(folder, _CONFIG)
    name, settings = fields.get("class_name"), fields.get("config")
    if name != "BertBackbone" or not isinstance(settings, dict):
        raise InputError(f"{folder / _CONFIG} must be that of keras-hub's BertBackbone, received {name!r:.60}.")
    missing = [theirs for theirs in _SETTINGS if theirs not in settings]
    if missing:
        raise InputError(f"{folder / _CONFIG} lacks {', '.join(missing)}: is it whole?")
    try:
        config = BertConfig.from_dict({ours: settings[theirs] for theirs, ours in _SETTINGS.items()})
    except InputError as error:
        raise InputError(f"{folder / _CONFIG}: {error}") from error
    return kept_config(config)


def _datasets(path: Path, group: Any) -> dict[str, Stored]:
    """Return all data sets of an HDF5 file; links and contents that lie elsewhere, or nowhere, are refused."""
    import h5py

    found: dict[str, Stored] = {}

    def walk(group: Any) -> None:
        for key in group:
            name = f"{group.name.rstrip('/')}/{key}"
            entry = group[key] if isinstance(group.get(key, getlink=True), h5py.HardLink) else None
            if isinstance(entry, h5py.Group):
                walk(entry)
            elif isinstance(entry, h5py.Dataset) and not (entry.external or entry.is_virtual or entry.chunks):
                found[name.removeprefix("/")] = Stored(entry.shape, str(entry.dtype))
            else:
                raise InputError(f"{path}: {name} leads elsewhere, or is not stored plainly. Write it with keras-hub.")

    walk(group)
    held = path.stat().st_size
    declared = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in found.values())
    if declared > held:
        raise InputError(f"{path} cannot be read: it declares {declared:,} bytes of tensors and has {held:,}.")
    return found


def _own_name(name: str) -> str:
    if name in _EMBEDDINGS:
        return f"layers/{_EMBEDDINGS[name]}"
    layer, variable = name.rsplit("/", 1)
    block = re.match(r"bert/encoder/layer_(\d+)/", layer)
    if block is None:
        return f"layers/{_LAYERS.get(layer, layer)}/vars/{_VARIABLES.get(variable, variable)}"
    number = int(block[1])
    prefix = f"transformer_encoder_{number}" if number else "transformer_encoder"
    return f"layers/{prefix}/{_LAYERS[layer[block.end() :]]}/vars/{_VARIABLES[variable]}"


def _own_shape(name: str, shape: tuple[int, ...], config: BertConfig) -> tuple[int, ...]:
    """Return the shape in which keras-hub has a tensor: attention keeps heads and their units apart."""
    heads = (config.num_heads, config.hidden_dim // config.num_heads)
    if "/attention/self/" in name:
        return (*shape[:-1], *heads)
    return (*heads, *shape[1:]) if name.endswith("attention/output/dense/kernel") else shape


def _google_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if "/attention/self/" in name:
        return (*shape[:-2], shape[-2] * shape[-1])
    return (shape[0] * shape[1], *shape[2:]) if name.endswith("attention/output/dense/kernel") else shape
