"""Drawing pairs and masks, beside the step of pre-training that reads them; tfbert alone."""

from pathlib import Path

import numpy as np

from tfbert.benchmarks import adamw
from tfbert.benchmarks.material import pretrainer_of, tokenizer_of, write_reviews_as_text
from tfbert.benchmarks.task import Built, Setup, System, Work, answerless
from tfbert.benchmarks.useful_work import BACKWARD, encoder_flops, masked_lm_flops

PRECISIONS = ("float32",)
TOLERANCES = {"float32": 0.0}

_CASES = ("pairs and masks of a batch", "the step that reads it")
_BATCHES = 10**6  # more than are ever run


def write(folder: Path, setup: Setup) -> dict[str, Work]:
    """Prepare a corpus of the reviews."""
    from tfbert import data

    tokenizer = tokenizer_of(setup)
    write_reviews_as_text(folder / "reviews.txt", setup)
    data.prepare_corpus(
        data.DocumentFiles([str(folder / "reviews.txt")]),
        tokenizer,
        folder / "corpus",
        sequence_lengths=(setup.length,),
        processes=1,
    )
    inputs = _inputs(folder, setup)
    batches = [next(iter(inputs.dataset(step, 1))) for step in range(2)]
    lengths = np.concatenate([batch["padding_mask"].numpy().sum(axis=-1) for batch in batches])
    masks = sum(float(batch["mask_weights"].numpy().sum()) for batch in batches) / len(batches)
    config = pretrainer_of(setup).encoder.config
    outputs = 1 + round(masks * len(batches) / len(lengths))
    forward = encoder_flops(config, lengths, outputs) / len(batches) + masked_lm_flops(config, round(masks))
    tokens = int(lengths.sum()) // len(batches)
    return {
        _CASES[0]: Work("batch", 1, tokens, "tokens"),
        _CASES[1]: Work("step", 1, tokens, "tokens", (1 + BACKWARD) * forward),
    }


def _inputs(folder: Path, setup: Setup):
    from tfbert import data
    from tfbert.data.inputs import PretrainingInputs
    from tfbert.data.masking import Masking
    from tfbert.data.sentence_pairs import SentencePairs

    vocabulary = tokenizer_of(setup).vocabulary
    corpus = data.Corpus.open(folder / "corpus")
    return PretrainingInputs(corpus, SentencePairs(vocabulary, setup.length), Masking(vocabulary), setup.rows)


def _tfbert(folder: Path, setup: Setup) -> Built:
    inputs = _inputs(folder, setup)
    batches = iter(inputs.dataset(0, _BATCHES))
    model = pretrainer_of(setup)
    model.compile(adamw.ours(compared=False))
    function = model.make_train_function()
    # Drawn beforehand, and prefetched by nobody meanwhile: the step alone.
    import tensorflow as tf

    repeated = iter(tf.data.Dataset.from_tensors(next(batches)).repeat())
    return Built(
        {
            _CASES[0]: answerless(lambda: next(batches)),
            _CASES[1]: answerless(lambda: float(function(repeated)["loss"])),
        },
    )


SYSTEMS = {"tfbert": System(_tfbert, ("tensorflow",), ("float32",))}
