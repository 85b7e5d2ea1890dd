"""How far two models' outputs lie apart."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfbert.checkpoints.model_tensors import Model, encoder_of, model_places
from tfbert.models.pretrainer import BertPretrainer


def example_rows(model: Model, *, rows: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    """Return inputs of random tokens that the model takes: rows of different lengths, of one and of two segments."""
    config = encoder_of(model).config
    random = np.random.default_rng(seed)
    length = min(64, config.max_sequence_length)
    half = (length + 1) // 2
    lengths = random.integers(half, length + 1, rows)
    lengths[0] = length
    places = np.arange(length)
    padding_mask = (places < lengths[:, None]).astype("int32")
    second = (places >= lengths[:, None] // 2) & (np.arange(rows)[:, None] % 2 == 1)
    inputs = {
        "token_ids": random.integers(0, config.vocabulary_size, (rows, length)).astype("int32") * padding_mask,
        "segment_ids": (second * padding_mask * min(1, config.num_segments - 1)).astype("int32"),
        "padding_mask": padding_mask,
    }
    if isinstance(model, BertPretrainer):
        inputs["mask_positions"] = random.integers(0, half, (rows, 5)).astype("int32")
    return inputs


def output_differences(first: Model, second: Model, inputs: Mapping[str, Any]) -> dict[str, float]:
    """Return the largest absolute difference of each output that both models have, padded positions left out."""
    answers = []
    for model in (first, second):
        outputs = model(dict(inputs))
        outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
        answers.append({name: np.asarray(value, np.float32) for name, value in outputs.items()})
    real = np.asarray(inputs["padding_mask"], bool)
    differences = {}
    for name in answers[0].keys() & answers[1].keys():
        apart = np.abs(answers[0][name] - answers[1][name])
        differences[name] = float((apart[real] if name == "sequence_output" else apart).max())
    return dict(sorted(differences.items()))


def count_identical_tensors(first: Model, second: Model) -> tuple[int, int]:
    """Return how many tensors are bit-identical in two models of the same parts, and how many there are."""
    places, others = model_places(first), model_places(second)
    same = [
        name in others and place.value().tobytes() == others[name].value().tobytes() for name, place in places.items()
    ]
    return sum(same), len(same)
