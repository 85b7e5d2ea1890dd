"""The model card of a version: what it is and what was measured of it. Only what is handed in is stated."""

from collections.abc import Mapping
from typing import Any

CARD = "model_card.md"

Sections = Mapping[str, Mapping[str, Any]]
"""Title of a section to its rows, each a name and a value."""


def model_card(title: str, sections: Sections) -> str:
    """Return a card in Markdown, a table for each section.

    >>> print(model_card("reviews, version 1", {"Test rows": {"accuracy": 0.69512, "rows": 1295}}))
    # reviews, version 1
    <BLANKLINE>
    ## Test rows
    <BLANKLINE>
    | | |
    |---|---|
    | accuracy | 0.6951 |
    | rows | 1295 |
    <BLANKLINE>
    """
    parts = [f"# {title}"]
    for section, rows in sections.items():
        table = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
        parts.append("\n".join([f"## {section}", "", "| | |", "|---|---|", *table]))
    return "\n\n".join(parts) + "\n"


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return " ".join(text.split()).replace("|", "\\|")
