"""The base class of tfbert's models."""

from keras import Model as BertModel

__all__ = ["BertModel"]
