"""Going on with pre-training on the very texts that a classifier is then fine-tuned on (Gururangan et al. 2020)."""

from collections.abc import Sequence
from pathlib import Path

from tfbert import checkpoints
from tfbert.config import PUBLISHED_SIZES
from tfbert.data.corpus_preparation import prepare_corpus
from tfbert.data.records import MANIFEST, Corpus
from tfbert.tokenization.tokenizer import BertTokenizer
from tfbert.training.pretraining import Pretraining
from tfbert.training.strategies import Placement
from tfbert.training.workers import Workers


def pretrain_on_texts(
    texts: Sequence[str],
    tokenizer: BertTokenizer,
    encoder: str,
    placement: Placement,
    folder: Path,
    *,
    epochs: int,
    sequence_length: int,
    batch_size: int = 32,
    micro_batches: int = 1,
    learning_rate: float | None = None,
    seed: int = 0,
    jit_compile: bool = False,
    gradient_checkpointing: bool = False,
    save_every_seconds: float = 120.0,
) -> tuple[Path, dict[str, float]]:
    """Pre-train on `texts`, each a document, and return the checkpoint's folder and the last evaluation.

    The masked language model and the next sentence prediction are trained; some of the texts are held out to watch them
    with. A checkpoint without heads gets new ones. What is done already in `folder` is not done again.

    Args:
        texts: documents.
        tokenizer: the encoder's.
        encoder: a published size, or a checkpoint folder.
        placement: devices and precision.
        folder: where corpus, training state and checkpoint go.
        epochs: passes over the rows, an evaluation after each.
        sequence_length: tokens in a row at most.
        learning_rate: peak; None takes 1e-3 from scratch and 1e-4 for a checkpoint.
        batch_size, micro_batches, seed, jit_compile, gradient_checkpointing, save_every_seconds: see `Pretraining`.
    """
    from_scratch = encoder in PUBLISHED_SIZES
    workers = Workers(placement.strategy)
    prepared = folder / "corpus"
    if workers.is_chief and not (prepared / MANIFEST).exists():
        prepare_corpus(texts, tokenizer, prepared, sequence_lengths=(sequence_length,))
    workers.wait()
    corpus = Corpus.open(prepared)
    task = Pretraining(
        corpus,
        encoder,
        placement,
        allow_new_heads=True,
        sequence_length=sequence_length,
        batch_size=batch_size,
        micro_batches=micro_batches,
        learning_rate=learning_rate or (1e-3 if from_scratch else 1e-4),
        # New heads, if not all, start from scratch.
        bias_correction=True,
        evaluations=epochs,
        seed=seed,
        jit_compile=jit_compile,
        gradient_checkpointing=gradient_checkpointing,
        save_every_seconds=save_every_seconds,
    )
    num_steps = task.steps_of_epochs(epochs)
    print(task.describe(num_steps), flush=True)
    pretrainer, history = task.train(num_steps, folder / "state")
    checkpoint = folder / "checkpoint"
    if workers.is_chief and not checkpoint.exists():
        checkpoints.save(pretrainer, checkpoint, tokenizer=tokenizer)
    workers.wait()
    return checkpoint, history[-1]
