"""Simulated stained sections with their truth: CD31 vessels, MPO neutrophils, osteocyte lacunae, the laminin-332 line.

Truth comes from the lists of what was planted, never from a detector: profiles that the counting rule counts, the tissue
area left after implant and glass, planted lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from shapely.affinity import affine_transform
from shapely.geometry import LineString, Point, Polygon

from periomics.core.errors import InputError, nearest
from periomics.core.seeds import generator
from periomics.imaging.rois import annotation_feature, polygon_mask
from periomics.simulate import histology_optics as optics
from periomics.simulate.histology_tissue import (
    Canvas,
    Layout,
    background_nuclei,
    draw_layout,
    round_at_random,
    scatter,
)
from periomics.simulate.layers import TRUTH_COLUMNS
from periomics.study.settings.section import check_keys

RULE = "simulate_histology"
# Distance from the implant that the measurement leaves out; the truth's tissue area leaves it out too.
IMPLANT_MARGIN_UM = 5.0
DEFAULTS = {"shape": (1000, 1000), "pixel_um": 0.5, "section_cv": 0.1, "jpeg_quality": 90}


@dataclass
class Section:
    """A drawn section: colours, regions in pixels, rows of truth (roi, outcome, truth) and the planted objects."""

    rgb: np.ndarray
    pixel_um: float
    features: list[dict]
    truth: list[tuple[str, str, float]]
    objects: list[dict] = field(default_factory=list)


def section_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the layer (`simulate: histology:`) with what is not stated by default; unknown names are errors."""
    layer = dict(settings.get("histology") or {})
    known = {**DEFAULTS, "sections_per_stain": 1}
    check_keys(layer, known, "simulate/histology")
    return {**DEFAULTS, **layer}


def batch_optics(seed: int, stain: str, batch: str) -> optics.Optics:
    """Optics shared by the sections of a stain in a batch, whoever draws them."""
    return optics.draw_optics(generator(seed, RULE, f"batch:{stain}:{batch}"))


def draw_section(
    fact: Mapping[str, Any],
    target: float,
    settings: Mapping[str, Any],
    seed: int,
    blank: bool = False,
) -> Section:
    """Draw one section.

    Parameters
    ----------
    fact
        Row of the sections sheet: at least section_id, stain; batch and pixel_um where stated.
    target
        What the specimen should show, on the natural scale (1/mm² or %); the section varies around it by `section_cv`,
        on the log scale for counts and the logit scale for percentages, with matched mean on the log scale.
    settings, seed
        The config's `simulate` and `seed`.
    blank
        Draw without the brown product, as a negative control.

    Raises
    ------
    InputError
        If the stain cannot be simulated.
    """
    stain = str(fact["stain"])
    if stain not in STAINS:
        raise InputError(
            f"stain cannot be simulated{nearest(stain, STAINS)}",
            column="stain",
            value=stain,
            allowed=", ".join(STAINS),
        )
    layer = section_settings(settings)
    height, width = (int(v) for v in layer["shape"])
    pixel = float(fact.get("pixel_um") or layer["pixel_um"])
    rng = generator(seed, RULE, str(fact["section_id"]) + str(fact.get("field_id", "")))
    canvas = Canvas((height, width), pixel)
    layout = draw_layout((width * pixel, height * pixel), rng)
    value = _section_value(stain, float(target), float(layer["section_cv"]), rng)
    features, truth, objects = STAINS[stain][1](canvas, layout, value, rng)
    if blank:
        canvas.amounts["DAB"] *= np.float32(0)
    canvas.amounts["black"] += np.float32(0.01)
    implant = polygon_mask([layout.implant], canvas.shape, scale=pixel)
    glass = polygon_mask([layout.glass], canvas.shape, scale=pixel)
    for name, amount in canvas.amounts.items():
        amount[glass] = 0
        amount[implant] = 1.7 if name == "black" else 0
    shown = optics.render(
        canvas.amounts, batch_optics(seed, stain, str(fact.get("batch", ""))), pixel, rng
    )
    features = [("implant", layout.implant), *features]
    key = str(fact["section_id"])
    drawn = [
        annotation_feature(_in_pixels(geometry, pixel), name, f"{key}:{name}:{i}")
        for i, (name, geometry) in enumerate(features)
    ]
    return Section(shown, pixel, drawn, [] if blank else truth, objects)


