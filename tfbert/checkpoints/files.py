"""Finding and reading the files of a checkpoint folder, without leaving it."""

import json
from pathlib import Path
from typing import Any

from tfbert.errors import InputError


def file_inside(folder: Path, name: str) -> Path:
    """Return the path of a file of the folder; a link that leads out of it is refused, a missing file too."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InputError(
            f"{folder / name} leads out of its folder, to {path}. Files of a checkpoint must lie in its folder: "
            "copy them there (`cp -L`)."
        )
    if not path.is_file():
        raise InputError(f"{folder / name} is missing from the checkpoint.")
    return path


def read_json_object(folder: Path, name: str) -> dict[str, Any]:
    """Return the JSON object in a file of the folder."""
    path = file_inside(folder, name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    # Bytes that are no UTF-8, text that is no JSON, numbers with thousands of digits; brackets without end.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} must be JSON in UTF-8: {error}.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a JSON object, received {type(content).__name__}.")
    return content


def count_tokens(path: Path) -> int:
    """Return how many tokens a vocabulary file has, one a line."""
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def check_vocabulary_file(path: Path | None, vocabulary_size: int) -> None:
    """Refuse a vocabulary beside the weights with more tokens than the word embedding table has rows."""
    num_tokens = 0 if path is None else count_tokens(path)
    if num_tokens > vocabulary_size:
        raise InputError(
            f"{path} has {num_tokens} tokens but the word embeddings have {vocabulary_size} rows: ids above "
            f"{vocabulary_size - 1} would have no embedding. Use the vocabulary the checkpoint was trained with."
        )
