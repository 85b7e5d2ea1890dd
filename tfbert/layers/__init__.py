"""The layers of BERT, written with Keras alone."""

from tfbert.layers.embeddings import Embeddings
from tfbert.layers.encoder_block import EncoderBlock
from tfbert.layers.feed_forward import FeedForward
from tfbert.layers.layer_norm import LayerNorm
from tfbert.layers.masked_lm_head import MaskedLMHead
from tfbert.layers.next_sentence_head import NextSentenceHead
from tfbert.layers.pooler import Pooler
from tfbert.layers.self_attention import SelfAttention

__all__ = [
    "Embeddings",
    "EncoderBlock",
    "FeedForward",
    "LayerNorm",
    "MaskedLMHead",
    "NextSentenceHead",
    "Pooler",
    "SelfAttention",
]
