import json

import pytest

from tfbert.benchmarks import table
from tfbert.benchmarks.contest import CaseResult
from tfbert.benchmarks.measurements import Timings
from tfbert.benchmarks.task import Work

OURS = Timings(wall=[1.0, 2.0, 3.0], cpu=[2.0, 4.0, 6.0], iterations=1, peak_bytes=2**30)
THEIRS = Timings(wall=[2.0, 3.0, 4.0], cpu=[2.0, 2.0, 2.0], iterations=5, peak_bytes=2**20)
WORK = Work("request", 4, 128, "reviews", 80.0)
LIMITS = {"float32": 40.0, "bfloat16": 80.0}


def result(precision="float32", work=WORK, **timings):
    return CaseResult("pretraining_step", "a step", precision, work, timings, dict.fromkeys(timings, 0.25))


def test_the_ceiling_is_the_median_of_all_its_runs():
    runs = [
        CaseResult("matrix_product", "float32", "float32", Work("product", 1, 1, "x", 120.0), {"tfbert": each}, {})
        for each in (OURS, THEIRS)
    ]
    assert table.ceilings(runs) == {"float32": 60.0}  # of 60, 30, 20, 60, 60, 60


@pytest.mark.parametrize(("precision", "share"), [("float32", 0.5), ("bfloat16", 0.25), ("int8", 0.5)])
def test_the_share_of_the_ceiling(precision, share):
    assert table.ceiling_share(result(precision, tfbert=OURS), OURS, LIMITS) == share  # 80 operations in 4 CPU seconds
    assert table.ceiling_share(result(work=Work("start", 1, 1, "starts"), tfbert=OURS), OURS, LIMITS) is None


def test_what_the_terminal_shows():
    head, ours, theirs = table.lines(result(tfbert=OURS, keras_hub=THEIRS), LIMITS)
    assert "a step, float32: wall and CPU seconds per request" in head
    assert ours.split("; ") == [
        "    tfbert             500 ms (375 ms to 625 ms)",
        "CPU 1.00 s",
        "64.0 reviews/s",
        "1,024 MiB",
        "50% of the ceiling",
    ]
    assert theirs.split("; ")[-2:] == ["100% of the ceiling", theirs.split("; ")[-1]]
    assert theirs.split("; ")[-1].startswith("1.50 (")
    assert "CPU 0.50 (" in theirs


def test_the_markdown_table_has_a_row_for_each_peer():
    alone = result(tfbert=OURS)
    rows = table.markdown([result(tfbert=OURS, keras_hub=THEIRS, torch=THEIRS), alone], LIMITS).splitlines()
    assert len(rows) == 2 + 2 + 1
    assert len({row.count("|") for row in rows}) == 1
    assert rows[2].startswith(
        "| pretraining step: a step | float32 | 500 ms per request | keras hub: 750 ms per request | 1.50 ("
    )
    assert rows[3].split("|")[4].startswith(" torch")
    assert rows[4] == "| pretraining step: a step | float32 | 500 ms per request | | | | 50% |"


def test_the_json_holds_every_time():
    found = table.to_json(result(tfbert=OURS, torch=THEIRS), LIMITS)
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(found))
    ours, torch = found["systems"]["tfbert"], found["systems"]["torch"]
    assert (ours["wall"], ours["cpu_quartiles"], ours["share_of_ceiling"]) == ([1, 2, 3], (3, 4, 5), 0.5)
    assert (torch["wall_ratio"][0], torch["cpu_ratio"][0], torch["output_difference"]) == (1.5, 0.5, 0.25)
    assert found["work"]["amount"] == 128
    assert "wall_ratio" not in ours


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (2e-7, "0.20 µs"),
        (8.04e-5, "80.4 µs"),
        (0.01234, "12.3 ms"),
        (1.5, "1.50 s"),
        (123.4, "123 s"),
        (1234, "1,230 s"),
    ],
)
def test_durations(seconds, written):
    assert table.duration(seconds) == written
