"""Checkpoints: tfbert's own and those of other programs, read into tfbert's models and written from them."""

from tfbert.checkpoints.loading import load_classifier, load_encoder, load_pretrainer
from tfbert.checkpoints.saving import save
from tfbert.checkpoints.tokenizers import load_tokenizer

__all__ = ["load_classifier", "load_encoder", "load_pretrainer", "load_tokenizer", "save"]
