"""Figures of the report: an SVG and its table in one step, and the same drawing as markup for the page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from periomics.core.figures import new_figure, save
from periomics.core.results import write_result

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

# Labels come from sheets: a dollar sign is no formula. Text stays text, so that figures are small and can be searched.
STYLE: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "axes.edgecolor": "#64707d",
    "axes.labelcolor": "#1d2733",
    "xtick.color": "#4a5663",
    "ytick.color": "#4a5663",
    "axes.linewidth": 0.8,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "axes.titleweight": "bold",
}

# Inches of the page's text column at 96 pixels an inch: type of 9 points in a figure so wide reads as 9 points.
PAGE_WIDTH = 10.4


def page_width(panels: int) -> float:
    """Width of a row of panels: the page from three panels on, and no panel wider than it needs."""
    return min(PAGE_WIDTH, 1.7 + 2.9 * panels)


@dataclass(frozen=True)
class Drawn:
    """A figure on the page: its name among report/figures, a title, a caption, and the drawing."""

    name: str
    title: str
    caption: str
    svg: Markup
    width: int


@contextmanager
def canvas(width: float, height: float, **subplots: Any) -> Iterator[tuple[Figure, Any]]:
    """(figure, axes) in the report's style; figures of one panel are placed without layout search, which costs most of the time."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        fig, axes = new_figure(width, height, **subplots)
        mpl.rcParams.update(STYLE)
        yield fig, axes


def keep(
    fig: Figure,
    folder: Path,
    name: str,
    table: pd.DataFrame,
    *,
    title: str = "",
    caption: str = "",
    tips: Sequence[tuple[str, Sequence[str]]] = (),
) -> Drawn:
    """Write `<name>.svg` and `<name>.tsv` and return the drawing for the page.

    Parameters
    ----------
    fig
        Matplotlib figure, drawn under `canvas`.
    folder
        report/figures.
    name
        File name without suffix.
    table
        What was drawn.
    tips
        (gid, texts): for every artist with a gid, a text for each of its markers, shown when the pointer rests on it.
    """
    path = folder / f"{name}.svg"
    save(fig, path)
    write_result(table, path.with_suffix(".tsv"))
    svg = with_tips(path.read_text(encoding="utf-8"), tips)
    path.write_text(svg, encoding="utf-8", newline="\n")
    return Drawn(
        name, title, caption, inline(svg, name, title or name), round(fig.get_figwidth() * 96)
    )


def with_tips(svg: str, tips: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Give each marker of a named artist a <title>, which browsers show without any script."""
    for gid, texts in tips:
        start = svg.find(f'id="{gid}"')
        if start < 0:
            continue
        remaining = iter(texts)

        def titled(match: re.Match[str], remaining: Iterator[str] = remaining) -> str:
            return f"{match[1]}><title>{html.escape(next(remaining))}</title></use>"

        svg = svg[:start] + re.sub(r"(<use [^>]*?)\s*/>", titled, svg[start:], count=len(texts))
    return svg


def inline(svg: str, name: str, label: str) -> Markup:
    """An SVG file as markup: no prolog and no fixed size, ids that are its own among all figures of the page."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, count=1, flags=re.S)
    prefix = re.sub(r"[^A-Za-z0-9]+", "-", name)
    body = re.sub(r'\bid="', f'id="{prefix}.', body)
    body = re.sub(r'href="#', f'href="#{prefix}.', body).replace("url(#", f"url(#{prefix}.")
    head, rest = body.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    # Safe as markup: matplotlib escapes every text it writes, and the label is escaped here.
    return Markup(f'{head} role="img" aria-label="{html.escape(label, quote=True)}">{rest}')  # noqa: S704
