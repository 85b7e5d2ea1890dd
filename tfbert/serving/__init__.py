"""From a trained model to a folder that serves."""

from tfbert.serving.export import export

__all__ = ["export"]
