"""The models, texts and rows that the tasks work on, the same for every system."""

import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfbert.benchmarks.task import Setup
from tfbert.config import BertConfig
from tfbert.errors import InputError

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"num_layers": 2, "hidden_dim": 128, "num_heads": 2, "intermediate_dim": 512},
    "minilm": {"num_layers": 6, "hidden_dim": 384, "num_heads": 12, "intermediate_dim": 1536},
    "base": {"num_layers": 12, "hidden_dim": 768, "num_heads": 12, "intermediate_dim": 3072},
}
"""By name; the vocabulary has 30,522 tokens, for tiny as many as the sample's."""

LABELS = ("negative", "neutral", "positive")


def tokenizer_of(setup: Setup):
    """Return the checkpoint's tokenizer, or one of the sample's vocabulary."""
    from tfbert import BertTokenizer, checkpoints, data

    return BertTokenizer(data.sample_vocabulary()) if setup.model in SIZES else checkpoints.load_tokenizer(setup.model)


def encoder_of(setup: Setup):
    """Return the checkpoint's encoder, or a new one whose outputs depend on its inputs as a trained one's do."""
    import keras

    from tfbert import BertEncoder, checkpoints

    if setup.model not in SIZES:
        return checkpoints.load_encoder(setup.model)
    size = SIZES[setup.model]
    vocabulary_size = tokenizer_of(setup).vocabulary_size if setup.model == "tiny" else 30_522
    keras.utils.set_random_seed(0)
    # With the usual 0.02 all texts would get nearly the same answer, and a wrong system would pass for a right one.
    return BertEncoder(BertConfig(vocabulary_size, **size, initializer_stddev=size["hidden_dim"] ** -0.5))


def classifier_of(setup: Setup):
    """Return the encoder with a new head."""
    import keras

    from tfbert import BertClassifier

    encoder = encoder_of(setup)
    keras.utils.set_random_seed(1)
    classifier = BertClassifier(encoder, labels=LABELS)
    classifier.head.kernel.assign(keras.random.normal(classifier.head.kernel.shape, stddev=0.1, seed=1))
    return classifier


def reviews_of(setup: Setup):
    """Return the reviews."""
    from tfbert import data

    return data.load_reviews(setup.data)


def token_lengths(tokenizer, texts: Sequence[str], max_length: int) -> np.ndarray:
    """Return the tokens of each text after truncation, special tokens included, int64 (texts,)."""
    chunks = [list(texts[start : start + 512]) for start in range(0, len(texts), 512)]
    lengths = np.concatenate([tokenizer.tokenize(chunk).row_lengths().numpy() for chunk in chunks])
    return np.minimum(lengths + 2, max_length)


def write_json(path: Path, value) -> None:
    """Leave texts or numbers for the contestants."""
    path.write_text(json.dumps(value), encoding="utf-8")


def read_json(path: Path):
    """Return what `write_json` left."""
    return json.loads(path.read_text(encoding="utf-8"))


def check_model(model: str) -> None:
    """Refuse what is neither a size nor a folder."""
    if model not in SIZES and not Path(model).is_dir():
        raise InputError(f"--model must be one of {', '.join(SIZES)}, or a checkpoint folder; received {model!r}.")


def pretrainer_of(setup: Setup):
    """Return the encoder with both heads, computing the tanh form of gelu as Google's BERT and keras-hub do."""
    import keras

    from tfbert import BertPretrainer, checkpoints

    keras.utils.set_random_seed(0)
    if setup.model in SIZES:
        return BertPretrainer(encoder_of(setup))
    return pretrainer_with(checkpoints.load_pretrainer(setup.model, allow_missing=True), activation="gelu_tanh")


def pretrainer_with(pretrainer, next_sentence_weight: float = 1.0, **changes):
    """Return a new one with the same weights and precision, and these settings of the encoder changed."""
    from tfbert import BertEncoder, BertPretrainer

    config = dataclasses.replace(pretrainer.encoder.config, **changes)
    encoder = BertEncoder(config, dtype=pretrainer.encoder.dtype_policy)
    made = BertPretrainer(encoder, next_sentence_weight=next_sentence_weight)
    for new, old in zip(made.weights, pretrainer.weights, strict=True):
        new.assign(old)
    return made


def classifier_with(classifier, rate: float):
    """Return a new one with the same weights and precision, and all dropout of this rate."""
    from tfbert import BertClassifier, BertEncoder

    encoder = classifier.encoder
    config = dataclasses.replace(encoder.config, dropout_rate=rate, attention_dropout_rate=rate)
    made = BertClassifier(BertEncoder(config, dtype=encoder.dtype_policy), classifier.labels, dropout_rate=rate)
    for new, old in zip(made.weights, classifier.weights, strict=True):
        new.assign(old)
    return made


def write_reviews_as_text(path: Path, setup: Setup, megabytes: float = 0.0) -> None:
    """Write the reviews as documents, once, or again and again with other numbers in them until there is so much."""
    texts = [" ".join(text.split()) for text in reviews_of(setup).texts]
    with open(path, "w", encoding="utf-8") as file:
        for number in itertools.count():
            file.writelines(f"{text}\n\n" if not number else f"{number}: {text}\n\n" for text in texts)
            if file.tell() >= 1e6 * megabytes:
                return
