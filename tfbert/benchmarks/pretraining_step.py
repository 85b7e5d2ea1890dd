"""A step of pre-training: forward, backward and AdamW, of full rows with 20 masks each and dropout 0.1.

tfbert and transformers compute masked words and next sentences; keras-hub's `BertMaskedLM` has no next sentences and
does that much less. Keras's models count accuracies on the way, torch's do not.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tfbert.benchmarks import adamw
from tfbert.benchmarks.material import pretrainer_of, pretrainer_with
from tfbert.benchmarks.task import Built, Setup, System, Work, answerless
from tfbert.benchmarks.useful_work import BACKWARD, encoder_flops, masked_lm_flops

PRECISIONS = ("float32", "bfloat16")
TOLERANCES = {"float32": 2e-3, "bfloat16": 0.15}
"""Of the losses, and of what one step changes weights by, dropout off."""

CASE = "a step"
_MASKS = 20
_DROPOUT_RATE = 0.1


def write(folder: Path, setup: Setup) -> dict[str, Work]:
    """Leave the weights for each system, and one batch."""
    from tfbert import checkpoints

    pretrainer = pretrainer_of(setup)
    config = pretrainer.encoder.config
    checkpoints.save(pretrainer, folder / "native")
    checkpoints.save(pretrainer, folder / "huggingface", format="huggingface")
    checkpoints.save(pretrainer.encoder, folder / "keras_hub", format="keras_hub")
    generator = np.random.default_rng(0)
    batch = {
        "token_ids": generator.integers(5, config.vocabulary_size, (setup.rows, setup.length)),
        "segment_ids": np.tile(np.arange(setup.length) * 2 // setup.length, (setup.rows, 1)),
        "padding_mask": np.ones((setup.rows, setup.length)),
        "mask_positions": np.sort(
            [generator.choice(np.arange(1, setup.length), _MASKS, replace=False) for _ in range(setup.rows)]
        ),
        "mask_ids": generator.integers(5, config.vocabulary_size, (setup.rows, _MASKS)),
        "next_sentence_labels": generator.integers(0, 2, setup.rows),
    }
    int32 = {name: each.astype(np.int32) for name, each in batch.items()}
    np.savez(folder / "batch.npz", **int32)  # type: ignore[arg-type]
    forward = encoder_flops(config, [setup.length] * setup.rows, 1 + _MASKS) + masked_lm_flops(
        config, setup.rows * _MASKS
    )
    return {CASE: Work("step", 1, setup.rows * setup.length, "tokens", (1 + BACKWARD) * forward)}


def _batch(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "batch.npz") as file:
        batch = dict(file)
    return {**batch, "mask_weights": np.ones(batch["mask_ids"].shape, np.float32)}


def _keras_stepping(model, data) -> Callable[[], float]:
    """Return a function that does a step by the model's own train function, as `fit` does, and returns the loss."""
    import tensorflow as tf

    iterator = iter(tf.data.Dataset.from_tensors(data).repeat())
    function = model.make_train_function() or model.train_function
    return lambda: float(function(iterator)["loss"])


def _policy(setup: Setup) -> str:
    return "float32" if setup.precision == "float32" else f"mixed_{setup.precision}"


def _tfbert(folder: Path, setup: Setup) -> Built:
    from tfbert import checkpoints

    batch = _batch(folder)
    loaded = checkpoints.load_pretrainer(folder / "native", dtype=_policy(setup))

    def stepping(rate: float, next_sentence_weight: float = 1.0):
        model = pretrainer_with(loaded, next_sentence_weight, dropout_rate=rate, attention_dropout_rate=rate)
        model.compile(adamw.ours(compared=rate == 0))
        return model, _keras_stepping(model, batch)

    def outputs():
        # Without next sentences as well, for those who know none.
        return adamw.compared_step(adamw.our_weights, "both", *stepping(0.0)) | adamw.compared_step(
            adamw.our_weights, "masked_lm", *stepping(0.0, next_sentence_weight=0.0)
        )

    return Built({CASE: answerless(stepping(_DROPOUT_RATE)[1])}, outputs)


