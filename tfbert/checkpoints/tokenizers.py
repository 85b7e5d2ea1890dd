"""The tokenizer that belongs to a checkpoint."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tfbert.checkpoints import native
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
    source, stored = _stored_case(folder)
    if None not in (stored, lowercase) and stored != lowercase:
        raise InputError(
            f"{source}={json.dumps(stored)}, which lowercase={lowercase} contradicts: leave it out to use the "
            "checkpoint's own."
        )
    known = [choice for choice in (lowercase, stored, True) if choice is not None]
    return BertTokenizer(vocabulary or file_inside(folder, "vocab.txt"), lowercase=known[0])


def _stored_case(folder: Path) -> tuple[str, bool | None]:
    """Return which setting says whether the vocabulary is uncased, and what it says."""
    if native.matches(folder):
        settings = native.read_config(folder)["tokenizer"] or {}
        return f"{folder / 'config.json'} says lowercase", settings.get("lowercase")
    if (folder / "tokenizer_config.json").exists():
        stored = read_json_object(folder, "tokenizer_config.json").get("do_lower_case")
        return f"{folder / 'tokenizer_config.json'} says do_lower_case", stored
    return "", None