def truth_rows(fact: Mapping[str, Any], section: Section) -> list[dict[str, object]]:
    """Rows of the truth table of one section."""
    common = {k: fact.get(k, "") for k in ("specimen_id", "animal_id", "section_id", "field_id")}
    time = float(fact["time"]) if fact.get("time") not in (None, "") else float("nan")
    return [
        {**common, "roi": roi, "outcome": outcome, "variant": "", "time": time, "truth": value}
        for roi, outcome, value in section.truth
    ]


def truth_table(rows: list[dict[str, object]]) -> pd.DataFrame:
    """All sections' truth, sorted by key."""
    df = pd.DataFrame(rows, columns=list(TRUTH_COLUMNS))
    return df.sort_values(["section_id", "field_id", "outcome"], kind="stable").reset_index(
        drop=True
    )


def target_of(stain: str) -> str:
    """The target that a stain realises."""
    return STAINS[stain][0]


def _section_value(stain: str, target: float, cv: float, rng: np.random.Generator) -> float:
    if STAINS[stain][0] in ("mvd", "neu"):
        return float(target * np.exp(rng.normal(-(cv**2) / 2, cv)))
    p = target / 100
    # A step of cv on the scale of p is cv / (1 - p) on the logit scale.
    return float(100 * expit(logit(p) + rng.normal(0, cv)))


def _in_pixels(geometry, pixel: float):
    return affine_transform(geometry, [1 / pixel, 0, 0, 1 / pixel, 0, 0])


def _ellipse(x: float, y: float, a: float, b: float, angle: float) -> Polygon:
    t = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    u, v = a * np.cos(t), b * np.sin(t)
    c, s = np.cos(angle), np.sin(angle)
    return Polygon(np.column_stack([x + u * c - v * s, y + u * s + v * c]))


def _counted(shape: Polygon, roi: Polygon, height: float, width: float) -> bool:
    """The counting rule: a profile belongs to where its lowest point lies; what the right or lower frame cuts is out."""
    x, y = max(shape.exterior.coords, key=lambda p: (p[1], p[0]))
    return shape.bounds[3] < height and shape.bounds[2] < width and roi.contains(Point(x, y))


def _stroma(canvas: Canvas, rng: np.random.Generator, **levels: float) -> None:
    for name, level in levels.items():
        waves = optics.texture(canvas.shape, 12 / canvas.pixel_um, rng) + optics.texture(
            canvas.shape, 2 / canvas.pixel_um, rng
        )
        canvas.amounts[name] += np.float32(level) * np.exp(np.float32(0.15) * waves)


def _ct_roi(layout: Layout) -> Polygon:
    """Connective tissue as a person would outline it: from the implant's edge, 15 µm inside the right frame."""
    width, height = layout.size
    frame = Polygon([(0, 0), (width - 15, 0), (width - 15, height), (0, height)])
    return frame.difference(layout.implant).difference(layout.glass.buffer(8))


def draw_vessels(canvas: Canvas, layout: Layout, per_mm2: float, rng: np.random.Generator):
    """CD31: rings with a lumen, some with a gap in the wall, some solid; weak brown haze and specks as distraction."""
    width, height = layout.size
    roi = _ct_roi(layout)
    region = layout.right_of_implant(16.0, beyond=25.0)
    n = round_at_random(per_mm2 * region.area * 1e-6, rng)
    a = 6.5 * np.exp(rng.normal(0, 0.35, n))
    points = scatter(region, n, a, 8.0, rng, clustered=0.5)
    _stroma(canvas, rng, haematoxylin=0.06, DAB=0.04)
    background_nuclei(canvas, region, 1500, (points, a), rng)
    tissue = roi.difference(layout.implant.buffer(IMPLANT_MARGIN_UM))
    objects, counted, area = [], 0, 0.0
    for (x, y), radius in zip(points, a, strict=True):
        b, angle = radius * rng.uniform(0.55, 1.0), rng.uniform(0, np.pi)
        brown, wall = float(np.exp(rng.normal(-0.45, 0.12))), rng.uniform(1.6, 2.4)
        solid = min(radius, b) < wall + 1.5 or rng.random() < 0.1
        _paint_vessel(
            canvas,
            x,
            y,
            a=radius,
            b=b,
            angle=angle,
            wall=0.0 if solid else wall,
            brown=brown,
            rng=rng,
        )
        shape = _ellipse(x, y, radius, b, angle)
        inside = _counted(shape, tissue, height, width)
        counted += inside
        area += shape.intersection(tissue).area
        objects.append(
            {"x": x, "y": y, "r": radius, "class": "solid" if solid else "ring", "counted": inside}
        )
    for x, y in rng.uniform(
        (0, 0), (width, height), (round_at_random(40e-6 * width * height, rng), 2)
    ):
        if not len(points) or np.hypot(*(points - (x, y)).T).min() > 30:
            canvas.ellipse(x, y, 1.0, 0.9, 0, DAB=0.5)  # precipitate, below the smallest area
    mm2 = tissue.area * 1e-6
    truth = [
        ("peri_implant_ct", "mvd", counted / mm2),
        ("peri_implant_ct", "va", 100 * area / tissue.area),
    ]
    return [("peri_implant_ct", roi)], truth, objects


