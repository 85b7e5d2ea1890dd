"""The page on large corpora: its flags exist, its table follows from the rate and the prices it states."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from tfbert.recipes import prepare_corpus, prepare_corpus_beam

PAGE = Path(__file__).parents[1] / "docs" / "large_corpora.md"


@pytest.fixture(scope="module")
def text():
    return PAGE.read_text(encoding="utf-8")


def test_its_flags_exist(text):
    recipes = (prepare_corpus, prepare_corpus_beam)
    known = {"--" + field.name.replace("_", "-") for recipe in recipes for field in fields(recipe.Settings)}
    of_beam = {"--runner", "--flink_master", "--environment_type", "--environment_config", "--direct_running_mode"}
    used = {*re.findall(r"(?<![\w-])--[a-z][a-z_-]+", text)}
    assert used - known - of_beam - {"--direct_num_workers"} == set()
    assert "--deduplicate" in used


def test_its_table_follows_from_its_rates(text):
    """Core-hours are size / rate; cost and time follow from them."""
    price = float(re.search(r"\$([\d.]+) a core and hour", text)[1])
    rows = re.findall(
        r"\| (plain|everything) \| ([\d.]+) \| ([\d,]+) GB \| ([\d,.]+) \| \$([\d,.]+) \| (\d+) \| ([\d.]+) (min|h) \|",
        text,
    )
    assert len(rows) == 4
    for _, rate, gigabytes, core_hours, cost, cores, time, unit in rows:
        gigabytes, core_hours, cost = (float(each.replace(",", "")) for each in (gigabytes, core_hours, cost))
        expected = gigabytes * 1000 / float(rate) / 3600
        assert core_hours == pytest.approx(expected, rel=0.03)
        assert cost == pytest.approx(expected * price, rel=0.06)
        assert float(time) * (1 if unit == "h" else 1 / 60) == pytest.approx(expected / int(cores), rel=0.06)
