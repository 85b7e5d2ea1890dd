"""Checkpoints of other programs, read into tfbert's models.

Each format is a module with `matches(folder)`, which looks at the folder's contents, and `load_encoder(folder)`.
"""

from pathlib import Path

from tfbert.checkpoints import google, huggingface
from tfbert.checkpoints.files import check_vocabulary_file
from tfbert.checkpoints.tokenizers import load_tokenizer
from tfbert.errors import InputError
from tfbert.models.encoder import BertEncoder

__all__ = ["load_encoder", "load_tokenizer"]

_FORMATS = (google, huggingface)


def load_encoder(path: str | Path, **options) -> BertEncoder:
    """Return the encoder of a checkpoint folder, whose kind is found from its contents.

    Args:
        path: a folder with Google's `bert_config.json` and `bert_model.ckpt.*`, or with transformers' `config.json` and
            `model.safetensors` (names with or without `bert.`; float32, float16 or bfloat16).
        **options: further arguments of `BertEncoder`, such as `return_hidden_states` or `dtype`.

    Heads, optimizer slots, step counts and position ids in the files have no part in an encoder and are left aside.

    Raises:
        InputError: the folder is of no known kind or of two; a file is missing, leads out of the folder or cannot be
            read; the config describes another kind of model; tensors are missing, unknown or misshapen (all of them are
            named); `vocab.txt` has more tokens than the word embeddings have rows.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"A checkpoint is a folder, but {folder} is {'a file' if folder.exists() else 'not there'}.")
    kinds = [kind for kind in _FORMATS if kind.matches(folder)]
    if len(kinds) != 1:
        raise InputError(
            f"{folder} holds {'two kinds of checkpoint' if kinds else 'no checkpoint'}: a checkpoint folder has either "
            "bert_config.json and bert_model.ckpt.index (Google) or config.json and model.safetensors (transformers)."
        )
    encoder = kinds[0].load_encoder(folder, **options)
    check_vocabulary_file(folder, encoder.config.vocabulary_size)
    return encoder
