import xml.etree.ElementTree as ElementTree

import pytest

from tfbert.evaluation import pretraining_report_plots as plots


def words(drawing):
    return [element.text for element in ElementTree.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")]


def test_the_loss_stands_beside_the_unigram_level(pretraining_report):
    drawing = plots.masked_lm_curve(pretraining_report.history, 6.21)
    assert {"unigram level", "training", "held out", "masked-LM loss, nats"} <= set(words(drawing))
    last = pretraining_report.last["val_masked_lm_loss"]
    assert f"8.400 at step 0, {last:.3f} at step 2,000; the unigram level is 6.210" in drawing


def test_places_are_named_by_step_and_tokens(pretraining_report):
    said = words(plots.masked_lm_curve(pretraining_report.history, 6.21))
    assert said[:6] == ["step 0", "0 tokens", "500", "1.2 M", "1,000", "2.4 M"]
    assert said[8:10] == ["2,000", "4.8 M"]


def test_the_pairs_stand_beside_chance_and_their_interval(pretraining_report):
    history = pretraining_report.history
    intervals = [pretraining_report.pair_interval(record) for record in history]
    drawing = plots.pair_curve(history, intervals, None)
    assert "chance" in words(drawing)
    assert "lengths alone" not in words(drawing)
    assert "fill-opacity: 0.18" in drawing
    assert f"({intervals[-1][0]:.1%} to {intervals[-1][1]:.1%}) at step 2,000; chance is 50%" in drawing


@pytest.mark.parametrize(("by_length", "drawn"), [(0.52, False), (0.53, True)])
def test_what_lengths_give_away_is_drawn_where_it_is_not_chance(pretraining_report, by_length, drawn):
    history = pretraining_report.history
    drawing = plots.pair_curve(history, [(0.4, 0.6)] * len(history), by_length)
    assert ("lengths alone" in words(drawing)) == drawn


def test_without_training_figures_held_out_stands_alone(pretraining_report):
    said = words(plots.masked_lm_curve(pretraining_report.history[:1], 6.21))
    assert "held out" in said
    assert "training" not in said


def test_long_histories_have_lines_without_points(pretraining_report):
    history = [{**pretraining_report.last, "step": step} for step in range(200)]
    few, many = (plots.masked_lm_curve(records, 6.21).count("<use") for records in (history[:20], history))
    assert few >= 40
    assert many < 40


def test_throughput_is_of_the_time_between_records():
    history = [{"tokens": 1000, "seconds": 2}, {"tokens": 4000, "seconds": 3}, {"tokens": 6000, "seconds": 7}]
    assert plots.throughput(history) == [500, 3000, 500]
    assert plots.throughput([{"tokens": 0, "seconds": 0}, *history]) == [500, 3000, 500]
    drawing = plots.throughput_curve(history)
    assert "from 500 to 3,000" in drawing
    assert {"tokens a second", "minutes of training", "0.00"} <= set(words(drawing))


def test_the_learning_rate_starts_at_zero(pretraining_report):
    drawing = plots.learning_rate_curve(pretraining_report.history)
    assert "0" in words(drawing)
    assert "the highest recorded is 0.001" in drawing
