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


class Broken(tf.Module):
    """Cannot be saved."""

    def signatures(self):
        return {"serving_default": "no function"}


def test_a_version_is_written_whole_or_not_at_all(exported, tmp_path):
    assert sorted(path.name for path in exported[1].iterdir()) == [
        "assets",
        "assets.extra",
        "fingerprint.pb",
        "model_card.md",
        "saved_model.pb",
        "variables",
    ]
    assert [entry.name for entry in exported[1].parent.iterdir()] == ["1"]
    with pytest.raises(ValueError, match="signature"):
        write_version(tmp_path / "m" / "2", Broken(), {"Model": {}})
    assert not list((tmp_path / "m").iterdir())


def test_the_card_says_how_large_it_is(exported):
    size = sum(
        path.stat().st_size for path in exported[1].rglob("*") if path.name != "model_card.md" and path.is_file()
    )
    assert f"| size of the folder | {size / 1e6:.1f} MB |" in (exported[1] / "model_card.md").read_text()
