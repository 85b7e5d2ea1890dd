import json
import os
import shutil
import threading

import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from tfbert.server import BatchingParameters, ModelConfig
from tfbert.server.metrics import Metrics
from tfbert.server.status_codes import StatusError
from tfbert.server.versions import Versions


@pytest.fixture(scope="module")
def saved(tmp_path_factory, models):
    """Three versions whose number their answers tell."""
    folder = tmp_path_factory.mktemp("saved")
    for number in (1, 2, 3):
        models["numbered"](folder / str(number), number)
    return folder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "m").mkdir()
    return tmp_path / "m"


def land(saved, folder, number):
    shutil.copytree(saved / str(number), folder / ".partial")
    (folder / ".partial").rename(folder / str(number))


def make(folder, **config):
    return Versions([ModelConfig("m", folder, **config)], BatchingParameters(), Metrics())


def states(versions):
    return {number: status.state for number, status in versions.status("m").items()}


def answer(versions, version=None, label=None):
    with versions.use("m", version, label) as model:
        return float(model.predict("", {"text": tf.constant(["a"]).numpy()})["number"][0])


def test_a_new_version_takes_over_and_the_old_one_is_drained(saved, folder):
    land(saved, folder, 1)
    versions = make(folder)
    versions.poll()
    assert answer(versions) == 1
    with versions.use("m") as old:
        land(saved, folder, 2)
        versions.poll()
        assert states(versions) == {2: "AVAILABLE", 1: "UNLOADING"}
        assert answer(versions) == 2
        with pytest.raises(StatusError, match=r"Specific\(m, 1\)"):
            answer(versions, 1)
        # What began on the old version ends on it, however often is looked.
        versions.poll()
        assert states(versions)[1] == "UNLOADING"
        assert old.predict("", {"text": tf.constant(["a"]).numpy()})["number"][0] == 1
    versions.poll()
    assert states(versions) == {2: "AVAILABLE", 1: "END"}


def test_an_unloaded_version_is_freed(saved, folder):
    import weakref

    land(saved, folder, 1)
    versions = make(folder)
    versions.poll()
    with versions.use("m") as model:
        gone = weakref.ref(model)
    del model
    land(saved, folder, 2)
    versions.poll()
    assert gone() is None


def test_the_highest_is_served_and_all_where_asked_for(saved, folder):
    land(saved, folder, 1)
    land(saved, folder, 3)
    versions = make(folder)
    versions.poll()
    assert states(versions) == {3: "AVAILABLE"}
    everything = make(folder, latest=None, labels={"stable": 1})
    everything.poll()
    assert states(everything) == {3: "AVAILABLE", 1: "AVAILABLE"}
    assert (answer(everything), answer(everything, 1), answer(everything, label="stable")) == (3, 1, 1)
    assert list(everything.status("m", label="stable")) == [1]
    # A lower version than the highest lands late.
    land(saved, folder, 2)
    versions.poll()
    everything.poll()
    assert states(versions) == {3: "AVAILABLE"}
    assert answer(everything, 2) == 2
    two = make(folder, latest=2)
    two.poll()
    assert states(two) == {3: "AVAILABLE", 2: "AVAILABLE"}
    some = make(folder, specific=(1, 9))
    some.poll()
    assert states(some) == {1: "AVAILABLE"}


def cut_variables(path):
    data = next(path.glob("variables/*.data*"))
    data.write_bytes(data.read_bytes()[:2])


def cut_graph(path):
    graph = path / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])


def flip_graph(path):
    graph = path / "saved_model.pb"
    graph.write_bytes(b"\xff" * graph.stat().st_size)


