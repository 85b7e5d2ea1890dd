import re
import threading

import pytest

from tfbert.errors import InputError
from tfbert.server import BatchingParameters, ModelConfig, read_batching_parameters, read_model_configs
from tfbert.serving import export, serving_folder


def add(folder, *names):
    for name in names:
        (folder / name / "1").mkdir(parents=True)
        serving_folder.check(folder / name)
        serving_folder.update(folder / name)


def test_models_are_added(tmp_path):
    add(tmp_path, "reviews", "bert")
    assert read_model_configs(tmp_path) == [
        ModelConfig("reviews", tmp_path / "reviews"),
        ModelConfig("bert", tmp_path / "bert"),
    ]
    before = {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()}
    assert sorted(before) == ["README.md", "batching.config", "docker-compose.yml", "models.config"]
    serving_folder.update(tmp_path / "bert")
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == before


def test_what_is_yours_stays(tmp_path):
    add(tmp_path, "reviews")
    (tmp_path / "models.config").write_text(
        "model_config_list { config { name: 'reviews' base_path: '/elsewhere/reviews' "
        "model_version_policy { specific { versions: 1 } } version_labels { key: 'stable' value: 1 } } }"
    )
    (tmp_path / "batching.config").write_text("max_batch_size { value: 7 }")
    (tmp_path / "docker-compose.yml").write_text("mine")
    add(tmp_path, "bert")
    assert read_model_configs(tmp_path)[0] == ModelConfig(
        "reviews", tmp_path / "reviews", specific=(1,), labels={"stable": 1}
    )
    assert (tmp_path / "batching.config").read_text() == "max_batch_size { value: 7 }"
    assert (tmp_path / "docker-compose.yml").read_text() == "mine"


def test_no_model_is_lost_where_several_are_added_at_once(tmp_path):
    names = [f"model{number}" for number in range(12)]
    threads = [threading.Thread(target=add, args=(tmp_path, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(config.name for config in read_model_configs(tmp_path)) == sorted(names)


def test_batching_of_large_requests(tmp_path):
    """A request may have as many rows as the server's bound, a run far fewer (`max_batch_size` caps one request)."""
    add(tmp_path, "reviews")
    assert read_batching_parameters(tmp_path / "batching.config") == BatchingParameters(
        max_batch_size=1024,
        max_execution_batch_size=64,
        batch_timeout_micros=0,
        max_enqueued_batches=64,
        enable_large_batch_splitting=True,
    )


def test_the_container_finds_the_files(tmp_path):
    add(tmp_path, "reviews")
    compose = (tmp_path / "docker-compose.yml").read_text()
    assert re.search(r"^ +image: tensorflow/serving:\d+\.\d+\.\d+$", compose, re.MULTILINE)
    assert "- .:/models:ro" in compose
    flags = dict(re.findall(r"- --(\w+)=(\S+)", compose))
    assert flags["tensorflow_intra_op_parallelism"] == "1"
    assert flags["enable_batching"] == flags["enable_model_warmup"] == "true"
    assert f'"127.0.0.1:{flags["rest_api_port"]}:{flags["rest_api_port"]}"' in compose
    for flag in ("model_config_file", "batching_parameters_file"):
        assert (tmp_path / flags[flag].removeprefix("/models/")).is_file()
    assert 'base_path: "/models/reviews"' in (tmp_path / "models.config").read_text()


@pytest.mark.parametrize("name", ["my model", "7", "a'b", "caf\u00e9", ".hidden", "a:b"])
def test_names_that_clients_could_not_ask_for(tmp_path, name):
    with pytest.raises(InputError, match="the name that clients ask for"):
        serving_folder.check(tmp_path / name)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("models.config", "model_config_list {", "no text of ModelServerConfig"),
        ("models.config", b"\xff", "no text of ModelServerConfig"),
        ("models.config", "model_config_list { config { name: 'm' base_path: '/x/other' } }", "a model m in /x/other"),
        ("README.md", "# My project", "was not written by an export"),
    ],
)
def test_files_in_the_way_are_left_and_nothing_is_written(make_classifier, tokenizer, tmp_path, file, content, message):
    (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        export(make_classifier(), tokenizer, tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == [file]
