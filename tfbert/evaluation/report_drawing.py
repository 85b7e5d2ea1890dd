"""How the reports' plots become inline SVG: matplotlib draws, the page's CSS variables colour.

Colours are drawn as stand-ins and replaced by `var(--...)`, so that one drawing serves light and dark pages; text stays
text, in the page's font. `to_svg` gives each drawing its alternative text as `aria-label`.
"""

import html
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, LINE, BLUE, ORANGE = "#010203", "#010204", "#010205", "#010206", "#010207"
_VARIABLES = {INK: "--ink", QUIET: "--quiet", LINE: "--line", BLUE: "--blue", ORANGE: "--orange"}


def new_figure() -> "tuple[Figure, Axes]":
    """Return an empty figure and its axes, framed as all plots of a page are."""
    try:
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("The report's plots need matplotlib: pip install 'tfbert[report]'") from error
    figure = Figure(figsize=(5.2, 3.3))
    FigureCanvasSVG(figure)
    axes = figure.add_axes((0.1, 0.19, 0.87, 0.72))  # the same frame in each plot, so that neighbours align
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(colors=QUIET, labelsize=10, length=0, pad=6)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def to_svg(figure: "Figure", alternative: str) -> str:
    """Return the figure as an `<svg>` element; `alternative` says in words what it shows."""
    import matplotlib

    buffer = io.StringIO()
    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": alternative,
    }  # the salt makes ids repeatable, and unlike others'
    with matplotlib.rc_context(settings):  # type: ignore[arg-type]
        figure.savefig(
            buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'<g id="[^"]*"', "<g", drawing)  # names such as axes_1, the same in each plot of the page
    drawing = re.sub(r" font-family: [^;\"]*;?", "", drawing)  # the page's font instead
    for stand_in, variable in _VARIABLES.items():
        drawing = drawing.replace(stand_in, f"var({variable})")
    attributes = f'<svg role="img" aria-label="{html.escape(alternative)}" '
    return re.sub(r'^<svg (?:width="[^"]*" |height="[^"]*" )*', attributes, drawing)


def label(axes: "Axes", across: str, up: str) -> None:
    """Name what runs across and what runs up."""
    axes.set_xlabel(across, color=QUIET, fontsize=10)
    axes.set_title(up, color=QUIET, fontsize=10, loc="left")  # reads without turning the head


def percent(value: float, _position: float = 0) -> str:
    """Write a share as a tick's label."""
    return f"{100 * value:.3g}%"
