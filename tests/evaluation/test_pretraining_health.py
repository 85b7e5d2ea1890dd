from dataclasses import replace

import pytest

from tfbert.evaluation import Measured, balanced_accuracy_interval
from tfbert.evaluation.pretraining_health import health

COUNTS = (500, 500)


def record(step=1000, loss=4.0, accuracy=0.7):
    return {"step": step, "val_masked_lm_loss": loss, "val_next_sentence_balanced_accuracy": accuracy}


def found(*history, counts=COUNTS, statistics=None, **options):
    findings = health(
        history or [record()],
        statistics,
        total_steps=1000,
        unigram_cross_entropy=5.0,
        held_out_label_counts=counts,
        **options,
    )
    return [(one.level, one.what.split(":")[0]) for one in findings]


def words(*history, **options):
    return " ".join(what for _, what in found(*history, **options))


def test_a_healthy_run_has_no_findings(pretraining_report):
    assert found(statistics=pretraining_report.statistics) == []


@pytest.mark.parametrize(("loss", "stuck"), [(4.899, False), (4.901, True), (5.3, True)])
def test_a_loss_at_the_unigram_level_is_found(loss, stuck):
    assert ("unigram level" in words(record(loss=loss))) == stuck


@pytest.mark.parametrize(("step", "warned"), [(299, False), (300, True)])
def test_a_model_has_time_to_leave_its_baselines(step, warned):
    said = words(record(step, loss=5.0, accuracy=0.5))
    assert ("unigram level" in said) == warned
    assert ("majority baseline" in said) == warned


def test_the_last_record_is_judged():
    assert found(record(400, loss=6.0, accuracy=0.5), record(800)) == []
    assert "unigram" in words(record(400), record(800, loss=6.0))


@pytest.mark.parametrize(("accuracy", "warned"), [(0.52, True), (0.530, True), (0.532, False), (0.45, True)])
def test_an_interval_that_holds_chance_is_found(accuracy, warned):
    low, _ = balanced_accuracy_interval([accuracy] * 2, COUNTS)
    assert (low <= 0.5) == warned
    assert ("majority baseline" in words(record(accuracy=accuracy))) == warned


@pytest.mark.parametrize(("step", "accuracy", "warned"), [(1000, 0.989, False), (1000, 0.99, True), (10, 1.0, True)])
def test_a_label_that_leaks_is_found_at_once(step, accuracy, warned):
    assert ("almost never wrong" in words(record(step, accuracy=accuracy))) == warned


def test_without_a_sentence_objective_none_is_judged():
    history = {"step": 1000, "val_masked_lm_loss": 4.0}
    assert found(history, counts=None) == []


@pytest.mark.parametrize(
    ("name", "below", "above", "said"),
    [
        ("padding", Measured(0.5, 0.1), Measured(0.501, 0.1), "padding"),
        ("unknown", Measured(0.05, 0.01), Measured(0.0501, 0.01), "[UNK]"),
        ("length_balanced_accuracy", Measured(0.6, 0.0251), Measured(0.6, 0.0249), "lengths alone"),
    ],
)
def test_rows_are_judged_at_their_thresholds(pretraining_report, name, below, above, said):
    for measured, warned in ((below, False), (above, True)):
        statistics = replace(pretraining_report.statistics, **{name: measured})
        assert (said in words(statistics=statistics)) == warned


def test_a_loss_that_is_not_finite_is_an_error_and_comes_first():
    findings = found(record(loss=6.0), non_finite_step=1234)
    assert findings[0][0] == "error"
    assert findings[0][1].startswith("The loss was not finite at step 1,234; training stopped there")
    assert [level for level, _ in findings] == ["error", "warning"]


def test_each_finding_says_what_to_do(pretraining_report):
    statistics = replace(pretraining_report.statistics, padding=Measured(0.9, 0), unknown=Measured(0.9, 0))
    findings = health(
        [record(loss=6, accuracy=0.5)],
        statistics,
        total_steps=1000,
        unigram_cross_entropy=5.0,
        held_out_label_counts=COUNTS,
        non_finite_step=3,
    )
    assert len(findings) == 5
    assert all(len(one.to_do.split()) > 6 and str(one) == f"{one.what} {one.to_do}" for one in findings)
