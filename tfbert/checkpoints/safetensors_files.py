"""safetensors files, read tensor by tensor, without their pages staying in memory as a mapped file's do."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import ml_dtypes
import numpy as np

from tfbert.checkpoints.tensor_file import Stored
from tfbert.errors import InputError

READABLE_DTYPES = {"F32": np.dtype(np.float32), "F16": np.dtype(np.float16), "BF16": np.dtype(ml_dtypes.bfloat16)}


def open_tensors(paths: Sequence[Path]) -> tuple[dict[str, Stored], Callable[[str], np.ndarray]]:
    """Return what the files hold, each tensor in one of them, and a function that reads a tensor as float32.

    Raises:
        InputError: a file is no safetensors, its header does not fit its length, or a tensor is in two files.
    """
    from safetensors import SafetensorError, safe_open

    stored: dict[str, Stored] = {}
    places: dict[str, tuple[Path, int]] = {}
    for path in paths:
        try:
            # The library checks that the header's offsets cover the file once and fit shapes and dtypes.
            with safe_open(path, framework="numpy"):
                pass
        except SafetensorError as error:
            raise InputError(f"{path} cannot be read as safetensors: {error}. Fetch it again.") from error
        with path.open("rb") as file:
            header_length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(header_length))
        header.pop("__metadata__", None)
        for name, entry in header.items():
            if name in stored:
                raise InputError(f"{path} holds {name}, which {places[name][0]} holds too. Use one set of files.")
            stored[name] = Stored(tuple(entry["shape"]), entry["dtype"])
            places[name] = (path, 8 + header_length + entry["data_offsets"][0])

    def read(name: str) -> np.ndarray:
        path, offset = places[name]
        shape, dtype = stored[name]
        values = np.fromfile(path, READABLE_DTYPES[dtype], count=int(np.prod(shape)), offset=offset)
        return values.reshape(shape).astype(np.float32, copy=False)

    return stored, read


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write a file that everybody may read whom the process's umask lets."""
    from safetensors.numpy import save_file

    path.touch()
    mode = path.stat().st_mode
    # transformers asks for the metadata.
    save_file(dict(tensors), path, metadata={"format": "pt"})
    path.chmod(mode)  # the library lets nobody else read what it writes
