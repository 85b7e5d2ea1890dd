"""Reading a checkpoint folder of any kind into a model."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from tfbert.checkpoints.files import check_vocabulary_file
from tfbert.checkpoints.formats import FORMATS, format_of
from tfbert.checkpoints.model_tensors import Model
from tfbert.checkpoints.tensor_file import TensorFile
from tfbert.checkpoints.tokenizers import vocabulary_file
from tfbert.errors import InputError
from tfbert.layers.starting_values import spared
from tfbert.models.classifier import BertClassifier
from tfbert.models.encoder import BertEncoder
from tfbert.models.pretrainer import BertPretrainer


def load_encoder(
    path: str | Path, *, max_sequence_length: int | None = None, allow_missing: bool = False, **options
) -> BertEncoder:
    """Return the encoder of a checkpoint folder, whose kind is found from its contents.

    Args:
        path: a folder with Google's `bert_config.json` and `bert_model.ckpt.*`, with transformers' `config.json` and
            `model.safetensors`, sharded or not (names with or without `bert.`; float32, float16 or bfloat16), a preset
            of keras-hub's BertBackbone, or one of tfbert's own, with `config.json` and `weights.safetensors`.
        max_sequence_length: keep so many of the positions; None keeps them all.
        allow_missing: initialise anew what the checkpoint lacks, such as the pooler of a masked language model, and
            print its names.
        **options: further arguments of `BertEncoder`, such as `return_hidden_states` or `dtype`.

    Heads, optimizer slots, step counts and position ids in the files have no part in an encoder and are left aside.

    Raises:
        InputError: the folder is of no known kind or of two; a file is missing, leads out of the folder or cannot be
            read; the config describes another kind of model or a far larger one; tensors are missing, unknown,
            misshapen or not finite (all of them are named); `vocab.txt` has more tokens than the word embeddings have
            rows.
    """
    file = _open(path, max_sequence_length)
    with _starting_values(allow_missing):
        encoder = BertEncoder(file.config, **options)
    file.fill(encoder, allow_missing=allow_missing)
    return encoder


def load_pretrainer(
    path: str | Path,
    *,
    next_sentence: bool = True,
    max_sequence_length: int | None = None,
    allow_missing: bool = False,
    **options,
) -> BertPretrainer:
    """Return the encoder of a checkpoint folder with its pre-training heads.

    Args:
        path: as for `load_encoder`.
        next_sentence: whether the model has the next-sentence head; without, the checkpoint's is left aside.
        max_sequence_length: keep so many of the positions; None keeps them all.
        allow_missing: initialise anew what the checkpoint lacks, be it all heads, and print its names.
        **options: further arguments of `BertEncoder`.

    A decoder of masked tokens that is stored beside the word embeddings must equal them.

    Raises:
        InputError: as for `load_encoder`, the heads included.
    """
    file = _open(path, max_sequence_length)
    with _starting_values(allow_missing):
        pretrainer = BertPretrainer(BertEncoder(file.config, **options), next_sentence=next_sentence)
    file.fill(pretrainer, allow_missing=allow_missing)
    return pretrainer


def load_classifier(
    path: str | Path,
    *,
    labels: Sequence[str] | None = None,
    max_sequence_length: int | None = None,
    allow_missing: bool = False,
    **options,
) -> BertClassifier:
    """Return the encoder of a checkpoint folder with its classifying head.

    Args:
        path: as for `load_encoder`.
        labels: names of the classes, in the order of the logits; None takes the checkpoint's, which Google's do not
            have.
        max_sequence_length: keep so many of the positions; None keeps them all.
        allow_missing: initialise anew what the checkpoint lacks, be it the whole head, and print its names.
        **options: further arguments of `BertEncoder`.

    The dropout rate of the head is the checkpoint's, else the encoder's.

    Raises:
        InputError: as for `load_encoder`, the head included; or neither the checkpoint nor `labels` names the classes.
    """
    file = _open(path, max_sequence_length)
    if labels is None:
        if file.labels is None:
            raise InputError(f"{file.source} does not name its classes: give labels=, in the order of the logits.")
        labels = file.labels
    dropout_rate = file.config.dropout_rate if file.dropout_rate is None else file.dropout_rate
    with _starting_values(allow_missing):
        classifier = BertClassifier(BertEncoder(file.config, **options), labels=labels, dropout_rate=dropout_rate)
    file.fill(classifier, allow_missing=allow_missing)
    return classifier


def load(path: str | Path, *, labels: Sequence[str] | None = None, **options) -> Model:
    """Return the model that a checkpoint folder holds: a pretrainer or a classifier where it has their heads.

    Args:
        path: as for `load_encoder`.
        labels: as for `load_classifier`, for a classifier alone.
        **options: further arguments of `load_encoder` and its like.

    Raises:
        InputError: as for `load_encoder`, the heads included; the folder holds heads of both kinds; or the classes of a
            classifier have no names.
    """
    file = _open(path)
    heads = file.parts
    if heads & {"masked_lm", "next_sentence"}:
        if "classifier" in heads:
            raise InputError(
                f"{file.source} holds heads for pre-training and for classifying: choose one with load_pretrainer or "
                "load_classifier, or neither with load_encoder."
            )
        return load_pretrainer(path, next_sentence="next_sentence" in heads, **options)
    return load_classifier(path, labels=labels, **options) if "classifier" in heads else load_encoder(path, **options)


def _open(path: str | Path, max_sequence_length: int | None = None) -> TensorFile:
    """Return the tensors of a folder, whose vocabulary and config fit them in size."""
    folder = Path(path)
    file = FORMATS[format_of(folder)].open_folder(folder)
    check_vocabulary_file(vocabulary_file(folder), file.config.vocabulary_size)
    file.check_size()
    return file if max_sequence_length is None else file.with_positions(max_sequence_length)


def _starting_values(needed: bool) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if needed else spared()
