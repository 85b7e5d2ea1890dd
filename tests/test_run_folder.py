import json
import subprocess
import sys

import pytest

from tfbert.errors import InputError
from tfbert.run_folder import check_run_folder, finish, run_folder

SETTINGS = {"epochs": 3, "seeds": "0,1"}


def test_a_new_run_keeps_its_settings(tmp_path):
    with run_folder(tmp_path / "a" / "run", SETTINGS) as folder:
        assert json.loads((folder / "settings.json").read_text()) == SETTINGS


def test_an_unfinished_run_goes_on_with_the_same_settings_only(tmp_path):
    with run_folder(tmp_path, SETTINGS):
        pass
    with run_folder(tmp_path, dict(SETTINGS)):
        pass
    with pytest.raises(InputError, match="epochs was 3, now 4"):
        check_run_folder(tmp_path, {**SETTINGS, "epochs": 4})


def test_changed_settings_are_taken_when_told_to(tmp_path):
    """And kept: the run goes on with them from then on."""
    changed = {"epochs": 4, "batch_size": 8}
    for accept_changes in (True, False, None):  # a new folder has nothing to accept
        with run_folder(tmp_path / str(accept_changes), SETTINGS, accept_changes=accept_changes) as folder:
            assert json.loads((folder / "settings.json").read_text()) == SETTINGS
    folder = tmp_path / "False"
    named = r"batch_size was None, now 8; epochs was 3, now 4; seeds was '0,1', now None\. .* another folder"
    with pytest.raises(InputError, match=rf"{named}\.$"):
        check_run_folder(folder, changed)
    with pytest.raises(InputError, match=f"{named}, or go on with the new ones by --accept-changes"):
        check_run_folder(folder, changed, accept_changes=False)
    with pytest.raises(InputError, match="epochs was 3"), run_folder(folder, changed, accept_changes=False):
        pass
    check_run_folder(folder, changed, accept_changes=True)
    assert json.loads((folder / "settings.json").read_text()) == SETTINGS
    with run_folder(folder, changed, accept_changes=True):
        pass
    with run_folder(folder, changed):
        assert json.loads((folder / "settings.json").read_text()) == changed
        finish(folder, {})
    with pytest.raises(InputError, match="finished run"):
        check_run_folder(folder, SETTINGS, accept_changes=True)


def test_a_worker_that_only_reads_neither_makes_nor_holds_the_folder(tmp_path):
    with run_folder(tmp_path / "run", SETTINGS, writes=False) as folder:
        assert not folder.exists()
    with run_folder(tmp_path / "run", SETTINGS), run_folder(tmp_path / "run", SETTINGS, writes=False) as folder:
        assert folder == tmp_path / "run"
    with pytest.raises(InputError, match="epochs was 3"), run_folder(folder, {"epochs": 4}, writes=False):
        pass


def test_a_finished_run_is_refused(tmp_path):
    with run_folder(tmp_path, SETTINGS) as folder:
        finish(folder, {"accuracy": 0.5})
    with pytest.raises(InputError, match="finished run"), run_folder(tmp_path, SETTINGS):
        pass


def test_a_second_run_at_the_same_time_is_refused_until_the_first_dies(tmp_path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\nfrom tfbert.run_folder import run_folder\n"
            f"with run_folder({str(tmp_path)!r}, {SETTINGS!r}):\n    print('held', flush=True)\n    time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another run"), run_folder(tmp_path, SETTINGS):
            pass
        holder.kill()
    with run_folder(tmp_path, SETTINGS):
        pass


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(InputError, match="other files"), run_folder(tmp_path, SETTINGS):
        pass
    with pytest.raises(InputError, match="is a file"), run_folder(tmp_path / "thesis.doc", SETTINGS):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.doc"]


def test_broken_settings_are_named(tmp_path):
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(InputError, match=r"settings.json: not JSON"):
        check_run_folder(tmp_path, SETTINGS)


def test_what_a_killed_run_left_half_written_is_removed(tmp_path):
    with run_folder(tmp_path, SETTINGS):
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / ".partial-1-state.safetensors").touch()
        (tmp_path / "state" / "state.safetensors").touch()
    with run_folder(tmp_path, SETTINGS):
        assert [path.name for path in (tmp_path / "state").iterdir()] == ["state.safetensors"]


def test_a_run_that_begins_just_now_is_no_folder_of_other_files(tmp_path):
    """As a second worker finds the folder while the chief writes the settings."""
    (tmp_path / ".lock").touch()
    (tmp_path / ".partial-host-1-settings.json").touch()
    check_run_folder(tmp_path, SETTINGS)
