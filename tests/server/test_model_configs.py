import pytest

from tfbert.errors import InputError
from tfbert.server import ModelConfig, read_model_configs
from tfbert.server.model_configs import versions_in

# As in TensorFlow Serving's g3doc/serving_config.md.
CONFIG = """
model_config_list {
  config { name: 'first' base_path: 'first' model_platform: 'tensorflow' }
  config {
    name: 'second'
    base_path: '/models/second'
    model_platform: 'tensorflow'
    model_version_policy { specific { versions: 42 versions: 43 } }
    version_labels { key: 'stable' value: 42 }
    version_labels { key: 'canary' value: 43 }
  }
  config { name: 'third' base_path: 'third' model_version_policy { all {} } }
  config { name: 'fourth' base_path: 'third' model_version_policy { latest { num_versions: 2 } } }
}
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("first/1", "second/42", "third/00000003", "third/7", "third/.partial-8", "third/x9", "third/-1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "third/11").write_text("a file")
    return tmp_path


def test_a_models_folder(folder):
    assert read_model_configs(folder / "first") == [ModelConfig("first", folder / "first")]
    assert read_model_configs(str(folder / "third"), all_versions=True) == [
        ModelConfig("third", folder / "third", latest=None)
    ]


@pytest.mark.parametrize("name", ["", "models.config"])
def test_a_config(folder, name):
    (folder / "models.config").write_text(CONFIG)
    assert read_model_configs(folder / name) == [
        ModelConfig("first", folder / "first"),
        ModelConfig("second", folder / "second", latest=1, specific=(42, 43), labels={"stable": 42, "canary": 43}),
        ModelConfig("third", folder / "third", latest=None),
        ModelConfig("fourth", folder / "third", latest=2),
    ]


def test_numbered_folders_alone_are_versions(folder):
    assert versions_in(folder / "third") == {3: folder / "third/00000003", 7: folder / "third/7"}
    assert versions_in(folder / "nowhere") == {}


def test_policies(folder):
    assert ModelConfig("m", folder).wanted([3, 1, 2]) == [3, 2, 1]
    assert ModelConfig("m", folder).most == 1
    specific = ModelConfig("m", folder, specific=(1, 9))
    assert specific.wanted([3, 1, 2]) == [1]
    assert specific.most is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_config {", "no text of ModelServerConfig"),
        ("", "needs models with different names; received none"),
        ("model_config_list { config { name: 'first' base_path: 'nowhere' } }", "base_path 'nowhere'"),
        ("model_config_list { config { base_path: 'first' } }", "needs a name"),
        ("model_config_list { config { name: 'first' } }", "base_path ''"),
        (
            "model_config_list { config { name: 'a' base_path: 'first' } config { name: 'a' base_path: 'third' } }",
            "different names; received a, a",
        ),
        ("model_config_list { config { name: 'a' base_path: 'first' model_platform: 'x' } }", "must be tensorflow"),
    ],
)
def test_configs_that_are_refused(folder, text, message):
    (folder / "models.config").write_text(text)
    with pytest.raises(InputError, match=message):
        read_model_configs(folder)


def test_folders_that_are_refused(folder):
    with pytest.raises(InputError, match="nowhere is not there"):
        read_model_configs(folder / "nowhere")
    with pytest.raises(InputError, match="has no version of a model"):
        read_model_configs(folder)
    (folder / "models.config").write_text(CONFIG)
    with pytest.raises(InputError, match="says itself which versions"):
        read_model_configs(folder, all_versions=True)
    (folder / "models.config").write_bytes(b"\xff")
    with pytest.raises(InputError, match="no text of ModelServerConfig"):
        read_model_configs(folder)
