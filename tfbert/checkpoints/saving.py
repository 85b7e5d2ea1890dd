"""Writing a model as a checkpoint folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from tfbert.atomic import written_beside
from tfbert.checkpoints import native
from tfbert.checkpoints.model_card import model_card
from tfbert.checkpoints.model_tensors import Model, encoder_of
from tfbert.errors import InputError
from tfbert.models.classifier import BertClassifier

if TYPE_CHECKING:
    from tfbert.tokenization.tokenizer import BertTokenizer

# Each has `write(folder, model, lowercase=, temperature=)`.
_FORMATS = {"native": native}


def save(
    model: Model,
    path: str | Path,
    *,
    tokenizer: "BertTokenizer | None" = None,
    format: str = "native",
    card: str | None = None,
    temperature: float | None = None,
) -> None:
    """Write a model as a folder that `load_encoder` and its like read; it may be moved and holds all that they need.

    The folder is written beside its place and renamed: it is there whole or not at all.

    Args:
        model: a BertEncoder, a BertPretrainer or a BertClassifier. Weights are stored as float32.
        path: the folder to make; it must not be there yet.
        tokenizer: its vocabulary and case go with the weights.
        format: "native".
        card: the text of the model card `README.md`; None describes sizes, heads and tokenizer.
        temperature: by which the classifier's logits are to be divided, as calibration found.

    Raises:
        TypeError: `model` is of another class.
        InputError: the folder is there, the format is unknown, the vocabulary is larger than the word embeddings, or
            a temperature is given that is not above 0 or not for a classifier.
    """
    if not isinstance(model, Model):
        raise TypeError(f"save takes a BertEncoder, BertPretrainer or BertClassifier, received {type(model).__name__}.")
    path = Path(path)
    if path.exists():
        raise InputError(f"{path} is there already: save to a new folder, or delete it first.")
    if format not in _FORMATS:
        raise InputError(f"format must be one of {', '.join(_FORMATS)}, received {format!r}.")
    if temperature is not None and not (isinstance(model, BertClassifier) and temperature > 0):
        raise InputError(
            f"A temperature above 0 goes with a classifier, received {temperature} with a {type(model).__name__}."
        )
    if tokenizer is not None:
        tokenizer.vocabulary.check_fits(encoder_of(model).config.vocabulary_size)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as partial:
        partial.mkdir()
        lowercase = None if tokenizer is None else tokenizer.lowercase
        _FORMATS[format].write(partial, model, lowercase=lowercase, temperature=temperature)
        if tokenizer is not None:
            tokenizer.vocabulary.write(partial / "vocab.txt")
        (partial / "README.md").write_text(card or model_card(model, tokenizer), encoding="utf-8")
