"""Pre-train BERT on your own text: masked words and next sentences, from scratch or from a checkpoint.

After Devlin et al. 2019, section 3.1 and appendix A.2. The run can be killed at any moment and goes on with the same
command, to the same weights.

  python recipes/pretrain.py                                           the bundled synthetic sample, some 3 minutes
  python recipes/pretrain.py --corpus CORPUS --encoder mini --minutes 15 --learning-rate 1e-3
  python recipes/pretrain.py --corpus CORPUS --encoder base --steps 1000000 --batch-size 256 --precision bfloat16 \\
      --long-sequence-length 512 --long-share 0.1
  python recipes/pretrain.py --corpus CORPUS --encoder FOLDER --epochs 3

CORPUS is a folder made by recipes/prepare_corpus.py, FOLDER a checkpoint with its vocabulary. In the output folder,
`checkpoint` is read by recipes/finetune_reviews.py --encoder, `serving` fills masks in raw text, and `report.html` says
whether the run was healthy.
"""

import contextlib
import dataclasses
import math
import os
import platform
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from tfbert.cli import end_process, run_recipe, setting
from tfbert.errors import InputError

# What stands in place of None. The sample's reviews are too short to tell what follows, and with the bias corrected and
# a high learning rate they are learnt in under 3 minutes on two CPU cores.
_DEFAULTS = {"objective": "next_sentence", "bias_correction": False, "evaluations": 20}
_OF_THE_SAMPLE = {
    "objective": "none",
    "steps": 1300,
    "learning_rate": 2e-3,
    "bias_correction": True,
    "evaluations": 10,
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run depends on."""

    corpus: str = setting("sample", "sample, or a folder made by recipes/prepare_corpus.py")
    encoder: str = setting("tiny", "tiny, mini, small, medium, base or large from scratch, or a checkpoint folder")
    allow_new_heads: bool = setting(False, "let a checkpoint without pre-training heads start with new ones")
    objective: str = setting(
        None,
        "next_sentence, sentence_order or none, beside the masked words; by default next_sentence, and none for the "
        "sample",
    )
    random_rate: float = setting(0.5, "share of the pairs whose second text does not follow (or is swapped)")
    mask_rate: float = setting(0.15, "share of the tokens to guess")
    whole_words: bool = setting(False, "mask whole words")
    max_ngram: int = setting(1, "mask runs of up to so many words; above 1 it needs --whole-words")
    sequence_length: int = setting(128, "tokens in a row")
    long_sequence_length: int | None = setting(None, "tokens in a row of the last phase; none by default")
    long_share: float = setting(0.0, "share of the steps in the last phase; the paper has 0.1")
    batch_size: int = setting(32, "rows a step, over all replicas")
    long_batch_size: int | None = setting(None, "rows a step in the last phase; by default the same")
    micro_batches: int = setting(1, "parts a replica cuts its rows into, to save memory")
    steps: int | None = setting(
        None, f"optimizer steps; this, --epochs or --minutes; {_OF_THE_SAMPLE['steps']} for the sample"
    )
    epochs: int | None = setting(None, "passes over the rows, rounded up to whole evaluations")
    minutes: float | None = setting(None, "minutes of training: timed at the start, and then so many steps")
    optimizer: str = setting("adamw", "adamw or lamb")
    learning_rate: float | None = setting(
        None,
        "peak; by default 1e-4 from scratch, 2e-5 for a checkpoint, and "
        f"{_OF_THE_SAMPLE['learning_rate']} for the sample",
    )
    warmup_share: float = setting(0.1, "share of the steps in which the learning rate rises; the paper has 0.01")
    bias_correction: bool = setting(
        None, "correct the bias of AdamW's averages, which the paper's code does not; by default for the sample alone"
    )
    evaluations: int = setting(
        None,
        "looks at held-out rows, at equal distances; must divide the steps; by default "
        f"{_DEFAULTS['evaluations']}, and {_OF_THE_SAMPLE['evaluations']} for the sample",
    )
    evaluation_rows: int = setting(2048, "most held-out rows to look at")
    seed: int = setting(0, "fixes the new weights, rows, pairs, masks and dropout")
    strategy: str = setting("auto", "auto, cpu, gpu, mirrored or multi_worker")
    all_reduce: str = setting("auto", "how several workers sum gradients: auto, ring or nccl")
    all_reduce_timeout: float | None = setting(
        None, "seconds after which a worker that hangs ends the run; by default never"
    )
    precision: str = setting("auto", "auto, float32, bfloat16 or float16")
    jit_compile: bool = setting(False, "let XLA compile the forward and backward pass")
    gradient_checkpointing: bool = setting(False, "compute each block once more in the backward pass: less memory")
    data_service: str | None = setting(
        None, "host:port of `tfbert serve-batches`, with commas between several, which make the batches"
    )
    save_seconds: float = setting(60.0, "seconds between two saves of the training state: what a kill can cost")
    tensorboard: bool = setting(False, "write curves for TensorBoard into the output folder")
    accept_changes: bool = setting(False, "go on with an unfinished run although settings differ from its own")
    output: str = setting("runs/pretraining", "folder for everything that the run makes")

    def __post_init__(self):
        given = [name for name in ("steps", "epochs", "minutes") if getattr(self, name) is not None]
        for name, value in (_OF_THE_SAMPLE if self.corpus == "sample" else _DEFAULTS).items():
            if getattr(self, name) is None and not (name == "steps" and given):
                object.__setattr__(self, name, value)
        if len(given) > 1 or not (given or self.steps):
            raise InputError(
                "exactly one of --steps, --epochs and --minutes must say how long to train; received "
                f"{', '.join('--' + name for name in given) or 'none of them'}."
            )
        for name in ("steps", "epochs", "minutes", "batch_size", "micro_batches", "evaluations", "evaluation_rows"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"--{name.replace('_', '-')} must be above 0; received {value}.")
        if self.steps and self.steps % self.evaluations:
            lower = self.steps // self.evaluations * self.evaluations
            raise InputError(
                f"--evaluations must divide the steps; received {self.evaluations} for {self.steps} steps. Take "
                f"{lower or self.evaluations} or {lower + self.evaluations} steps, or another number of evaluations."
            )


def main(settings: Settings) -> None:
    """Run the recipe."""
    import keras

    from tfbert import BertTokenizer, checkpoints, data, evaluation, run_folder, serving
    from tfbert.data.data_service import services_watched
    from tfbert.training import pick_placement
    from tfbert.training.filled_samples import FilledSamples
    from tfbert.training.pretraining import Pretraining
    from tfbert.training.resume import DivergedError
    from tfbert.training.workers import Workers

    changeable = ("output", "accept_changes", "save_seconds", "all_reduce_timeout", "data_service")
    identity = {name: value for name, value in dataclasses.asdict(settings).items() if name not in changeable}
    run_folder.check_run_folder(settings.output, identity, accept_changes=settings.accept_changes)
    sample = settings.corpus == "sample"

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

        # 2. The corpus, whole and unchanged; rows and model.
        if sample:
            scratch = stack.enter_context(tempfile.TemporaryDirectory())
            tokenizer = BertTokenizer(data.sample_vocabulary())
            corpus = data.prepare_corpus(data.DocumentFiles(["sample"]), tokenizer, Path(scratch, "corpus"))
        else:
            corpus = data.Corpus.open(settings.corpus)
            corpus.verify()
        token_counts = corpus.token_counts()
        corpus_counts = {name: corpus.manifest["train"][name] for name in ("documents", "sentences", "tokens")}

        task = Pretraining(
            corpus,
            settings.encoder,
            placement,
            allow_new_heads=settings.allow_new_heads,
            objective=settings.objective,
            random_rate=settings.random_rate,
            mask_rate=settings.mask_rate,
            whole_words=settings.whole_words,
            max_ngram=settings.max_ngram,
            sequence_length=settings.sequence_length,
            long_sequence_length=settings.long_sequence_length,
            long_share=settings.long_share,
            batch_size=settings.batch_size,
            long_batch_size=settings.long_batch_size,
            micro_batches=settings.micro_batches,
            optimizer=settings.optimizer,
            learning_rate=settings.learning_rate,
            warmup_share=settings.warmup_share,
            bias_correction=settings.bias_correction,
            evaluations=settings.evaluations,
            evaluation_rows=settings.evaluation_rows,
            seed=settings.seed,
            jit_compile=settings.jit_compile,
            gradient_checkpointing=settings.gradient_checkpointing,
            save_every_seconds=settings.save_seconds,
            data_services=tuple(settings.data_service.split(",")) if settings.data_service else (),
        )
        if task.new_weights:
            print(task.new_weights, end="\n\n")
        folder = stack.enter_context(
            run_folder.run_folder(
                settings.output, identity, accept_changes=settings.accept_changes, writes=workers.is_chief
            )
        )
        state = folder / "state"
        if settings.minutes:
            num_steps = task.steps_of_minutes(settings.minutes, state)
        elif settings.epochs:
            num_steps = task.steps_of_epochs(settings.epochs)
        else:
            assert settings.steps
            num_steps = settings.steps
        print(task.describe(num_steps), flush=True)

        # 3. What the rows are like, and what guesses without context reach.
        statistics = evaluation.PairAndMaskStatistics.measure(
            task.some_training_rows(),
            task.tokenizer,
            masking_rate=settings.mask_rate,
            not_next_share=settings.random_rate,
        )
        held_out = task.held_out_rows()
        baselines = evaluation.HeldOutBaselines.measure(held_out, token_counts)
        print(evaluation.rows_summary(statistics, baselines), end="\n\n", flush=True)

        # 4. Training, from where the last run was.
        samples = FilledSamples(held_out[0], task.tokenizer.vocabulary, state, writes=workers.is_chief)
        callbacks = [samples]
        if settings.tensorboard and workers.is_chief:
            callbacks.append(keras.callbacks.TensorBoard(folder / "logs", update_freq="epoch"))
        diverged = pairs = None
        try:
            with services_watched(task.data_services, _data_service_lost):
                pretrainer, history = task.train(num_steps, state, callbacks)
        except DivergedError as error:
            if not error.history:
                raise
            diverged, history = error, error.history
        if not workers.is_chief:
            # Until the chief has written: were it to fail, all would be started again.
            workers.wait()
            if diverged:
                raise diverged
            return

        # 5. The checkpoint, and the export with what was measured in its model card.
        outputs = {}
        if not diverged:
            checkpoint = folder / "checkpoint"
            for left in filter(Path.exists, (checkpoint, folder / "serving")):
                # By a run that was killed after it, and may have had other settings.
                shutil.rmtree(left)
            checkpoints.save(pretrainer, checkpoint, tokenizer=task.tokenizer)
            # After it, so that nothing that cannot be measured can keep the weights from being saved.
            pairs = task.pair_accuracy(pretrainer)
            reached = {name.removeprefix("val_"): each for name, each in history[-1].items() if name.startswith("val_")}
            guesses = {
                "loss of the tokens' frequencies": baselines.unigram_cross_entropy,
                "accuracy of the most frequent token": baselines.majority_accuracy,
            }
            export = serving.export_pretrainer(
                pretrainer,
                task.tokenizer,
                folder / "serving" / "bert",
                max_length=settings.sequence_length,
                figures={
                    "Measured on held-out rows": {**reached, **guesses},
                    **({"Sentence pairs made anew of held-out rows": dataclasses.asdict(pairs)} if pairs else {}),
                    "Corpus": corpus_counts,
                    "Settings": {**dataclasses.asdict(settings), "steps": num_steps},
                },
            )
            outputs = {"checkpoint": str(checkpoint), "SavedModel": str(export)}

        # 6. The report.
        report = evaluation.PretrainingReport(
            title="Pre-training",
            model_name=f"BERT {Path(settings.encoder).name}{' from scratch' if task.from_scratch else ', continued'}",
            objective=settings.objective,
            total_steps=num_steps,
            history=history,
            samples=samples.samples,
            statistics=statistics,
            unigram_cross_entropy=baselines.unigram_cross_entropy,
            majority_accuracy=baselines.majority_accuracy,
            held_out_label_counts=baselines.label_counts,
            pair_accuracy=pairs,
            settings=dataclasses.asdict(settings),
            versions={"python": platform.python_version(), "hardware": task.placement.description}
            | {name: version(name) for name in ("tfbert", "tensorflow", "keras", "numpy")},
            outputs=outputs | {"metrics": str(folder / "metrics.json")},
            corpus=corpus_counts,
            non_finite_step=diverged.step if diverged else None,
        )
        evaluation.write_pretraining_report(folder / "report.html", report)
        evaluation.write_metrics(folder / "metrics.json", report.to_metrics())
        workers.wait()
        if diverged:
            raise diverged
        run_folder.finish(folder, {**outputs, "masked_lm_loss": history[-1]["val_masked_lm_loss"]})
        print(f"\nexport    {export}\nreport    {folder / 'report.html'}\n\n{evaluation.pretraining_summary(report)}")


def _data_service_lost(address: str) -> None:
    message = f"the data service {address} has gone. Start it again, and then this command: it goes on"
    end_process(f"{message} from the last saved state.", os.EX_TEMPFAIL)


if __name__ == "__main__":
    run_recipe(main, Settings)
