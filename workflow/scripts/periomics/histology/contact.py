"""Ground sections: bone against the implant (BIC) and bone between its threads or in a ring around
it (BA/TA)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from periomics.core.quality import Fact
from periomics.histology import edges
from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    Strip,
    area_share,
    fill_holes,
    keep_labels,
    label,
    level_text,
    measurement,
    object_table,
)
from periomics.histology.settings import outcome_name
from periomics.imaging.rois import outlines, polygon_mask

DEFAULTS = {"contact": "bic", "threads": "baf", "ring": ""}
# Less than this of the light of glass in all three channels is black: metal, its shadow, a torn
# edge. Where blurred metal ends less than the second is left in the channel that lets most through.
BLACK, EDGE = 0.1, 0.4
# Where the metal ends is the middle of what is seen along so many µm of its outline: a dark cell on
# it is none of it.
ALONG_UM = 20.0
LOST = "implant's outline along which the metal's edge is not seen"
# Bone is drawn where a person could point at it.
DRAWN_UM2 = 200.0


@dataclass(frozen=True)
class Options:
    """skip_um and contact_um: bone counts as contact where it lies between these distances of the
    metal's edge; snap_um: how far from the annotated outline that edge is looked for, 0 for not
    (the outline then is the edge); ring_um: width of the ring of BA/TA; smallest_um2: stained parts
    below are no bone; hole_um2: smaller holes in it (lacunae) are bone; lost_percent: where along
    more of the outline no edge is found, and specks_percent: where more of what is stained lies in
    parts too small for bone (the threshold then parts cells from bone), the section is held
    back."""

    skip_um: float = 1.0
    contact_um: float = 5.0
    snap_um: float = 10.0
    ring_um: float = 500.0
    smallest_um2: float = 200.0
    hole_um2: float = 400.0
    lost_percent: float = 10.0
    specks_percent: float = 80.0


def find(
    prepared: Prepared, options: Options, factor: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Bone of the whole image, and all that is stained: bone is in parts of a least size, with
    their lacunae; black is none."""
    stained = (prepared.target >= prepared.threshold * factor) & ~_below(prepared, BLACK)
    free = ~prepared.opened.implant
    filled = fill_holes(stained & free, options.hole_um2, prepared.pixel_um) & free
    parts = label(filled)
    size = np.bincount(parts.ravel()) * prepared.pixel_um**2
    return keep_labels(parts, size >= options.smallest_um2) > 0, filled


def _specks(prepared: Prepared, bone: np.ndarray, stained: np.ndarray, most: float) -> Fact:
    """Share of the stained area that is no bone for its size, 0 where that is less than a hundredth
    of the region."""
    region = prepared.opened.region
    whole, small = (int((m & region).sum()) for m in (stained, stained & ~bone))
    share = 100 * small / max(whole, 1) if small >= region.sum() / 100 else 0.0
    return Fact("stain in parts too small for bone", share, "%", most)


def _below(prepared: Prepared, share: float) -> np.ndarray:
    """Pixels with less than a share of the light of glass in all channels."""
    dark: np.ndarray = prepared.opened.rgb < share * np.asarray(prepared.white)
    return np.asarray(dark.all(axis=-1))


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Contact `bic`: share (%) of the implant's outline inside the region with bone before it, at
    right angles; bone area over the area between the threads `baf`, which is what the convex
    outline of an annotated implant adds to it, and where it is named in the ring of `ring_um`
    around it.

    An annotated outline is never exact, and blurred metal is dark in both stains: the edge is where
    the picture grows light. At twice the distance contact is given too, as variant, so that the
    choice of the distance is seen.
    """
    bone, stained = find(prepared, options, factor)
    line = edges.edge(prepared.opened, edges.polygons(prepared.opened, edges.IMPLANT))
    line = edges.within(line, prepared, options.contact_um)
    line, lost = at_metal(prepared, options, line)
    names = {k: outcome_name(prepared.settings, k, v) for k, v in DEFAULTS.items()}
    stain = level_text(prepared, prepared.threshold * factor)
    rows = []
    if name := names["contact"]:
        rows.append(_contact(prepared, options, (line, bone), name, variant, stain))
        if not variant:
            wide = 2 * options.contact_um
            said = f"contact={wide:g}um"
            rows.append(_contact(prepared, options, (line, bone), name, said, stain, far_um=wide))
    if variant:
        return Readout(rows)
    rows += _areas(prepared, options, bone, names, stain)
    labels = label(bone & prepared.opened.region)
    size = np.bincount(labels.ravel()) * prepared.pixel_um**2
    labels = keep_labels(labels, size >= max(options.smallest_um2, DRAWN_UM2))
    objects = object_table(labels, prepared, od=prepared.target)
    objects["counted"], objects["class"] = True, "positive"
    shapes = outlines(labels, prepared.opened.scale, prepared.opened.offset)
    facts = [Fact(LOST, lost, "%", options.lost_percent)]
    facts.append(_specks(prepared, bone, stained, options.specks_percent))
    return Readout(rows, objects, shapes, facts, _strips(prepared, options, bone))


def _strips(prepared: Prepared, options: Options, bone: np.ndarray) -> list[Strip]:
    """Each implant's outline straightened, with where bone lies before it."""
    strips = []
    for shape in edges.polygons(prepared.opened, edges.IMPLANT):
        ring = edges.edge(prepared.opened, [shape.__class__(shape.exterior)])
        keep = edges.inside(ring, prepared, options.contact_um)
        line = at_metal(prepared, options, ring.of(keep))[0]
        touched = line.away(bone, _band(prepared, options.skip_um, options.contact_um)).any(axis=1)
        present = np.full(len(keep), -1, np.int8)
        present[keep] = touched
        # The shape lies on the side of positive depths.
        strips.append(Strip(ring.points, present, ("bone", "no bone"), side=-1))
    return strips


