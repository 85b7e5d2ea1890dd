import re

import pytest

from tfbert.benchmarks.contest import CaseResult
from tfbert.benchmarks.measurements import Timings
from tfbert.benchmarks.plot import draw
from tfbert.benchmarks.task import Work

WORK = Work("request", 1, 1, "reviews")


def timings(seconds):
    return Timings(wall=[1.0, 1.0, 1.0], cpu=[seconds, 1.1 * seconds, 1.2 * seconds])


@pytest.fixture
def svg(tmp_path, monkeypatch):
    import matplotlib as mpl

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")

    def drawn(*results):
        draw(tmp_path / "plot.svg", results)
        return (tmp_path / "plot.svg").read_text()

    return drawn


def test_a_bar_for_each_peer(svg):
    results = [
        CaseResult("serving", "one review", "float32", WORK, {"tfbert": timings(1), "torch": timings(4)}, {}),
        CaseResult("tokenizing", "a batch", "float32", WORK, {"tfbert": timings(1), "tf_text": timings(0.5)}, {}),
        CaseResult("starting", "import tfbert", "float32", WORK, {"tfbert": timings(1)}, {}),
    ]
    drawing = svg(*results)
    words = re.findall(r">([^<>]+)</text>", drawing)
    for word in ("torch", "tf text", "4.00", "0.50", "serving: one review, float32"):
        assert word in words
    assert not any("starting" in word for word in words)  # nobody to compare with
    # What is slower than a peer has another colour.
    assert drawing.count("fill: #0072b2") == 1
    assert drawing.count("fill: #c24f00") == 1


def test_no_peers_at_all(svg):
    assert "<svg" in svg(CaseResult("starting", "import", "float32", WORK, {"tfbert": timings(1)}, {}))
