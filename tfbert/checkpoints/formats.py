"""The formats of checkpoint folders, and how one is recognised.

Each is a module with `PARTS`, the parts of a model that it has a place for, and the functions `matches(folder)`, which
looks at the folder's contents; `open_folder(folder)`, its tensors; `kept_config(config)`, what of a config it keeps;
`write(folder, model, tokenizer=, temperature=, max_length=)`, of which the last two are None but for "native".
"""

from pathlib import Path
from types import ModuleType

from tfbert.checkpoints import google, huggingface, keras_hub, native
from tfbert.errors import InputError

FORMATS: dict[str, ModuleType] = {
    "native": native,
    "google": google,
    "huggingface": huggingface,
    "keras_hub": keras_hub,
}


def format_of(folder: Path) -> str:
    """Return the name of the format that a checkpoint folder is in.

    Raises:
        InputError: it is no folder, or of no known format or of two.
    """
    if not folder.is_dir():
        raise InputError(f"A checkpoint is a folder, but {folder} is {'a file' if folder.exists() else 'not there'}.")
    names = [name for name, kind in FORMATS.items() if kind.matches(folder)]
    if len(names) != 1:
        raise InputError(
            f"{folder} holds {'two kinds of checkpoint' if names else 'no checkpoint'}: a checkpoint folder has "
            "bert_config.json and bert_model.ckpt.index (Google), or config.json and one of model.safetensors "
            "(transformers), model.weights.h5 (keras-hub) and weights.safetensors (tfbert)."
        )
    return names[0]
