"""From texts to token ids: tfbert's tokenizer, the Rust tokenizer of transformers, and the fast one of tf_text."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfbert.benchmarks.material import read_json, reviews_of, tokenizer_of, write_json
from tfbert.benchmarks.task import Built, Setup, System, Work, asking

PRECISIONS = ("float32",)
TOLERANCES = {"float32": 0.1}
"""Share of the texts whose ids may differ: those of tf_text differ from Google's at accents, emoji and long words."""

_BATCH = 512
_CASES = ("batches of 512", "one review")

Ids = list[Sequence[int]]


def write(folder: Path, setup: Setup) -> dict[str, Work]:
    """Leave the texts and the vocabulary."""
    from tfbert.checkpoints.huggingface_tokenizer import write_tokenizer

    tokenizer = tokenizer_of(setup)
    texts = list(reviews_of(setup).texts)
    middle = [text for text in texts if 100 <= len(text) <= 200] or texts
    batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
    requests = dict(zip(_CASES, (batches, [middle[:1]]), strict=True))
    write_json(folder / "texts.json", requests)
    write_json(folder / "lowercase.json", tokenizer.lowercase)
    write_tokenizer(folder, tokenizer, 512)
    found = {}
    for case, asked in requests.items():
        tokens = sum(int(tokenizer.tokenize(each).values.shape[0]) for each in asked)
        found[case] = Work("batch" if len(asked) > 1 else "review", len(asked), tokens, "tokens")
    return found


def differences(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the share of the texts whose ids differ; both are flat `ids` and `lengths`."""
    rows = [np.split(each["ids"], np.cumsum(each["lengths"])[:-1]) for each in (ours, theirs)]
    return {"ids": float(np.mean([not np.array_equal(one, other) for one, other in zip(*rows, strict=True)]))}


def _built(folder: Path, tokenize: Callable[[list[str]], Any], ids_of: Callable[[Any], Ids]) -> Built:
    """`tokenize` is timed; `ids_of` makes lists of what it gives, for the comparison."""
    requests = read_json(folder / "texts.json")

    def outputs():
        rows = [ids for texts in requests[_CASES[0]] for ids in ids_of(tokenize(texts))]
        return {"ids": np.concatenate(rows).astype(np.int64), "lengths": np.array([len(ids) for ids in rows])}

    return Built(asking(tokenize, requests), outputs)


def _tfbert(folder: Path, setup: Setup) -> Built:
    import tensorflow as tf

    from tfbert import BertTokenizer

    tokenizer = BertTokenizer(folder / "vocab.txt", lowercase=read_json(folder / "lowercase.json"))
    function = tf.function(tokenizer.tokenize).get_concrete_function(tf.TensorSpec([None], tf.string))
    return _built(folder, lambda texts: function(tf.constant(texts)), lambda ragged: ragged.to_list())


def _tokenizers(folder: Path, setup: Setup) -> Built:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def tokenize(texts):
        return [row.ids for row in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    return _built(folder, tokenize, lambda ids: ids)


def _tf_text(folder: Path, setup: Setup) -> Built:
    import tensorflow as tf
    import tensorflow_text as tf_text

    tokenizer = tf_text.FastBertTokenizer(
        (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1],
        token_out_type=tf.int32,
        lower_case_nfd_strip_accents=read_json(folder / "lowercase.json"),
    )

    def of_texts(texts):
        return tokenizer.tokenize(texts).merge_dims(1, -1)

    function = tf.function(of_texts).get_concrete_function(tf.TensorSpec([None], tf.string))
    return _built(folder, lambda texts: function(tf.constant(texts)), lambda ragged: ragged.to_list())


SYSTEMS = {
    "tfbert": System(_tfbert, ("tensorflow",), ("float32",)),
    "tokenizers": System(_tokenizers, ("tokenizers",), ("float32",)),
    "tf_text": System(_tf_text, ("tensorflow", "tensorflow_text"), ("float32",)),
}