def _paint_vessel(canvas, x, y, a, b, angle, wall, brown, rng) -> None:
    """Wall 0 is a solid profile."""
    box = canvas.box(x, y, a)
    if box is None:
        return
    outer = canvas.cover(box, x, y, a, b, angle)
    canvas.paint(outer, box, haematoxylin=0.08)
    gx, gy = canvas.grid(box)
    ring = outer
    if wall:
        inner = canvas.cover(box, x, y, a - wall, b - wall, angle)
        canvas.paint(inner, box, haematoxylin=0.0, DAB=0.0)
        ring = outer * (1 - inner)
        if rng.random() < 0.3:  # a gap of 3 µm in the wall
            at = rng.uniform(-np.pi, np.pi)
            turn = np.angle(np.exp(1j * (np.arctan2(gy - y, gx - x) - at)))
            ring = ring * (np.abs(turn) * np.hypot(gx - x, gy - y) > 1.5)
    canvas.paint(ring.astype(np.float32), box, DAB=brown)
    at = rng.uniform(0, 2 * np.pi)
    canvas.ellipse(
        x + (a - 1) * np.cos(at) * np.cos(angle) - (b - 1) * np.sin(at) * np.sin(angle),
        y + (a - 1) * np.cos(at) * np.sin(angle) + (b - 1) * np.sin(at) * np.cos(angle),
        2.2,
        1.2,
        at + np.pi / 2,
        haematoxylin=0.5,
    )


def draw_neutrophils(canvas: Canvas, layout: Layout, per_mm2: float, rng: np.random.Generator):
    """MPO: brown cells with a nucleus of two to four lobes, in groups; negative nuclei; unstained vessel lumens."""
    width, height = layout.size
    roi = _ct_roi(layout)
    region = layout.right_of_implant(10.0, beyond=15.0)
    holes_n = round_at_random(30e-6 * region.area, rng)
    hole_r = rng.uniform(9, 16, holes_n)
    holes = scatter(region.buffer(-20), holes_n, hole_r, 10.0, rng)
    n = round_at_random(per_mm2 * region.area * 1e-6, rng)
    radius = rng.uniform(4.2, 5.4, n)
    points = scatter(region, n, radius * 0.95, 0.0, rng, clustered=0.6, avoid=(holes, hole_r))
    _stroma(canvas, rng, haematoxylin=0.06, DAB=0.04)
    background_nuclei(
        canvas, region, 1500, (np.vstack([points, holes]), np.concatenate([radius, hole_r])), rng
    )
    for (x, y), r in zip(holes, hole_r, strict=True):
        canvas.ellipse(x, y, r, r, 0, haematoxylin=0.0, DAB=0.0)
    tissue = roi.difference(layout.implant.buffer(IMPLANT_MARGIN_UM))
    for (x, y), r in zip(holes, hole_r, strict=True):
        tissue = tissue.difference(_ellipse(x, y, r, r, 0))
    objects, counted = [], 0
    for (x, y), r in zip(points, radius, strict=True):
        b, angle = r * rng.uniform(0.85, 1.0), rng.uniform(0, np.pi)
        canvas.ellipse(
            x, y, r, b, angle, DAB=float(np.exp(rng.normal(-0.5, 0.12))), haematoxylin=0.05
        )
        lobes = rng.integers(2, 5)
        start = rng.uniform(0, 2 * np.pi)
        for k in range(lobes):
            at = start + k * rng.uniform(1.2, 1.7)
            reach = 0.45 * r
            canvas.ellipse(
                x + reach * np.cos(at),
                y + reach * np.sin(at),
                1.6,
                1.2,
                at,
                haematoxylin=0.65,
                DAB=0.3,
            )
        inside = _counted(_ellipse(x, y, r, b, angle), tissue, height, width)
        counted += inside
        objects.append({"x": x, "y": y, "r": r, "class": "neutrophil", "counted": inside})
    truth = [("peri_implant_ct", "neu", counted / (tissue.area * 1e-6))]
    return [("peri_implant_ct", roi)], truth, objects


