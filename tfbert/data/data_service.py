"""Batches made on other hosts, by tf.data services, in the order in which they would have been made here."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from tfbert.data.inputs import PretrainingInputs
from tfbert.data.pipeline_options import pipeline_options
from tfbert.errors import InputError

_ANSWER_SECONDS = 20.0
_LOOK_SECONDS = 5.0
_LOOKS = 3
"""A service is lost that cannot be reached so many times in a row."""


def served_dataset(
    inputs: PretrainingInputs, first_step: int, num_steps: int, services: Sequence[str]
) -> tf.data.Dataset:
    """Return what `inputs.dataset(first_step, num_steps)` returns, made by the services in turn.

    tf.data.service hands out the elements of several workers as they come. So that batch i stays a function of (seed,
    i), each of W services has one worker, and makes every W-th batch. Each batch says which it is, and one that is not
    in its place ends the reading with an error.

    Args:
        inputs: their corpus must have the same path on the services' hosts.
        services: an address "host:port" of a dispatcher each.
    """
    parts = []
    services = services[:num_steps]
    for index, service in enumerate(services):
        part = inputs.dataset(first_step + index, num_steps - index, stride=len(services)).enumerate()
        part = part.apply(_distributed(service)).enumerate()
        parts.append(part.map(_in_place(service)))
    turns = tf.data.Dataset.range(num_steps).map(lambda step: step % len(services))
    dataset = tf.data.Dataset.choose_from_datasets(parts, turns, stop_on_empty_dataset=False)
    cardinality = tf.data.experimental.assert_cardinality(num_steps)
    return dataset.apply(cardinality).with_options(pipeline_options()).prefetch(4)


def check_services(services: Sequence[str]) -> None:
    """See that each service answers and can keep the order.

    Raises:
        InputError: one does not answer within 20 seconds, or has not exactly one worker.
    """
    for service in services:
        answer: list[int] = []
        # TensorFlow itself would wait for an hour.
        thread = threading.Thread(target=_ask, args=(service, answer), daemon=True)
        thread.start()
        thread.join(_ANSWER_SECONDS)
        if thread.is_alive() or not answer:
            raise InputError(
                f"the data service {service} must answer, and has not in {_ANSWER_SECONDS:.0f} seconds: start one "
                "there with `tfbert serve-batches`, or leave --data-service out."
            )
        if len(answer) > 1:
            raise InputError(
                f"a data service must have one worker, since several hand out batches in no fixed order; {service} has "
                f"{len(answer)}. Name several services instead, with commas between them."
            )


@contextlib.contextmanager
def services_watched(services: Sequence[str], lost: Callable[[str], object]) -> Iterator[None]:
    """Inside, call `lost`, from another thread, with the address of a service that has gone.

    TensorFlow would wait for its batches for an hour, in a call that nothing else can end.
    """
    over = threading.Event()

    def watch():
        misses = dict.fromkeys(services, 0)
        while not over.wait(_LOOK_SECONDS):
            for service in services:
                misses[service] = 0 if _reachable(service) else misses[service] + 1
                if misses[service] == _LOOKS and not over.is_set():
                    lost(service)

    thread = threading.Thread(target=watch, daemon=True)
    if services:
        thread.start()
    try:
        yield
    finally:
        over.set()


def _reachable(service: str) -> bool:
    host, _, port = service.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_LOOK_SECONDS).close()
    except OSError:
        return False
    return True


def _ask(service: str, answer: list[int]) -> None:
    # Every worker returns all elements, of which there is one.
    try:
        answer += list(tf.data.Dataset.range(1).apply(_distributed(service)).as_numpy_iterator())
    except (tf.errors.OpError, ValueError):
        return


def _distributed(service: str):
    return tf.data.experimental.service.distribute(tf.data.experimental.service.ShardingPolicy.OFF, f"grpc://{service}")


def _in_place(service: str):
    def check(expected, numbered):
        number, batch = numbered
        here = tf.debugging.Assert(
            number == expected,
            ["the data service", service, "gave batch", number, "in place of", expected, "- it must have one worker"],
        )
        with tf.control_dependencies([here]):
            return tf.nest.map_structure(tf.identity, batch)

    return check
