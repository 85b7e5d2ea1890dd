"""The server as a process: its ports, its end, and how quickly it answers."""

import os
import shutil
import signal
import socket
import threading
import time

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
)

from tfbert.errors import InputError
from tfbert.server.running import _listen


def test_the_socket_lets_asyncio_send_at_once():
    # asyncio looks at the protocol's number before it turns delays off.
    with _listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
    with _listen("::1", 0) as listening:
        assert listening.family == socket.AF_INET6


@pytest.mark.parametrize("port", [-1, 65536])
def test_numbers_that_are_no_port(port):
    with pytest.raises(InputError, match="a port is a number from 0 to 65535"):
        _listen("127.0.0.1", port)


def test_a_port_that_is_taken():
    with _listen("127.0.0.1", 0) as listening, pytest.raises(InputError, match="Address already in use"):
        _listen("127.0.0.1", listening.getsockname()[1])


def test_an_address_that_is_not_ours():
    with pytest.raises(InputError, match=r"cannot listen at 192\.0\.2\.1 port 0"):
        _listen("192.0.2.1", 0)


@pytest.fixture
def server(server_process, numbered):
    with server_process(numbered, "--port", 0, "--grpc-port", 0) as running:
        yield running


BUSY = '{"signature_name": "busy", "inputs": [300000]}'


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_runs_is_answered_before_the_end(server, number):
    # Both interfaces are there, and a connection that is kept open by a client does not hold the end up.
    idle = socket.create_connection(("127.0.0.1", server.port))
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "numbered"
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        found = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=20)
    assert [status.version for status in found.model_version_status] == [7]
    seconds = []
    for _ in range(30):
        start = time.perf_counter()
        assert server.predict("numbered", "good") == [{"length": 4, "number": 7.0}]
        seconds.append(time.perf_counter() - start)
    # The quickest, since others use this machine too; an acknowledgement that is waited for takes 40 ms.
    assert min(seconds) < 0.03

    answers = []
    path = "/v1/models/numbered:predict"
    asking = threading.Thread(target=lambda: answers.append(server.ask("POST", path, BUSY)))
    asking.start()
    time.sleep(1)
    assert server.end(number) == 0
    asking.join()
    idle.close()
    assert [status for status, _ in answers] == [200]
    assert server.lines[-1].endswith("stopped\n")
    with pytest.raises(ConnectionRefusedError):
        server.ask("GET", "/")


@pytest.mark.slow
def test_the_end_while_models_are_loaded(server_process, numbered, tmp_path):
    # The second of three models takes seconds to warm up, in which the signal comes.
    for name in ("first", "second", "third"):
        shutil.copytree(numbered, tmp_path / name)
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = "busy"
    request.inputs["rounds"].CopyFrom(tf.make_tensor_proto([100_000]))
    record = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    (tmp_path / "second/7/assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(tmp_path / "second/7/assets.extra/tf_serving_warmup_requests")) as writer:
        for _ in range(10):
            writer.write(record.SerializeToString())
    config = "".join(
        f'config {{ name: "{name}" base_path: "{tmp_path / name}" model_platform: "tensorflow" }} '
        for name in ("first", "second", "third")
    )
    (tmp_path / "models.config").write_text(f"model_config_list {{ {config} }}")

    starting = server_process(tmp_path / "models.config", "--port", 0)
    for line in starting.process.stdout:
        if "model second version 7 is being loaded" in line:
            break
    assert starting.end() == 0
    told = "".join(starting.lines)
    assert "model second version 7 serves, warmed up by 10 records" in told
    assert "third" not in told
    assert "ready" not in told
    assert starting.lines[-1].endswith("stopped\n")


@pytest.mark.slow
def test_threads_that_share_one_operation(server_process, numbered):
    found = []
    for flags in ((), ("--intra-op-threads", 3)):
        with server_process(numbered, "--port", 0, *flags) as running:
            running.predict("numbered", "good")
            found.append(len(os.listdir(f"/proc/{running.process.pid}/task")))
    assert found[1] - found[0] == 2
