"""Osteocyte lacunae in haematoxylin and eosin: empty share, and bone made necrotic by clusters of empty ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    area_share,
    counted,
    dilate,
    fill_holes,
    keep_labels,
    label,
    measurement,
    object_table,
    opening,
)
from periomics.histology.edits import CLASSES, EXCLUDED, as_edited, said
from periomics.histology.sections import ignored
from periomics.histology.settings import StainSettings, outcome_name
from periomics.imaging.rois import Annotation, need, outlines

# Random placements of the empty lacunae among all.
DRAWS = 100
# In pale patches of bone a hole has less than this share of the eosin around it, as a Gaussian of
# that spread, cut off at so many, weighs it; paler than this share of the usual is no matrix.
HOLE, PATCH_UM, CUT, NO_MATRIX = 0.6, 9.0, 3.0, 0.25


@dataclass(frozen=True)
class Options:
    """smallest_um2, largest_um2: area of a lacuna; solidity: area over the area of its convex hull; nucleus_um2: nuclear
    area that makes it occupied; cluster_k empty lacunae, each within cluster_um of the next, are a necrotic cluster."""

    smallest_um2: float = 15.0
    largest_um2: float = 250.0
    solidity: float = 0.75
    nucleus_um2: float = 2.0
    cluster_k: int = 5
    cluster_um: float = 100.0


def find(
    prepared: Prepared, options: Options, factor: float = 1.0
) -> tuple[np.ndarray, pd.DataFrame]:
    """Labels of lacunae that lie wholly inside the bone, and their table with nuclear areas and class."""
    pixel, bone = prepared.pixel_um, prepared.opened.region
    nuclear = prepared.target >= prepared.threshold * factor
    pale = prepared.target >= prepared.threshold * factor / 2
    hole = (pale_holes(prepared) | nuclear) & bone
    hole = opening(fill_holes(hole, options.largest_um2, pixel), 0.75, pixel)
    labels = label(hole, connectivity=4)
    area = np.bincount(labels.ravel()) * pixel**2
    keep = (area >= options.smallest_um2) & (area <= options.largest_um2)
    keep[np.unique(labels[dilate(~bone, 1.5 * pixel, pixel)])] = False
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        keep[edge] = False
    labels = keep_labels(labels, keep)
    labels = keep_labels(labels, np.concatenate([[False], solidity(labels) >= options.solidity]))
    labels = as_edited(prepared.edits, labels, prepared.opened)
    table = object_table(labels, prepared, haematoxylin_od=prepared.target)
    n = len(table)
    for name, mask in (("nucleus_um2", nuclear), ("pale_um2", pale)):
        table[name] = np.bincount(labels.ravel(), mask.ravel(), n + 1)[1:] * pixel**2
    classified(table, options)
    if prepared.edits is not None:
        for name in CLASSES["lacunae"]:
            table.loc[said(prepared.edits, name), "class"] = name
        table.loc[~counted(labels, bone, (False, False)), "class"] = EXCLUDED
        table["counted"] = table["class"].isin(["occupied", "empty"])
    return labels, table


def pale_holes(prepared: Prepared) -> np.ndarray:
    """Where the matrix has a hole: less eosin than the batch's threshold, half of what bone usually
    has, and than most of what is around it, as patches of bone are paler than that half.

    Around is the mean weighted by the amount itself, so that holes take no part.
    """
    from scipy.ndimage import gaussian_filter

    eosin, sigma = np.maximum(prepared.other, 0), PATCH_UM / prepared.pixel_um
    square, around = (
        gaussian_filter(a, sigma, mode="nearest", truncate=CUT) for a in (eosin * eosin, eosin)
    )
    around = square / np.maximum(around, np.float32(1e-6))
    level = np.where(around >= 2 * NO_MATRIX * prepared.second, HOLE * around, np.inf)
    return np.asarray(prepared.other < np.minimum(level, prepared.second))


def classified(table: pd.DataFrame, options: Options) -> None:
    """Add to a table of lacunae their class by nuclear areas, and which are counted."""
    occupied = table["nucleus_um2"] >= options.nucleus_um2
    uncertain = ~occupied & (table["pale_um2"] >= options.nucleus_um2) & (table["nucleus_um2"] > 0)
    table["class"] = np.select([occupied, uncertain], ["occupied", "uncertain"], "empty")
    table["counted"] = table["class"] != "uncertain"


def solidity(labels: np.ndarray) -> np.ndarray:
    """Area over that of the convex hull of each label."""
    from skimage.measure import regionprops

    return np.array([p.solidity for p in regionprops(labels)])


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Empty lacunae `elac` (% of empty and occupied), `elac_area` (1/mm² bone), necrotic bone `necr` (% of bone area),
    and by how much that is more than as many empty ones at random among all lacunae would make, `necr_excess` (points).

    A lacuna is a hole in the eosin of the matrix, or a nucleus, of a lacuna's size and shape, wholly inside the bone. It is
    occupied with a nuclear area of at least `nucleus_um2`; where only pale haematoxylin reaches that area beside a speck of
    dark it is uncertain and left out of both. Clusters follow `necrotic_area`.
    """
    labels, table = find(prepared, options, factor)
    opened, level = prepared.opened, prepared.threshold * factor
    area = float(opened.region.sum() * prepared.pixel_um**2) * 1e-6
    bone = bone_um(opened.annotations, prepared.settings, opened.pixel_um / opened.scale)
    rows = rows_of(
        prepared.settings, options, table, Bone(area, bone), level=level, variant=variant
    )
    if variant:
        return Readout(rows)
    return Readout(rows, table, outlines(labels, opened.scale, opened.offset))


