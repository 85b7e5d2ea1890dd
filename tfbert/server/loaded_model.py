"""One version of a model in memory: its signatures, and how predict, classify and regress run them."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2

from tfbert.server.batching import BatchingParameters, Run, batched, can_batch
from tfbert.server.metrics import Metrics
from tfbert.server.status_codes import StatusError, from_tensorflow, invalid, not_found

DEFAULT_SIGNATURE = "serving_default"
_METHOD = "tensorflow/serving/{}"


class LoadedModel:
    """A SavedModel's meta graph with the tag `serve`, ready to run.

    Args:
        path: the version's folder.
        name: of the model.
        version: its number.
        batching: how requests are run together; None runs each on its own.
        metrics: where runs are counted.

    Raises:
        StatusError: the folder holds no such SavedModel, or a damaged one.
    """

    def __init__(self, path: Path, name: str, version: int, batching: BatchingParameters | None, metrics: Metrics):
        self.name, self.version = name, version
        self._metrics = metrics
        graph = _serving_graph(path)
        self.signature_defs = dict(graph.signature_def)
        # A model of TensorFlow 1 is one graph; later ones are functions, traced for the shapes they declare.
        traced = graph.HasField("object_graph_def")
        try:
            loaded = tf.saved_model.load(str(path), tags=["serve"])
            self._signatures = {
                key: _Signature(function, f"{path}/{key}/{time.monotonic_ns()}", batching, traced)
                for key, function in loaded.signatures.items()
                if key in self.signature_defs
            }
        except Exception as error:
            # Whatever a damaged folder makes TensorFlow raise, the server goes on with the versions it has.
            raise from_tensorflow(error) from error
        # The functions do not keep their variables and tables alive.
        self._loaded = loaded

    def input_types(self, signature: str) -> dict[str, str]:
        """The type of each input of a signature by TensorFlow's name; "" means `serving_default`."""
        key = signature or DEFAULT_SIGNATURE
        if key not in self.signature_defs:
            raise invalid(f'Serving signature name: "{key}" not found in signature def')
        types = {name: type_name(info.dtype) for name, info in self.signature_defs[key].inputs.items()}
        if not types:
            raise invalid(f"Failed to get input map for signature: {signature or 'DEFAULT'}")
        return types

    def predict(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Run a signature on arrays whose types are `input_types`."""
        found = self._signatures.get(signature or DEFAULT_SIGNATURE)
        if found is None:
            raise StatusError(
                "FAILED_PRECONDITION", f'Serving signature key "{signature or DEFAULT_SIGNATURE}" not found.'
            )
        return self._run(found, inputs, "Predict")

    def classify(self, signature: str, examples: list[bytes]) -> tuple[list[list[bytes]], np.ndarray]:
        """Run a signature of method classify (servables/tensorflow/classifier.cc).

        Returns:
            Labels, (examples, classes), "" where the model has none; and scores, float32 of that shape.
        """
        definition = self._definition(signature, "classify", "classification")
        if len(definition.outputs) not in (1, 2):
            raise invalid(f"Expected one or two output Tensors, found {len(definition.outputs)}")
        if not {"classes", "scores"} & definition.outputs.keys():
            raise StatusError(
                "FAILED_PRECONDITION",
                'Expected classification signature outputs to contain at least one of "classes" or "scores".',
            )
        outputs = self._run_examples(signature, examples, "Classify")
        classes, scores = outputs.get("classes"), outputs.get("scores")
        for name, found, kind in (("classes", classes, object), ("scores", scores, np.float32)):
            if found is not None and (found.ndim != 2 or len(found) != len(examples) or found.dtype != kind):
                raise invalid(
                    f"Expected {name} of [{len(examples)} num_classes], {np.dtype(kind).name}; got "
                    f"{list(found.shape)}, {found.dtype.name}"
                )
        shape = (classes if scores is None else scores).shape  # type: ignore[union-attr]
        if classes is not None and classes.shape != shape:
            raise invalid(f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {shape[1]}")
        labels = [[b""] * shape[1] for _ in examples] if classes is None else classes.tolist()
        return labels, np.zeros(shape, np.float32) if scores is None else scores

    def regress(self, signature: str, examples: list[bytes]) -> np.ndarray:
        """Run a signature of method regress (servables/tensorflow/regressor.cc); returns float32 (examples,)."""
        definition = self._definition(signature, "regress", "regression")
        if len(definition.outputs) != 1:
            raise invalid("Expected one output Tensor.")
        if "outputs" not in definition.outputs:
            raise StatusError("FAILED_PRECONDITION", "No regression outputs found in SignatureDef")
        values = self._run_examples(signature, examples, "Regress")["outputs"]
        if values.dtype != np.float32 or values.size != len(examples) or values.shape[:1] != (len(examples),):
            raise invalid(
                "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
                f"{list(values.shape)}, {values.dtype.name}"
            )
        return values.reshape(-1)

    def metadata(self) -> bytes:
        """JSON of GetModelMetadataResponse, every field written out (model_servers/http_rest_api_util.cc)."""
        spec = get_model_metadata_pb2.GetModelMetadataResponse().model_spec
        spec.name, spec.version.value = self.name, self.version
        parts = [
            json_format.MessageToJson(
                message, always_print_fields_with_no_presence=True, preserving_proto_field_name=True, indent=1
            )
            for message in (spec, self.signature_def_map())
        ]
        return f'{{\n"model_spec":{parts[0]},\n"metadata": {{"signature_def": {parts[1]}}}\n}}\n'.encode()

    def signature_def_map(self) -> get_model_metadata_pb2.SignatureDefMap:
        """All signatures as TensorFlow Serving's message."""
        return get_model_metadata_pb2.SignatureDefMap(signature_def=self.signature_defs)

    def _definition(self, signature: str, method: str, noun: str) -> meta_graph_pb2.SignatureDef:
        key = signature or DEFAULT_SIGNATURE
        definition = self.signature_defs.get(key)
        if definition is None:
            raise invalid(f"No signature was found with the name: {key}")
        if definition.method_name != _METHOD.format(method):
            raise invalid(
                f"Expected {noun} signature method_name to be {_METHOD.format(method)}. Was: {definition.method_name}"
            )
        if len(definition.inputs) != 1:
            raise invalid("Expected one input Tensor.")
        if "inputs" not in definition.inputs:
            raise StatusError("FAILED_PRECONDITION", f"No {noun} inputs found in SignatureDef")
        return definition

    def _run_examples(self, signature: str, examples: list[bytes], api: str) -> dict[str, np.ndarray]:
        if not examples:
            raise invalid("Input is empty.")
        self._metrics.count_examples(self.name, len(examples))
        inputs = np.empty(len(examples), object)
        inputs[:] = examples
        return self._run(self._signatures[signature or DEFAULT_SIGNATURE], {"inputs": inputs}, api)

    def _run(self, signature: "_Signature", inputs: Mapping[str, Any], api: str) -> dict[str, np.ndarray]:
        start = time.perf_counter()
        outputs = signature(inputs)
        self._metrics.count_run(self.name, api, time.perf_counter() - start)
        return outputs


class _Signature:
    """A loaded signature that checks what it is given.

    A traced function given other shapes than it declares answers nonsense, if it answers: such a request is refused. A
    graph of TensorFlow 1 is given whatever is sent, since TensorFlow Serving does so and its published examples rely on
    it (half_plus_two declares columns and is sent lists).
    """

    def __init__(self, function: Any, queue: str, batching: BatchingParameters | None, traced: bool):
        self._traced = traced
        self._specs: dict[str, tf.TensorSpec] = function.structured_input_signature[1]
        self._alone = _first_call_alone(
            lambda inputs: function(
                **{name: tf.constant(inputs[name], spec.dtype) for name, spec in self._specs.items()}
            )
        )
        self._together: Run | None = None
        if batching and can_batch(self._specs, function.structured_outputs):
            self._together = _first_call_alone(batched(function, queue, batching))

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        missing, extra = self._specs.keys() - inputs.keys(), inputs.keys() - self._specs.keys()
        if missing or extra:
            raise invalid(
                f"input size does not match signature: {len(inputs)}!={len(self._specs)}. Sent extra: "
                f"{{{','.join(sorted(extra))}}}. Missing but required: {{{','.join(sorted(missing))}}}."
            )
        unfit = [name for name, spec in self._specs.items() if not spec.shape.is_compatible_with(inputs[name].shape)]
        if unfit and self._traced:
            name = unfit[0]
            raise invalid(
                f"Input {name} has shape {list(inputs[name].shape)}, which does not fit the signature's "
                f"{self._specs[name].shape}."
            )
        together = None if unfit else self._together
        if together:
            rows = {len(array) for array in inputs.values()}
            # The scheduler takes neither inputs of unlike rows nor none at all.
            together = together if len(rows) == 1 and rows != {0} else None
        try:
            outputs = (together or self._alone)(inputs)
            return {name: tensor.numpy() for name, tensor in outputs.items()}
        except (tf.errors.OpError, UnicodeDecodeError) as error:
            raise from_tensorflow(error) from error


def _first_call_alone(run: Run) -> Run:
    """Return `run`, of which no two calls are made before one has succeeded.

    The first call makes TensorFlow optimize the graph, in seconds and tens of megabytes. Of many calls at once each
    would do so for itself.
    """
    first, done = threading.Lock(), threading.Event()

    def call(inputs: Mapping[str, Any]) -> dict[str, Any]:
        if not done.is_set():
            with first:
                if not done.is_set():
                    outputs = run(inputs)
                    done.set()
                    return outputs
        return run(inputs)

    return call


def type_name(number: int) -> str:
    """TensorFlow's name of a type, such as float for DT_FLOAT."""
    return types_pb2.DataType.Name(number).removeprefix("DT_").lower()


def _serving_graph(path: Path) -> meta_graph_pb2.MetaGraphDef:
    try:
        saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    except OSError as error:
        raise not_found(f"{path / 'saved_model.pb'} cannot be read: {error.strerror}.") from None
    except DecodeError:
        raise StatusError("DATA_LOSS", f"{path / 'saved_model.pb'} is not a whole SavedModel.") from None
    for graph in saved.meta_graphs:
        if set(graph.meta_info_def.tags) == {"serve"}:
            _check_assets(path, graph)
            return graph
    raise not_found(f"Could not find meta graph def matching supplied tags: {{ serve }} in {path}.")


def _check_assets(path: Path, graph: meta_graph_pb2.MetaGraphDef) -> None:
    """Refuse a graph that would read files from elsewhere: TensorFlow follows any name, and any link."""
    for asset in graph.asset_file_def:
        if not (path / "assets" / asset.filename).resolve().is_relative_to(path.resolve()):
            raise invalid(f"{path}: the asset {asset.filename!r} leads out of the version's folder.")
