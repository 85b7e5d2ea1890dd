"""Write what an evaluation found: `report.html` for readers, `metrics.json` for programs."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfbert.atomic import written_beside
from tfbert.errors import InputError
from tfbert.evaluation.pretraining_report import PretrainingReport
from tfbert.evaluation.pretraining_report_page import render_pretraining_page
from tfbert.evaluation.report_page import render_page
from tfbert.evaluation.review_report import ReviewReport


def write_report(path: str | os.PathLike, report: ReviewReport) -> None:
    """Write `report` as one self-contained HTML page: no script, no outside asset, readable on a phone.

    The file is written beside and renamed into place, so that `path` never holds half a page.

    Raises:
        ImportError: without matplotlib, naming the extra to install.
    """
    _write(path, render_page(report))


def write_pretraining_report(path: str | os.PathLike, report: PretrainingReport) -> None:
    """Write the report of a pre-training run, as `write_report` does that of a fine-tuning run."""
    _write(path, render_pretraining_page(report))


def write_metrics(path: str | os.PathLike, metrics: Mapping[str, Any]) -> None:
    """Write `metrics` as JSON, whole or not at all.

    Dataclasses become objects, NumPy scalars and arrays numbers and lists, paths strings; floats keep all their digits.

    Raises:
        InputError: for NaN or infinity, which JSON cannot hold, naming the place.
        TypeError: for anything else that JSON cannot hold, naming the place.
    """
    text = json.dumps(_plain(metrics, "metrics"), indent=2, ensure_ascii=False, allow_nan=False)
    with written_beside(Path(path)) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def _write(path: str | os.PathLike, page: str) -> None:
    with written_beside(Path(path)) as partial:
        partial.write_text(page, encoding="utf-8")


def _plain(value: Any, place: str) -> Any:
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name), f"{place}.{one.name}") for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{place}[{str(key)!r}]") for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist(), place)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item, f"{place}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"Metrics must be finite; {place} is {value}. Find the step that diverged.")
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(
        f"{place} is a {type(value).__name__}, which JSON cannot hold; pass numbers, strings, lists, dicts."
    )
