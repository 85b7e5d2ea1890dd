import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from tfbert.evaluation import pretraining_summary, terminal_summary
from tfbert.evaluation.pretraining_report import comparisons, verdict

spec = importlib.util.spec_from_file_location("made_up_run", Path(__file__).parent / "conftest.py")
made_up_run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made_up_run)


def test_the_model_stands_beside_the_baselines():
    report = made_up_run.make_report(model_name="BERT (tiny)")
    summary = report.summary()
    lines = terminal_summary(report).splitlines()
    assert lines[0].split() == ["accuracy", "macro", "F1", "log", "loss", "ECE"]
    assert lines[1].split()[0] == "TF-IDF"
    expected = [summary[key].mean for key in ("accuracy", "macro_f1", "log_loss", "ece_after")]
    assert lines[3].split("seeds")[1].split() == [f"{value:.3f}" for value in expected]
    assert lines[3].startswith("BERT (tiny), mean of 3 seeds")
    assert lines[4].endswith(f"{summary['accuracy'].standard_deviation:.3f}")
    assert len({len(line) for line in lines[:4]}) == 1


def test_one_seed_has_no_spread():
    report = made_up_run.make_report()
    report = replace(report, seeds=report.seeds[:1], shown_seed=report.seeds[0].seed)
    assert "seeds" not in terminal_summary(report)


def unwrapped(lines):
    return "\n".join(lines).replace("\n  ", " ").split("\n")


def test_a_pre_training_stands_beside_its_baselines(pretraining_report):
    lines = pretraining_summary(pretraining_report).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].split() == ["training", "held", "out", "baseline", "gap"]
    for line, one in zip(lines[1:7], comparisons(pretraining_report), strict=True):
        assert line.startswith(one.name)
        assert line.split()[-1 - one.gap.count(" ") :] == one.gap.split()
        assert one.held_out in line
    assert len({len(line) for line in lines[:7]}) == 1
    assert lines[7] == "4,800,000 tokens in 902 s of training: 5,322 a second"
    assert unwrapped(lines[9:]) == [verdict(pretraining_report), "no warnings"]


@pytest.mark.parametrize(("accuracy", "said"), [(0.5, "stands at its majority"), (1.0, "is almost never wrong")])
def test_what_is_wrong_with_a_pre_training_is_said_last(accuracy, said):
    report = made_up_run.make_ill_report(val_next_sentence_balanced_accuracy=accuracy)
    found = [f"{one.level}: {one.what} {one.to_do}" for one in report.findings()]
    assert len(found) == 6
    for words in (
        said,
        "was not finite at step 2,001",
        "at the unigram level",
        "are padding",
        "are [UNK]",
        "lengths alone",
    ):
        assert any(words in one for one in found), words
    assert unwrapped(pretraining_summary(report).splitlines())[-6:] == found


def test_a_pre_training_that_has_not_begun(pretraining_report_maker):
    report = pretraining_report_maker()
    assert "0 tokens in 0 s of training: 0 a second" in pretraining_summary(replace(report, history=report.history[:1]))
