"""Fine-tune BERT on app reviews: from a CSV to a calibrated classifier, a report and a SavedModel that takes text.

After Devlin et al. 2019, section 4.1 and appendix A.3, with temperature scaling (Guo et al. 2017).

  python recipes/finetune_reviews.py                                   the bundled synthetic sample, from scratch
  python recipes/finetune_reviews.py --data reviews.csv --encoder FOLDER --seeds 0,1,2
  python recipes/finetune_reviews.py --data play --encoder FOLDER      the tutorial's reviews, by gdown
  python recipes/finetune_reviews.py --pretrain-epochs 10              first pre-train on the reviews' own text

FOLDER is a checkpoint with its vocabulary: of Google, of transformers, a preset of keras-hub, or tfbert's own as
`pretrain` and `convert_checkpoint` write them. A run that was killed goes on with the same command.
"""

import contextlib
import dataclasses
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from tfbert.cli import run_recipe, setting
from tfbert.config import PUBLISHED_SIZES
from tfbert.errors import InputError


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run depends on."""

    data: str = setting("sample", "sample, play, a CSV, or a folder with reviews.csv and apps.csv")
    text_column: str = setting("content", "column of the CSV with the text")
    score_column: str = setting("score", "column of the CSV with the stars, 1 to 5")
    mapping: str = setting("1-2=negative,3=neutral,4-5=positive", "label of each star")
    encoder: str = setting("tiny", "tiny, mini, small, medium, base or large from scratch, or a checkpoint folder")
    vocabulary: str | None = setting(None, "vocab.txt; by default the checkpoint's, or the sample's from scratch")
    lowercase: bool | None = setting(None, "whether the vocabulary is uncased; by default as the checkpoint says")
    pretrain_epochs: int = setting(0, "first pre-train on the training reviews' own text, so many passes")
    pretrain_learning_rate: float | None = setting(None, "peak; by default 1e-4, or 1e-3 from scratch")
    split: str = setting("grouped", "grouped: no text in two parts; random: rows at random, as tutorials do")
    split_seed: int = setting(0, "seed of the split")
    max_length: int = setting(160, "tokens at which a review is cut")
    batch_size: int = setting(16, "reviews a step, over all replicas")
    micro_batches: int = setting(1, "parts a replica cuts its rows into, to save memory")
    epochs: int | None = setting(None, "most passes over the training rows; by default 3, or 8 from scratch")
    patience: int | None = setting(2, "stop after so many epochs without a lower validation loss")
    learning_rate: float | None = setting(None, "peak; by default 5e-5, or 5e-4 from scratch")
    warmup_share: float = setting(0.1, "share of the steps in which the learning rate rises")
    layer_decay: float = setting(1.0, "factor on the learning rate for each layer further from the top")
    dropout: float = setting(0.1, "dropout before the classifier's head")
    class_weights: str = setting("none", "none, or balanced: each class weighs the same")
    freeze_embeddings: bool = setting(False, "keep the embeddings as they are")
    freeze_layers: int = setting(0, "keep so many of the lowest layers as they are")
    seeds: str = setting("0", "seeds, one training each; the one with the least validation loss is exported")
    strategy: str = setting("auto", "auto, cpu, gpu, mirrored or multi_worker")
    all_reduce: str = setting("auto", "how several workers sum gradients: auto, ring or nccl")
    all_reduce_timeout: float | None = setting(
        None, "seconds after which a worker that hangs ends the run; by default never"
    )
    precision: str = setting("auto", "auto, float32, bfloat16 or float16")
    jit_compile: bool = setting(False, "let XLA compile the forward and backward pass")
    gradient_checkpointing: bool = setting(False, "compute each block once more in the backward pass: less memory")
    save_seconds: float = setting(120.0, "seconds between two saves of the training state")
    output: str = setting("runs/reviews", "folder for everything that the run makes")

    def __post_init__(self):
        for name, words in (("split", ("grouped", "random")), ("class_weights", ("none", "balanced"))):
            if getattr(self, name) not in words:
                flag = f"--{name.replace('_', '-')}"
                raise InputError(f"{flag} must be one of {', '.join(words)}; received {getattr(self, name)!r}.")
        for name in ("batch_size", "micro_batches", "epochs", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"--{name.replace('_', '-')} must be at least 1; received {value}.")
        if self.pretrain_epochs < 0 or (self.pretrain_learning_rate and not self.pretrain_epochs):
            raise InputError(
                "--pretrain-epochs must be at least 0, and above it for --pretrain-learning-rate to mean anything; "
                f"received {self.pretrain_epochs} and {self.pretrain_learning_rate}."
            )
        if not self.seed_list:
            raise InputError(f"--seeds must be different whole numbers, such as 0,1,2; received {self.seeds!r}.")

    @property
    def seed_list(self) -> list[int]:
        """The seeds, or nothing where the flag is not a list of different whole numbers."""
        words = self.seeds.split(",")
        return [int(word) for word in words] if all(map(str.isdecimal, words)) and len({*words}) == len(words) else []


def main(settings: Settings) -> None:
    """Run the recipe."""
    import numpy as np

    from tfbert import checkpoints, data, evaluation, run_folder, serving
    from tfbert.training import pick_placement
    from tfbert.training.domain_pretraining import pretrain_on_texts
    from tfbert.training.text_classification import TextClassification
    from tfbert.training.workers import Workers

    changeable = ("output", "all_reduce_timeout")
    identity = {name: value for name, value in dataclasses.asdict(settings).items() if name not in changeable}
    run_folder.check_run_folder(settings.output, identity)

    with contextlib.ExitStack() as stack:
        # 1. Devices: workers find each other before TensorFlow computes. The chief alone writes and prints.
        placement = pick_placement(
            settings.strategy,
            settings.precision,
            all_reduce=settings.all_reduce,
            all_reduce_timeout_seconds=settings.all_reduce_timeout,
        )
        workers = Workers(placement.strategy)
        stack.enter_context(workers.chief_prints())

        # 2. The reviews, and what is in them; batches and model.
        reviews = data.load_reviews(
            settings.data,
            text_column=settings.text_column,
            score_column=settings.score_column,
            mapping=data.parse_mapping(settings.mapping),
        )
        tokenizer = checkpoints.load_tokenizer(
            data.sample_folder() if settings.encoder in PUBLISHED_SIZES else settings.encoder,
            vocabulary=settings.vocabulary,
            lowercase=settings.lowercase,
        )
        audit = data.audit_reviews(reviews, tokenizer, settings.max_length)
        print(audit, end="\n\n")
        split = data.split_reviews(reviews, seed=settings.split_seed, grouped=settings.split == "grouped")

        task = TextClassification(
            tokenizer,
            reviews.label_names,
            settings.encoder,
            placement,
            max_length=settings.max_length,
            batch_size=settings.batch_size,
            micro_batches=settings.micro_batches,
            epochs=settings.epochs,
            patience=settings.patience,
            learning_rate=settings.learning_rate,
            warmup_share=settings.warmup_share,
            layer_decay=settings.layer_decay,
            dropout_rate=settings.dropout,
            balanced=settings.class_weights == "balanced",
            freeze_embeddings=settings.freeze_embeddings,
            freeze_layers=settings.freeze_layers,
            jit_compile=settings.jit_compile,
            gradient_checkpointing=settings.gradient_checkpointing,
            save_every_seconds=settings.save_seconds,
        )
        parts = {
            name: task.rows(reviews.texts[rows], reviews.labels[rows])
            for name, rows in (("training", split.train), ("validation", split.validation), ("test", split.test))
        }
        print(task.describe(parts["training"]), end="\n\n")

        folder = stack.enter_context(run_folder.run_folder(settings.output, identity, writes=workers.is_chief))

        # 3. Baselines on the same rows.
        print("baselines", flush=True)
        train_texts, test_texts = reviews.texts[split.train], reviews.texts[split.test]
        train_labels, test_labels = reviews.labels[split.train], reviews.labels[split.test]
        classes = len(reviews.label_names)
        tfidf = evaluation.TfidfBaseline(classes).fit(train_texts, train_labels)
        guesses = {
            "the majority class": evaluation.majority_baseline(train_labels, classes, len(test_labels)),
            "TF-IDF + logistic regression": tfidf.predict_probabilities(test_texts),
        }
        baselines = {
            name: evaluation.BaselineResult.measure(probabilities, test_labels, reviews.label_names)
            for name, probabilities in guesses.items()
        }
        for name, result in baselines.items():
            print(f"  {name}: accuracy {result.metrics.accuracy:.3f}, macro F1 {result.metrics.macro_f1:.3f}")

        # 4. Pre-training on the text of the training reviews, where asked for.
        if settings.pretrain_epochs:
            print("\npre-training", flush=True)
            checkpoint, _ = pretrain_on_texts(
                train_texts,
                tokenizer,
                settings.encoder,
                task.placement,
                folder / "pretraining",
                epochs=settings.pretrain_epochs,
                sequence_length=settings.max_length,
                micro_batches=settings.micro_batches,
                learning_rate=settings.pretrain_learning_rate,
                jit_compile=settings.jit_compile,
                gradient_checkpointing=settings.gradient_checkpointing,
                save_every_seconds=settings.save_seconds,
            )
            task = task.starting_from(checkpoint)

        # 5. One training a seed, each calibrated on validation and measured on test.
        evaluations, best, classifier = [], None, None
        for seed in settings.seed_list:
            print(f"\nseed {seed}", flush=True)
            trained, history = task.train(seed, parts["training"], parts["validation"], folder / "seeds" / str(seed))
            if not workers.is_chief:
                continue
            answers = {name: evaluation.predict_logits(trained, parts[name]) for name in ("validation", "test")}
            evaluations.append(
                evaluation.evaluate_seed(
                    seed,
                    history,
                    validation=(answers["validation"], parts["validation"].labels),
                    test=(answers["test"], test_labels),
                    label_names=reviews.label_names,
                    steps_per_epoch=parts["training"].steps_per_epoch,
                )
            )
            if best is None or evaluations[-1].validation_loss < best.validation_loss:
                best, classifier = evaluations[-1], trained

        if not workers.is_chief:
            # Until the chief has written: were it to fail, all would be started again.
            workers.wait()
            return

        # 6. The checkpoint; and the export with what was measured in its model card, asked the same as the model.
        measured = best.result.metrics
        checkpoint = folder / "checkpoint"
        for left in filter(Path.exists, (checkpoint, folder / "serving")):
            # By a run that was killed after it.
            shutil.rmtree(left)
        checkpoints.save(
            classifier,
            checkpoint,
            tokenizer=tokenizer,
            temperature=best.result.temperature,
            max_length=settings.max_length,
        )
        export = serving.export(
            classifier,
            tokenizer,
            folder / "serving" / "reviews",
            max_length=settings.max_length,
            temperature=best.result.temperature,
            figures={
                "Measured on the test rows": {
                    "rows": measured.num_rows,
                    "accuracy": measured.accuracy,
                    "accuracy, 95 % interval": "{:.3f} to {:.3f}".format(*measured.accuracy_interval),
                    "macro F1": measured.macro_f1,
                    **{f"F1 of {name}": each.f1 for name, each in measured.per_class.items()},
                    "log loss, nats": measured.log_loss,
                    "expected calibration error": best.result.ece_after,
                    "expected calibration error before the temperature": best.result.ece_before,
                },
                "Data": {f"{name} reviews": len(part.labels) for name, part in parts.items()},
                "Settings": {**dataclasses.asdict(settings), "exported seed": best.result.seed},
            },
        )
        difference = serving.largest_difference(export, test_texts[:64], best.probabilities_after[:64])
        print(f"\nexport    {export}, within {difference:.1e} of the model's answers on {len(test_texts[:64])} reviews")

        # 7. The report.
        report = evaluation.ReviewReport(
            title="Sentiment of app reviews",
            model_name=f"BERT ({Path(settings.encoder).name})",
            settings=dataclasses.asdict(settings),
            versions={"python": platform.python_version(), "hardware": task.placement.description}
            | {name: version(name) for name in ("tfbert", "tensorflow", "keras", "numpy", "scikit-learn")},
            audit=audit.to_dict(),
            class_counts={
                name: dict(zip(reviews.label_names, np.bincount(part.labels, minlength=classes).tolist(), strict=True))
                for name, part in parts.items()
            },
            seeds=[each.result for each in evaluations],
            baselines=baselines,
            shown_seed=best.result.seed,
            probabilities_before=best.probabilities_before,
            probabilities_after=best.probabilities_after,
            labels=test_labels,
            mistakes=evaluation.most_confident_mistakes(
                test_texts, best.probabilities_after, test_labels, reviews.label_names
            ),
            token_lengths=task.token_lengths(reviews.texts),
            max_length=settings.max_length,
            outputs={"SavedModel": str(export), "checkpoint": str(checkpoint), "metrics": str(folder / "metrics.json")},
        )
        evaluation.write_report(folder / "report.html", report)
        evaluation.write_metrics(folder / "metrics.json", report.to_metrics())
        workers.wait()
        run_folder.finish(folder, {"export": str(export), "accuracy": report.summary()["accuracy"].mean})
        print(f"report    {folder / 'report.html'}\n\n{evaluation.terminal_summary(report)}")


if __name__ == "__main__":
    run_recipe(main, Settings)
