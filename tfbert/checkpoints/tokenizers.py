"""The tokenizer that belongs to a checkpoint."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tfbert.checkpoints import keras_hub, native
from tfbert.checkpoints.files import file_inside, read_json_object
from tfbert.config import PUBLISHED_SIZES
from tfbert.errors import InputError

if TYPE_CHECKING:
    from tfbert.tokenization.tokenizer import BertTokenizer


def load_tokenizer(
    path: Path | str, *, vocabulary: Path | str | None = None, lowercase: bool | None = None
) -> "BertTokenizer":
    """Return the tokenizer of a checkpoint folder.

    Args:
        path: the folder, with `vocab.txt` and, from transformers, `tokenizer_config.json`.
        vocabulary: another vocabulary file to use.
        lowercase: whether the vocabulary is uncased; None takes what tfbert's `config.json` or transformers'
            `tokenizer_config.json` says, and True where a folder does not say, as the uncased models of Google's
            release do not.

    Raises:
        InputError: the vocabulary is missing or wrong, or `lowercase` contradicts the folder.
    """
    # Encoders load where TensorFlow is not installed; a tokenizer needs it.
    from tfbert.tokenization.tokenizer import BertTokenizer

    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"{path} is neither a checkpoint folder nor one of {', '.join(PUBLISHED_SIZES)}.")
    source, stored = stored_case(folder)
    if None not in (stored, lowercase) and stored != lowercase:
        raise InputError(
            f"{source}={json.dumps(stored)}, which lowercase={lowercase} contradicts: leave it out to use the "
            "checkpoint's own."
        )
    known = [choice for choice in (lowercase, stored, True) if choice is not None]
    source_file = vocabulary or vocabulary_file(folder)
    if source_file is None:
        raise InputError(f"{folder / 'vocab.txt'} is missing from the checkpoint.")
    return BertTokenizer(source_file, lowercase=known[0])


def vocabulary_file(folder: Path) -> Path | None:
    """Return the folder's vocabulary, if there is one; it must lie inside."""
    names = [name for name in ("vocab.txt", keras_hub.VOCABULARY) if (folder / name).exists()]
    return file_inside(folder, names[0]) if names else None


def stored_case(folder: Path) -> tuple[str, bool | None]:
    """Return which setting of a folder says whether its vocabulary is uncased, and what it says, None for nothing.

    Raises:
        InputError: the folder's tokenizer is another than BERT's in what it does to accents or ideographs.
    """
    if native.matches(folder):
        settings = native.read_config(folder)["tokenizer"] or {}
        return f"{folder / 'config.json'} says lowercase", settings.get("lowercase")
    if keras_hub.matches(folder):
        return f"{folder / 'tokenizer.json'} says lowercase", keras_hub.read_case(folder)
    path = folder / "tokenizer_config.json"
    if not path.exists():
        return "", None
    settings = read_json_object(folder, path.name)
    lowercase = settings.get("do_lower_case")
    uncased = True if lowercase is None else lowercase
    wanted = {"do_lower_case": uncased, "strip_accents": uncased, "tokenize_chinese_chars": True}
    other = [
        f"{name}={settings[name]!r}"
        for name, value in wanted.items()
        if settings.get(name) is not None and settings[name] is not value
    ]
    if other or not isinstance(uncased, bool):
        raise InputError(
            f"{path}: BERT's tokenizer lower-cases and removes accents, or does neither, and cuts around ideographs; "
            f"received {', '.join(other) or repr(lowercase)}. tfbert has no other."
        )
    return f"{path} says do_lower_case", lowercase
