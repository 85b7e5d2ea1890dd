import numpy as np
import pytest
from page_parser import HOSTILE, Page

from tfbert.evaluation.report_html import facts, page, row, show, table


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "none"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (0.000123456, "0.0001235"),
        (np.float32(0.5), "0.5"),
        (12345, "12345"),
        ((1, None), "1, none"),
        ({"a": [True]}, "a: yes"),
        ("as it is", "as it is"),
    ],
)
def test_values_are_shown_as_a_reader_wants_them(value, shown):
    assert show(value) == shown


def test_what_is_text_stays_text():
    sections = {
        HOSTILE: table("style", [HOSTILE, HOSTILE], [row(HOSTILE, HOSTILE)]) + facts("Facts", {HOSTILE: HOSTILE})
    }
    found = Page(page(HOSTILE, HOSTILE, HOSTILE, "<p>given as HTML</p>", sections))
    assert not {"script", "img"} & {tag for tag, _ in found.elements}
    assert sum(text.count(HOSTILE) for text in found.text) == 11
    assert "given as HTML" in found.text
