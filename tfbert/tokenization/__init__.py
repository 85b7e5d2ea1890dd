"""Text to WordPiece ids: Google's tokenizer in core TensorFlow ops, and its vocabularies."""

from tfbert.tokenization.tokenizer import BertTokenizer
from tfbert.tokenization.vocabulary import Vocabulary

__all__ = ["BertTokenizer", "Vocabulary"]
