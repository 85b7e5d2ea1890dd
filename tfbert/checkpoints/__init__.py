"""Checkpoints: tfbert's own and those of other programs, read into tfbert's models and written from them."""

from tfbert.checkpoints.extended_model import extend_model
from tfbert.checkpoints.inspection import CheckpointContents, inspect
from tfbert.checkpoints.loading import load, load_classifier, load_encoder, load_pretrainer
from tfbert.checkpoints.model_card import model_card
from tfbert.checkpoints.parity import count_identical_tensors, example_rows, output_differences
from tfbert.checkpoints.saving import save
from tfbert.checkpoints.tokenizers import load_tokenizer

__all__ = [
    "CheckpointContents",
    "count_identical_tensors",
    "example_rows",
    "extend_model",
    "inspect",
    "load",
    "load_classifier",
    "load_encoder",
    "load_pretrainer",
    "load_tokenizer",
    "model_card",
    "output_differences",
    "save",
]
