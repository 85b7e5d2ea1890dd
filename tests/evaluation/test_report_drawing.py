import xml.etree.ElementTree as ElementTree

from tfbert.evaluation.report_drawing import BLUE, INK, ORANGE, QUIET, label, new_figure, percent, to_svg


def draw(alternative="A line that rises."):
    figure, axes = new_figure()
    for height, colour in enumerate((INK, QUIET, BLUE, ORANGE)):
        axes.plot([0, 1], [height, height + 1], color=colour)
    label(axes, "across", "up")
    return to_svg(figure, alternative)


def test_alternative_texts_are_escaped():
    assert ElementTree.fromstring(draw('"T" < 2 &')).attrib["aria-label"] == '"T" < 2 &'


def test_drawings_are_repeatable_in_the_pages_font_and_colours():
    drawing = draw()
    assert drawing == draw()
    assert "DejaVu" not in drawing
    assert "#0102" not in drawing
    assert all(f"var({name})" in drawing for name in ("--ink", "--quiet", "--line", "--blue", "--orange"))
    assert "<metadata" not in drawing
    assert drawing.startswith("<svg role=")


def test_drawings_of_other_words_share_no_id():
    ids = [
        {element.attrib["id"] for element in ElementTree.fromstring(draw(words)).iter() if "id" in element.attrib}
        for words in ("first", "second")
    ]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_shares_are_written_in_percent():
    assert [percent(share, 0) for share in (0, 0.525, 1)] == ["0%", "52.5%", "100%"]
