"""From a trained model to a folder that serves."""

from tfbert.serving.export import export, largest_difference
from tfbert.serving.masked_text import encode_masked, with_one_mask
from tfbert.serving.pretrainer_export import export_pretrainer
from tfbert.serving.smaller_weights import SmallerWeights
from tfbert.serving.token_export import TokenExport, export_tokens

__all__ = [
    "SmallerWeights",
    "TokenExport",
    "encode_masked",
    "export",
    "export_pretrainer",
    "export_tokens",
    "largest_difference",
    "with_one_mask",
]
