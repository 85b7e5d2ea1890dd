"""Models made of tfbert's layers, written with Keras alone."""

from tfbert.models.classifier import BertClassifier
from tfbert.models.encoder import BertEncoder

__all__ = ["BertClassifier", "BertEncoder"]