def _keras_hub(folder: Path, setup: Setup) -> Built:
    import keras
    import keras_hub

    from tfbert import checkpoints

    batch = _batch(folder)
    ours = checkpoints.load_pretrainer(folder / "native")
    names = ("token_ids", "segment_ids", "padding_mask", "mask_positions")
    data = ({name: batch[name] for name in names}, batch["mask_ids"], batch["mask_weights"])

    def stepping(rate: float):
        backbone = keras_hub.models.BertBackbone.from_preset(
            str(folder / "keras_hub"), dropout=rate, dtype=_policy(setup)
        )
        model = keras_hub.models.BertMaskedLM(backbone)
        head, our_head = model.masked_lm_head, ours.masked_lm_head
        # Of its own it has the erf form there, and another epsilon, than in its backbone: it is to compute what the
        # others do.
        head._intermediate_dense.activation = backbone.get_layer("transformer_layer_0").activation
        head._intermediate_layer_norm.epsilon = ours.encoder.config.layer_norm_epsilon
        dense, norm = head._intermediate_dense, head._intermediate_layer_norm
        for theirs, weights in ((dense, our_head.dense), (norm, our_head.layer_norm)):
            theirs.set_weights([weight.numpy() for weight in weights.weights])
        head._bias.assign(our_head.bias)
        model.compile(
            adamw.of_keras(compared=rate == 0),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            weighted_metrics=[keras.metrics.SparseCategoricalAccuracy()],
            jit_compile=False,  # its default, XLA, is slower here
        )
        return backbone, _keras_stepping(model, data)

    def outputs():
        return adamw.compared_step(_keras_hub_weights, "masked_lm", *stepping(0.0))

    return Built({CASE: answerless(stepping(_DROPOUT_RATE)[1])}, outputs)


def _keras_hub_weights(backbone) -> dict[str, np.ndarray]:
    first = backbone.get_layer("transformer_layer_0")._self_attention_layer._query_dense.kernel
    second = backbone.get_layer("transformer_layer_1")._feedforward_output_dense.kernel
    found = {
        "bert/embeddings/LayerNorm/gamma": backbone.get_layer("embeddings_layer_norm").gamma,
        "bert/embeddings/position_embeddings": backbone.get_layer("position_embedding").position_embeddings,
        "bert/embeddings/word_embeddings": backbone.token_embedding.embeddings,
        "bert/encoder/layer_0/attention/self/query/kernel": first,
        "bert/encoder/layer_1/output/dense/kernel": second,
    }
    return {name: each.numpy().reshape(each.shape[0], -1).squeeze() for name, each in found.items()}


def _torch(folder: Path, setup: Setup, *, compiled: bool) -> Built:
    import torch
    import transformers

    torch.manual_seed(0)
    batch = {name: torch.from_numpy(each).long() for name, each in _batch(folder).items()}
    labels = torch.full_like(batch["token_ids"], -100).scatter(1, batch["mask_positions"], batch["mask_ids"])
    inputs = {
        "input_ids": batch["token_ids"],
        "token_type_ids": batch["segment_ids"],
        "attention_mask": batch["padding_mask"],
        "labels": labels,
        "next_sentence_label": batch["next_sentence_labels"],
    }
    autocast = torch.autocast("cpu", torch.bfloat16) if setup.precision == "bfloat16" else contextlib.nullcontext()

    def stepping(rate: float):
        model = transformers.BertForPreTraining.from_pretrained(
            folder / "huggingface",
            hidden_act="gelu_pytorch_tanh",  # the same as gelu_new, in one kernel
            hidden_dropout_prob=rate,
            attention_probs_dropout_prob=rate,
        ).train()
        called = torch.compile(model) if compiled else model
        update = adamw.of_torch(model, compared=rate == 0)

        def step() -> float:
            with autocast:
                loss = called(**inputs).loss
            loss.backward()
            update()
            return float(loss)

        return model, step

    def outputs():
        return adamw.compared_step(adamw.torch_weights, "both", *stepping(0.0))

    return Built({CASE: answerless(stepping(_DROPOUT_RATE)[1])}, outputs)


def _torch_eager(folder: Path, setup: Setup) -> Built:
    return _torch(folder, setup, compiled=False)


def _torch_compiled(folder: Path, setup: Setup) -> Built:
    return _torch(folder, setup, compiled=True)


SYSTEMS = {
    "tfbert": System(_tfbert, ("tensorflow",)),
    "keras_hub": System(_keras_hub, ("tensorflow", "keras_hub")),
    "torch": System(_torch_eager, ("torch", "transformers")),
    "torch_compiled": System(_torch_compiled, ("torch", "transformers")),
}
