"""A model's tensors under the names and in the layout of Google's checkpoints, which the other formats go through."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np

from tfbert.models.classifier import BertClassifier
from tfbert.models.encoder import BertEncoder
from tfbert.models.pretrainer import BertPretrainer

_PART = 1 << 24

Model = BertEncoder | BertPretrainer | BertClassifier

WORD_EMBEDDINGS = "bert/embeddings/word_embeddings"
POSITION_EMBEDDINGS = "bert/embeddings/position_embeddings"
OUTPUT_BIAS = "cls/predictions/output_bias"


class Place(NamedTuple):
    """Where a tensor lies: a variable of ours, or some columns of one (query, key and value share a kernel).

    Google keeps the kernels of the two classifying heads as (classes, inputs): those are `transposed` ones of ours.
    """

    variable: Any
    columns: slice = slice(None)
    transposed: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        shape = (*self.variable.shape[:-1], self.num_columns)
        return shape[::-1] if self.transposed else shape

    @property
    def num_columns(self) -> int:
        """How many of the variable's columns, or elements of a vector, the tensor fills."""
        return len(range(*self.columns.indices(self.variable.shape[-1])))

    def value(self) -> np.ndarray:
        """Return the tensor, float32."""
        tensor = keras.ops.convert_to_numpy(self.variable).astype(np.float32, copy=False)[..., self.columns]
        return np.ascontiguousarray(tensor.T if self.transposed else tensor)


def encoder_of(model: Model) -> BertEncoder:
    """Return the model's encoder, which may be the model itself."""
    return model if isinstance(model, BertEncoder) else model.encoder


def parts_of(model: Model) -> tuple[str, ...]:
    """Return what the model is made of: "encoder" first, then its heads."""
    if isinstance(model, BertPretrainer):
        return ("encoder", "masked_lm", "next_sentence") if model.next_sentence else ("encoder", "masked_lm")
    return ("encoder", "classifier") if isinstance(model, BertClassifier) else ("encoder",)


def model_places(model: Model) -> dict[str, Place]:
    """Return the place of each of the model's tensors by Google's name for it."""
    encoder = encoder_of(model)
    hidden_dim = encoder.config.hidden_dim
    places = {}

    def add_dense(name: str, dense: Any, columns: slice = slice(None)) -> None:
        places[f"{name}/kernel"] = Place(dense.kernel, columns)
        places[f"{name}/bias"] = Place(dense.bias, columns)

    def add_norm(name: str, norm: Any) -> None:
        places[f"{name}/gamma"] = Place(norm.gamma)
        places[f"{name}/beta"] = Place(norm.beta)

    embeddings = encoder.embeddings
    places[WORD_EMBEDDINGS] = Place(embeddings.word_embeddings)
    places[POSITION_EMBEDDINGS] = Place(embeddings.position_embeddings)
    places["bert/embeddings/token_type_embeddings"] = Place(embeddings.segment_embeddings)
    add_norm("bert/embeddings/LayerNorm", embeddings.layer_norm)
    for index, block in enumerate(encoder.blocks):
        prefix = f"bert/encoder/layer_{index}"
        for third, part in enumerate(("query", "key", "value")):
            columns = slice(third * hidden_dim, (third + 1) * hidden_dim)
            add_dense(f"{prefix}/attention/self/{part}", block.attention.query_key_value, columns)
        add_dense(f"{prefix}/attention/output/dense", block.attention.output_dense)
        add_norm(f"{prefix}/attention/output/LayerNorm", block.attention_layer_norm)
        add_dense(f"{prefix}/intermediate/dense", block.feed_forward.intermediate_dense)
        add_dense(f"{prefix}/output/dense", block.feed_forward.output_dense)
        add_norm(f"{prefix}/output/LayerNorm", block.output_layer_norm)
    add_dense("bert/pooler/dense", encoder.pooler.dense)
    if isinstance(model, BertPretrainer):
        add_dense("cls/predictions/transform/dense", model.masked_lm_head.dense)
        add_norm("cls/predictions/transform/LayerNorm", model.masked_lm_head.layer_norm)
        places[OUTPUT_BIAS] = Place(model.masked_lm_head.bias)
        if model.next_sentence:
            dense = model.next_sentence_head.dense
            places["cls/seq_relationship/output_weights"] = Place(dense.kernel, transposed=True)
            places["cls/seq_relationship/output_bias"] = Place(dense.bias)
    if isinstance(model, BertClassifier):
        places["output_weights"] = Place(model.head.kernel, transposed=True)
        places["output_bias"] = Place(model.head.bias)
    return places


def part_of(name: str) -> str:
    """Return the part that a tensor with this name of Google's belongs to; "other" if it has none in any model here."""
    for part, prefixes in (
        ("masked_lm", ("cls/predictions/",)),
        ("next_sentence", ("cls/seq_relationship/",)),
        ("other", ("cls/squad/",)),
    ):
        if name.startswith(prefixes):
            return part
    return "classifier" if name in ("output_weights", "output_bias") else "encoder"


def assign_tensors(places: Mapping[str, Place], read: Callable[[str], np.ndarray]) -> None:
    """Give each variable, whole, the values that `read` returns for the names of its tensors; the rest stays."""
    names_of: dict[int, list[str]] = {}
    for name, place in places.items():
        names_of.setdefault(id(place.variable), []).append(name)
    for names in names_of.values():
        first = places[names[0]]
        variable = first.variable
        if first.num_columns == variable.shape[-1]:
            value = read(names[0])  # as it is: a copy of a large table would be felt
            _assign(variable, value.T if first.transposed else value)
            continue
        whole = sum(places[name].num_columns for name in names) == variable.shape[-1]
        value = np.empty(variable.shape, np.float32) if whole else np.array(keras.ops.convert_to_numpy(variable))
        for name in names:
            value[..., places[name].columns] = read(name)
        variable.assign(value)


def _assign(variable: Any, value: np.ndarray) -> None:
    """Assign a whole value; with TensorFlow a large one in parts, which spares two more copies of it."""
    target = variable.value
    # A part of a mirrored variable is a part on one replica alone.
    if keras.backend.backend() != "tensorflow" or value.nbytes <= _PART or hasattr(target, "values"):
        variable.assign(value)
        return
    import tensorflow as tf

    rows = max(1, _PART * len(value) // value.nbytes)
    for start in range(0, len(value), rows):
        # Not `target[start:stop].assign`, which reads all of the variable first and so makes TensorFlow copy it.
        tf.raw_ops.ResourceStridedSliceAssign(
            ref=target.handle, begin=[start], end=[start + rows], strides=[1], value=value[start : start + rows]
        )