def _contact(
    prepared: Prepared,
    options: Options,
    found: tuple[edges.Edge, np.ndarray],
    name: str,
    variant: str,
    stain: str,
    far_um: float = 0.0,
) -> dict[str, object]:
    line, bone = found
    far = far_um or options.contact_um
    touched = line.away(bone, _band(prepared, options.skip_um, far)).any(axis=1)
    whole, part = float(line.length.sum()) / 1000, float(line.length[touched].sum()) / 1000
    method = f"{stain}, {options.skip_um:g} to {far:g} um before the outline"
    of, value = Of(part, whole, "mm"), 100 * part / whole if whole else 0
    roi, n = prepared.settings.roi, int(whole > 0)
    row = measurement(name, roi, value, "%", of, n_sub=n, method=method, variant=variant)
    return row if whole else row | {"qc_reason": edges.none(edges.IMPLANT)}


def _band(prepared: Prepared, near_um: float, far_um: float) -> np.ndarray:
    """Distances in pixels, half a pixel apart."""
    return np.arange(near_um / prepared.pixel_um, far_um / prepared.pixel_um + 0.25, 0.5)


def _areas(
    prepared: Prepared, options: Options, bone: np.ndarray, names: dict[str, str], stain: str
) -> list[dict[str, object]]:
    opened, pixel2 = prepared.opened, prepared.pixel_um**2
    hulls = [p.convex_hull for p in edges.polygons(opened, edges.IMPLANT)]
    near = edges.to_metal(prepared) <= options.ring_um
    parts = {
        "threads": (polygon_mask(hulls, bone.shape, opened.scale, opened.offset), "the threads"),
        "ring": (near, f"{options.ring_um:g} um around the implant"),
    }
    rows = []
    for key, (mask, where) in parts.items():
        if name := names[key]:
            tissue = mask & opened.region
            area, part = (float(m.sum()) * pixel2 for m in (tissue, tissue & bone))
            method = f"{stain}, within {where}"
            roi = prepared.settings.roi
            row = area_share(name, roi, part, area, n_sub=int(area > 0), method=method)
            rows.append(row if hulls else row | {"qc_reason": edges.none(edges.IMPLANT)})
    return rows


def at_metal(prepared: Prepared, options: Options, line: edges.Edge) -> tuple[edges.Edge, float]:
    """The outline moved to where the black of the metal ends, and along which share (%) of it no
    such end is found.

    Where metal is not black (taken out, masked) the outline stays where it was annotated.
    """
    from scipy.ndimage import median_filter

    opened, pixel, step = prepared.opened, prepared.pixel_um, 0.5
    dark = _below(prepared, EDGE)
    if not (options.snap_um > 0 and len(line.points) and dark[opened.implant].mean() > 0.5):
        return line, 0.0
    far = options.snap_um / pixel
    away = np.arange(-far, far + step / 2, step)
    light = ~line.away(dark, away)
    ends = light.argmax(axis=1)
    # Nothing is seen of bone inside the annotation: 1 um of the band must lie outside.
    least = (1.0 - options.contact_um) / pixel
    found = light.any(axis=1) & (ends > 0) & (away[ends] >= least)
    lost = 100 * float(line.length[~found].sum() / line.length.sum())
    if not found.any():
        return line, lost
    shift = np.where(found, away[ends] - step / 2, np.median(away[ends[found]]) - step / 2)
    size = 2 * round(ALONG_UM / edges.STEP_UM / 2) + 1
    shift = median_filter(shift, size, mode="nearest")
    moved = line.points + shift[:, None] * line.outward
    return edges.Edge(moved, line.outward, line.length), lost
