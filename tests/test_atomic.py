import pytest

from tfbert.atomic import written_beside


def test_a_file_and_a_folder_appear_whole(tmp_path):
    with written_beside(tmp_path / "a.txt") as partial:
        partial.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    with written_beside(tmp_path / "folder") as partial:
        (partial / "inner").mkdir(parents=True)
        assert not (tmp_path / "folder").exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.txt", "folder"]


@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_an_error_leaves_what_was_there(tmp_path, kind):
    (tmp_path / "a.txt").write_text("old")

    def interrupted():
        with written_beside(tmp_path / "a.txt") as partial:
            if kind == "file":
                partial.write_text("half")
            elif kind == "folder":
                (partial / "half").mkdir(parents=True)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"
