"""From a trained model to a folder that serves."""

from tfbert.serving.export import export, largest_difference
from tfbert.serving.masked_text import encode_masked
from tfbert.serving.pretrainer_export import export_pretrainer
from tfbert.serving.smaller_weights import SmallerWeights

__all__ = ["SmallerWeights", "encode_masked", "export", "export_pretrainer", "largest_difference"]
