"""Checkpoints: tfbert's own and those of other programs, read into tfbert's models and written from them."""

from tfbert.checkpoints.loading import load_encoder, load_pretrainer
from tfbert.checkpoints.tokenizers import load_tokenizer

__all__ = ["load_encoder", "load_pretrainer", "load_tokenizer"]
