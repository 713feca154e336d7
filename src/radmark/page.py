"""Pages that load nothing from anywhere: charts as inline SVG in the page's own colours, numbers in words, one style sheet."""

import base64
import io
import re
from pathlib import Path
from typing import NamedTuple

import jinja2
import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colours of the charts. Each is a stand-in that the page replaces by a variable of its style sheet, light or dark.
INK, MUTED, RULE, ACCENT, CARD = "#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f"
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    ACCENT: "var(--accent)",
    CARD: "var(--card)",
}
DOTS = "#4b86d8"  # dots are pixels, not shapes, so one colour has to serve on light and dark


def template(file: Path) -> jinja2.Template:
    """A page's template: everything is escaped, a missing name is an error, `style` is the style sheet."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    environment.filters["interval"] = interval
    environment.filters["plain"] = plain
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return environment.from_string(file.read_text(encoding="utf-8"), globals={"style": Markup(style)})


class Chart(NamedTuple):
    """An inline SVG and what a person who cannot see it should know."""

    svg: Markup
    label: str


def number(value: float | None, digits: int = 2, sign: bool = False) -> str:
    """A number with a true minus sign; a dash for none."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "\N{MINUS SIGN}")


def interval(pair: tuple[float, float] | None, digits: int = 2) -> str:
    """ "[low, high]", or nothing."""
    return "" if pair is None else f"[{pair[0]:.{digits}f}, {pair[1]:.{digits}f}]"


def plain(name: str) -> str:
    """A landmark's name as words."""
    return name.replace("_", " ")


def data_uri(kind: str, data: bytes) -> str:
    """A file as an address that a page holds itself; `kind` such as "image/png"."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def empty_chart(height: float) -> tuple[Figure, Axes]:
    """An empty chart 7.6 inches wide. A bare Figure: pyplot would keep global state and pick a window system."""
    figure = Figure(figsize=(7.6, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(colors=INK, length=0, labelsize=9.5)
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.label.set_color(MUTED)
    axes.yaxis.label.set_color(MUTED)
    return figure, axes


def chart(figure: Figure, label: str) -> Chart:
    """The figure as SVG for use inside HTML: real text, colours of the page, no identifier that could occur twice."""
    data = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        figure.savefig(data, format="svg", dpi=160)
    svg = re.sub(r"<metadata>.*?</metadata>", "", data.getvalue()[data.getvalue().index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    # The text was made by matplotlib, which escapes what it is given.
    named = Markup('<svg role="img" aria-label="{}"').format(label) + Markup(svg.removeprefix("<svg"))
    return Chart(named, label)
