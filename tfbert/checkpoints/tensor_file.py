"""Filling a model from the tensors of a file: all of them, or an error that names each one that does not fit."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

import numpy as np

from tfbert.checkpoints.model_tensors import POSITION_EMBEDDINGS, Model, assign_tensors, model_places, parts_of
from tfbert.config import BertConfig
from tfbert.errors import InputError


class Stored(NamedTuple):
    """What a file says of one of its tensors."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class TensorFile:
    """The tensors of a checkpoint, opened.

    Args:
        source: the file, for messages.
        config: the encoder's, from the file beside it.
        stored: what the file holds, by the names in it.
        dtypes: those that can be read.
        own_name: gives the name in the file of the tensor that Google calls so.
        own_shape: gives the shape in the file of a tensor with this name and shape of Google's.
        read: gives a tensor by Google's name, in Google's layout, float32.
        part_of: gives the part of a model that a name in the file belongs to, or "other" if it has none in any.
        copies: names in the file of tensors that must equal another, which is given by Google's name, and how to read
            the copy.
        labels: names of a classifier's classes, where the checkpoint says them.
        dropout_rate: of a classifier's pooled output, where the checkpoint says it.
        temperature: by which a classifier's logits are to be divided, where the checkpoint says it.
        max_length: tokens at which texts were cut in training, where the checkpoint says it.
    """

    source: str
    config: BertConfig
    stored: Mapping[str, Stored]
    dtypes: tuple[str, ...]
    own_name: Callable[[str], str]
    own_shape: Callable[[str, tuple[int, ...]], tuple[int, ...]]
    read: Callable[[str], np.ndarray]
    part_of: Callable[[str], str]
    copies: Mapping[str, tuple[str, Callable[[], np.ndarray]]] = field(default_factory=dict)
    labels: Sequence[str] | None = None
    dropout_rate: float | None = None
    temperature: float | None = None
    max_length: int | None = None

    @property
    def parts(self) -> set[str]:
        """The parts of a model that the file holds tensors of."""
        return {self.part_of(name) for name in self.stored} - {"other"}

    def check_size(self) -> None:
        """Refuse a config that describes far more than the file holds, before memory is taken for it."""
        hidden, inner = self.config.hidden_dim, self.config.intermediate_dim
        rows = self.config.vocabulary_size + self.config.max_sequence_length + self.config.num_segments
        block = 4 * (hidden * hidden + hidden) + 2 * hidden * inner + inner + hidden + 4 * hidden
        described = rows * hidden + self.config.num_layers * block
        held = sum(prod(entry.shape) for entry in self.stored.values())
        if described > 2 * held:
            raise InputError(
                f"{self.source} holds {held:,} numbers, but its config describes an encoder of {described:,}. "
                "Use the config and the weights of one and the same BERT."
            )

    def with_positions(self, rows: int) -> "TensorFile":
        """Return the file with the first rows of its position table alone, which fit shorter sequences.

        Raises:
            InputError: the table has fewer.
        """
        have = self.config.max_sequence_length
        if not 1 <= rows <= have:
            raise InputError(f"{self.source} has {have} positions, of which max_sequence_length={rows} cannot be kept.")
        own_name = self.own_name(POSITION_EMBEDDINGS)
        shape = {own_name: Stored((rows, self.config.hidden_dim), self.stored[own_name].dtype)}
        return dataclasses.replace(
            self,
            config=dataclasses.replace(self.config, max_sequence_length=rows),
            stored={**self.stored, **shape} if self.stored[own_name].shape[0] == have else self.stored,
            read=lambda name: self.read(name)[:rows] if name == POSITION_EMBEDDINGS else self.read(name),
        )

    def fill(self, model: Model, *, allow_missing: bool) -> None:
        """Give the model's variables the file's values.

        Args:
            model: made from `config`.
            allow_missing: leave variables whose tensors the file lacks as they were initialised, and print their names.

        Raises:
            InputError: tensors are missing, extra, misshapen, of a dtype that is not read, not finite, or a copy
                differs from what it must equal; all of them are named.
        """
        places = model_places(model)
        missing = [name for name in places if self.own_name(name) not in self.stored]
        self._check(model, missing=() if allow_missing else missing)
        unfit = []

        def read(name: str) -> np.ndarray:
            tensor = self.read(name)
            if not np.isfinite(tensor).all():
                unfit.append(f"{self.own_name(name)} has values that are not finite")
            return tensor

        assign_tensors({name: place for name, place in places.items() if name not in missing}, read)
        for own_name, (name, read_copy) in self.copies.items():
            if self.part_of(own_name) in parts_of(model) and not np.array_equal(read_copy(), self.read(name)):
                unfit.append(f"{own_name} differs from {self.own_name(name)}, with which BERT ties it")
        if unfit:
            raise InputError(f"{self.source} cannot be used: {'; '.join(unfit)}. Fetch or write it again.")
        if missing:
            lacking = ", ".join(self.own_name(name) for name in missing)
            print(f"{self.source} lacks these tensors, which are newly initialised: {lacking}")

    def _check(self, model: Model, missing) -> None:
        expected = {
            self.own_name(name): self.own_shape(name, place.shape) for name, place in model_places(model).items()
        }
        expected |= {
            copy: self.own_shape(name, model_places(model)[name].shape)
            for copy, (name, _) in self.copies.items()
            if self.part_of(copy) in parts_of(model)
        }
        problems = [f"{self.own_name(name)} is missing" for name in missing]
        problems += [
            f"{name} is no tensor of this model"
            for name in sorted(self.stored.keys() - expected.keys())
            if self.part_of(name) in parts_of(model)
        ]
        for name in sorted(expected.keys() & self.stored.keys()):
            shape, dtype = self.stored[name]
            if tuple(shape) != expected[name]:
                problems.append(f"{name} has shape {tuple(shape)}, the config says {expected[name]}")
            if dtype not in self.dtypes:
                problems.append(f"{name} has dtype {dtype}, only {', '.join(self.dtypes)} are read")
        if problems:
            heads = "".join(f", {part.replace('_', ' ')} head" for part in parts_of(model)[1:])
            raise InputError(
                f"{self.source} does not hold the encoder its config describes{heads}: "
                f"{'; '.join(problems)}. Use the config and the weights of one and the same BERT"
                f"{'; allow_missing=True initialises anew what is missing' if missing else ''}."
            )
