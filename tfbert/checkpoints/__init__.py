"""Checkpoints: tfbert's own and those of other programs, read into tfbert's models and written from them."""

from tfbert.checkpoints.extended_model import extend_model
from tfbert.checkpoints.loading import load, load_classifier, load_encoder, load_pretrainer
from tfbert.checkpoints.model_card import model_card
from tfbert.checkpoints.saving import save
from tfbert.checkpoints.tokenizers import load_tokenizer

__all__ = [
    "extend_model",
    "load",
    "load_classifier",
    "load_encoder",
    "load_pretrainer",
    "load_tokenizer",
    "model_card",
    "save",
]
