"""Fuzz the files of checkpoint folders: the folder opens, or an `InputError` says why not."""

import contextlib
import json
import sys
from pathlib import Path

import numpy as np
import safetensors.numpy

sys.path.insert(0, str(Path(__file__).parent))
import fuzzing

with fuzzing.instrumented() if __name__ == "__main__" else contextlib.nullcontext():
    from tfbert.checkpoints.formats import FORMATS, format_of
    from tfbert.checkpoints.inspection import inspect
    from tfbert.errors import InputError

_FOLDER = fuzzing.scratch_folder()
_VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n"
_TENSORS = {"bert/embeddings/word_embeddings": np.ones((7, 4), "f4"), "bert/pooler/dense/bias": np.ones(4, "f4")}
_NATIVE = {
    "config.json": json.dumps({
        "format": "tfbert checkpoint", "format_version": 1, "parts": ["encoder"], "tokenizer": {"lowercase": True},
        "labels": ["a", "b"], "dropout_rate": 0.1, "temperature": 1.5, "max_length": 8,
        "encoder": {"vocabulary_size": 7, "hidden_dim": 4, "num_layers": 1, "num_heads": 2, "intermediate_dim": 8,
                    "max_sequence_length": 8},
    }),
    "weights.safetensors": safetensors.numpy.save(_TENSORS),
    "vocab.txt": _VOCABULARY,
}  # fmt: skip
_TRANSFORMERS = {
    "config.json": json.dumps({
        "model_type": "bert", "vocab_size": 7, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 8, "max_position_embeddings": 8, "hidden_act": "gelu", "id2label": {"0": "a", "1": "b"},
    }),
    "model.safetensors.index.json": json.dumps({"weight_map": {"classifier.weight": "part-1.safetensors"}}),
    "part-1.safetensors": safetensors.numpy.save({"classifier.weight": np.ones((2, 4), "f2")}),
    "tokenizer_config.json": json.dumps({"do_lower_case": True, "strip_accents": None}),
    "vocab.txt": _VOCABULARY,
}  # fmt: skip
_KERAS_HUB = {
    "config.json": json.dumps({
        "class_name": "BertBackbone",
        "config": {"vocabulary_size": 7, "num_layers": 1, "num_heads": 2, "hidden_dim": 4, "intermediate_dim": 8,
                   "dropout": 0.1, "max_sequence_length": 8, "num_segments": 2},
    }),
    "tokenizer.json": json.dumps({"config": {"lowercase": True, "strip_accents": True}}),
    "model.weights.h5": b"\x89HDF\r\n\x1a\n",
}  # fmt: skip
_GOOGLE = {
    "bert_config.json": json.dumps({
        "vocab_size": 7, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
        "max_position_embeddings": 8, "hidden_act": "gelu", "type_vocab_size": 2,
    }),
    "bert_model.ckpt.index": b"no index",
}  # fmt: skip
_FILES = [
    (kind, name, content if isinstance(content, bytes) else content.encode())
    for kind, folder in enumerate((_NATIVE, _TRANSFORMERS, _KERAS_HUB, _GOOGLE))
    for name, content in folder.items()
    # h5py and TensorFlow read these, not we.
    if name not in ("model.weights.h5", "bert_model.ckpt.index")
]
for kind, folder in enumerate((_NATIVE, _TRANSFORMERS, _KERAS_HUB, _GOOGLE)):
    Path(_FOLDER, str(kind)).mkdir()
    for name, content in folder.items():
        Path(_FOLDER, str(kind), name).write_bytes(content if isinstance(content, bytes) else content.encode())


def seeds() -> list[bytes]:
    return [bytes([number]) + content for number, (_, _, content) in enumerate(_FILES)]


def one_input(data: bytes) -> None:
    """The first byte says which file of which folder the rest is."""
    if not data:
        return
    kind, name, whole = _FILES[data[0] % len(_FILES)]
    folder = Path(_FOLDER, str(kind))
    (folder / name).write_bytes(data[1:])
    try:
        with contextlib.suppress(InputError):
            str(inspect(folder))
        with contextlib.suppress(InputError):
            file = FORMATS[format_of(folder)].open_folder(folder)
            file.check_size()
            for own_name, stored in file.stored.items():
                if stored.dtype in file.dtypes and kind == 0:
                    assert file.read(own_name).shape == stored.shape
    finally:
        (folder / name).write_bytes(whole)


if __name__ == "__main__":
    fuzzing.run(one_input, seeds)
