"""Preparing a corpus: from plain text to shards of token ids; tfbert alone."""

import tempfile
from pathlib import Path

from tfbert.benchmarks.material import tokenizer_of, write_reviews_as_text
from tfbert.benchmarks.task import Built, Setup, System, Work

PRECISIONS = ("float32",)
TOLERANCES = {"float32": 0.0}

_CASE = "plain text to shards"
_MEGABYTES = {"tiny": 1}
_MEGABYTES_ELSE = 32


def write(folder: Path, setup: Setup) -> dict[str, Work]:
    """Leave the reviews as text, again and again until there is enough, each time with a number in each."""
    path = folder / "reviews.txt"
    write_reviews_as_text(path, setup, megabytes=_MEGABYTES.get(setup.model, _MEGABYTES_ELSE))
    return {_CASE: Work("corpus", 1, path.stat().st_size / 1e6, "MB")}


def _tfbert(folder: Path, setup: Setup) -> Built:
    from tfbert import data

    tokenizer = tokenizer_of(setup)

    def iteration() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as made:
            documents = data.DocumentFiles([str(folder / "reviews.txt")])
            data.prepare_corpus(documents, tokenizer, Path(made, "corpus"), processes=setup.threads)

    return Built({_CASE: iteration})


SYSTEMS = {"tfbert": System(_tfbert, ("tensorflow",), ("float32",))}
