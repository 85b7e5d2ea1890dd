import socket
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfbert.data import data_service
from tfbert.data.data_service import check_services, served_dataset, services_watched
from tfbert.data.inputs import PretrainingInputs
from tfbert.data.masking import Masking
from tfbert.data.sentence_pairs import SentencePairs
from tfbert.errors import InputError

sys.path.insert(0, str(Path(__file__).parent))
from unique_corpus import make_unique_corpus, some_shards

LENGTH = 32


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    corpus, vocabulary, *_ = make_unique_corpus(tmp_path_factory.mktemp("corpus"), some_shards(6, 25), LENGTH)
    pairs = SentencePairs(vocabulary, LENGTH, "next_sentence", 0.5)
    return PretrainingInputs(corpus, pairs, Masking(vocabulary), 7, seed=3)


class Service:
    """A dispatcher and its workers, in this process."""

    def __init__(self, workers=1):
        service = tf.data.experimental.service
        self.dispatcher = service.DispatchServer(service.DispatcherConfig(port=0))
        self.address = self.dispatcher.target.split("://")[1]
        config = service.WorkerConfig(dispatcher_address=self.address, heartbeat_interval_ms=100)
        self.workers = [service.WorkerServer(config) for _ in range(workers)]


def same(first, second):
    first, second = list(first), list(second)
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_a_stride_leaves_out_steps_of_every_opening(inputs):
    whole = list(inputs.dataset(5, 40))
    assert inputs.steps_in_epoch(0) < 40
    for first in range(3):
        same(inputs.dataset(5 + first, 40 - first, stride=3), whole[first::3])


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_served_batches_are_those_made_here(inputs, count):
    """Over the end of an epoch, begun inside one, bit for bit."""
    services = [Service() for _ in range(count)]
    addresses = [service.address for service in services]
    check_services(addresses)
    first = inputs.steps_in_epoch(0) - 9
    served = served_dataset(inputs, first, 21, addresses)
    assert int(served.cardinality()) == 21
    same(served, inputs.dataset(first, 21))


def test_two_workers_are_refused():
    service = Service(workers=2)
    with pytest.raises(InputError, match=rf"must have one worker.*; {service.address} has 2\. Name several services"):
        check_services([service.address])


def test_a_batch_out_of_its_place_ends_the_reading():
    """As a second worker that comes later would give it."""
    batches = tf.data.Dataset.from_tensor_slices(np.array([0, 1, 1, 2])).map(lambda number: (number, {"a": number}))
    checked = batches.enumerate().map(data_service._in_place("one:5050"))
    assert list(checked.take(2).as_numpy_iterator()) == [{"a": 0}, {"a": 1}]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)one:5050.*gave batch.*1.*in place of.*2"):
        list(checked)


def test_a_service_that_is_away_is_one_line_in_bounded_time(monkeypatch):
    """Nothing listens there; and one has no worker."""
    monkeypatch.setattr(data_service, "_ANSWER_SECONDS", 2.0)
    idle = Service(workers=0)
    start = time.monotonic()
    for address in ("localhost:1", idle.address, "nonsense"):
        with pytest.raises(InputError, match=f"the data service {address} must answer, and has not in 2 seconds"):
            check_services([address])
    assert time.monotonic() - start < 60


def test_a_service_that_goes_is_told_once(monkeypatch):
    monkeypatch.setattr(data_service, "_LOOK_SECONDS", 0.05)
    stays, goes = Service(), socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{goes.getsockname()[1]}"
    lost, told = [], threading.Event()

    def note(service):
        lost.append(service)
        told.set()

    with services_watched([stays.address, address], note):
        assert not told.wait(0.5)
        goes.close()
        assert told.wait(20)
        time.sleep(0.5)
    assert lost == [address]
    del stays


def test_nothing_is_told_after_the_end(monkeypatch):
    monkeypatch.setattr(data_service, "_LOOK_SECONDS", 0.05)
    server = socket.create_server(("127.0.0.1", 0))
    lost = []
    with services_watched([f"127.0.0.1:{server.getsockname()[1]}"], lost.append):
        time.sleep(0.2)
    server.close()
    time.sleep(0.5)
    assert not lost
