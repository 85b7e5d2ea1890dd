import os
import re
from dataclasses import replace

import pytest
from page_parser import HOSTILE, Page, assert_self_contained

from tfbert.evaluation import Measured, write_pretraining_report
from tfbert.evaluation.pretraining_report import comparisons, verdict
from tfbert.evaluation.pretraining_report_page import render_pretraining_page


@pytest.fixture(scope="module")
def html(pretraining_report):
    return render_pretraining_page(pretraining_report)


def words(html):
    return " ".join(" ".join(Page(html).text).split())


def columns(html):
    """The steps that the first sentence is filled in at."""
    return re.findall(r'<th scope="col"[^>]*>(step [^<]*)</th>', html.split('<table class="samples">')[1])


def test_the_page_is_the_same_each_time_small_and_self_contained(html, pretraining_report):
    assert render_pretraining_page(pretraining_report) == html
    assert len(html.encode()) < 200_000
    assert_self_contained(html)


def test_the_page_is_written_whole(tmp_path, html, pretraining_report):
    write_pretraining_report(tmp_path / "report.html", pretraining_report)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html
    assert os.listdir(tmp_path) == ["report.html"]


@pytest.mark.parametrize(("objective", "plots"), [("next_sentence", 4), ("sentence_order", 4), ("none", 3)])
def test_each_plot_has_words_for_those_who_cannot_see_it(pretraining_report_maker, objective, plots):
    found = Page(render_pretraining_page(pretraining_report_maker(objective))).attributes_of("svg")
    assert len(found) == plots
    assert all(plot["role"] == "img" and len(plot["aria-label"]) > 40 for plot in found)


def test_the_page_says_what_was_measured(html, pretraining_report):
    said = words(html)
    for figure in (
        verdict(pretraining_report),
        "Step 2,000 of 2,000, 4.8 M tokens in 15.0 minutes",
        "No warnings.",
        "15.61%",
        "80.12%",
        "40.93%",
        "75.6",
        "51.30%",
        "36.2 ± 0.5",
        "Measured on 2,000 training rows of 151,220 tokens.",
        "Pairs where the second does not follow",
        "documents 5,180",
        "runs/pretrain/checkpoint",
        "whole_words no",
        "hardware 2 cores",
        "Throughput, padding left out: median",
        *(f"{one.training} {one.held_out} {one.baseline} {one.gap}" for one in comparisons(pretraining_report)),
    ):
        assert figure in said


def test_sentences_are_filled_in_step_by_step(html):
    assert 'i <mark class="gap">love</mark> this apps !' in html
    assert '>it crash<mark class="gap">es</mark> | when i open <mark class="gap">it</mark></p>' in html
    assert columns(html) == ["step 0", "step 600", "step 1,200", "step 2,000"]
    assert html.count('<span class="hit"><bdi>love</bdi> <small>63%</small></span>') == 1
    assert '<span class="miss"><bdi>love</bdi> <small>63%</small></span>' in html  # where "it" was hidden
    assert '<span class="hit"><bdi>##es</bdi> <small>80%</small></span>' in html


def test_a_small_probability_is_not_none(pretraining_report):
    gap = {"position": 0, "answer": "a", "top": [["b", 0.006], ["c", 0.004]]}
    samples = [{"step": 0, "rows": [{"pieces": ["[MASK]"], "masks": [gap]}]}]
    said = words(render_pretraining_page(replace(pretraining_report, samples=samples)))
    assert "b 1% c <1%" in said


def test_many_fillings_are_thinned_out_to_the_first_the_last_and_some_between(pretraining_report):
    samples = [{**pretraining_report.samples[0], "step": step} for step in range(0, 1000, 100)]
    html = render_pretraining_page(replace(pretraining_report, samples=samples))
    assert columns(html) == ["step 0", "step 300", "step 600", "step 900"]
    assert "No sentences were filled in." in render_pretraining_page(replace(pretraining_report, samples=[]))


def test_what_is_wrong_stands_at_the_top_with_what_to_do(ill_report_maker):
    report = ill_report_maker()
    assert len(report.findings()) == 6
    html = render_pretraining_page(report)
    said = words(html)
    assert "No warnings." not in said
    assert html.index('<ul class="warnings">') < html.index("<h2>")
    for one in report.findings():
        assert f"{one.level.capitalize()}. {one.what} What to do: {one.to_do}" in said


def test_a_run_without_pairs_or_progress(pretraining_report_maker):
    report = pretraining_report_maker("none")
    pairs = ("not_next", "first_tokens", "second_tokens", "length_balanced_accuracy")
    statistics = replace(report.statistics, **dict.fromkeys(pairs))
    said = words(render_pretraining_page(replace(report, statistics=statistics, history=report.history[:1], corpus={})))
    for absent in ("For the pairs", "Lengths by label", "does not follow", "Throughput", "Corpus", "chance"):
        assert absent not in said
    assert "Step 0 of 2,000" in said


def test_sentence_order_is_called_by_its_name(pretraining_report_maker):
    assert "Pairs in the wrong order" in words(render_pretraining_page(pretraining_report_maker("sentence_order")))


def test_hostile_strings_stay_text_wherever_they_are(pretraining_report):
    row = {"pieces": [HOSTILE, "[MASK]"], "masks": [{"position": 1, "answer": HOSTILE, "top": [[HOSTILE, 0.5]]}]}
    report = replace(
        pretraining_report,
        title=HOSTILE,
        model_name=HOSTILE,
        settings={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        outputs={HOSTILE: HOSTILE},
        corpus={HOSTILE: HOSTILE},
        samples=[{"step": 0, "rows": [row]}],
        statistics=replace(pretraining_report.statistics, padding=Measured(0.9, 0.1)),
    )
    page = Page(render_pretraining_page(report))
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert sum(text.count(HOSTILE) for text in page.text) >= 13
