"""One version of a served model: where it goes, what is in it, and how it gets there whole."""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from tfbert.atomic import written_beside
from tfbert.errors import InputError
from tfbert.serving.model_card import CARD, Sections, model_card
from tfbert.serving.text_signatures import TextSignatures
from tfbert.serving.warm_up_records import write_warm_up_records


def free_version(folder: Path | str, version: int | None) -> Path:
    """Return `folder`/VERSION where nothing is yet; None takes the number after the highest.

    Raises:
        InputError: the version is below 1 or exists.
    """
    folder = Path(folder)
    if version is None:
        taken = [int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal()] if folder.is_dir() else []
        version = max(taken, default=0) + 1
    target = folder / str(version)
    if version < 1 or target.exists():
        raise InputError(f"{target}: a version is a free number from 1 on. Leave it out to take the next free one.")
    return target


def write_version(target: Path, module: TextSignatures, sections: Sections) -> None:
    """Save `module` at `target` with its warm-up records and its model card; a reader sees it whole or not at all.

    Args:
        target: folder of the version.
        module: gives the signatures; one named `classify` is marked for TensorFlow Serving's method of that name.
        sections: of the model card.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    name = target.parent.resolve().name
    with written_beside(target) as partial:
        signatures = module.signatures()
        tf.saved_model.save(module, str(partial), signatures=signatures)
        if "classify" in signatures:
            # Keras and TensorFlow 2 mark every signature for predict.
            updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(partial))
            updater.replace_method_name(signature_key="classify", method_name=tf.saved_model.CLASSIFY_METHOD_NAME)
            updater.save()
        write_warm_up_records(partial, name, module, signatures)
        size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        about: Mapping = {"size of the folder": f"{size / 1e6:.1f} MB"}
        first, *rest = sections.items()
        card = model_card(f"{name}, version {target.name}", {first[0]: {**first[1], **about}, **dict(rest)})
        (partial / CARD).write_text(card, encoding="utf-8")
