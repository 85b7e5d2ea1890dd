import re
from dataclasses import replace

import pytest
from page_parser import HOSTILE, Page, assert_self_contained

from tfbert.evaluation.mistakes import Mistake
from tfbert.evaluation.report_page import render_page


@pytest.fixture(scope="module")
def html(report):
    return render_page(report)


def test_the_page_is_the_same_each_time_and_small(html, report):
    assert render_page(report) == html
    assert len(html.encode()) < 300_000


def test_the_page_holds_no_script_and_asks_for_nothing_outside(html):
    assert_self_contained(html)


def test_each_plot_has_words_for_those_who_cannot_see_it(html):
    plots = Page(html).attributes_of("svg")
    assert len(plots) == 5
    assert all(plot["role"] == "img" and len(plot["aria-label"]) > 40 for plot in plots)


def test_the_page_says_what_was_measured(html, report):
    words = " ".join(" ".join(Page(html).text).split())
    shown = report.shown
    for figure in (
        f"{report.summary()['accuracy'].mean:.1%}",
        f"{report.summary()['accuracy'].standard_deviation:.1%}",
        f"{report.baselines['TF-IDF'].metrics.accuracy:.1%}",
        f"{report.baselines['TF-IDF'].ece:.3f}",
        f"{report.baselines['TF-IDF'].metrics.per_class['neutral'].f1:.3f}",
        f"{shown.metrics.per_class['neutral'].precision:.3f}",
        f"Expected calibration error {shown.ece_before:.3f}",
        f"Expected calibration error {shown.ece_after:.3f}",
        "13, exported",
        f"{(report.token_lengths > 64).sum()} reviews",
        "30 (75%)",
        "en: 0.97",
        "2e-05",
        "strategy none",
        "freeze_embeddings no",
        "out/export/1",
        report.mistakes[0].text,
        f"{report.mistakes[0].probability:.1%}",
    ):
        assert figure in words


def test_the_confusion_matrix_has_a_true_label_a_row(html, report):
    (table,) = re.findall(r'<table class="confusion">.*?</table>', html)
    counts = [[int(cell) for cell in re.findall(r"<td[^>]*>(\d+)<", row)] for row in table.split("</tr>")[1:-1]]
    assert counts == [list(row) for row in report.shown.metrics.confusion_matrix]


def test_hostile_strings_stay_text_wherever_they_are(report_maker):
    names = (HOSTILE, "neutral", "positive")
    report = report_maker(label_names=names)
    report = replace(
        report,
        title=HOSTILE,
        model_name=HOSTILE,
        settings={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        audit={HOSTILE: {HOSTILE: HOSTILE}},
        class_counts={HOSTILE: {HOSTILE: 3}},
        baselines={HOSTILE: report.baselines["TF-IDF"]},
        outputs={HOSTILE: HOSTILE},
        mistakes=[Mistake(HOSTILE, HOSTILE, HOSTILE, 0.9), Mistake(HOSTILE * 9, "neutral", "positive", 0.9)],
    )
    page = Page(render_page(report))
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert sum(text.count(HOSTILE) for text in page.text) >= 15


def test_long_reviews_are_cut_between_words_and_their_rest_can_be_opened(report):
    words = [f"word{number}" for number in range(60)]
    texts = (" ".join(words), "x" * 500, "brief")
    html = render_page(replace(report, mistakes=[Mistake(text, "negative", "positive", 0.9) for text in texts]))
    (start, rest), one_word = re.findall(r"<details><summary>(.*?) …</summary>… (.*?)</details>", html)
    assert len(start) <= 180
    assert start.split() + rest.split() == words
    assert one_word == ("x" * 180, "x" * 320)
    assert '<td dir="auto">brief</td>' in html


def test_one_seed_at_a_bound_without_mistakes_and_with_nothing_to_divide_by(html, report):
    metrics = replace(report.shown.metrics, confusion_matrix=((0, 0, 0), (1, 2, 3), (4, 5, 6)))
    seed = replace(report.shown, temperature=0.05, metrics=metrics)
    bare = render_page(replace(report, seeds=[seed], mistakes=[], class_counts={"test": {}}))
    assert '<ul class="warnings"><li>Seed 13: The temperature' in bare
    assert "One seed on 300 test reviews" in bare
    assert "<p>None.</p>" in bare
    assert "standard deviation" not in bare
    assert '<ul class="warnings">' not in html
    assert "standard deviation" in html
