"""A trained classifier as one file of ONNX or LiteRT, compared with its SavedModel before it is kept."""

import dataclasses
import functools
import importlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from tfbert.atomic import written_beside
from tfbert.errors import InputError
from tfbert.models.classifier import BertClassifier
from tfbert.serving.export import save_tokens
from tfbert.serving.litert_model import open_litert, write_litert
from tfbert.serving.onnx_model import open_onnx, write_onnx
from tfbert.serving.text_signatures import INPUTS
from tfbert.serving.token_comparison import ROWS_TOGETHER, Answers, Comparison, compare
from tfbert.serving.token_readme import token_readme
from tfbert.tokenization.tokenizer import BertTokenizer


@dataclasses.dataclass(frozen=True)
class _Format:
    file: str
    packages: tuple[str, ...]
    open: Callable[[Path, int], Answers]
    writers: dict[str, Callable[[Path, BertClassifier, float], None]]
    """By the kind of weights."""


_FORMATS = {
    "onnx": _Format("model.onnx", ("onnx", "onnxruntime"), open_onnx, {"float32": write_onnx}),
    "litert": _Format(
        "model.tflite",
        ("ai_edge_litert",),
        open_litert,
        {kind: functools.partial(write_litert, int8=kind == "int8") for kind in ("float32", "int8")},
    ),
}


@dataclasses.dataclass(frozen=True)
class TokenExport:
    """What was written and how it compares with the SavedModel.

    Attributes:
        comparison: "SavedModel" and the format are the programs' names.
        num_bytes: of the file, and of the SavedModel's `saved_model.pb` and `variables`, by those names.
        num_threads: of both.
    """

    comparison: Comparison
    num_bytes: dict[str, int]
    num_threads: int

    def __str__(self) -> str:
        found = self.comparison
        one, many = found.lengths
        lines = [
            f"compared    with the SavedModel's signature tokens on {found.num_rows} texts: probabilities within "
            f"{found.largest_difference:.1e}, {found.same_labels:.2%} of the labels alike"
        ]
        lines += [
            f"{name:<12}{times[0]:.2f} ms for one row of {one} tokens, {times[1]:.1f} ms for {ROWS_TOGETHER} of up to "
            f"{many}, {self.num_threads} threads; {self.num_bytes[name] / 1e6:.1f} MB"
            for name, times in found.milliseconds.items()
        ]
        return "\n".join(lines)


def export_tokens(
    classifier: BertClassifier,
    tokenizer: BertTokenizer,
    folder: Path | str,
    *,
    format: str,
    texts: Sequence[str],
    max_length: int = 128,
    temperature: float = 1.0,
    weights: str = "float32",
    largest_difference: float | None = None,
    largest_label_share: float = 0.01,
) -> TokenExport:
    """Write `folder` with the model in another format, `vocab.txt`, `labels.txt` and `README.md`.

    The model takes what the SavedModel's signature `tokens` takes, `token_ids`, `segment_ids` and `padding_mask`, int32
    (batch, length), both open, and gives `probabilities`, float32 (batch, classes). Both are asked for `texts`, and the
    folder is kept where they agree. A reader sees it whole or not at all.

    Args:
        classifier: its labels name the classes.
        tokenizer: the one it was trained with.
        folder: a new folder.
        format: "onnx" or "litert"; each needs the extra of its name.
        texts: what to compare on.
        max_length: tokens at which a text is cut, special tokens included.
        temperature: divides the logits.
        weights: "float32", or for LiteRT "int8", a quarter of the size.
        largest_difference: of two probabilities; None takes 0.001 for float32 and 0.1 for int8.
        largest_label_share: of the texts may get another label.

    Raises:
        InputError: as for `export`; the folder is there, the format or the weights are unknown, a package is missing,
            there are no texts, a number is out of range, or the answers are further from the SavedModel's than allowed.
            Nothing is written then.
    """
    folder = Path(folder)
    if format not in _FORMATS:
        raise InputError(f"format must be one of {', '.join(_FORMATS)}, received {format!r}.")
    kind = _FORMATS[format]
    if weights not in kind.writers:
        raise InputError(f"weights in {format} must be {' or '.join(kind.writers)}; received {weights!r}.")
    if largest_difference is None:
        largest_difference = 0.001 if weights == "float32" else 0.1
    if not (0 < largest_difference <= 1 and 0 <= largest_label_share <= 1 and len(texts)):
        raise InputError(
            "comparing needs texts, a largest difference above 0 and at most 1, and a share of labels from 0 to 1; "
            f"received {len(texts)} texts, {largest_difference} and {largest_label_share}."
        )
    if folder.exists():
        raise InputError(f"{folder} is there already: name a new folder, or delete it first.")
    for package in kind.packages:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError:
            raise InputError(f"{format} needs the package {package}: pip install 'tfbert[{format}]'.") from None
    num_threads = tf.config.threading.get_intra_op_parallelism_threads() or len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="tfbert-") as temporary:
        saved = Path(temporary, "saved_model")
        save_tokens(classifier, tokenizer, saved, max_length=max_length, temperature=temperature)
        served = tf.saved_model.load(str(saved)).signatures["tokens"]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(folder) as partial:
            partial.mkdir()
            kind.writers[weights](partial / kind.file, classifier, temperature)
            programs = {
                "SavedModel": lambda rows: served(**{name: tf.constant(rows[name]) for name in INPUTS})[
                    "probabilities"
                ].numpy(),
                format: kind.open(partial / kind.file, num_threads),
            }
            found = compare(programs, tokenizer, texts, max_length)
            if found.largest_difference > largest_difference or 1 - found.same_labels > largest_label_share:
                raise InputError(
                    f"{format} with weights in {weights} may differ from the SavedModel by {largest_difference:g} in a "
                    f"probability and in {largest_label_share:.2%} of the labels; on {found.num_rows} texts it differs "
                    f"by {found.largest_difference:.2g} and in {1 - found.same_labels:.2%}. Nothing was written: allow "
                    "more, or export with other weights."
                )
            stored = [saved / "saved_model.pb", *(saved / "variables").iterdir()]
            result = TokenExport(
                found,
                {
                    "SavedModel": sum(path.stat().st_size for path in stored),
                    format: (partial / kind.file).stat().st_size,
                },
                num_threads,
            )
            tokenizer.vocabulary.write(partial / "vocab.txt")
            (partial / "labels.txt").write_text("".join(f"{each}\n" for each in classifier.labels), encoding="utf-8")
            (partial / "README.md").write_text(
                token_readme(format, tokenizer, max_length, weights, str(result)), encoding="utf-8"
            )
    return result
