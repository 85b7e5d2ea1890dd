"""Convert a checkpoint between tfbert's own format and those of Google, transformers and keras-hub.

  python recipes/convert_checkpoint.py FROM TO --format huggingface
  python recipes/convert_checkpoint.py FROM TO --format keras_hub --encoder-only

FROM is a checkpoint folder of any of them, TO a new folder. Heads, labels, vocabulary and case go along where the
format has a place for them, and are refused where not. At the end the written folder is read again and compared with
FROM, tensor by tensor and output by output. Seconds; memory of about three times the checkpoint.
"""

import dataclasses
from pathlib import Path
from typing import Any

from tfbert.cli import argument, run_recipe, setting
from tfbert.errors import InputError


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run depends on."""

    source: str = argument("FROM", "checkpoint folder to read")
    target: str = argument("TO", "folder to make")
    format: str = setting("native", "native, huggingface, google or keras_hub")
    encoder_only: bool = setting(False, "leave the heads out")
    labels: str | None = setting(None, "classes of a classifier, comma-separated, where FROM does not name them")
    lowercase: bool | None = setting(None, "whether the vocabulary is uncased; by default as FROM says, else uncased")
    max_sequence_length: int | None = setting(None, "positions to keep; by default all")
    allow_missing: bool = setting(False, "initialise anew what FROM lacks, such as a pooler")
    allow_activation_change: bool = setting(False, "write to a format that computes another gelu")


def main(settings: Settings) -> None:
    """Run the recipe."""
    from tfbert import checkpoints
    from tfbert.atomic import written_beside

    # 1. What is there.
    if Path(settings.target).exists():
        raise InputError(f"{settings.target} is there already: name a new folder, or delete it first.")
    contents = checkpoints.inspect(settings.source)
    print(contents, end="\n\n")

    # 2. The model and its tokenizer.
    options: dict[str, Any] = {
        "allow_missing": settings.allow_missing,
        "max_sequence_length": settings.max_sequence_length,
    }
    labels = settings.labels.split(",") if settings.labels else None
    if settings.encoder_only:
        model = checkpoints.load_encoder(settings.source, **options)
    else:
        model = checkpoints.load(settings.source, labels=labels, **options)
    tokenizer = None
    if contents.vocabulary_tokens is not None:
        tokenizer = checkpoints.load_tokenizer(settings.source, lowercase=settings.lowercase)
    elif settings.lowercase is not None:
        raise InputError(f"--lowercase says something of a vocabulary, and {settings.source} has none. Leave it out.")

    # 3. The folder, which takes its name when it was read again: is it the same?
    max_length = contents.max_length
    if max_length is not None and settings.max_sequence_length is not None:
        max_length = min(max_length, settings.max_sequence_length)
    with written_beside(settings.target) as partial:
        checkpoints.save(
            model,
            partial,
            tokenizer=tokenizer,
            format=settings.format,
            temperature=None if settings.encoder_only else contents.temperature,
            max_length=max_length if settings.format == "native" else None,
            allow_activation_change=settings.allow_activation_change,
        )
        written = (
            checkpoints.load_encoder(partial) if settings.encoder_only else checkpoints.load(partial, labels=labels)
        )
        identical, total = checkpoints.count_identical_tensors(model, written)
        rows = checkpoints.example_rows(model)
        differences = checkpoints.output_differences(model, written, rows)
        if identical < total:
            raise RuntimeError(f"{settings.target} would not hold the tensors of {settings.source}.")

    # 4. What it holds.
    print(checkpoints.inspect(settings.target), end="\n\n")
    print(f"parity      {identical} of {total} tensors are bit-identical")
    for name, difference in differences.items():
        print(
            f"            {name} differs by at most {difference:.1e} on {len(rows['token_ids'])} rows of random tokens"
        )


if __name__ == "__main__":
    run_recipe(main, Settings)
