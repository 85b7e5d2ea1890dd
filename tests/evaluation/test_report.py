import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfbert.errors import InputError
from tfbert.evaluation.report import write_metrics, write_report
from tfbert.evaluation.report_page import render_page


def test_the_page_is_written_as_rendered_and_again_over_itself(tmp_path, report):
    for _ in range(2):
        write_report(tmp_path / "report.html", report)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render_page(report)
    assert os.listdir(tmp_path) == ["report.html"]


def test_the_metrics_come_back_to_the_last_digit(tmp_path, report):
    write_metrics(tmp_path / "metrics.json", report.to_metrics())
    found = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert found["seeds"][1]["metrics"]["log_loss"] == report.seeds[1].metrics.log_loss
    assert found["baselines"]["TF-IDF"]["ece"] == report.baselines["TF-IDF"].ece
    assert found["summary"]["accuracy"]["values"] == [one.metrics.accuracy for one in report.seeds]
    assert found["settings"] == report.settings


def test_numpy_values_paths_and_unicode_become_plain(tmp_path):
    values: dict = {"a": np.float32(0.1), "b": np.arange(2), 3: (Path("x"), None, True), "d": np.int64(4), "e": "é😀"}
    write_metrics(tmp_path / "m.json", values)
    text = (tmp_path / "m.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": float(np.float32(0.1)), "b": [0, 1], "3": ["x", None, True], "d": 4, "e": "é😀"}
    assert "é😀" in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan"), np.array([1.0, np.nan])])
def test_nan_and_infinity_are_refused_with_their_place(tmp_path, value):
    with pytest.raises(InputError, match=r"metrics\['seeds'\]\[1\]\['loss'\](\[1\])? is (nan|inf)"):
        write_metrics(tmp_path / "m.json", {"seeds": [{}, {"loss": value}]})
    assert not os.listdir(tmp_path)


def test_what_json_cannot_hold_is_refused_with_its_place(tmp_path):
    with pytest.raises(TypeError, match=r"metrics\['a'\] is a set"):
        write_metrics(tmp_path / "m.json", {"a": {1}})


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_metrics(tmp_path / "m.json", {"run": 1})

    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_metrics(tmp_path / "m.json", {"run": 2})
    assert os.listdir(tmp_path) == ["m.json"]
    assert json.loads((tmp_path / "m.json").read_text()) == {"run": 1}


def test_without_matplotlib_the_extra_is_named_and_nothing_written(tmp_path, monkeypatch, report):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'tfbert\[report\]'"):
        write_report(tmp_path / "report.html", report)
    assert not os.listdir(tmp_path)


def test_evaluation_imports_without_the_extra_and_without_tensorflow():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('matplotlib', 'sklearn', 'scipy', 'tensorflow', 'keras')));"
        "import tfbert.evaluation as evaluation; evaluation.fit_temperature([[1.0, 0.0]], [0])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
