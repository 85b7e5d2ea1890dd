"""transformers' folders: `config.json` and `model.safetensors`."""

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from tfbert.checkpoints.encoder_tensors import Stored, assign_tensors, check_tensors, encoder_places
from tfbert.checkpoints.files import file_inside, read_json_object
from tfbert.config import BertConfig
from tfbert.errors import InputError
from tfbert.models.encoder import BertEncoder

_WEIGHTS = "model.safetensors"
_DTYPES = ("F32", "F16", "BF16")
# Heads of transformers' BertFor... classes.
_HEAD_PREFIXES = ("cls.", "classifier.", "qa_outputs.")
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


def load_encoder(folder: Path, **options) -> BertEncoder:
    """Return the encoder in the folder; heads and position ids are left aside."""
    from safetensors import SafetensorError, safe_open

    path = file_inside(folder, _WEIGHTS)
    encoder = BertEncoder(BertConfig.from_huggingface(read_json_object(folder, "config.json")), **options)
    places = encoder_places(encoder)
    try:
        with safe_open(path, framework="numpy") as file:
            names = set(file.keys())
            stored_name = {name: _stored_name(name, names) for name in places}
            slices = {name: file.get_slice(name) for name in names}
            check_tensors(
                str(path),
                {stored_name[name]: _stored_shape(name, place.shape) for name, place in places.items()},
                {name: Stored(tuple(entry.get_shape()), entry.get_dtype()) for name, entry in slices.items()},
                dtypes=_DTYPES,
                left_aside=_is_left_aside,
            )

            def read(name: str) -> np.ndarray:
                tensor = file.get_tensor(stored_name[name]).astype(np.float32)
                return tensor.T if _is_kernel(name) else tensor

            assign_tensors(places, read)
    except SafetensorError as error:
        raise InputError(f"{path} cannot be read as safetensors: {error}. Fetch it again.") from error
    return encoder


def _is_kernel(name: str) -> bool:
    return name.endswith("/kernel")


def _stored_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[::-1] if _is_kernel(name) else shape


def _stored_name(name: str, names: Collection[str]) -> str:
    """Return the name of Google's tensor `name` in a file that holds `names`.

    A model with a head puts `bert.` before the encoder's names; files converted from Google's early ones keep `gamma`
    and `beta`.
    """
    prefix = "bert." if any(stored.startswith("bert.") for stored in names) else ""
    dotted = prefix + re.sub(r"layer_(\d+)", r"layer.\1", name).replace("/", ".")
    if dotted in names and dotted.endswith((".gamma", ".beta")):
        return dotted
    if dotted.endswith("_embeddings"):
        return f"{dotted}.weight"
    for theirs, ours in ((".kernel", ".weight"), (".gamma", ".weight"), (".beta", ".bias")):
        dotted = dotted.removesuffix(theirs) + (ours if dotted.endswith(theirs) else "")
    return dotted


def _is_left_aside(name: str) -> bool:
    return name.startswith(_HEAD_PREFIXES) or name.removeprefix("bert.") == _POSITION_IDS
