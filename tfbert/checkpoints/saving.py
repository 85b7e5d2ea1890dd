"""Writing a model as a checkpoint folder."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbert.atomic import written_beside
from tfbert.checkpoints.formats import FORMATS
from tfbert.checkpoints.loading import load
from tfbert.checkpoints.model_card import model_card
from tfbert.checkpoints.model_tensors import Model, encoder_of, parts_of
from tfbert.checkpoints.parity import example_rows, output_differences
from tfbert.config import BertConfig
from tfbert.errors import InputError
from tfbert.models.classifier import BertClassifier

if TYPE_CHECKING:
    from tfbert.tokenization.tokenizer import BertTokenizer


def save(
    model: Model,
    path: str | Path,
    *,
    tokenizer: "BertTokenizer | None" = None,
    format: str = "native",
    card: str | None = None,
    temperature: float | None = None,
    max_length: int | None = None,
    allow_activation_change: bool = False,
    rows: Mapping[str, Any] | None = None,
) -> None:
    """Write a model as a folder that `load_encoder` and its like read; it may be moved and holds all that they need.

    The folder is written beside its place and renamed: it is there whole or not at all. Settings that the format has
    no place for and that change no output, such as dropout rates, are printed.

    Args:
        model: a BertEncoder, a BertPretrainer or a BertClassifier. Weights are stored as float32.
        path: the folder to make; it must not be there yet.
        tokenizer: its vocabulary and case go with the weights.
        format: "native"; "huggingface" for transformers; "google" for Google's TensorFlow 1 code, which has no place
            for the labels of a classifier; "keras_hub" for an encoder as a preset of keras-hub.
        card: the text of the model card `README.md`; None describes sizes, heads and tokenizer.
        temperature: by which the classifier's logits are to be divided, as calibration found; "native" alone keeps it.
        max_length: tokens at which texts were cut in training, and are to be cut again; "native" alone keeps it.
        allow_activation_change: write a model to a format that computes another gelu ("google" and "keras_hub" know the
            tanh form alone), and print the largest difference of the outputs.
        rows: inputs of the model to print that difference on; random tokens where None.

    Raises:
        TypeError: `model` is of another class.
        InputError: the folder is there; the format is unknown, has no place for a head or would compute something else;
            the vocabulary is larger than the word embeddings; a temperature is given that is not above 0, not for a
            classifier or not for "native"; or a max_length that is no number of positions, or not for "native".
    """
    if not isinstance(model, Model):
        raise TypeError(f"save takes a BertEncoder, BertPretrainer or BertClassifier, received {type(model).__name__}.")
    path = Path(path)
    if path.exists():
        raise InputError(f"{path} is there already: save to a new folder, or delete it first.")
    if format not in FORMATS:
        raise InputError(f"format must be one of {', '.join(FORMATS)}, received {format!r}.")
    homeless = [part.replace("_", " ") for part in parts_of(model) if part not in FORMATS[format].PARTS]
    if homeless:
        raise InputError(
            f"The format {format} has no place for a {' and a '.join(homeless)} head: save the model's encoder alone, "
            "save(model.encoder, ...), or choose another format."
        )
    if temperature is not None and not (isinstance(model, BertClassifier) and temperature > 0 and format == "native"):
        raise InputError(
            f"A temperature above 0 goes with a classifier in the native format, received {temperature} with a "
            f"{type(model).__name__} in {format}."
        )
    config = encoder_of(model).config
    if max_length is not None and not (1 <= max_length <= config.max_sequence_length and format == "native"):
        raise InputError(
            f"A max_length goes with the native format and lies between 1 and the {config.max_sequence_length} "
            f"positions, received {max_length} for {format}."
        )
    kept = FORMATS[format].kept_config(config)
    changes = _changes(config, kept)
    if kept.layer_norm_epsilon != config.layer_norm_epsilon:
        raise InputError(f"{format} computes another model: {changes['layer_norm_epsilon']}. Choose another format.")
    if kept.activation != config.activation and not allow_activation_change:
        raise InputError(
            f"{format} computes another model: {changes['activation']}. Choose another format, or "
            "allow_activation_change=True, which prints what it changes."
        )
    if tokenizer is not None:
        tokenizer.vocabulary.check_fits(config.vocabulary_size)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as partial:
        partial.mkdir()
        FORMATS[format].write(partial, model, tokenizer=tokenizer, temperature=temperature, max_length=max_length)
        (partial / "README.md").write_text(card or model_card(model, tokenizer), encoding="utf-8")
    changes.pop("activation", None)
    if changes:
        print(f"{path} does not keep all settings: {', '.join(changes.values())}")
    if kept.activation != config.activation:
        labels = {"labels": model.labels} if isinstance(model, BertClassifier) else {}
        differences = output_differences(model, load(path, **labels), rows or example_rows(model))
        named = ", ".join(f"{name} {difference:.2g}" for name, difference in differences.items())
        print(f"{path} computes {kept.activation}: the largest differences of the outputs are {named}")


def _changes(config: BertConfig, kept: BertConfig) -> dict[str, str]:
    """Return in words what becomes of the settings that a format does not keep."""
    before, after = dataclasses.asdict(config), dataclasses.asdict(kept)
    return {name: f"{name} {before[name]!r} becomes {after[name]!r}" for name in before if before[name] != after[name]}
