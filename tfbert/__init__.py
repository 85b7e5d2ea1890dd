"""tfbert: BERT on Keras 3 and TensorFlow.

`tfbert.config`, `tfbert.layers` and `tfbert.models` need Keras alone; everything that needs TensorFlow is imported when
it is first used.
"""

import importlib
from typing import TYPE_CHECKING

from tfbert.errors import InputError

if TYPE_CHECKING:
    from tfbert.config import BertConfig
    from tfbert.models.classifier import BertClassifier
    from tfbert.models.encoder import BertEncoder
    from tfbert.models.pretrainer import BertPretrainer
    from tfbert.tokenization.tokenizer import BertTokenizer

__version__ = "0.1.0"

_LAZY_CLASSES = {
    "BertClassifier": "tfbert.models.classifier",
    "BertConfig": "tfbert.config",
    "BertEncoder": "tfbert.models.encoder",
    "BertPretrainer": "tfbert.models.pretrainer",
    "BertTokenizer": "tfbert.tokenization.tokenizer",
}
_LAZY_MODULES = ("checkpoints", "data", "evaluation", "layers", "models", "serving", "tokenization", "training")

__all__ = [
    "BertClassifier",
    "BertConfig",
    "BertEncoder",
    "BertPretrainer",
    "BertTokenizer",
    "InputError",
    "__version__",
]


def __getattr__(name: str):
    if name in _LAZY_CLASSES:
        return getattr(importlib.import_module(_LAZY_CLASSES[name]), name)
    if name in _LAZY_MODULES:
        return importlib.import_module(f"tfbert.{name}")
    raise AttributeError(f"module 'tfbert' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_LAZY_MODULES])
