"""Figures as files: one style, no display, no dates inside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from periomics.core.files import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colours for arms and classes that stay apart for colour-blind readers (Okabe and Ito's set).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")


def new_figure(width: float = 6.0, height: float = 4.0, **subplots: Any) -> tuple[Figure, Any]:
    """Return (figure, axes) on the Agg canvas, without touching pyplot's global state."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    mpl.rcParams.update(
        {
            "svg.hashsalt": "periomics",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    fig = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(fig)
    return fig, fig.subplots(**subplots)


def save(fig: Figure, path: str | os.PathLike[str], dpi: int = 110) -> None:
    """Write a figure by its suffix (png, svg), whole or not at all, without a date."""
    with atomic(path) as part:
        metadata = {"Date": None} if str(path).endswith(".svg") else None
        fig.savefig(part, dpi=dpi, metadata=metadata)


def message(path: str | os.PathLike[str], text: str) -> None:
    """Write a picture that says why there is no picture."""
    fig, ax = new_figure(6, 2)
    ax.axis("off")
    ax.text(0.5, 0.5, text, ha="center", va="center", wrap=True)
    save(fig, path)
