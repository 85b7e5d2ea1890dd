"""A model with an extended vocabulary."""

from collections.abc import Mapping, Sequence

import numpy as np

from tfbert.checkpoints.model_tensors import (
    OUTPUT_BIAS,
    WORD_EMBEDDINGS,
    Model,
    assign_tensors,
    encoder_of,
    model_places,
)
from tfbert.errors import InputError


def extend_model(model: Model, pieces: Mapping[int, Sequence[int]]) -> Model:
    """Return a new model with rows for new tokens, each the mean of the rows of its old pieces.

    The word embeddings and the output bias of masked words are extended alike. A masked word's logit is linear in
    both, so that a new token's logit is the mean of its pieces' wherever it stands, and it takes no more probability
    than they do on average. A token that was [UNK] starts as [UNK]: the encoder reads it as it did, until it learns
    better. Everything else is copied.

    Args:
        model: a BertEncoder, BertPretrainer or BertClassifier.
        pieces: by the id of each new token, the ids of its old pieces, as `extend_vocabulary` gives them. The table
            grows where an id lies beyond it.

    Raises:
        InputError: a token has no piece, a piece lies beyond the table, or the new rows would leave a gap.
    """
    encoder = encoder_of(model)
    rows = encoder.config.vocabulary_size
    wrong = [new for new, old in pieces.items() if not old or not all(0 <= piece < rows for piece in old)]
    gaps = sorted(set(range(rows, max(pieces, default=0) + 1)) - set(pieces))
    if wrong or gaps:
        raise InputError(
            f"Each new token must have pieces among the {rows:,} rows of the table, and new rows follow one another: "
            f"ids without such pieces {wrong[:5]}, ids left out {gaps[:5]}. Extend the vocabulary that belongs to the "
            "model."
        )
    settings = model.get_config()
    encoder_settings = settings if model is encoder else settings["encoder"]["config"]
    encoder_settings["config"]["vocabulary_size"] = max(rows, max(pieces, default=0) + 1)
    extended = type(model).from_config(settings)
    old_places, places = model_places(model), model_places(extended)

    def value_of(name: str) -> np.ndarray:
        old = old_places[name].value()
        if name not in (WORD_EMBEDDINGS, OUTPUT_BIAS):
            return old
        value = np.empty(places[name].shape, np.float32)
        value[:rows] = old
        for new, ids in pieces.items():
            value[new] = old[list(ids)].mean(axis=0, dtype=np.float64)
        return value

    assign_tensors(places, value_of)
    return extended
