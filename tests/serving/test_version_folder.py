import pytest
import tensorflow as tf

from tfbert.errors import InputError
from tfbert.serving.version_folder import free_version, write_version


def test_the_next_version_is_the_one_after_the_highest(tmp_path):
    assert free_version(tmp_path / "new", None) == tmp_path / "new" / "1"
    for name in ("4", "9", "10", "notes", "11-old", ".partial-1-12"):
        (tmp_path / name).mkdir()
    assert free_version(tmp_path, None) == tmp_path / "11"
    assert free_version(str(tmp_path), 7) == tmp_path / "7"


@pytest.mark.parametrize("version", [4, 0, -1])
def test_a_version_that_is_not_free_is_refused(tmp_path, version):
    (tmp_path / "4").mkdir()
    with pytest.raises(InputError, match="a free number from 1 on"):
        free_version(tmp_path, version)


def test_a_version_is_written_whole_or_not_at_all(tmp_path):
    module = tf.Module()
    answer = tf.function(lambda x: {"y": x + 1}).get_concrete_function(tf.TensorSpec([], tf.int32, name="x"))
    write_version(tmp_path / "m" / "1", module, {"serving_default": answer})
    loaded = tf.saved_model.load(str(tmp_path / "m" / "1"))
    assert int(loaded.signatures["serving_default"](x=tf.constant(3))["y"]) == 4
    with pytest.raises(ValueError, match="signature"):
        write_version(tmp_path / "m" / "2", module, {"broken": "no function"})
    assert [entry.name for entry in (tmp_path / "m").iterdir()] == ["1"]
