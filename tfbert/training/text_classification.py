"""Fine-tuning a classifier of texts (Devlin et al. 2019, section 4.1 and appendix A.3)."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from tfbert.checkpoints import load_encoder
from tfbert.config import PUBLISHED_SIZES, BertConfig
from tfbert.data.batching import LengthBatches
from tfbert.errors import InputError
from tfbert.models.classifier import BertClassifier
from tfbert.models.encoder import BertEncoder
from tfbert.tokenization.tokenizer import BertTokenizer
from tfbert.training.optimizers import BertAdamW
from tfbert.training.progress import Progress
from tfbert.training.resume import fit_resumable
from tfbert.training.schedules import LinearWarmupDecay
from tfbert.training.strategies import Placement


@dataclasses.dataclass(frozen=True)
class TextClassification:
    """How a classifier is fine-tuned; `train` does it for one seed.

    Args:
        tokenizer: cuts the texts; its vocabulary must fit the encoder.
        labels: the class names.
        encoder: a published size, trained from scratch, or a checkpoint folder.
        placement: devices and precision, from `pick_placement`.
        max_length: tokens at which a text is cut, special tokens included.
        batch_size: rows a step over all replicas; each replica's share is cut into `micro_batches` equal parts.
        micro_batches: see `GlobalBatchModel.compile`.
        epochs, learning_rate: None takes 3 and 5e-5 for a checkpoint, 8 and 5e-4 from scratch.
        patience: epochs without a lower validation loss after which training stops; None never stops.
        warmup_share: share of all steps in which the learning rate rises, 0 to 1.
        layer_decay: ρ, the factor on the learning rate of each layer below the head; 1 is none (Howard & Ruder 2018,
            section 3.2, with 1/2.6).
        dropout_rate: before the head.
        balanced: weigh each row by rows / (classes · rows of its class).
        freeze_embeddings, freeze_layers: leave the embeddings, and so many of the lowest blocks, as they are.
        jit_compile: see `GlobalBatchModel.compile`; texts are then padded to 16 lengths, not to 64.
        gradient_checkpointing: see `BertEncoder`.
        save_every_seconds: see `fit_resumable`.

    Raises:
        InputError: the batch does not divide by replicas · micro_batches, `max_length` is above the positions, the
            vocabulary is larger than the embeddings, or the checkpoint cannot be read.
    """

    tokenizer: BertTokenizer
    labels: Sequence[str]
    encoder: str
    placement: Placement
    max_length: int = 128
    batch_size: int = 16
    micro_batches: int = 1
    epochs: int | None = None
    learning_rate: float | None = None
    patience: int | None = None
    warmup_share: float = 0.1
    layer_decay: float = 1.0
    dropout_rate: float = 0.1
    balanced: bool = False
    freeze_embeddings: bool = False
    freeze_layers: int = 0
    jit_compile: bool = False
    gradient_checkpointing: bool = False
    save_every_seconds: float = 120.0
    num_parameters: int = dataclasses.field(init=False)

    @property
    def from_scratch(self) -> bool:
        """Whether `encoder` is a published size."""
        return self.encoder in PUBLISHED_SIZES

    @property
    def num_epochs(self) -> int:
        """`epochs`, or its default."""
        return self.epochs or (8 if self.from_scratch else 3)

    @property
    def peak_learning_rate(self) -> float:
        """`learning_rate`, or its default."""
        return self.learning_rate or (5e-4 if self.from_scratch else 5e-5)

    def __post_init__(self):
        parts = self.placement.strategy.num_replicas_in_sync * self.micro_batches
        if self.batch_size % parts:
            raise InputError(
                f"batch_size must divide by replicas x micro_batches = {self.placement.strategy.num_replicas_in_sync} "
                f"x {self.micro_batches}; received {self.batch_size}. Try {-(-self.batch_size // parts) * parts}."
            )
        if not (0 <= self.warmup_share < 1 and 0 < self.layer_decay <= 1):
            raise InputError(
                "warmup_share must be in [0, 1) and layer_decay in (0, 1]; received "
                f"warmup_share={self.warmup_share}, layer_decay={self.layer_decay}."
            )
        # Made once here, so that what cannot be read is refused before anything is written.
        classifier = self.classifier(seed=0)
        config = classifier.encoder.config
        if not 3 <= self.max_length <= config.max_sequence_length:
            raise InputError(
                f"max_length must lie between 3 and the encoder's {config.max_sequence_length} positions; received "
                f"{self.max_length}."
            )
        self.tokenizer.vocabulary.check_fits(config.vocabulary_size)
        classifier.freeze(embeddings=self.freeze_embeddings, layers=self.freeze_layers)
        object.__setattr__(self, "num_parameters", classifier.count_params())

    def classifier(self, seed: int) -> BertClassifier:
        """Make the classifier, its new weights drawn by `seed`, in the placement's scope and precision."""
        keras.utils.set_random_seed(seed)
        policy = self.placement.dtype_policy
        with self.placement.strategy.scope():
            if self.from_scratch:
                config = BertConfig.from_size(self.encoder, vocabulary_size=self.tokenizer.vocabulary_size)
                encoder = BertEncoder(config, dtype=policy)
            else:
                encoder = load_encoder(self.encoder, dtype=policy)
            return BertClassifier(encoder, labels=self.labels, dropout_rate=self.dropout_rate)

    def starting_from(self, checkpoint: Path) -> "TextClassification":
        """Return the same training with another checkpoint's weights to start from: as many epochs, the same rate."""
        return dataclasses.replace(
            self, encoder=str(checkpoint), epochs=self.num_epochs, learning_rate=self.peak_learning_rate
        )

    def rows(self, texts: Sequence[str], labels: np.ndarray, seed: int = 0) -> LengthBatches:
        """Tokenize the texts once, and cut them into batches by length; `labels` are int (rows,)."""
        token_ids = []
        for start in range(0, len(texts), 1024):
            inputs = self.tokenizer.encode(list(texts[start : start + 1024]), max_length=self.max_length)
            lengths = inputs["padding_mask"].numpy().sum(axis=-1)
            token_ids += [ids[:length] for ids, length in zip(inputs["token_ids"].numpy(), lengths, strict=True)]
        # XLA compiles the step for each padded length.
        num_buckets = 16 if self.jit_compile else 64
        return LengthBatches(token_ids, np.asarray(labels), self.batch_size, num_buckets=num_buckets, seed=seed)

    def token_lengths(self, texts: Sequence[str]) -> np.ndarray:
        """Return the tokens of each text before truncation, special tokens included, int64 (texts,)."""
        chunks = [list(texts[start : start + 1024]) for start in range(0, len(texts), 1024)]
        return np.concatenate([self.tokenizer.tokenize(chunk).row_lengths().numpy() + 2 for chunk in chunks])

    def train(
        self, seed: int, training: LengthBatches, validation: LengthBatches, folder: Path
    ) -> tuple[BertClassifier, list[dict[str, float]]]:
        """Train one classifier, or go on where `folder` says; return it with its best weights, and each epoch's logs.

        `seed` fixes the new weights, the batches of each epoch and dropout.
        """
        classifier = self.classifier(seed)
        classifier.freeze(embeddings=self.freeze_embeddings, layers=self.freeze_layers)
        classifier.encoder.gradient_checkpointing = self.gradient_checkpointing
        training = dataclasses.replace(training, seed=seed, weights=self._weights(training.labels))
        steps = self.num_epochs * training.steps_per_epoch
        with self.placement.strategy.scope():
            # Without bias correction fine-tuning is unstable (Mosbach et al. 2021, section 5.1).
            schedule = LinearWarmupDecay(self.peak_learning_rate, steps, int(self.warmup_share * steps))
            optimizer = BertAdamW(schedule, bias_correction=True)
            for depth, variables in enumerate(reversed(classifier.depth_groups())):
                optimizer.set_learning_rate_multiplier(variables, self.layer_decay**depth)
            classifier.compile(
                optimizer,
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy"],
                jit_compile=self.jit_compile,
                micro_batches=self.micro_batches,
                seed=seed,
            )
        history = fit_resumable(
            classifier,
            training,
            epochs=self.num_epochs,
            folder=folder,
            validation=validation,
            patience=self.patience,
            save_every_seconds=self.save_every_seconds,
            callbacks=(Progress(training, self.num_epochs),),
        )
        return classifier, history

    def describe(self, training: LengthBatches) -> str:
        """Say in three lines what will be computed."""
        replicas = self.placement.strategy.num_replicas_in_sync
        per_part = self.batch_size // replicas // self.micro_batches
        tokens = training.tokens_per_epoch / training.steps_per_epoch
        return (
            f"model     {self.encoder}, {self.num_parameters:,} parameters, on {self.placement.description}\n"
            f"training  {len(training.labels):,} reviews, at most {self.num_epochs} epochs of "
            f"{training.steps_per_epoch} steps\n          batch {per_part} x {replicas} replicas x "
            f"{self.micro_batches} micro-batches = "
            f"{self.batch_size} reviews, {tokens:,.0f} tokens a step, padding {training.padding_share():.0%}"
        )

    def _weights(self, labels: np.ndarray) -> np.ndarray | None:
        if not self.balanced:
            return None
        counts = np.bincount(labels, minlength=len(self.labels))
        return (len(labels) / (len(counts) * counts))[labels].astype(np.float32)
