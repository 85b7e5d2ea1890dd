import importlib.util
from dataclasses import replace
from pathlib import Path

from tfbert.evaluation import terminal_summary

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
