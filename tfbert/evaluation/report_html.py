"""The parts every report page is made of; every string is escaped."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tfbert.evaluation.report_style import STYLE


def page(title: str, verdict: str, note: str, warnings: str, sections: Mapping[str, str]) -> str:
    """Return a whole page; `warnings` and `sections`, from heading to content, are HTML, the rest is text."""
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<header>",
            f'<h1>{escape(title)}</h1>\n<p class="verdict">{escape(verdict)}</p>',
            f'<p class="note">{escape(note)}</p>',
            f"{warnings}</header>",
            *(f"<h2>{escape(heading)}</h2>\n{content}" for heading, content in sections.items()),
            "</main>\n</body>\n</html>\n",
        ]
    )


def facts(heading: str, values: Mapping[str, Any], code: bool = False) -> str:
    """Return a heading and a table of name and value; `code` sets the values as code."""
    wrap = "<code>{}</code>" if code else "{}"
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{wrap.format(escape(show(value)))}</td></tr>'
        for name, value in values.items()
    )
    return f'<h3>{heading}</h3><div class="wide"><table class="facts"><tbody>{rows}</tbody></table></div>'


def show(value: Any) -> str:
    """Return a setting's value as a reader wants it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {show(item)}" for name, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(show(item) for item in value)
    if value is None or isinstance(value, bool | np.bool_):
        return {None: "none", True: "yes", False: "no"}[value if value is None else bool(value)]
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def figure(drawing: str, caption: str) -> str:
    """Return a drawing with its caption, both HTML."""
    return f"<figure>{drawing}<figcaption>{caption}</figcaption></figure>"


def row(name: str, *figures: str, style: str = "") -> str:
    """Return a table's row: a name, and figures right-aligned."""
    cells = "".join(f'<td class="number">{escape(figure)}</td>' for figure in figures)
    return f'<tr class="{style}"><th scope="row">{escape(name)}</th>{cells}</tr>'


def table(style: str, names: Sequence[str], rows: Iterable[str], caption: str = "") -> str:
    """Return a table of `row`s under its columns' `names`."""
    first, *others = (escape(name) for name in names)
    head = f"<th>{first}</th>" + "".join(f'<th scope="col" class="number">{name}</th>' for name in others)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table class="{style}">{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def escape(text: str) -> str:
    """Return text as HTML."""
    return html.escape(str(text))
