"""Export a trained model again: with smaller weights, as ONNX, or for LiteRT.

  python recipes/export_model.py runs/reviews/checkpoint --output serving/reviews --weights int8 --data reviews.csv
  python recipes/export_model.py runs/reviews/checkpoint --format onnx --output onnx
  python recipes/export_model.py runs/reviews/checkpoint --format litert --weights int8 --output litert

MODEL is a checkpoint folder with its vocabulary, as `finetune_reviews` and `pretrain` leave it, or of transformers or
Google; temperature and the length at which texts are cut are in tfbert's own. The serving folder takes a classifier or
a pre-trained model and gets a new version; smaller weights are kept where accuracy on the reviews of --data holds.
ONNX and LiteRT take a classifier's token ids (extras `onnx` and `litert`), and are compared with the SavedModel on the
texts of --data. Seconds to a minute.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tfbert.cli import argument, run_recipe, setting
from tfbert.errors import InputError

_FORMATS = ("serving", "litert", "onnx")
_WEIGHTS = ("float32", "bfloat16", "int8", "bfloat16_compute")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run depends on."""

    model: str = argument("MODEL", "checkpoint folder to read")
    output: str = setting("serving/model", "folder to make; of the format serving, the model's, which gets a version")
    format: str = setting("serving", "serving, litert or onnx")
    weights: str = setting(
        "float32",
        "float32, bfloat16 (serving), int8 (serving, litert) or bfloat16_compute (serving; quick on CPUs with AVX-512 "
        "BF16 or AMX alone)",
    )
    data: str | None = setting(
        None, "reviews to measure on: play, a CSV, or a folder with reviews.csv and apps.csv; by default the sample"
    )
    text_column: str = setting("content", "column of the CSV with the text")
    score_column: str = setting("score", "column of the CSV with the stars, 1 to 5")
    mapping: str = setting("1-2=negative,3=neutral,4-5=positive", "label of each star")
    rows: int = setting(512, "most reviews to measure on, the first ones")
    max_length: int | None = setting(None, "tokens at which a text is cut; by default as MODEL says, else 128")
    labels: str | None = setting(None, "classes of a classifier, comma-separated, where MODEL does not name them")
    lowercase: bool | None = setting(None, "whether the vocabulary is uncased; by default as MODEL says, else uncased")
    largest_drop: float | None = setting(None, "of accuracy by smaller weights in serving; by default 0.005")
    largest_difference: float | None = setting(
        None, "of a probability, for litert and onnx; by default 0.001, and 0.1 in int8"
    )
    largest_label_share: float | None = setting(
        None, "of the reviews that may get another label, for litert and onnx; by default 0.01"
    )

    def __post_init__(self):
        for name, words in (("format", _FORMATS), ("weights", _WEIGHTS)):
            if getattr(self, name) not in words:
                raise InputError(f"--{name} must be one of {', '.join(words)}; received {getattr(self, name)!r}.")
        if self.rows < 1:
            raise InputError(f"--rows must be at least 1; received {self.rows}.")
        compares = self.format != "serving"
        for name, used in (
            ("data", self.measures),
            ("largest_drop", self.measures and not compares),
            ("largest_difference", compares),
            ("largest_label_share", compares),
        ):
            if getattr(self, name) is not None and not used:
                raise InputError(
                    f"--{name.replace('_', '-')} says nothing of {self.format} with weights in {self.weights}: leave "
                    "it out."
                )

    @property
    def measures(self) -> bool:
        """Whether the export is measured on reviews: all but a serving folder in float32."""
        return self.format != "serving" or self.weights != "float32"


def main(settings: Settings) -> None:
    """Run the recipe."""
    from tfbert import checkpoints, data, serving
    from tfbert.models import BertClassifier, BertPretrainer

    # 1. The model and its tokenizer.
    contents = checkpoints.inspect(settings.model)
    print(contents, end="\n\n")
    model = checkpoints.load(settings.model, labels=settings.labels.split(",") if settings.labels else None)
    tokenizer = checkpoints.load_tokenizer(settings.model, lowercase=settings.lowercase)
    heads = {BertClassifier: _FORMATS, BertPretrainer: ("serving",)}.get(type(model), ())
    if settings.format not in heads:
        raise InputError(
            f"{settings.model} holds {', '.join(contents.parts)}; serving takes a classifier or masked words, litert "
            f"and onnx take a classifier; received --format {settings.format}. Choose another, or fine-tune it first."
        )
    max_length = settings.max_length or contents.max_length or min(128, contents.config.max_sequence_length)

    # 2. The reviews to measure on.
    texts: Sequence[str] = []
    right: Sequence[str] = []
    if settings.measures:
        reviews = data.load_reviews(
            settings.data or "sample",
            text_column=settings.text_column,
            score_column=settings.score_column,
            mapping=data.parse_mapping(settings.mapping),
        )
        texts = list(reviews.texts[: settings.rows])
        right = [reviews.label_names[label] for label in reviews.labels[: settings.rows]]

    # 3. A file of token ids, compared with the SavedModel.
    options: dict[str, Any] = {"max_length": max_length}
    if isinstance(model, BertClassifier):
        options["temperature"] = contents.temperature or 1.0
    if settings.format != "serving":
        limits: dict[str, Any] = {
            "largest_difference": settings.largest_difference,
            "largest_label_share": settings.largest_label_share,
        }
        found = serving.export_tokens(
            model,
            tokenizer,
            settings.output,
            format=settings.format,
            texts=texts,
            weights=settings.weights,
            **options,
            **{name: limit for name, limit in limits.items() if limit is not None},
        )
        print(f"{found}\nexport      {settings.output}")
        return

    # 4. Or a version in a serving folder.
    if settings.measures:
        if isinstance(model, BertPretrainer):
            texts, right = serving.with_one_mask(tokenizer, texts, max_length)
        drop = {} if settings.largest_drop is None else {"largest_drop": settings.largest_drop}
        options["weights"] = serving.SmallerWeights(settings.weights, texts, right, **drop)
    write: Any = serving.export if isinstance(model, BertClassifier) else serving.export_pretrainer
    export = write(model, tokenizer, settings.output, **options)
    print((export / "model_card.md").read_text(encoding="utf-8"))
    print(f"export      {export}")


if __name__ == "__main__":
    run_recipe(main, Settings)
