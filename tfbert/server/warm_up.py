"""A version answers its recorded requests before it serves (servables/tensorflow/saved_model_warmup_util.cc)."""

import time
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import input_pb2, prediction_log_pb2

from tfbert.server.loaded_model import LoadedModel
from tfbert.server.metrics import Metrics
from tfbert.server.status_codes import StatusError, from_tensorflow, invalid

RECORDS = Path("assets.extra") / "tf_serving_warmup_requests"
_MOST_RECORDS = 1000


def warm_up(model: LoadedModel, path: Path, metrics: Metrics) -> int:
    """Replay the records of the version in folder `path`; returns their number, 0 where there is no such file.

    Raises:
        StatusError: the file is damaged or has more than 1000 records, or the model refuses one: as with TensorFlow
            Serving, such a version does not serve.
    """
    records = path / RECORDS
    if not records.is_file():
        return 0
    start, status, number = time.perf_counter(), "OK", 0
    try:
        for record in tf.data.TFRecordDataset(str(records)).as_numpy_iterator():
            if number == _MOST_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({_MOST_RECORDS}) at {records}")
            _replay(model, prediction_log_pb2.PredictionLog.FromString(record))
            number += 1
    except StatusError as error:
        status = error.code
        raise
    except (tf.errors.OpError, DecodeError) as error:
        status = "DATA_LOSS"
        message = from_tensorflow(error).message
        raise StatusError(
            status, f"{records}: {message}. Please verify your warmup data is in TFRecord format."
        ) from error
    finally:
        metrics.count_warmup(str(path), status, time.perf_counter() - start)
    return number


def _replay(model: LoadedModel, log: prediction_log_pb2.PredictionLog) -> None:
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        model.predict(request.model_spec.signature_name, inputs)
    elif kind == "classify_log":
        request = log.classify_log.request
        model.classify(request.model_spec.signature_name, examples_of(request.input))
    elif kind == "regress_log":
        request = log.regress_log.request
        model.regress(request.model_spec.signature_name, examples_of(request.input))
    else:
        raise StatusError("UNIMPLEMENTED", f"Unsupported log_type for warmup: {kind}")


def examples_of(given: input_pb2.Input) -> list[bytes]:
    """The serialized examples of a classify or regress request, each with its context."""
    kind = given.WhichOneof("kind")
    if kind is None:
        return []
    context = given.example_list_with_context.context.SerializeToString()
    return [context + example.SerializeToString() for example in getattr(given, kind).examples]
