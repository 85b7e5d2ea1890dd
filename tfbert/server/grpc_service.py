"""The gRPC interface: PredictionService, ModelService and the standard health service."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tfbert.errors import InputError
from tfbert.server.loaded_model import DEFAULT_SIGNATURE, LoadedModel, type_name
from tfbert.server.requests import Requests
from tfbert.server.status_codes import StatusError, invalid
from tfbert.server.warm_up import examples_of

logger = logging.getLogger("tfbert.server")


class GrpcServer:
    """Answers gRPC at `host`:`port`; port 0 takes a free one.

    Raises:
        InputError: the port is taken.
    """

    def __init__(self, requests: Requests, host: str, port: int):
        limits = requests.limits
        self._server = grpc.server(
            ThreadPoolExecutor(limits.waiting_requests, thread_name_prefix="grpc"),
            maximum_concurrent_rpcs=limits.waiting_requests,
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", limits.body_bytes)],
        )
        service = _Service(requests)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, self._server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(service, self._server)
        self._server.add_generic_rpc_handlers((_health(requests),))
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError:
            self.port = 0
        if not self.port:
            raise InputError(f"cannot listen at {address} for gRPC. Choose another --grpc-port.")

    def start(self) -> None:
        """Begin to answer."""
        self._server.start()

    def stop(self, seconds: float) -> None:
        """Accept nothing more and wait at most `seconds` for what runs."""
        self._server.stop(seconds).wait()


class _Service(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """The methods' names are those of the interface."""

    def __init__(self, requests: Requests):
        self._requests = requests

    def Predict(self, request: Any, context: grpc.ServicerContext) -> predict_pb2.PredictResponse:
        return self._answer(request, context, "Predict", self._predict)

    def Classify(self, request: Any, context: grpc.ServicerContext) -> classification_pb2.ClassificationResponse:
        return self._answer(request, context, "Classify", self._classify)

    def Regress(self, request: Any, context: grpc.ServicerContext) -> regression_pb2.RegressionResponse:
        return self._answer(request, context, "Regress", self._regress)

    def GetModelMetadata(
        self, request: Any, context: grpc.ServicerContext
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        return self._answer(request, context, "GetModelMetadata", self._metadata)

    def GetModelStatus(
        self, request: Any, context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        return self._answer(request, context, "GetModelStatus", self._status)

    def _answer(self, request: Any, context: grpc.ServicerContext, api: str, answer: Callable[[Any], Any]) -> Any:
        try:
            if not request.HasField("model_spec"):
                raise invalid("Missing ModelSpec")
            with self._requests.counted(request.model_spec.name, api, "GRPC"):
                return answer(request)
        except StatusError as error:
            context.abort(grpc.StatusCode[error.code], error.message)
        except Exception:
            logger.exception("%s failed", api)
            context.abort(grpc.StatusCode.INTERNAL, "The server failed; its log says how.")

    def _use(self, spec: model_pb2.ModelSpec):
        return self._requests.versions.use(spec.name, *_version(spec))

    def _predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        response = predict_pb2.PredictResponse()
        spec = request.model_spec
        with self._use(spec) as model:
            types = model.input_types(spec.signature_name)
            for name, tensor in request.inputs.items():
                if name in types and type_name(tensor.dtype) != types[name]:
                    raise invalid(f"Expects {name} to be {types[name]} but {type_name(tensor.dtype)} is provided")
            inputs = {name: _array(name, tensor) for name, tensor in request.inputs.items()}
            self._requests.check_rows(inputs)
            outputs = model.predict(spec.signature_name, inputs)
            for name in request.output_filter or sorted(outputs):
                if name not in outputs:
                    raise invalid(
                        f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                        f"{{{','.join(sorted(outputs))}}}."
                    )
                if name in response.outputs:
                    raise invalid(f"duplicate output tensor alias: {name}")
                response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name]))
            _fill_spec(response.model_spec, model, spec.signature_name)
        return response

    def _classify(self, request: classification_pb2.ClassificationRequest) -> classification_pb2.ClassificationResponse:
        response = classification_pb2.ClassificationResponse()
        rows, spec = examples_of(request.input), request.model_spec
        self._requests.check_examples(rows)
        with self._use(spec) as model:
            for labels, scores in zip(*model.classify(spec.signature_name, rows), strict=True):
                found = response.result.classifications.add()
                for label, score in zip(labels, scores.tolist(), strict=True):
                    found.classes.add(label=label.decode(errors="replace"), score=score)
            _fill_spec(response.model_spec, model, spec.signature_name)
        return response

    def _regress(self, request: regression_pb2.RegressionRequest) -> regression_pb2.RegressionResponse:
        response = regression_pb2.RegressionResponse()
        rows, spec = examples_of(request.input), request.model_spec
        self._requests.check_examples(rows)
        with self._use(spec) as model:
            for value in model.regress(spec.signature_name, rows).tolist():
                response.result.regressions.add(value=value)
            _fill_spec(response.model_spec, model, spec.signature_name)
        return response

    def _metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid(f"Metadata field {field} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self._use(request.model_spec) as model:
            response.metadata["signature_def"].Pack(model.signature_def_map())
            response.model_spec.name, response.model_spec.version.value = model.name, model.version
        return response

    def _status(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        return self._requests.status_response(request.model_spec.name, *_version(request.model_spec))


def _version(spec: model_pb2.ModelSpec) -> tuple[int | None, str | None]:
    choice = spec.WhichOneof("version_choice")
    return (
        spec.version.value if choice == "version" else None,
        spec.version_label if choice == "version_label" else None,
    )


def _fill_spec(spec: model_pb2.ModelSpec, model: LoadedModel, signature: str) -> None:
    spec.name, spec.version.value, spec.signature_name = model.name, model.version, signature or DEFAULT_SIGNATURE


def _array(name: str, tensor: Any) -> Any:
    try:
        return tf.make_ndarray(tensor)
    except (ValueError, TypeError):
        raise invalid(f"tensor parsing error: {name}") from None


# HealthCheckResponse of grpc.health.v1: field 1, the status, is 1 where it serves and 2 where it does not.
_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"


def _health(requests: Requests) -> grpc.GenericRpcHandler:
    """The method Check of grpc.health.v1.Health: serving means that every model has a version that does."""

    def check(request: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            for name in requests.versions.names:
                with requests.versions.use(name):
                    pass
        except StatusError:
            return _NOT_SERVING
        return _SERVING

    return grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(check)}
    )
