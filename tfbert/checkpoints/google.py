"""Google's TensorFlow 1 checkpoints: `bert_config.json` and `bert_model.ckpt.*`."""

from pathlib import Path

from tfbert.checkpoints.encoder_tensors import Stored, assign_tensors, check_tensors, encoder_places
from tfbert.checkpoints.files import file_inside, read_json_object
from tfbert.config import BertConfig
from tfbert.errors import InputError
from tfbert.models.encoder import BertEncoder

_PREFIX = "bert/"
# Heads of pre-training, of run_classifier.py and run_squad.py, and what the optimizer kept.
_OTHER_PREFIXES = ("cls/",)
_OTHER_NAMES = {"global_step", "output_weights", "output_bias"}
_OPTIMIZER_SLOTS = ("/adam_m", "/adam_v")


def matches(folder: Path) -> bool:
    """Return whether the folder holds such a checkpoint."""
    return (folder / "bert_config.json").exists() and any(folder.glob("*.index"))


def load_encoder(folder: Path, **options) -> BertEncoder:
    """Return the encoder in the folder; heads, optimizer slots and the step count are left aside."""
    import tensorflow as tf

    prefix = _checkpoint_prefix(folder)
    encoder = BertEncoder(BertConfig.from_google(read_json_object(folder, "bert_config.json")), **options)
    places = encoder_places(encoder)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        check_tensors(
            str(prefix),
            {_PREFIX + name: place.shape for name, place in places.items()},
            {name: Stored(tuple(shapes[name]), dtypes[name].name) for name in shapes},
            dtypes=("float32",),
            left_aside=_is_left_aside,
        )
        assign_tensors(places, lambda name: reader.get_tensor(_PREFIX + name))
    except InputError:
        raise
    # What TensorFlow's reader raises depends on where the damage lies; a short data file is an IndexError.
    except (tf.errors.OpError, RuntimeError, IndexError, ValueError) as error:
        raise InputError(f"{prefix} cannot be read as a TensorFlow checkpoint: {error}. Fetch it again.") from error
    return encoder


def _checkpoint_prefix(folder: Path) -> Path:
    # The text file `checkpoint`, which may name a path anywhere, is never read.
    names = sorted(path.name.removesuffix(".index") for path in folder.glob("*.index"))
    if len(names) > 1:
        raise InputError(f"{folder} must hold one checkpoint, found {', '.join(names)}. Move the others elsewhere.")
    for path in folder.glob(f"{names[0]}.*"):
        file_inside(folder, path.name)
    return folder / names[0]


def _is_left_aside(name: str) -> bool:
    return name in _OTHER_NAMES or name.startswith(_OTHER_PREFIXES) or name.endswith(_OPTIMIZER_SLOTS)
