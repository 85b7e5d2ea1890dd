import json
import math
from dataclasses import replace

import pytest

from tfbert.errors import InputError
from tfbert.evaluation import PairAccuracy, balanced_accuracy_interval, write_metrics
from tfbert.evaluation.pretraining_report import comparisons, verdict
from tfbert.evaluation.pretraining_report_page import render_pretraining_page


def test_the_verdict_stands_beside_its_baselines(pretraining_report):
    last = pretraining_report.last
    below = 1 - last["val_masked_lm_loss"] / 6.21
    low, high = balanced_accuracy_interval([last["val_next_sentence_balanced_accuracy"]] * 2, (1010, 990))
    assert verdict(pretraining_report) == (
        f"BERT mini from scratch guesses {last['val_masked_lm_accuracy']:.1%} of the masked tokens of unseen text: "
        f"loss {last['val_masked_lm_loss']:.3f}, {below:.1%} below the unigram level (6.210). Next sentence "
        f"prediction: balanced accuracy {last['val_next_sentence_balanced_accuracy']:.1%} "
        f"({low:.1%} to {high:.1%}), chance 50%."
    )


def test_pairs_made_for_the_last_figure_are_what_counts(pretraining_report_maker):
    pairs = PairAccuracy(0.52, 0.507, 0.533, 9990, 999)
    report = pretraining_report_maker(pair_accuracy=pairs)
    assert verdict(report).endswith(
        "Next sentence prediction: balanced accuracy 52.0% (50.7% to 53.3%, from 9,990 pairs of 999 rows), chance 50%."
    )
    assert report.to_metrics()["pair_accuracy"] == pairs
    assert report.findings() == []
    (found,) = replace(report, pair_accuracy=replace(pairs, low=0.499)).findings()
    assert "balanced accuracy 0.520, 95% interval 0.499 to 0.533" in found.what
    assert "With 9,990 pairs made anew of 999 held-out rows it is 52.0%, 50.7% to 53.3%" in render_pretraining_page(
        report
    )


def test_the_verdict_says_above_and_leaves_out_what_is_not_there(pretraining_report_maker):
    report = pretraining_report_maker("none", unigram_cross_entropy=5.0)
    assert " above the unigram level (5.000)." in verdict(report)
    assert "balanced" not in verdict(report)
    assert (
        verdict(pretraining_report_maker("sentence_order")).count("Sentence order prediction: balanced accuracy") == 1
    )


def test_each_figure_stands_beside_its_baseline(pretraining_report):
    last = pretraining_report.last
    found = {one.name: one for one in comparisons(pretraining_report)}
    loss = found["masked-LM loss, nats"]
    assert (loss.training, loss.held_out) == (f"{last['masked_lm_loss']:.3f}", f"{last['val_masked_lm_loss']:.3f}")
    assert (loss.baseline, loss.gap) == ("6.210", f"{last['val_masked_lm_loss'] / 6.21 - 1:+.1%}")
    assert found["masked-LM perplexity"].baseline == f"{math.exp(6.21):,.1f}"
    assert found["masked-LM accuracy"].baseline == "5.1%"
    assert found["masked-LM accuracy"].gap == f"{100 * (last['val_masked_lm_accuracy'] - 0.051):+.1f} points"
    assert found["sentence accuracy"].baseline == "50.5%"
    assert found["sentence balanced accuracy"].baseline == "50.0%"
    entropy = -(0.505 * math.log(0.505) + 0.495 * math.log(0.495))
    assert found["sentence loss, nats"].baseline == f"{entropy:.3f}"


def test_figures_that_were_not_recorded_are_left_out(pretraining_report_maker):
    report = pretraining_report_maker("none")
    names = ["masked-LM loss, nats", "masked-LM perplexity", "masked-LM accuracy"]
    assert [one.name for one in comparisons(report)] == names
    start = replace(report, history=report.history[:1])
    assert {one.training for one in comparisons(start)} == {""}
    bare = [{name: value for name, value in report.last.items() if "perplexity" not in name}]
    assert len(comparisons(replace(report, history=bare))) == 2


def test_the_metrics_come_back_from_json(tmp_path, pretraining_report):
    write_metrics(tmp_path / "metrics.json", pretraining_report.to_metrics())
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["verdict"] == verdict(pretraining_report)
    assert found["history"] == pretraining_report.history
    assert found["final"] == pretraining_report.last
    assert found["baselines"]["unigram_cross_entropy"] == 6.21
    assert found["statistics"]["masked"] == {"value": 0.1561, "standard_error": 0.0002, "declared": 0.1561}
    assert found["pair_accuracy"] is None
    assert found["findings"] == []


def test_findings_are_of_the_whole_report(pretraining_report_maker):
    report = pretraining_report_maker(unigram_cross_entropy=5.0, non_finite_step=7)
    levels = [one.level for one in report.findings()]
    assert levels == ["error", "warning"]
    assert [one.level for one in report.to_metrics()["findings"]] == levels


@pytest.mark.parametrize(
    ("objective", "changes", "message"),
    [
        ("next_sentence", {"objective": "nsp"}, "one of next_sentence, sentence_order, none"),
        ("next_sentence", {"held_out_label_counts": None}, "received None with objective 'next_sentence'"),
        ("none", {"held_out_label_counts": (3, 4)}, "received \\(3, 4\\)"),
        ("none", {"history": []}, "at least one evaluation"),
        ("none", {"objective": "next_sentence", "held_out_label_counts": (3, 4)}, "val_next_sentence_balanced_acc"),
    ],
)
def test_what_does_not_fit_together_is_refused(pretraining_report_maker, objective, changes, message):
    report = pretraining_report_maker(objective)
    with pytest.raises(InputError, match=message):
        replace(report, **changes)


@pytest.mark.parametrize("change", [{"loss": float("nan")}, {"val_masked_lm_loss": float("inf")}, {"tokens": None}])
def test_a_record_that_diverged_or_lacks_a_key_is_refused(pretraining_report, change):
    record = {key: value for key, value in (pretraining_report.last | change).items() if value is not None}
    with pytest.raises(InputError, match=f"record 1 lacks {next(iter(change))}"):
        replace(pretraining_report, history=[pretraining_report.last, record])
