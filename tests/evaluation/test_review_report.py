from dataclasses import replace

import numpy as np
import pytest

from tfbert.errors import InputError
from tfbert.evaluation.calibration import MAX_TEMPERATURE
from tfbert.evaluation.classification import wilson_interval
from tfbert.evaluation.review_report import BaselineResult, verdict


def baseline_of_accuracy(report, accuracy):
    metrics = replace(report.shown.metrics, accuracy=accuracy)
    return {"TF-IDF": BaselineResult(metrics, 0.1)}


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (-0.30, "30.0 points above TF-IDF"),
        (0.10, "10.0 points below TF-IDF"),
        (-0.01, "not clearly different from TF-IDF"),
        (0.01, "not clearly different from TF-IDF"),
    ],
)
def test_the_verdict_says_above_below_or_not_clearly_different(report, difference, words):
    mean = report.summary()["accuracy"].mean
    changed = replace(report, baselines=baseline_of_accuracy(report, mean + difference))
    assert verdict(changed) == f"BERT labels {mean:.1%} of unseen reviews correctly: {words} ({mean + difference:.1%})."


def test_the_verdict_names_each_baseline_or_none(report):
    assert " above TF-IDF (" in verdict(report)
    assert " and " in verdict(report)
    assert " above the majority class (" in verdict(report)
    assert verdict(replace(report, baselines={})).endswith("correctly.")


def test_the_summary_and_interval_are_of_all_seeds(report):
    summary = report.summary()
    assert summary["accuracy"].mean == pytest.approx(np.mean([one.metrics.accuracy for one in report.seeds]))
    assert summary["ece_before"].values == tuple(one.ece_before for one in report.seeds)
    assert summary["temperature"].mean == 2.5
    assert report.accuracy_interval() == wilson_interval(300 * summary["accuracy"].mean, 300)
    assert report.shown is report.seeds[2]


def test_the_metrics_hold_what_the_page_says(report):
    metrics = report.to_metrics()
    assert metrics["verdict"] == verdict(report)
    assert metrics["summary"] == report.summary()
    assert metrics["accuracy_interval"] == report.accuracy_interval()
    assert list(metrics["baselines"]) == ["TF-IDF", "the majority class"]


def test_a_baseline_is_measured_whole(report):
    measured = BaselineResult.measure(report.probabilities_after, report.labels, report.shown.metrics.label_names)
    assert measured.metrics == report.shown.metrics
    assert measured.ece == report.shown.ece_after


def test_a_model_that_learned_nothing_is_warned_of(report, report_maker):
    assert report.warnings() == ()
    silent = replace(report.seeds[0].metrics, confusion_matrix=((90, 0, 10), (90, 0, 10), (90, 0, 10)))
    broken = replace(report.seeds[0], metrics=silent, temperature=MAX_TEMPERATURE)
    first, second = report_maker(seeds=[broken, *report.seeds[1:]]).warnings()
    assert first.startswith("Seed 11: The temperature stands at its upper bound")
    assert second == "Seed 11 never predicts neutral."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shown_seed": 4}, r"shown_seed 4 is not among \[11, 12, 13\]"),
        ({"token_lengths": np.zeros(0, int)}, "token_lengths holds no review"),
        ({"probabilities_before": np.full((300, 3), 9.0)}, "sum to 1; row 0"),
        ({"probabilities_after": np.full((300, 3), 9.0)}, "sum to 1; row 0"),
    ],
)
def test_what_does_not_fit_together_is_refused(report, changes, message):
    with pytest.raises(InputError, match=message):
        replace(report, **changes)


def test_a_baseline_of_other_rows_is_refused(report):
    other = BaselineResult(replace(report.shown.metrics, num_rows=299), 0.1)
    with pytest.raises(InputError, match="299 rows"):
        replace(report, baselines={"TF-IDF": other})


@pytest.mark.parametrize("change", [{"val_loss": float("nan")}, {"val_loss": None}])
def test_a_history_that_diverged_or_lacks_a_key_is_refused(report, change):
    record = {key: value for key, value in (report.seeds[0].history[0] | change).items() if value is not None}
    with pytest.raises(InputError, match=r"record 0 of seed 11 lacks val_loss"):
        replace(report.seeds[0], history=[record])


def test_an_empty_history_is_refused(report):
    with pytest.raises(InputError, match="Seed 11 has no history"):
        replace(report.seeds[0], history=[])
