"""Models made of tfbert's layers, written with Keras alone."""

from tfbert.models.classifier import BertClassifier
from tfbert.models.encoder import BertEncoder
from tfbert.models.pretrainer import BertPretrainer

__all__ = ["BertClassifier", "BertEncoder", "BertPretrainer"]