def draw_lacunae(canvas: Canvas, layout: Layout, percent: float, rng: np.random.Generator):
    """HE: a bone with osteocyte lacunae, empty ones lying together; marrow with nuclei above it."""
    width, height = layout.size
    x = np.linspace(0, width, 60)
    top = 0.3 * height + 0.04 * height * np.sin(2 * np.pi * x / width + rng.uniform(0, 6.28))
    low, right = height - 6, width - 6
    bone = Polygon([*zip(x, top, strict=True), (width, low), (0, low)])
    bone = bone.intersection(Polygon([(0, 0), (right, 0), (right, height), (0, height)]))
    bone = bone.difference(layout.implant.buffer(12))
    _stroma(canvas, rng, haematoxylin=0.05, eosin=0.22)
    soft = layout.right_of_implant(8.0).difference(bone.buffer(6))
    background_nuclei(canvas, soft, 1800, (np.empty((0, 2)), np.empty(0)), rng)
    inside = polygon_mask([bone], canvas.shape, scale=canvas.pixel_um)
    canvas.amounts["haematoxylin"][inside] = 0.03
    canvas.amounts["eosin"][inside] = 0.5
    canvas.amounts["eosin"][inside] *= np.exp(
        np.float32(0.06) * optics.texture(canvas.shape, 5 / canvas.pixel_um, rng)
    )[inside]
    room = bone.buffer(-14)
    canals = _draw_canals(canvas, bone.buffer(-25), rng)
    n = round_at_random(650e-6 * bone.area, rng)
    a = rng.uniform(5.0, 8.0, n)
    points = scatter(room, n, a, 5.0, rng, avoid=canals)
    # Empties lie where a smooth field is high, as in necrotic patches; their number is binomial, so the share is right
    # whatever the field.
    seeds = points[rng.integers(n, size=3)] if n else np.empty((0, 2))
    score = np.array(
        [np.exp(-(((seeds - p) / 60.0) ** 2).sum(axis=1)).sum() for p in points]
    ) + rng.normal(0, 0.25, n)
    n_empty = int(rng.binomial(n, percent / 100))
    empty = np.zeros(n, bool)
    empty[np.argsort(-score, kind="stable")[:n_empty]] = True
    objects = []
    for (px, py), long, void in zip(points, a, empty, strict=True):
        short, angle = rng.uniform(3.0, 4.2), rng.uniform(-0.5, 0.5)
        canvas.ellipse(px, py, long, short, angle, eosin=0.02, haematoxylin=0.0)
        if not void:
            share = rng.uniform(0.35, 0.85)
            dark = float(np.exp(rng.normal(-0.45, 0.15)))
            canvas.ellipse(px, py, long * share, short * share, angle, haematoxylin=dark, eosin=0.1)
        objects.append(
            {"x": px, "y": py, "r": long, "class": "empty" if void else "occupied", "counted": True}
        )
    truth = [("bone", "elac", 100 * n_empty / n)] if n else []
    return [("bone", bone)], truth, objects


