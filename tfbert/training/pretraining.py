"""Pre-training a BERT on a prepared corpus (Devlin et al. 2019, section 3.1 and appendix A.2)."""

import contextlib
import dataclasses
import io
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfbert.atomic import written_beside
from tfbert.checkpoints import load_pretrainer, load_tokenizer
from tfbert.config import PUBLISHED_SIZES, BertConfig
from tfbert.data.data_service import check_services
from tfbert.data.inputs import PretrainingInputs
from tfbert.data.masking import Masking
from tfbert.data.records import Corpus
from tfbert.data.sentence_pairs import SentencePairs
from tfbert.errors import InputError
from tfbert.evaluation.pair_accuracy import PairAccuracy
from tfbert.models.encoder import BertEncoder
from tfbert.models.pretrainer import BertPretrainer
from tfbert.tokenization.tokenizer import BertTokenizer
from tfbert.training.lamb import BertLamb
from tfbert.training.optimizers import BertAdamW
from tfbert.training.pretraining_batches import FixedBatches, PretrainingBatches
from tfbert.training.progress import Progress
from tfbert.training.resume import ResumedCallback, fit_resumable
from tfbert.training.schedules import LinearWarmupDecay
from tfbert.training.strategies import Placement
from tfbert.training.workers import Workers

OPTIMIZERS = ("adamw", "lamb")
# Masks of the held-out rows are drawn with a seed of their own, so that they are the same in every run.
_EVALUATION_SEED = 20_181_011
# For the last figure of the pairs: how often a held-out row is paired at most, since a small corpus has few of them,
# and the pairs in all, in times of what an evaluation looks at.
_PAIR_DRAWS = 10
_PAIR_LOOKS = 5
_CALIBRATION_SECONDS = 10.0
_TRACING_STEPS = 3


