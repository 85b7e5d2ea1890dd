"""What each call of the interface does, from its body's bytes to its answer's."""

import contextlib
import time
from collections.abc import Iterator

import numpy as np
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_status_pb2

from tfbert.server import examples, json_answers, json_tensors, json_values, status_codes
from tfbert.server.limits import Limits
from tfbert.server.loaded_model import LoadedModel
from tfbert.server.metrics import Metrics
from tfbert.server.rest_paths import Call
from tfbert.server.status_codes import StatusError, invalid
from tfbert.server.versions import Versions


class Requests:
    """The calls of the REST interface. Blocks while a model runs; safe to use from any thread.

    Args:
        versions: the models.
        limits: bounds on rows and texts.
        metrics: where requests are counted.
    """

    def __init__(self, versions: Versions, limits: Limits, metrics: Metrics):
        self.versions = versions
        self.limits = limits
        self.metrics = metrics

    def answer(self, call: Call, body: bytes | bytearray) -> bytes:
        """Answer one call.

        Raises:
            StatusError: what the client is told where there is no answer.
        """
        if call.verb == "status":
            return self._status(call)
        if call.verb == "metadata":
            with self._model(call) as model:
                return model.metadata()
        return {"predict": self._predict, "classify": self._classify, "regress": self._regress}[call.verb](call, body)

    @contextlib.contextmanager
    def counted(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Count what the block does as one request of a model that is served; of others nothing is kept."""
        start, status = time.perf_counter(), "OK"
        try:
            yield
        except Exception as error:
            status = error.code if isinstance(error, StatusError) else "INTERNAL"
            raise
        finally:
            if model in self.versions.names:
                self.metrics.count_request(model, status, api, entrypoint, time.perf_counter() - start)

    def check_rows(self, arrays: dict[str, np.ndarray]) -> None:
        """Refuse more rows, or longer texts, than one request may have."""
        for name, array in arrays.items():
            if array.ndim and len(array) > self.limits.rows:
                raise invalid(f"Input {name} has {len(array)} rows; a request may have {self.limits.rows}.")
            if array.dtype == object:
                longest = max(map(len, array.reshape(-1)), default=0)
                if longest > self.limits.text_bytes:
                    raise invalid(
                        f"Input {name} has a string of {longest} bytes; one may have {self.limits.text_bytes}."
                    )

    def check_examples(self, rows: list[bytes]) -> None:
        """Refuse more examples, or larger ones, than one request may have."""
        array = np.empty(len(rows), object)
        array[:] = rows
        self.check_rows({"examples": array})

    def _model(self, call: Call) -> contextlib.AbstractContextManager[LoadedModel]:
        return self.versions.use(call.model, call.version, call.label)

    def _predict(self, call: Call, body: bytes | bytearray) -> bytes:
        parsed = json_values.parse_object(body)
        signature = json_values.signature_name(parsed)
        with self._model(call) as model:
            inputs, by_rows = json_tensors.tensors_from_body(parsed, model.input_types(signature))
            self.check_rows(inputs)
            return json_answers.body_from_tensors(model.predict(signature, inputs), by_rows)

    def _classify(self, call: Call, body: bytes | bytearray) -> bytes:
        signature, rows = self._examples(body)
        with self._model(call) as model:
            return examples.body_from_classes(*model.classify(signature, rows))

    def _regress(self, call: Call, body: bytes | bytearray) -> bytes:
        signature, rows = self._examples(body)
        with self._model(call) as model:
            return examples.body_from_values(model.regress(signature, rows))

    def _examples(self, body: bytes | bytearray) -> tuple[str, list[bytes]]:
        parsed = json_values.parse_object(body)
        signature = json_values.signature_name(parsed)
        rows = examples.examples_from_body(parsed)
        self.check_examples(rows)
        return signature, rows

    def _status(self, call: Call) -> bytes:
        response = self.status_response(call.model, call.version, call.label)
        return json_format.MessageToJson(
            response, always_print_fields_with_no_presence=True, preserving_proto_field_name=True, indent=1
        ).encode()

    def status_response(
        self, model: str, version: int | None, label: str | None
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """The status of a model's versions as TensorFlow Serving's message."""
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, status in self.versions.status(model, version, label).items():
            found = response.model_version_status.add(version=number)
            found.state = get_model_status_pb2.ModelVersionStatus.State.Value(status.state)
            found.status.error_code = status_codes.CODES.index(status.code)
            found.status.error_message = status.message
        return response