def _draw_canals(
    canvas: Canvas, room: Polygon, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Vessel canals of the bone, with cells at their wall: holes that are no lacunae. Their x, y (n, 2) and radii."""
    n = 0 if room.is_empty else round_at_random(12e-6 * room.area, rng)
    radii = rng.uniform(11, 18, n)
    points = scatter(room, n, radii, 10.0, rng) if n else np.empty((0, 2))
    for (x, y), r in zip(points, radii, strict=True):
        canvas.ellipse(x, y, r, r * 0.9, 0.0, eosin=0.05, haematoxylin=0.0)
        for at in rng.uniform(0, 2 * np.pi, 3):
            canvas.ellipse(
                x + 0.7 * r * np.cos(at), y + 0.7 * r * np.sin(at), 3.2, 1.5, at, haematoxylin=0.6
            )
    return points, radii


def draw_laminin(canvas: Canvas, layout: Layout, percent: float, rng: np.random.Generator):
    """LN332: epithelium along the implant with a broken line at the interface and a whole one at its outer basal lamina."""
    line = np.asarray(layout.edge.coords)
    _stroma(canvas, rng, haematoxylin=0.06, DAB=0.04)
    dense = LineString(line)
    arcs = np.arange(0, dense.length, 0.25)
    curve = np.array([dense.interpolate(s).coords[0] for s in arcs])
    from scipy.spatial import cKDTree

    gx, gy = canvas.grid()
    edge_x = np.interp(gy[:, 0], line[:, 1], line[:, 0])
    near = (gx - edge_x[:, None] > -6) & (gx - edge_x[:, None] < 66)
    rows, columns = np.nonzero(near)
    where = np.column_stack([gx[0, columns], gy[rows, 0]])
    distance, index = cKDTree(curve).query(where)
    signed = np.where(where[:, 0] > edge_x[rows], distance, -distance)
    ends = (index > 0) & (index < len(curve) - 1)
    epithelium = layout.edge.buffer(60, cap_style="flat").difference(layout.implant)
    background_nuclei(canvas, epithelium, 5500, (np.empty((0, 2)), np.empty(0)), rng)
    background_nuclei(
        canvas, layout.right_of_implant(70.0), 1500, (np.empty((0, 2)), np.empty(0)), rng
    )
    length = float(dense.length)
    pieces = broken_line(length, percent / 100, rng)
    # Drop the counterstain where the line runs: nuclei do not cross a basal lamina.
    close = (signed > 0) & (signed < 3) & ends
    canvas.amounts["haematoxylin"][rows[close], columns[close]] = 0.08
    cover = np.clip((1.1 - np.abs(signed - 1.2)) / canvas.pixel_um + 0.5, 0, 1)
    along = np.zeros(len(arcs), bool)
    for start, stop in pieces:
        along |= (arcs >= start) & (arcs < stop)
    brown = 0.55 * np.exp(0.1 * rng.standard_normal(len(arcs) // 8 + 1))[np.arange(len(arcs)) // 8]
    share = cover * along[index] * ends
    canvas.amounts["DAB"][rows, columns] += (share * (brown[index] - 0.04)).astype(np.float32)
    outer = np.clip((1.0 - np.abs(signed - 60)) / canvas.pixel_um + 0.5, 0, 1) * ends
    canvas.amounts["DAB"][rows, columns] += (outer * 0.5).astype(np.float32)
    covered = sum(stop - start for start, stop in pieces)
    gaps = (
        sum(1 for start, _ in pieces if start > 0)
        + (bool(pieces) and pieces[-1][1] < length - 1e-6)
        if pieces
        else 1
    )
    truth = [
        ("interface", "ln332", 100 * covered / length),
        ("interface", "ln332_gaps", 1000 * gaps / length),
    ]
    features = [("pie", epithelium), ("interface", LineString(line)), ("margin", Point(line[0]))]
    objects = [
        {"x": start, "y": stop, "r": 0.0, "class": "piece", "counted": True}
        for start, stop in pieces
    ]
    return features, truth, objects


def broken_line(
    length: float, share: float, rng: np.random.Generator, least: float = 4.0
) -> list[tuple[float, float]]:
    """Pieces (start, stop) that cover exactly a share of a line, alternating with gaps; no piece or gap below `least`.

    About one gap every 45 µm; fewer where the shorter of both kinds would not hold that many.
    """
    short = min(share, 1 - share) * length
    count = min(max(1, round(length / 45)), int(short // (1.5 * least)))
    if count == 0:  # too little of one kind to be cut: it is one piece or one gap at an end
        return [(0.0, share * length)] if share > 0 else []

    def split(total: float) -> np.ndarray:
        return least + rng.dirichlet(np.full(count, 2.0)) * (total - count * least)

    stained, bare = split(share * length), split((1 - share) * length)
    first = int(rng.random() < 0.5)
    parts = np.empty(2 * count)
    parts[first::2], parts[1 - first :: 2] = stained, bare
    ends = np.concatenate([[0.0], np.cumsum(parts)])
    return [(float(ends[k]), float(ends[k + 1])) for k in range(first, 2 * count, 2)]


STAINS: dict[str, tuple[str, Callable]] = {
    "CD31": ("mvd", draw_vessels),
    "MPO": ("neu", draw_neutrophils),
    "HE": ("elac", draw_lacunae),
    "LN332": ("ln332", draw_laminin),
}