@dataclasses.dataclass(frozen=True)
class Pretraining:
    """How a BERT is pre-trained; `train` does it.

    Args:
        corpus: opened and verified; it must hold held-out documents.
        encoder: a published size, trained from scratch, or a checkpoint folder to go on from, with its heads.
        placement: devices and precision, from `pick_placement`.
        allow_new_heads: let a checkpoint without heads, or without one of them, start with new ones.
        objective: "next_sentence", "sentence_order" or "none", beside the masked language model.
        random_rate: share of the pairs with label 1.
        mask_rate, whole_words, max_ngram: see `Masking`.
        sequence_length: tokens in a row of the first phase.
        long_sequence_length, long_share: tokens in a row of the last phase, and the share of the steps it has; None and
            0 for no such phase. The paper has 512 for the last tenth.
        batch_size: rows a step over all replicas; each replica's share is cut into `micro_batches` equal parts.
        long_batch_size: the same in the last phase; None for `batch_size`.
        micro_batches: see `GlobalBatchModel.compile`.
        optimizer: "adamw" or "lamb".
        learning_rate: peak; None takes 1e-4 from scratch (the paper's, for rows of 256) and 2e-5 for a checkpoint.
        warmup_share: share of all steps in which the learning rate rises.
        bias_correction: of AdamW; the paper's code has none, short runs from scratch need it.
        evaluations: how many times the held-out rows are looked at, at equal distances; it divides the steps.
        evaluation_rows: how many held-out rows at most.
        seed: fixes the new weights, the order, pairs and masks of the rows, and dropout.
        jit_compile: see `GlobalBatchModel.compile`.
        gradient_checkpointing: see `BertEncoder`.
        save_every_seconds: see `fit_resumable`.
        data_services: addresses of the tf.data services that make the training batches; none makes them here.

    Raises:
        InputError: a setting is out of range, the corpus lacks rows of a length or held-out documents, the vocabulary
            is not the checkpoint's, or the checkpoint cannot be read.
    """

    corpus: Corpus
    encoder: str
    placement: Placement
    allow_new_heads: bool = False
    objective: str = "next_sentence"
    random_rate: float = 0.5
    mask_rate: float = 0.15
    whole_words: bool = False
    max_ngram: int = 1
    sequence_length: int = 128
    long_sequence_length: int | None = None
    long_share: float = 0.0
    batch_size: int = 32
    long_batch_size: int | None = None
    micro_batches: int = 1
    optimizer: str = "adamw"
    learning_rate: float | None = None
    warmup_share: float = 0.1
    bias_correction: bool = False
    evaluations: int = 20
    evaluation_rows: int = 2048
    seed: int = 0
    jit_compile: bool = False
    gradient_checkpointing: bool = False
    save_every_seconds: float = 120.0
    data_services: tuple[str, ...] = ()
    tokenizer: BertTokenizer = dataclasses.field(init=False)
    num_parameters: int = dataclasses.field(init=False)
    new_weights: str = dataclasses.field(init=False)
    _stamps: dict = dataclasses.field(init=False)
    _made: list[BertPretrainer] = dataclasses.field(init=False)

    @property
    def from_scratch(self) -> bool:
        """Whether `encoder` is a published size."""
        return self.encoder in PUBLISHED_SIZES

    @property
    def peak_learning_rate(self) -> float:
        """`learning_rate`, or its default."""
        return self.learning_rate or (1e-4 if self.from_scratch else 2e-5)

    def __post_init__(self):
        replicas = self.placement.strategy.num_replicas_in_sync
        parts = replicas * self.micro_batches
        for name in ("batch_size", "long_batch_size"):
            size = getattr(self, name)
            if size is not None and (size < 1 or size % parts):
                raise InputError(
                    f"{name} must divide by replicas x micro_batches = {replicas} x {self.micro_batches}; received "
                    f"{size}. Try {-(-max(size, 1) // parts) * parts}."
                )
        check_services(self.data_services)
        if self.optimizer not in OPTIMIZERS:
            raise InputError(f"optimizer must be one of {', '.join(OPTIMIZERS)}; received {self.optimizer!r}.")
        if not (0 <= self.warmup_share < 1 and 0 <= self.long_share < 1 and self.evaluations > 0):
            raise InputError(
                "warmup_share and long_share must be in [0, 1) and evaluations at least 1; received "
                f"warmup_share={self.warmup_share}, long_share={self.long_share}, evaluations={self.evaluations}."
            )
        if (self.long_sequence_length is None) != (self.long_share == 0) or (
            self.long_batch_size is not None and self.long_sequence_length is None
        ):
            raise InputError(
                "a last phase of long rows needs both long_sequence_length and long_share; received "
                f"long_sequence_length={self.long_sequence_length}, long_share={self.long_share}, "
                f"long_batch_size={self.long_batch_size}."
            )
        object.__setattr__(self, "_stamps", self.corpus.stamps())
        object.__setattr__(self, "tokenizer", self.corpus.tokenizer())
        if not self.from_scratch:
            self.corpus.check_vocabulary(load_tokenizer(self.encoder))
        for length in self._lengths:
            for split in ("train", "held_out"):
                self._inputs(split, length)
        # Made here, so that what cannot be read is refused before anything is written.
        with contextlib.redirect_stdout(io.StringIO()) as said:
            pretrainer = self.pretrainer()
        config = pretrainer.encoder.config
        if max(self._lengths) > config.max_sequence_length:
            raise InputError(
                f"the sequence length must not be above the encoder's {config.max_sequence_length} positions; received "
                f"{max(self._lengths)}."
            )
        object.__setattr__(self, "num_parameters", pretrainer.count_params())
        object.__setattr__(self, "new_weights", said.getvalue().strip())
        # The first training takes it, so that a large checkpoint is read once.
        object.__setattr__(self, "_made", [pretrainer])

    @property
    def _lengths(self) -> list[int]:
        return [length for length in (self.sequence_length, self.long_sequence_length) if length]

    def _inputs(self, split: str, length: int) -> PretrainingInputs:
        vocabulary = self.tokenizer.vocabulary
        long = length == self.long_sequence_length
        return PretrainingInputs(
            self.corpus,
            SentencePairs(vocabulary, length, self.objective, self.random_rate),
            Masking(vocabulary, self.mask_rate, whole_words=self.whole_words, max_ngram=self.max_ngram),
            (self.long_batch_size if long else None) or self.batch_size,
            split=split,
            seed=self.seed if split == "train" else _EVALUATION_SEED,
        )

    def pretrainer(self) -> BertPretrainer:
        """Make the pretrainer, its new weights drawn by the seed, in the placement's scope and precision."""
        keras.utils.set_random_seed(self.seed)
        policy = self.placement.dtype_policy
        next_sentence = self.objective != "none"
        with self.placement.strategy.scope():
            if not self.from_scratch:
                return load_pretrainer(
                    self.encoder, next_sentence=next_sentence, allow_missing=self.allow_new_heads, dtype=policy
                )
            config = BertConfig.from_size(self.encoder, vocabulary_size=self.tokenizer.vocabulary_size)
            return BertPretrainer(BertEncoder(config, dtype=policy), next_sentence=next_sentence)

    def training_batches(self, num_steps: int) -> PretrainingBatches:
        """Return the batches of a run of so many steps."""
        long_steps = round(self.long_share * num_steps)
        phases = [(self._inputs("train", self.sequence_length), num_steps - long_steps)]
        if self.long_sequence_length and long_steps:
            phases.append((self._inputs("train", self.long_sequence_length), long_steps))
        return PretrainingBatches(tuple(phases), self.evaluations, self.data_services)

    def held_out_batches(self) -> FixedBatches:
        """Return held-out rows, their pairs and masks always the same."""
        inputs = self._inputs("held_out", self.sequence_length)
        return FixedBatches(inputs, min(inputs.steps_in_epoch(0), -(-self.evaluation_rows // self.batch_size)))

    def some_training_rows(self, num_rows: int = 4096) -> list[dict[str, np.ndarray]]:
        """Return about `num_rows` training rows as NumPy batches, to measure."""
        inputs = self._inputs("train", self.sequence_length)
        with self._corpus_watched():
            return _arrays(inputs.dataset(0, -(-min(num_rows, inputs.num_rows) // inputs.batch_size)))

    def held_out_rows(self) -> list[dict[str, np.ndarray]]:
        """Return the rows of every evaluation as NumPy batches."""
        with self._corpus_watched():
            return _arrays(self.held_out_batches().evaluation_dataset())

    @contextlib.contextmanager
    def _corpus_watched(self) -> Iterator[None]:
        """Say which shard is gone or cut where TensorFlow cannot read one."""
        try:
            yield
        except tf.errors.OpError:
            self.corpus.check_unchanged(self._stamps)
            raise

    def pair_accuracy(self, pretrainer: BertPretrainer) -> PairAccuracy | None:
        """Return how well held-out pairs are told apart; None without a sentence objective.

        Each held-out row is paired up to 10 times, anew each time, in at most 5 x `evaluation_rows` pairs.
        """
        if self.objective == "none":
            return None
        inputs = dataclasses.replace(self._inputs("held_out", self.sequence_length), numbered=True)
        steps = sum(inputs.steps_in_epoch(epoch) for epoch in range(_PAIR_DRAWS))
        logits = tf.function(
            lambda batch: pretrainer(batch, training=False)["next_sentence_logits"], reduce_retracing=True
        )
        guesses, labels, rows = [], [], []
        for batch in inputs.dataset(0, min(steps, -(-_PAIR_LOOKS * self.evaluation_rows // self.batch_size))):
            rows.append(batch.pop("row_numbers").numpy())
            labels.append(batch["next_sentence_labels"].numpy())
            guesses.append(logits(batch).numpy().argmax(axis=-1))
        return PairAccuracy.measure(*(np.concatenate(each) for each in (guesses, labels, rows)))

    def steps_of_epochs(self, epochs: int) -> int:
        """Return the steps that `epochs` passes over the rows take, rounded up to a multiple of `evaluations`."""
        inputs = self._inputs("train", self.sequence_length)
        return self._divisible(sum(inputs.steps_in_epoch(epoch) for epoch in range(epochs)))

    def steps_of_minutes(self, minutes: float, folder: Path) -> int:
        """Return the steps that fit into `minutes` of training here, a multiple of `evaluations`.

        They are timed once and written into `folder`, so that a resumed run has the same.
        """
        path = folder / "steps.json"
        workers = Workers(self.placement.strategy)
        kept = json.loads(path.read_text()) if path.exists() else {}
        # The chief says what is done, since all workers must do the same and each has a clock of its own.
        if workers.chiefs(not kept or kept.get("minutes", minutes) != minutes):
            batches = self.training_batches(1000 * self.evaluations)
            train = self._compiled(batches.num_steps).make_train_function()
            batches_read = iter(self.placement.strategy.experimental_distribute_dataset(batches.training_dataset(1)))
            for _ in range(_TRACING_STEPS):
                train(batches_read)
            steps, seconds, start = 0, 0.0, time.monotonic()
            while workers.chiefs(seconds < min(_CALIBRATION_SECONDS, 6 * minutes)):
                train(batches_read)
                steps, seconds = steps + 1, time.monotonic() - start
            kept = {"minutes": minutes, "steps": self._divisible(int(60 * minutes * steps / seconds))}
            if workers.is_chief:
                folder.mkdir(parents=True, exist_ok=True)
                with written_beside(path) as partial:
                    partial.write_text(json.dumps(kept))
        return int(workers.chiefs(kept["steps"]))

    def _divisible(self, steps: int) -> int:
        return max(1, -(-steps // self.evaluations)) * self.evaluations

    def _compiled(self, num_steps: int) -> BertPretrainer:
        model = self._made.pop() if self._made else self.pretrainer()
        model.encoder.gradient_checkpointing = self.gradient_checkpointing
        with self.placement.strategy.scope():
            schedule = LinearWarmupDecay(self.peak_learning_rate, num_steps, int(self.warmup_share * num_steps))
            optimizer = (
                BertAdamW(schedule, bias_correction=self.bias_correction)
                if self.optimizer == "adamw"
                else BertLamb(schedule)
            )
            model.compile(optimizer, jit_compile=self.jit_compile, micro_batches=self.micro_batches, seed=self.seed)
        return model

    def train(
        self, num_steps: int, folder: Path, callbacks: Sequence[keras.callbacks.Callback] = ()
    ) -> tuple[BertPretrainer, list[dict[str, float]]]:
        """Pre-train for `num_steps`, or go on where `folder` says; return the pretrainer and a record an evaluation.

        A record has the metrics of the round and, with `val_`, of the held-out rows, `step`, `tokens` (real tokens
        trained on, as the rows are planned), `seconds` (restarts added up) and `learning_rate`.
        """
        batches = self.training_batches(num_steps)
        model = self._compiled(num_steps)
        records = _Records(batches)
        with self._corpus_watched():
            history = fit_resumable(
                model,
                batches,
                epochs=batches.rounds,
                folder=folder,
                validation=self.held_out_batches(),
                keep_best=False,
                save_every_seconds=self.save_every_seconds,
                # What was learnt from other rows than those of the corpus is not saved.
                check=lambda: self.corpus.check_unchanged(self._stamps),
                callbacks=(records, *callbacks, _Lines(batches, batches.rounds, unit="evaluation")),
            )
        return model, history

    def describe(self, num_steps: int) -> str:
        """Say in a few lines what will be computed."""
        batches = self.training_batches(num_steps)
        replicas = self.placement.strategy.num_replicas_in_sync
        lines = [f"model     {self.encoder}, {self.num_parameters:,} parameters, on {self.placement.description}"]
        for inputs, steps in batches.phases:
            size = inputs.batch_size
            epochs = steps * size / inputs.num_rows
            lines.append(
                f"training  {steps:,} steps of rows of at most {inputs.pairs.sequence_length} tokens, {epochs:,.1f} "
                f"epochs of {inputs.num_rows:,} rows\n          batch {size // replicas // self.micro_batches} x "
                f"{replicas} replicas x {self.micro_batches} micro-batches = {size} rows, "
                f"{size * inputs.tokens_per_row:,.0f} tokens a step"
            )
        return "\n".join(lines)


def _arrays(dataset: tf.data.Dataset) -> list[dict[str, np.ndarray]]:
    return [{name: value.numpy() for name, value in batch.items()} for batch in dataset]


class _Records(ResumedCallback):
    """Adds to the logs of each evaluation where training is."""

    def __init__(self, batches: PretrainingBatches):
        super().__init__()
        self.batches = batches

    def on_resume(self, history):
        self._start = time.monotonic() - (history[-1]["seconds"] if history else 0.0)

    def on_epoch_end(self, epoch, logs=None):
        step = (epoch + 1) * self.batches.steps_per_epoch
        logs["step"] = step
        logs["tokens"] = self.batches.tokens_before(step)
        logs["seconds"] = time.monotonic() - self._start
        # That of the round's last step.
        logs["learning_rate"] = float(self.model.optimizer._learning_rate(step - 1))


class _Lines(Progress):
    """Prints after each evaluation what the held-out rows say."""

    def on_epoch_end(self, epoch, logs=None):
        shown = {
            "held-out loss": "val_masked_lm_loss",
            "accuracy": "val_masked_lm_accuracy",
            "pairs": "val_next_sentence_balanced_accuracy",
        }
        values = "  ".join(f"{name} {logs[key]:.3f}" for name, key in shown.items() if key in logs)
        self._print(f"evaluation {epoch + 1}/{self.epochs}  step {logs['step']:,}  {values}", end="\n")
