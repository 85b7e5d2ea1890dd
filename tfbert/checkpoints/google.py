"""Google's TensorFlow 1 checkpoints: `bert_config.json` and `bert_model.ckpt.*`."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfbert.checkpoints.files import file_inside, read_json_object
from tfbert.checkpoints.model_tensors import Model, encoder_of, model_places, part_of
from tfbert.checkpoints.tensor_file import Stored, TensorFile
from tfbert.config import BertConfig
from tfbert.errors import InputError

if TYPE_CHECKING:
    from tfbert.tokenization.tokenizer import BertTokenizer

PARTS = ("encoder", "masked_lm", "next_sentence", "classifier")
"""What the format has a place for; of a classifier the weights, not the labels."""

# Of Google's own optimizer, of LAMB and of TensorFlow's Adam.
_OPTIMIZER_SLOTS = ("/adam_m", "/adam_v", "/lamb_m", "/lamb_v", "/Adam", "/Adam_1")
_COUNTERS = ("global_step", "beta1_power", "beta2_power")


def matches(folder: Path) -> bool:
    """Return whether the folder holds such a checkpoint."""
    return (folder / "bert_config.json").exists() and any(folder.glob("*.index"))


def open_folder(folder: Path) -> TensorFile:
    """Return the checkpoint's tensors; the optimizer's slots and the step count are part of no model."""
    import tensorflow as tf

    prefix = _checkpoint_prefix(folder)
    config = BertConfig.from_google(read_json_object(folder, "bert_config.json"))
    with _reading(prefix):
        reader = tf.train.load_checkpoint(str(prefix))
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    _check_data_size(prefix, sum(prod(shape) * dtypes[name].size for name, shape in shapes.items()))

    def read(name: str) -> np.ndarray:
        with _reading(prefix):
            return reader.get_tensor(name)

    return TensorFile(
        source=str(prefix),
        config=config,
        stored={name: Stored(tuple(shape), dtypes[name].name) for name, shape in shapes.items()},
        dtypes=("float32",),
        own_name=lambda name: name,
        own_shape=lambda name, shape: shape,
        read=read,
        part_of=_part_of,
    )


def kept_config(config: BertConfig) -> BertConfig:
    """Return what Google's code would compute with such an encoder."""
    activation = "relu" if config.activation == "relu" else "gelu_tanh"
    return dataclasses.replace(config, activation=activation, layer_norm_epsilon=1e-12)


def write(folder: Path, model: Model, *, tokenizer: "BertTokenizer | None", **_: None) -> None:
    """Write the files into the folder; `tokenizer_config.json`, which Google's releases lack, says the case."""
    import tensorflow as tf

    config = kept_config(encoder_of(model).config).to_google()
    (folder / "bert_config.json").write_text(json.dumps(config, indent=2) + "\n")
    places = model_places(model)
    tf.raw_ops.SaveV2(
        prefix=str(folder / "bert_model.ckpt"),
        tensor_names=list(places),
        shape_and_slices=[""] * len(places),
        tensors=[place.value() for place in places.values()],
    )
    if tokenizer is not None:
        tokenizer.vocabulary.write(folder / "vocab.txt")
        case = json.dumps({"do_lower_case": tokenizer.lowercase})
        (folder / "tokenizer_config.json").write_text(case + "\n")


@contextlib.contextmanager
def _reading(prefix: Path) -> Iterator[None]:
    import tensorflow as tf

    try:
        yield
    # What TensorFlow's reader raises depends on where the damage lies; a short data file is an IndexError.
    except (tf.errors.OpError, RuntimeError, IndexError, ValueError) as error:
        raise InputError(f"{prefix} cannot be read as a TensorFlow checkpoint: {error}. Fetch it again.") from error


def _checkpoint_prefix(folder: Path) -> Path:
    # The text file `checkpoint`, which may name a path anywhere, is never read.
    names = sorted(path.name.removesuffix(".index") for path in folder.glob("*.index"))
    if len(names) > 1:
        raise InputError(f"{folder} must hold one checkpoint, found {', '.join(names)}. Move the others elsewhere.")
    for path in folder.glob(f"{names[0]}.*"):
        file_inside(folder, path.name)
    return folder / names[0]


def _check_data_size(prefix: Path, num_bytes: int) -> None:
    # TensorFlow takes memory for what the index declares before it looks at the data.
    held = sum(path.stat().st_size for path in prefix.parent.glob(f"{prefix.name}.data-*"))
    if num_bytes > held:
        raise InputError(
            f"{prefix} cannot be read: its index declares {num_bytes:,} bytes of tensors, but the data files hold "
            f"{held:,}. Fetch it again."
        )


def _part_of(name: str) -> str:
    return "other" if name in _COUNTERS or name.endswith(_OPTIMIZER_SLOTS) else part_of(name)