DAMAGES = {
    "variables cut": cut_variables,
    "graph cut": cut_graph,
    "graph flipped": flip_graph,
    "no graph": lambda path: (path / "saved_model.pb").unlink(),
    "no variables": lambda path: shutil.rmtree(path / "variables"),
    "no index": lambda path: (path / "variables/variables.index").unlink(),
    "empty": lambda path: [shutil.rmtree(path), path.mkdir()],
    "graph empty": lambda path: (path / "saved_model.pb").write_bytes(b""),
    "graph is a folder": lambda path: [(path / "saved_model.pb").unlink(), (path / "saved_model.pb").mkdir()],
    "warm-up is no record": lambda path: (
        (path / "assets.extra").mkdir(),
        (path / "assets.extra/tf_serving_warmup_requests").write_bytes(b"nonsense, not a TFRecord"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_version_is_reported_and_the_last_good_one_serves(saved, folder, caplog, damage):
    land(saved, folder, 1)
    versions = make(folder)
    versions.poll()
    land(saved, folder, 2)
    DAMAGES[damage](folder / "2")
    versions.poll()
    assert answer(versions) == 1
    assert states(versions) == {2: "END", 1: "AVAILABLE"}
    status = versions.status("m", 2)[2]
    assert status.code != "OK"
    assert status.message
    assert "model m version 2 is left aside" in caplog.text
    # It is not tried again as it is.
    caplog.clear()
    versions.poll()
    assert caplog.text == ""
    # It is when it changes.
    shutil.rmtree(folder / "2")
    land(saved, folder, 2)
    os.utime(folder / "2/saved_model.pb")
    versions.poll()
    assert answer(versions) == 2


def test_a_damaged_highest_version_at_the_start(saved, folder):
    land(saved, folder, 1)
    land(saved, folder, 2)
    cut_graph(folder / "2")
    versions = make(folder)
    versions.poll()
    assert answer(versions) == 1


def test_a_version_copied_file_by_file_serves_when_it_is_whole(saved, folder):
    land(saved, folder, 1)
    versions = make(folder)
    versions.poll()
    for source in sorted(path for path in (saved / "2").rglob("*") if path.is_file()):
        versions.poll()
        assert answer(versions) in (1, 2)
        target = folder / "2" / source.relative_to(saved / "2")
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "wb") as file:
            file.write(source.read_bytes()[:100])
            file.flush()
            versions.poll()
            assert answer(versions) in (1, 2)
            file.write(source.read_bytes()[100:])
    versions.poll()
    assert answer(versions) == 2


def test_versions_that_go(saved, folder):
    land(saved, folder, 1)
    land(saved, folder, 2)
    versions = make(folder)
    versions.poll()
    shutil.rmtree(folder / "2")
    versions.poll()
    assert answer(versions) == 1
    shutil.rmtree(folder / "1")
    versions.poll()
    with pytest.raises(StatusError, match=r"Servable not found for request: Latest\(m\)"):
        answer(versions)
    assert states(versions) == {2: "END", 1: "END"}
    land(saved, folder, 3)
    versions.poll()
    assert answer(versions) == 3
    # A number may come back.
    land(saved, folder, 1)
    shutil.rmtree(folder / "3")
    versions.poll()
    assert answer(versions) == 1


def record_of(*texts, signature=""):
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(list(texts)))
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))


def write_records(path, records):
    (path / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(path / "assets.extra/tf_serving_warmup_requests")) as writer:
        for record in records:
            writer.write(record.SerializeToString())


def test_a_version_is_warm_before_it_serves(saved, folder, monkeypatch):
    import tfbert.server.versions as module

    land(saved, folder, 1)
    write_records(folder / "1", [record_of("a", "b"), record_of("c")])
    versions = make(folder)
    seen = []

    def watched(model, path, metrics):
        seen.append(states(versions))
        return real(model, path, metrics)

    real = module.warm_up
    monkeypatch.setattr(module, "warm_up", watched)
    versions.poll()
    assert seen == [{1: "LOADING"}]
    assert states(versions) == {1: "AVAILABLE"}


def test_the_thread_that_looks(saved, folder, caplog):
    land(saved, folder, 1)
    versions = make(folder)
    versions.start(0.01)
    try:
        land(saved, folder, 2)
        for _ in range(2000):
            if answer(versions) == 2:
                break
            threading.Event().wait(0.01)
        assert answer(versions) == 2
    finally:
        versions.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "versions"]


def test_looking_goes_on_after_a_defect(saved, folder, caplog, monkeypatch):
    land(saved, folder, 1)
    versions = make(folder)
    versions.start(0.01)
    try:
        real, failed = versions._look, threading.Event()

        def fail_once(served):
            if failed.is_set():
                return real(served)
            failed.set()
            raise RuntimeError("a defect")

        monkeypatch.setattr(versions, "_look", fail_once)
        assert failed.wait(10)
        land(saved, folder, 2)
        for _ in range(2000):
            if states(versions).get(2) == "AVAILABLE":
                break
            threading.Event().wait(0.01)
        assert answer(versions) == 2
    finally:
        versions.stop()
    assert "a defect" in caplog.text


def test_requests_under_change_get_one_versions_answer(saved, folder):
    land(saved, folder, 1)
    versions = make(folder)
    versions.poll()
    stop, wrong, counts = threading.Event(), [], {1: 0, 2: 0, 3: 0}

    def ask():
        while not stop.is_set():
            with versions.use("m") as model:
                found = model.predict("", {"text": tf.constant(["a", "bcd"]).numpy()})
                if found["number"].tolist() != [model.version] * 2 or found["length"].tolist() != [1, 3]:
                    wrong.append(json.dumps({name: values.tolist() for name, values in found.items()}))
                counts[model.version] += 1

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in (2, 3):
        land(saved, folder, number)
        versions.poll()
        shutil.rmtree(folder / str(number - 1))
        versions.poll()
    stop.set()
    for thread in threads:
        thread.join()
    versions.poll()
    assert not wrong
    assert counts[1]
    assert counts[2]
    assert states(versions) == {3: "AVAILABLE", 2: "END", 1: "END"}
