"""From raw text to probabilities: tfbert's SavedModel, ONNX Runtime and torch, each with its tokenizer."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tfbert.benchmarks.material import (
    classifier_of,
    read_json,
    reviews_of,
    token_lengths,
    tokenizer_of,
    write_json,
)
from tfbert.benchmarks.task import Built, Setup, System, Work, asking
from tfbert.benchmarks.useful_work import encoder_flops

PRECISIONS = ("float32", "bfloat16", "int8")
TOLERANCES = {"float32": 1e-4, "bfloat16": 0.05, "int8": 0.1}

_MAX_LENGTH = 512
_ROWS = 32
_REQUESTS = 8
_SINGLES = 16
_LONG = 400  # tokens, of the one review among short ones


def write(folder: Path, setup: Setup) -> dict[str, Work]:
    """Export the classifier for each system, choose the requests, and say what is in them."""
    from tfbert import checkpoints, serving

    classifier, tokenizer = classifier_of(setup), tokenizer_of(setup)
    config = classifier.encoder.config
    max_length = min(_MAX_LENGTH, config.max_sequence_length)
    texts = list(reviews_of(setup).texts)
    lengths = token_lengths(tokenizer, texts, max_length)
    requests = _requests(texts, lengths)
    write_json(folder / "requests.json", requests)
    write_json(folder / "max_length.json", max_length)
    checkpoints.save(classifier, folder / "huggingface", tokenizer=tokenizer, format="huggingface")
    smaller = None
    if setup.precision != "float32":
        # How far it is from float32 is compared here, by value.
        smaller = serving.SmallerWeights(setup.precision, texts[:8], [classifier.labels[0]] * 8, largest_drop=0.999)
    serving.export(classifier, tokenizer, folder / "serving" / "reviews", max_length=max_length, weights=smaller)
    if importlib.util.find_spec("onnx"):
        from tfbert.serving.onnx_model import write_onnx

        write_onnx(folder / "model.onnx", classifier, 1.0)
    found = {}
    for case, asked in requests.items():
        flat = [text for request in asked for text in request]
        flops = encoder_flops(config, token_lengths(tokenizer, flat, max_length), 1)
        found[case] = Work("request", len(asked), len(flat), "reviews", flops)
    return found


def _requests(texts: Sequence[str], lengths: np.ndarray) -> dict[str, list[list[str]]]:
    """Return the requests of each case; each is sorted by length."""
    order = np.argsort(lengths, kind="stable")
    middling = order[(lengths[order] >= 20) & (lengths[order] <= 50)]
    sorted_requests = [order[start : start + _ROWS] for start in range(0, len(order) - _ROWS + 1, _ROWS)]
    generator = np.random.default_rng(0)
    random = [generator.choice(len(texts), _ROWS, replace=False) for _ in range(_REQUESTS)]
    rows = {
        "one review": [[row] for row in _evenly(middling, _SINGLES)],
        "32 reviews of like length": _evenly(sorted_requests, _REQUESTS),
        "32 reviews at random": [drawn[np.argsort(lengths[drawn], kind="stable")] for drawn in random],
    }
    requests = {case: [[texts[row] for row in request] for request in asked] for case, asked in rows.items()}
    # The longest reviews, one after the other, until they have so many tokens.
    count = 1 + int(np.searchsorted(np.cumsum(lengths[order[::-1]] - 2), _LONG))
    longest = "\n".join(texts[row] for row in order[::-1][:count])
    requests["31 short and one long"] = [[*(texts[row] for row in order[: _ROWS - 1]), longest]]
    return requests


def _evenly(rows: Sequence | np.ndarray, count: int) -> list:
    """Return the middles of `count` equal parts: what stands for all of them."""
    places = (np.arange(count) + 0.5) / count * len(rows)
    return [rows[int(place)] for place in places] if len(rows) else []


def _built(folder: Path, answer: Callable[[list[str]], np.ndarray]) -> Built:
    requests = read_json(folder / "requests.json")

    def outputs():
        return {case: np.concatenate([answer(texts) for texts in asked]) for case, asked in requests.items()}

    return Built(asking(answer, requests), outputs)


def _tfbert(folder: Path, setup: Setup) -> Built:
    import tensorflow as tf

    # As `recipes/serve.py` does: operations run side by side on the threads, and none is cut into parts.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    (version,) = (folder / "serving" / "reviews").glob("[0-9]*")
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    return _built(folder, lambda texts: served(text=tf.constant(texts))["probabilities"].numpy())


def _onnxruntime(folder: Path, setup: Setup) -> Built:
    import onnxruntime

    encode = _rust_tokenizer(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setup.threads
    # All that the session fuses by itself: what its offline optimizer for transformers fuses is slower on CPUs.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    return _built(folder, lambda texts: session.run(["probabilities"], encode(texts, np.int32))[0])


def _torch(folder: Path, setup: Setup) -> Built:
    import torch
    import transformers

    encode = _rust_tokenizer(folder)
    model = transformers.BertForSequenceClassification.from_pretrained(
        folder / "huggingface", dtype=getattr(torch, setup.precision)
    ).eval()
    names = {"token_ids": "input_ids", "segment_ids": "token_type_ids", "padding_mask": "attention_mask"}

    def answer(texts):
        with torch.inference_mode():
            inputs = {names[name]: torch.from_numpy(ids) for name, ids in encode(texts, np.int64).items()}
            return torch.softmax(model(**inputs).logits.float(), -1).numpy()

    return _built(folder, answer)


def _rust_tokenizer(folder: Path) -> Callable[[list[str], type], dict[str, np.ndarray]]:
    """Return what gives the encoder's inputs, padded to the longest of the texts."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "huggingface" / "tokenizer.json"))
    tokenizer.enable_truncation(read_json(folder / "max_length.json"))
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]"))

    def encode(texts, dtype):
        rows = tokenizer.encode_batch(texts)
        token_ids = np.array([row.ids for row in rows], dtype)
        padding_mask = np.array([row.attention_mask for row in rows], dtype)
        return {"token_ids": token_ids, "segment_ids": np.zeros_like(token_ids), "padding_mask": padding_mask}

    return encode


SYSTEMS = {
    "tfbert": System(_tfbert, ("tensorflow",), PRECISIONS),
    "onnxruntime": System(_onnxruntime, ("onnxruntime", "onnx", "tokenizers"), ("float32",)),
    "torch": System(_torch, ("torch", "transformers", "tokenizers")),
}
