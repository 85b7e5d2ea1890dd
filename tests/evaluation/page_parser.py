"""Reads a report page as a browser does."""

import re
from html.parser import HTMLParser

HOSTILE = """<script>alert('x')</script>"><img src=x onerror="alert(1)">&amp; '"""
VOID = {"meta", "br", "img", "hr"}


class Page(HTMLParser):
    """Collects elements and their text, and fails where tags do not nest."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def attributes_of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def assert_self_contained(html):
    """No script, nothing fetched, no element named twice."""
    page = Page(html)
    assert not {"script", "img", "link", "iframe", "object", "image"} & {tag for tag, _ in page.elements}
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("src", "href")
            assert name != "xlink:href" or value.startswith("#")
            assert name.startswith("xmlns") or "//" not in (value or "")
    assert re.findall(r"url\((?!#)", html) == []
    assert "@import" not in html
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 0
