"""How every export goes: check, measure, write the version, bring the serving folder up to date."""

from collections.abc import Callable, Mapping
from importlib.metadata import version as installed
from pathlib import Path

import tensorflow as tf

from tfbert.serving import serving_folder
from tfbert.serving.model_card import Sections
from tfbert.serving.smaller_weights import SmallerWeights
from tfbert.serving.text_signatures import TextSignatures
from tfbert.serving.version_folder import free_version, write_version
from tfbert.tokenization.tokenizer import BertTokenizer


def write_export(
    module_of: Callable[[str], TextSignatures],
    folder: Path | str,
    version: int | None,
    *,
    weights: SmallerWeights | None,
    about: dict[str, str],
    figures: Sections | None,
) -> Path:
    """Write a version and what lies beside its model's folder.

    Args:
        module_of: makes the module with its weights stored in some kind.
        folder: the model's.
        version: a free number; None takes the next.
        weights: None stores them as they are.
        about: what the model card says of the model.
        figures: further sections of the card.

    Returns:
        The folder of the version.

    Raises:
        InputError: see the exports. Nothing is written then.
        TypeError: figures are not in sections.
    """
    if not all(isinstance(rows, Mapping) for rows in (figures or {}).values()):
        raise TypeError(f"figures must be sections, each a mapping of names to values; received {figures!r}.")
    target = free_version(folder, version)
    serving_folder.check(target.parent)
    module = module_of(weights.kind if weights else "float32")
    loss = {"Smaller weights": weights.measure(module_of("float32"), module)} if weights else {}
    stored = {"weights": weights.kind if weights else "float32"}
    written_by = {"written by": f"tfbert {installed('tfbert')}, TensorFlow {tf.__version__}"}
    no_figures = {"Measured": {"figures": "none were handed to the export"}}
    sections = {"Model": {**about, **stored, **written_by}, **loss, **(figures or no_figures)}
    write_version(target, module, sections)
    serving_folder.update(target.parent)
    return target


def about_model(model, tokenizer: BertTokenizer, max_length: int) -> dict[str, str]:
    """Return what every card says of a model."""
    config = model.encoder.config
    return {
        "encoder": f"{config.num_layers} layers, {config.hidden_dim} hidden units, {config.num_heads} heads",
        "parameters": f"{model.count_params():,}",
        "vocabulary": f"{tokenizer.vocabulary_size:,} tokens, {'uncased' if tokenizer.lowercase else 'cased'}",
        "tokens at which a text is cut": str(max_length),
    }
