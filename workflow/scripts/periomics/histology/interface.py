"""Along the implant from the gingival margin: how deep a tracer came, how far the epithelium reaches, how thick it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from shapely import LineString, box, union_all

from periomics.core.quality import Fact
from periomics.histology.sections import Opened
from periomics.imaging.rois import named, polygon_mask
from periomics.imaging.unroll import unroll

# Annotations by their class: where the mucosa begins, and the peri-implant epithelium.
MARGIN, EPITHELIUM = "margin", "pie"
# Places of a line nearer than this (µm) to another, or to the line without its small steps, are the
# same.
STEPS_UM = 3.0


@dataclass(frozen=True)
class Reach:
    """How far something reaches along a line.

    Attributes
    ----------
    depth
        µm from the line's beginning to the end of what joins it.
    beyond
        µm that hold it farther on, not joined.
    """

    depth: float
    beyond: float


def reach(present: np.ndarray, step: float, gap: float) -> Reach:
    """How far a state reaches from the beginning of a line through gaps of at most `gap`.

    Parameters
    ----------
    present
        (n,) bool, of equal pieces of the line in walking order.
    step, gap
        µm.
    """
    depth = 0.0
    for start, stop, on in runs(present):
        if on and start * step - depth > gap:
            break
        depth = stop * step if on else depth
    return Reach(depth, float(present[round(depth / step) :].sum() * step))


def runs(flags: np.ndarray) -> list[tuple[int, int, int]]:
    """(start, stop, value) of each run of equal flags or states."""
    if len(flags) == 0:
        return []
    cuts = [0, *(np.flatnonzero(np.diff(flags)) + 1).tolist(), len(flags)]
    return [(a, b, int(flags[a])) for a, b in pairwise(cuts)]


def from_margin(line: np.ndarray, opened: Opened) -> tuple[np.ndarray, float]:
    """The line, turned so that it begins at the annotated gingival margin, and how far from its
    beginning that lies (µm); infinity where none is annotated.

    Of several margins that which lies nearest to an end of the line.
    """
    points = [g for g in named(opened.annotations, MARGIN) if g.geom_type == "Point"]
    if not points:
        return line, math.inf
    margins = (np.array([[p.x, p.y] for p in points]) - opened.offset) / opened.scale
    first, last = (float(np.hypot(*(margins - line[end]).T).min()) for end in (0, -1))
    return (line if first <= last else line[::-1]), min(first, last) * opened.pixel_um


def drawn_facts(opened: Opened, lines: Sequence[np.ndarray], most: float) -> list[Fact]:
    """Whether lines (x, y in pixels of the section) are drawn as they are measured: in the picture,
    once, and not in steps or by a trembling hand, which would make them too long; `most` of their
    length (%) may be none of it."""
    pixel = opened.pixel_um
    shapes = [LineString(line * pixel) for line in lines]
    whole = max(sum(s.length for s in shapes), 1e-9)
    plain = sum(s.simplify(STEPS_UM).length for s in shapes)
    high, wide = opened.rgb.shape[:2]
    view = box(0, 0, wide * pixel, high * pixel)
    outside = sum(s.difference(view).length for s in shapes)
    twice = sum(
        s.intersection(union_all([o.buffer(STEPS_UM) for o in shapes[:k]])).length
        for k, s in enumerate(shapes)
    )
    return [
        Fact("line outside the picture", 100 * outside / whole, "%", most),
        Fact("line drawn twice", 100 * twice / whole, "%", most),
        Fact("steps that lengthen the line", 100 * (whole / max(plain, 1e-9) - 1), "%", most),
    ]


def epithelium(
    opened: Opened, line: np.ndarray, step_um: float, touch_um: float, most_um: float
) -> tuple[np.ndarray, np.ndarray]:
    """Thickness (µm) of the annotated epithelium at each position of a line, 0 where none lies on it, and the arcs (µm).

    Parameters
    ----------
    opened
        The section, with regions `pie`.
    line
        (n, 2) x, y in pixels of the section: the interface, from the margin.
    step_um, touch_um, most_um
        Between positions; farthest that epithelium may begin from the line; how far it is followed.

    Notes
    -----
    Thickness is measured at right angles to the line, from where the epithelium begins to where it first ends, on the side of the
    line that holds more of it.
    """
    shapes = [g for g in named(opened.annotations, EPITHELIUM) if g.geom_type != "Point"]
    mask = polygon_mask(shapes, opened.rgb.shape[:2], opened.scale, opened.offset)
    mask &= ~opened.implant
    pixel = opened.pixel_um
    step = step_um / pixel
    sides = []
    for sign in (1, -1):
        depths = (step / 2, (most_um + touch_um) / pixel) if sign > 0 else None
        depths = depths or (-(most_um + touch_um) / pixel, -step / 2)
        band = unroll(mask.astype(np.float32), line, 0, step, depths)
        inside = np.nan_to_num(band.values) >= 0.5
        sides.append((inside if sign > 0 else inside[:, ::-1], band))
    inside, band = max(sides, key=lambda side: side[0].sum())
    across = float(np.abs(np.diff(band.depth)).mean()) * pixel
    begins = np.where(inside.any(axis=1), inside.argmax(axis=1), inside.shape[1])
    columns = np.arange(inside.shape[1])
    ended = ~inside & (columns > begins[:, None])
    ends = np.where(ended.any(axis=1), ended.argmax(axis=1), inside.shape[1])
    thick = np.where(begins * across <= touch_um, (ends - begins) * across, 0.0)
    return np.maximum(thick, 0.0), band.arc * pixel
