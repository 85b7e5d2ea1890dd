"""What a checkpoint folder holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from tfbert.checkpoints.files import count_tokens
from tfbert.checkpoints.formats import FORMATS, format_of
from tfbert.checkpoints.tensor_file import Stored
from tfbert.checkpoints.tokenizers import stored_case, vocabulary_file
from tfbert.config import BertConfig


@dataclass(frozen=True)
class CheckpointContents:
    """What a checkpoint folder holds; `str` is for the terminal.

    Attributes:
        path: the folder.
        format: "native", "google", "huggingface" or "keras_hub".
        config: the encoder's.
        parts: "encoder", then the heads: "masked_lm", "next_sentence", "classifier".
        labels: names of a classifier's classes, where the folder says them.
        temperature: of a classifier's logits, where the folder says it.
        max_length: tokens at which texts were cut in training, where the folder says it.
        tensors: shape and dtype of every tensor in the files, by its name there.
        vocabulary_tokens: lines of the vocabulary file; None without one.
        lowercase: whether the vocabulary is uncased; None where the folder does not say.
    """

    path: Path
    format: str
    config: BertConfig
    parts: tuple[str, ...]
    labels: tuple[str, ...] | None
    temperature: float | None
    max_length: int | None
    tensors: Mapping[str, Stored]
    vocabulary_tokens: int | None
    lowercase: bool | None

    def __str__(self) -> str:
        config = self.config
        numbers = sum(prod(entry.shape) for entry in self.tensors.values())
        case = {True: "uncased", False: "cased", None: "case not said"}[self.lowercase]
        lines = {
            "format": self.format,
            "sizes": f"{config.num_layers} layers, {config.hidden_dim} units, {config.num_heads} heads, "
            f"{config.intermediate_dim} between, {config.max_sequence_length} positions, {config.activation}",
            "parts": ", ".join(part.replace("_", " ") for part in self.parts),
            "tensors": f"{len(self.tensors):,} with {numbers:,} numbers",
            "embeddings": f"{config.vocabulary_size:,} tokens",
            "vocabulary": "none" if self.vocabulary_tokens is None else f"{self.vocabulary_tokens:,} tokens, {case}",
        }
        if self.labels is not None:
            lines["classes"] = ", ".join(self.labels)
        if self.temperature is not None:
            lines["temperature"] = f"{self.temperature:g}"
        if self.max_length is not None:
            lines["texts"] = f"cut at {self.max_length} tokens"
        return "\n".join([f"{self.path}", *(f"  {name:<12}{value}" for name, value in lines.items())])


def inspect(path: str | Path) -> CheckpointContents:
    """Return what a checkpoint folder holds; its tensors are not read.

    Raises:
        InputError: the folder is of no known format, or a file of it is missing or broken.
    """
    folder = Path(path)
    name = format_of(folder)
    file = FORMATS[name].open_folder(folder)
    vocabulary = vocabulary_file(folder)
    return CheckpointContents(
        path=folder,
        format=name,
        config=file.config,
        parts=tuple(part for part in ("encoder", "masked_lm", "next_sentence", "classifier") if part in file.parts),
        labels=None if file.labels is None else tuple(file.labels),
        temperature=file.temperature,
        max_length=file.max_length,
        tensors=file.stored,
        vocabulary_tokens=None if vocabulary is None else count_tokens(vocabulary),
        lowercase=stored_case(folder)[1],
    )
