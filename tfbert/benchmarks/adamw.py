"""The same AdamW in each library: clipped to norm 1, decay 0.01 on all but biases and layer norms, bias-corrected.

It is compared by the weights of one step with a large epsilon. With the usual one the first step is the gradient's
sign, times the rate, and where a gradient is nearly zero its sign is an accident of rounding. Nor is it clipped then:
Keras takes the norm of the segments' gradient before the rows that occur twice are summed, and clips by another factor.
"""

import math
from collections.abc import Callable

import numpy as np

USUAL_EPSILON = 1e-6
COMPARED_EPSILON = 1e-3
_RATE, _COMPARED_RATE = 1e-4, 1.0
_DECAY, _CLIP, _BETA_2 = 0.01, 1.0, 0.999

COMPARED_WEIGHTS = {
    "bert/embeddings/LayerNorm/gamma": "bert.embeddings.LayerNorm.weight",
    "bert/embeddings/position_embeddings": "bert.embeddings.position_embeddings.weight",
    "bert/embeddings/word_embeddings": "bert.embeddings.word_embeddings.weight",
    "bert/encoder/layer_0/attention/self/query/kernel": "bert.encoder.layer.0.attention.self.query.weight",
    "bert/encoder/layer_1/output/dense/kernel": "bert.encoder.layer.1.output.dense.weight",
}
"""By our names, those of transformers."""


def ours(*, compared: bool):
    """Return tfbert's."""
    from tfbert.training import BertAdamW

    return BertAdamW(
        _rate(compared), _DECAY, epsilon=_epsilon(compared), global_clipnorm=_clip(compared), bias_correction=True
    )


def of_keras(*, compared: bool):
    """Return that of Keras."""
    import keras

    optimizer = keras.optimizers.AdamW(
        _rate(compared), weight_decay=_DECAY, epsilon=_epsilon(compared), global_clipnorm=_clip(compared)
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def of_torch(model, *, compared: bool):
    """Return a function that clips, steps and forgets the gradients; torch's fused kernel is its fastest."""
    import torch

    parameters = list(model.named_parameters())
    decayed = [each for name, each in parameters if not ("bias" in name or "LayerNorm" in name)]
    others = [each for name, each in parameters if "bias" in name or "LayerNorm" in name]
    # TensorFlow and Keras add epsilon before they correct the bias of the average of squares, torch after it.
    epsilon = _epsilon(compared) / math.sqrt(1 - _BETA_2)
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": _DECAY}, {"params": others, "weight_decay": 0.0}],
        lr=_rate(compared),
        eps=epsilon,
        fused=True,
    )

    def step() -> None:
        if not compared:
            torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
        optimizer.step()
        optimizer.zero_grad()

    return step


def our_weights(model) -> dict[str, np.ndarray]:
    """Return the weights to compare."""
    from tfbert.checkpoints.model_tensors import model_places

    places = model_places(model)
    return {name: np.array(places[name].value()) for name in COMPARED_WEIGHTS}


def torch_weights(model) -> dict[str, np.ndarray]:
    """Return them, kernels turned as ours are."""
    state = model.state_dict()
    return {
        ours: (state[name].T if ours.endswith("kernel") else state[name]).float().numpy().copy()
        for ours, name in COMPARED_WEIGHTS.items()
    }


def compared_step(weights_of: Callable, part: str, model, step: Callable[[], float]) -> dict[str, np.ndarray]:
    """Return the loss of one step of `model`, and by how much it changes each weight, as outputs of `part`."""
    before, loss, after = weights_of(model), step(), weights_of(model)
    return {f"{part}/loss": np.array([loss]), **{f"{part}/{name}": after[name] - before[name] for name in before}}


def _rate(compared: bool) -> float:
    return _COMPARED_RATE if compared else _RATE


def _epsilon(compared: bool) -> float:
    return COMPARED_EPSILON if compared else USUAL_EPSILON


def _clip(compared: bool) -> float | None:
    return None if compared else _CLIP
