"""From a trained model to a folder that serves."""

from tfbert.serving.export import export, largest_difference

__all__ = ["export", "largest_difference"]
