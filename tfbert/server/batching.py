"""Requests that arrive together run together, by TensorFlow's own batch scheduler."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

from tfbert.errors import InputError

Run = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Maps a signature's inputs, arrays or tensors, to its outputs, tensors."""


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """The fields of TensorFlow Serving's `BatchingParameters`.

    Args:
        max_batch_size: rows of one request, where large ones are split; else rows of one run, too.
        max_execution_batch_size: rows of one run.
        batch_timeout_micros: how long a run waits to be filled; 0 takes what is there.
        max_enqueued_batches: runs that may wait; what comes beyond them is answered with 503.
        num_batch_threads: runs at once.
        allowed_batch_sizes: to which a run's rows are padded; by default they are not.
        enable_large_batch_splitting: whether a request may have more rows than one run.
    """

    max_batch_size: int = 1024
    max_execution_batch_size: int = 64
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 64
    num_batch_threads: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)
    allowed_batch_sizes: tuple[int, ...] = ()
    enable_large_batch_splitting: bool = True

    def __post_init__(self):
        for name in ("max_batch_size", "max_execution_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1; received {getattr(self, name)}.")
        if self.batch_timeout_micros < 0:
            raise InputError(f"batch_timeout_micros must be at least 0; received {self.batch_timeout_micros}.")
        sizes = self.allowed_batch_sizes
        if self.execution_rows > self.max_batch_size:
            raise InputError(
                f"max_execution_batch_size must be at most max_batch_size; received {self.max_execution_batch_size} "
                f"and {self.max_batch_size}."
            )
        if sizes and (list(sizes) != sorted({*sizes}) or sizes[0] < 1 or sizes[-1] != self.execution_rows):
            raise InputError(
                f"allowed_batch_sizes must grow and end with the rows of one run, {self.execution_rows}; received "
                f"{', '.join(map(str, sizes))}."
            )

    @property
    def execution_rows(self) -> int:
        """Most rows of one run."""
        return self.max_execution_batch_size if self.enable_large_batch_splitting else self.max_batch_size


def _message_class() -> type:
    """BatchingParameters of TensorFlow Serving's session_bundle_config.proto, which its API package leaves out."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="tfbert/batching_parameters.proto",
        package="tfbert",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    message = file.message_type.add(name="BatchingParameters")
    wrapped = {
        "max_batch_size": "Int64Value",
        "batch_timeout_micros": "Int64Value",
        "max_enqueued_batches": "Int64Value",
        "num_batch_threads": "Int64Value",
        "thread_pool_name": "StringValue",
        "enable_large_batch_splitting": "BoolValue",
        "max_execution_batch_size": "Int64Value",
    }
    for number, (name, kind) in enumerate(wrapped.items(), 1):
        message.field.add(
            name=name,
            number=number,
            type=field.TYPE_MESSAGE,
            type_name=f".google.protobuf.{kind}",
            label=field.LABEL_OPTIONAL,
        )
    message.field.add(name="allowed_batch_sizes", number=20, type=field.TYPE_INT64, label=field.LABEL_REPEATED)
    message.field.add(name="pad_variable_length_inputs", number=21, type=field.TYPE_BOOL, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tfbert.BatchingParameters"))


_MESSAGE = _message_class()


def find_batching_config(path: Path) -> Path | None:
    """The file batching.config in a model's folder or beside it, or None."""
    path = path.resolve()
    return next(
        (place for place in (path / "batching.config", path.parent / "batching.config") if place.is_file()), None
    )


def read_batching_parameters(path: Path | str) -> BatchingParameters:
    """Read `batching.config`, the text that TensorFlow Serving takes as `--batching_parameters_file`.

    `thread_pool_name` names nothing here. `pad_variable_length_inputs` is not followed: a signature whose inputs vary
    in more than their rows runs each request on its own. Without `max_execution_batch_size`, a run has at most
    `max_batch_size` rows, as there.

    Raises:
        InputError: the file cannot be read or a value is out of range.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        message: Any = text_format.Parse(text, _MESSAGE())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise InputError(f"{path} is no text of BatchingParameters: {error}. Mend it or leave it out.") from None
    given: dict[str, Any] = {
        field.name: getattr(message, field.name).value
        for field in dataclasses.fields(BatchingParameters)
        if field.name != "allowed_batch_sizes" and message.HasField(field.name)
    }
    given["allowed_batch_sizes"] = tuple(message.allowed_batch_sizes)
    given.setdefault("enable_large_batch_splitting", False)
    if "max_batch_size" in given:
        given.setdefault("max_execution_batch_size", given["max_batch_size"])
    try:
        return BatchingParameters(**given)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def can_batch(inputs: Mapping[str, tf.TensorSpec], outputs: Mapping[str, tf.Tensor]) -> bool:
    """Whether a signature's inputs and outputs vary in their number of rows alone.

    Rows of unlike lengths cannot stand in one tensor: a request would fail for what another client sent. And where an
    output's width is found from all rows, as with the masks of a text, it would depend on what another client sent.
    """
    shapes = [tensor.shape for tensors in (inputs, outputs) for tensor in tensors.values()]
    return bool(inputs) and all(shape.rank and shape[0] is None and shape[1:].is_fully_defined() for shape in shapes)


def batched(function: Any, queue: str, parameters: BatchingParameters) -> Run:
    """Return `function`, a loaded signature that `can_batch`, run together with other calls of it.

    A call blocks its thread until its rows are done.

    Args:
        function: the signature.
        queue: a name that no other function has. All queues with the same parameters share the threads of one
            scheduler.
        parameters: of the scheduler.
    """
    specs = dict(sorted(function.structured_input_signature[1].items()))
    outputs = sorted(function.structured_outputs)

    def run_rows(*values):
        answer = function(**dict(zip(specs, values, strict=True)))
        return [answer[name] for name in outputs]

    body = tf.function(run_rows, autograph=False).get_concrete_function(*specs.values())

    def scheduled(*values):
        return tf.raw_ops.BatchFunction(
            in_tensors=list(values),
            captured_tensors=body.captured_inputs,
            f=body,
            Tout=[output.dtype for output in body.outputs],
            num_batch_threads=parameters.num_batch_threads,
            max_batch_size=parameters.max_batch_size,
            batch_timeout_micros=parameters.batch_timeout_micros,
            max_enqueued_batches=parameters.max_enqueued_batches,
            # The scheduler takes the rows of one run from the last of these; with all of them nothing is padded.
            allowed_batch_sizes=list(parameters.allowed_batch_sizes or range(1, parameters.execution_rows + 1)),
            enable_large_batch_splitting=parameters.enable_large_batch_splitting,
            shared_name=f"tfbert {parameters}",
            batching_queue=queue,
        )

    run = tf.function(scheduled, autograph=False).get_concrete_function(*specs.values())

    def call(inputs: Mapping[str, Any]) -> dict[str, Any]:
        return dict(
            zip(outputs, run(*(tf.constant(inputs[name], spec.dtype) for name, spec in specs.items())), strict=True)
        )

    # The concrete function holds no reference to what it captured.
    call.kept = (function, body)  # type: ignore[attr-defined]
    return call
