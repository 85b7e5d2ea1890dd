"""Text to WordPiece ids: Google's tokenizer in core TensorFlow ops, and its vocabularies."""

from tfbert.tokenization.tokenizer import BertTokenizer
from tfbert.tokenization.vocabulary import Vocabulary
from tfbert.tokenization.vocabulary_extension import VocabularyExtension, extend_vocabulary
from tfbert.tokenization.vocabulary_training import (
    VocabularyReport,
    WordCounts,
    count_words,
    learn_vocabulary,
    measure_vocabulary,
)

__all__ = [
    "BertTokenizer",
    "Vocabulary",
    "VocabularyExtension",
    "VocabularyReport",
    "WordCounts",
    "count_words",
    "extend_vocabulary",
    "learn_vocabulary",
    "measure_vocabulary",
]
