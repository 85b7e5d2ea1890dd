"""The encoder's tensors under the names of Google's checkpoints, which every other format's names are derived from."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tfbert.errors import InputError
from tfbert.models.encoder import BertEncoder


class Place(NamedTuple):
    """Where a tensor lies: a variable of ours, or some columns of one (query, key and value share a kernel)."""

    variable: Any
    columns: slice

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape, kernels as (inputs, units)."""
        *rows, units = self.variable.shape
        return (*rows, len(range(*self.columns.indices(units))))


def encoder_places(encoder: BertEncoder) -> dict[str, Place]:
    """Return the place of each tensor by Google's name for it, less the prefix `bert/`."""
    hidden_dim = encoder.config.hidden_dim
    everything = slice(None)
    places = {}

    def add(name: str, kernel: Any, bias: Any, columns: slice = everything) -> None:
        kernel_name, bias_name = ("gamma", "beta") if name.endswith("LayerNorm") else ("kernel", "bias")
        places[f"{name}/{kernel_name}"] = Place(kernel, columns)
        places[f"{name}/{bias_name}"] = Place(bias, columns)

    embeddings = encoder.embeddings
    places["embeddings/word_embeddings"] = Place(embeddings.word_embeddings, everything)
    places["embeddings/position_embeddings"] = Place(embeddings.position_embeddings, everything)
    places["embeddings/token_type_embeddings"] = Place(embeddings.segment_embeddings, everything)
    add("embeddings/LayerNorm", embeddings.layer_norm.gamma, embeddings.layer_norm.beta)
    for index, block in enumerate(encoder.blocks):
        prefix = f"encoder/layer_{index}"
        joint = block.attention.query_key_value
        for third, part in enumerate(("query", "key", "value")):
            columns = slice(third * hidden_dim, (third + 1) * hidden_dim)
            add(f"{prefix}/attention/self/{part}", joint.kernel, joint.bias, columns)
        for name, dense in (
            ("attention/output/dense", block.attention.output_dense),
            ("intermediate/dense", block.feed_forward.intermediate_dense),
            ("output/dense", block.feed_forward.output_dense),
        ):
            add(f"{prefix}/{name}", dense.kernel, dense.bias)
        for name, norm in (
            ("attention/output/LayerNorm", block.attention_layer_norm),
            ("output/LayerNorm", block.output_layer_norm),
        ):
            add(f"{prefix}/{name}", norm.gamma, norm.beta)
    add("pooler/dense", encoder.pooler.dense.kernel, encoder.pooler.dense.bias)
    return places


class Stored(NamedTuple):
    """What a file says of one of its tensors."""

    shape: tuple[int, ...]
    dtype: str


def check_tensors(
    source: str,
    expected: Mapping[str, tuple[int, ...]],
    stored: Mapping[str, Stored],
    *,
    dtypes: Iterable[str],
    left_aside: Callable[[str], bool],
) -> None:
    """Refuse missing, extra and misshapen tensors and unreadable dtypes, all of them in one error.

    Args:
        source: the file, for the message.
        expected: shape of each tensor that must be there, by its name in the file.
        stored: what the file holds.
        dtypes: the dtypes that can be read.
        left_aside: whether a tensor beyond the expected is known and has no part in an encoder.
    """
    problems = [f"{name} is missing" for name in sorted(expected.keys() - stored.keys())]
    problems += [
        f"{name} is no tensor of this encoder"
        for name in sorted(stored.keys() - expected.keys())
        if not left_aside(name)
    ]
    for name in sorted(expected.keys() & stored.keys()):
        shape, dtype = stored[name]
        if tuple(shape) != expected[name]:
            problems.append(f"{name} has shape {tuple(shape)}, the config says {expected[name]}")
        if dtype not in dtypes:
            problems.append(f"{name} has dtype {dtype}, only {', '.join(dtypes)} are read")
    if problems:
        raise InputError(
            f"{source} does not hold the encoder its config describes: {'; '.join(problems)}. "
            "Use the config and the weights of one and the same BERT."
        )


def assign_tensors(places: Mapping[str, Place], read: Callable[[str], np.ndarray]) -> None:
    """Fill the encoder's variables, each whole, from a function that returns a tensor by its name in `places`."""
    names_of: dict[int, list[str]] = {}
    for name, place in places.items():
        names_of.setdefault(id(place.variable), []).append(name)
    for names in names_of.values():
        variable = places[names[0]].variable
        value = np.empty(variable.shape, dtype=np.float32)
        for name in names:
            value[..., places[name].columns] = read(name)
        variable.assign(value)
