import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tfbert.evaluation.calibration import ReliabilityBin
from tfbert.evaluation.classification import wilson_interval
from tfbert.evaluation.report_plots import learning_curves, length_histogram, reliability_diagram

BINS = [ReliabilityBin(0.5, 0.4, (0.2, 0.6), 9), ReliabilityBin(0.9, 1.0, (0.7, 1.0), 9)]


def history(*steps):
    return [
        {"step": step, "epoch": step / 10, "loss": 0.9, "val_loss": 0.8, "accuracy": 0.525, "val_accuracy": 0.625}
        for step in steps
    ]


def words(drawing):
    return [element.text for element in ElementTree.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")]


def test_learning_curves_name_steps_epochs_and_both_parts():
    drawing = learning_curves({1: history(10, 20), 2: history(10)}, "loss")
    assert {"10", "epoch 1", "20", "epoch 2", "loss", "step", "training", "validation"} <= set(words(drawing))
    assert "seed 1: training 0.900, validation 0.800; seed 2:" in ElementTree.fromstring(drawing).attrib["aria-label"]


def test_accuracy_is_in_percent():
    assert any(word.endswith("%") for word in words(learning_curves({1: history(10, 20)}, "accuracy")))


def test_long_histories_show_five_ticks():
    shown = words(learning_curves({1: history(*range(10, 500, 10))}, "loss"))
    assert len([word for word in shown if word.startswith("epoch")]) == 5


def test_seeds_differ_by_line_style():
    drawing = learning_curves({seed: history(10, 20) for seed in (1, 2, 3)}, "loss")
    patterns = set(re.findall(r"stroke-dasharray: ([\d., ]+)", drawing))
    assert len(patterns) == 2  # dashed and dotted; the first is solid
    assert len(re.findall(r"var\(--orange\)", drawing)) >= 3


def test_the_histogram_marks_the_cut_only_where_it_is_near():
    assert "cut at 64" in words(length_histogram(np.array([3, 50, 90]), 64))
    far = length_histogram(np.array([3, 5, 9]), 64)
    assert "cut at 64" not in words(far)
    assert "longest 9; cut at 64" in far


@pytest.mark.parametrize("lengths", [[1], [7, 7, 7], range(1, 3000)])
def test_the_histogram_counts_every_review(lengths):
    drawing = length_histogram(np.array(lengths), 512)
    assert len(re.findall(r'<path d="[^"]*" clip-path="[^"]*" style="fill: var\(--blue\)"', drawing)) in range(1, 61)


def test_the_reliability_diagram_tells_its_points():
    drawing = reliability_diagram(BINS, "before", start=0.2)
    assert {"confidence", "accuracy", "100%"} <= set(words(drawing))
    assert "50% sure: 40% right, 90% sure: 100% right" in drawing


def test_an_interval_that_rounds_to_just_below_one_is_drawn():
    interval = wilson_interval(10, 10)
    assert interval[1] < 1
    assert "90% sure" in reliability_diagram([ReliabilityBin(0.9, 1.0, interval, 10)], "before", start=0.2)