class Bone(NamedTuple):
    """Area of the region's pixels in mm², and its polygons in µm."""

    mm2: float
    shape: Any


def rows_of(
    settings: StainSettings,
    options: Options,
    table: pd.DataFrame,
    bone: Bone,
    *,
    level: float,
    variant: str = "",
) -> list[dict[str, object]]:
    """Rows of a table of lacunae."""
    roi, area = settings.roi, bone.mm2
    empty, occupied = (int((table["class"] == c).sum()) for c in ("empty", "occupied"))
    both = empty + occupied
    method = f"nucleus at or above {level:.4f} OD over {options.nucleus_um2:g} um2"
    rows = []
    if name := outcome_name(settings, "share", "elac"):
        share, of = 100 * empty / max(both, 1), Of(empty, both, "lacunae")
        rows.append(
            measurement(name, roi, share, "%", of, n_sub=both, method=method, variant=variant)
        )
    if variant:
        return rows
    if name := outcome_name(settings, "density", "elac_area"):
        value, of = empty / area if area else 0, Of(empty, area, "mm2")
        rows.append(measurement(name, roi, value, "1/mm2", of, n_sub=both, method=method))
    if name := outcome_name(settings, "necrosis", "necr"):
        points = table.loc[table["class"] == "empty", ["x_um", "y_um"]].to_numpy()
        for k in sorted({3, 10, options.cluster_k}):
            dead = necrotic_area(points, bone.shape, k, options.cluster_um)
            how = f"clusters of {k} empty lacunae within {options.cluster_um:g} um"
            label_k = "" if k == options.cluster_k else f"k={k}"
            rows.append(
                area_share(
                    name, roi, dead, bone.shape.area, n_sub=empty, method=how, variant=label_k
                )
            )
    if name := outcome_name(settings, "excess", "necr_excess"):
        rows.append(_excess(name, settings.roi, bone.shape, table, options))
    return rows


def _excess(
    name: str, roi: str, bone: Any, table: pd.DataFrame, options: Options
) -> dict[str, object]:
    """The row of necrotic area beyond random placement."""
    told = table[table["counted"]]
    places, empty = told[["x_um", "y_um"]].to_numpy(), (told["class"] == "empty").to_numpy()
    rule = (options.cluster_k, options.cluster_um)
    dead = necrotic_area(places[empty], bone, *rule)
    by_chance = random_area(places, int(empty.sum()), bone, *rule)
    how = f"clusters of {rule[0]} empty lacunae within {rule[1]:g} um, less their mean area over {DRAWS} random placements"
    value, of = 100 * (dead - by_chance) / max(bone.area, 1e-9), (dead - by_chance) * 1e-6
    return measurement(
        name,
        roi,
        value,
        "%",
        Of(of, bone.area * 1e-6, "mm2"),
        n_sub=len(told),
        method=how,
    )


def random_area(places: np.ndarray, empty: int, bone, k: int, reach_um: float) -> float:
    """Mean of `necrotic_area` (µm²) over draws of so many empty ones among all lacunae: what their number alone makes of it.

    The draws are the same for the same numbers of lacunae, so that a section measured twice gives one value.
    """
    rng = np.random.default_rng([len(places), empty])
    if empty in (0, len(places)):
        return necrotic_area(places[:empty], bone, k, reach_um)
    drawn = (rng.permutation(len(places))[:empty] for _ in range(DRAWS))
    return float(np.mean([necrotic_area(places[d], bone, k, reach_um) for d in drawn]))


def bone_um(annotations: Sequence[Annotation], settings: StainSettings, factor: float) -> Any:
    """The bone polygons in µm, without the implant and its margin; `factor` µm a finest-level
    pixel."""
    from shapely import unary_union
    from shapely.affinity import scale

    bone = unary_union(need(annotations, settings.roi, "Polygon"))
    implants = [a.geometry for a in annotations if a.name == "implant"]
    if implants:
        bone = bone.difference(unary_union(implants).buffer(settings.implant_margin_um / factor))
    if left_out := ignored(list(annotations)):
        bone = bone.difference(unary_union(left_out))
    return scale(bone, factor, factor, origin=(0, 0))


def necrotic_area(points: np.ndarray, bone, k: int, reach_um: float) -> float:
    """Bone area (µm²) inside clusters of empty lacunae.

    Lacunae within `reach_um` of each other are linked (single linkage); a cluster of at least k covers its concave hull
    (ratio .5), clipped to the bone; overlapping clusters count once. Labs use 5 or 10; the source study's rule is not
    known.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree
    from shapely import MultiPoint, concave_hull, unary_union

    if len(points) < k:
        return 0.0
    pairs = cKDTree(points).query_pairs(reach_um, output_type="ndarray")
    links = coo_array(
        (np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(points), len(points))
    )
    _, group = connected_components(links, directed=False)
    hulls = [
        concave_hull(MultiPoint(points[group == g]), ratio=0.5)
        for g in np.flatnonzero(np.bincount(group) >= k)
    ]
    return float(unary_union(hulls).intersection(bone).area) if hulls else 0.0
