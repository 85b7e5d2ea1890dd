"""Requests that a server replays before a version serves, so that no user waits for the first run of a graph."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, predict_pb2, prediction_log_pb2

from tfbert.serving.text_signatures import INPUTS, TextSignatures

RECORDS = Path("assets.extra") / "tf_serving_warmup_requests"

_SENTENCES = (
    "Love it.",
    "The last update made everything slow and I cannot find my old notes.",
    "Works well on my phone, but the calendar shows every meeting twice!",
    "Why do I have to sign in again each morning? Please fix this, it used to be my favourite.",
)


def example_text(signature: str, signatures: Iterable[str]) -> str:
    """A text to ask `signature` for, of a model with these `signatures`."""
    fills = signature == "fill_mask" or (signature == "serving_default" and "fill_mask" in signatures)
    return "I [MASK] this app." if fills or signature == "tokens" else "I love this app."


def write_warm_up_records(folder: Path, name: str, module: TextSignatures, signatures: Mapping) -> None:
    """Write the records of a version: for each signature one short text, one of full length, and two mixed batches.

    The last batch has more rows than are computed together.

    Args:
        folder: of the version.
        name: of the model.
        module: has the tokenizer that makes the ids for `tokens`.
        signatures: the concrete functions by name.
    """
    records = folder / RECORDS
    records.parent.mkdir()
    with tf.io.TFRecordWriter(str(records)) as writer:
        for signature, function in signatures.items():
            positional, named = function.structured_input_signature
            inputs = {spec.name for spec in (*positional, *named.values())}
            for texts in _batches(example_text(signature, signatures), module.max_length):
                writer.write(_record(name, signature, inputs, texts, module).SerializeToString())


def _batches(first: str, max_length: int) -> list[list[str]]:
    full = " ".join([first, *_SENTENCES * (max_length // 32 + 1)])
    mixed = [" ".join([first, *_SENTENCES * (number % 3)]) for number in range(20)]
    return [[first], [full], mixed[:4], mixed]


def _record(name: str, signature: str, inputs: set[str], texts: list[str], module: TextSignatures):
    if inputs == {"inputs"}:
        classify = classification_pb2.ClassificationRequest()
        classify.model_spec.name, classify.model_spec.signature_name = name, signature
        for text in texts:
            example = classify.input.example_list.examples.add()
            example.features.feature["text"].bytes_list.value.append(text.encode())
        return prediction_log_pb2.PredictionLog(classify_log=prediction_log_pb2.ClassifyLog(request=classify))
    predict = predict_pb2.PredictRequest()
    predict.model_spec.name, predict.model_spec.signature_name = name, signature
    values = module.token_rows(tf.constant(texts)) if inputs == {*INPUTS} else dict.fromkeys(inputs, texts)
    for key, value in values.items():
        predict.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=predict))
