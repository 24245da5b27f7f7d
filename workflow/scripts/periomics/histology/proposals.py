"""Regions of a section that nobody annotated, proposed from the picture: tissue, implant,
interface."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from periomics.core.errors import InputError
from periomics.histology.artefacts import pen_mask
from periomics.histology.detection import dilate
from periomics.histology.thresholds import two_levels
from periomics.imaging import readers, rois, stains
from periomics.imaging.parts import label

# Size of a pixel at which a section is looked at.
LOOK_UM = 8.0
# What is proposed, by the names that stains ask for.
TISSUE, IMPLANT, AROUND, LINE = "tissue", "implant", "peri_implant_ct", "interface"
BONE, STRIP = "bone", "pie"
PROPOSED = (TISSUE, IMPLANT, AROUND, LINE, BONE, STRIP)
# Tissue: denser than this in a channel; parts and holes of less are specks and lumina.
TISSUE_OD, SMOOTH_UM, SPECK_UM2, HOLE_UM2 = 0.06, 10.0, 2e4, 5e3
RIM_UM = 16.0
# Glass is grey to this, at most so dense where light is uneven, and at least this share of a
# picture.
GREY_OD, GLASS_MOST, GLASS_SHARE = 0.02, 0.2, 0.03
# Metal is denser than this in every channel; an implant is at least so large, and as full as its
# convex outline to that share; metal is at least so wide, and the hole that an implant left, as
# folds of the surface are narrower.
METAL_OD, IMPLANT_UM2, SOLID = 0.9, 1e5, 0.75
# A second implant has at least this share of the largest one's area.
OF_LARGEST = 0.4
METAL_UM, GHOST_UM = 60.0, 200.0
# So much of the outline of metal and of a ghost lies against tissue, within this distance.
METAL_AGAINST, AGAINST, NEAR_UM = 0.25, 0.65, 30.0
# The line goes on where pale tissue leaves a notch narrower than this.
GAP_UM = 150.0
# Tissue within this distance of the implant is proposed as what lies around it.
AROUND_IMPLANT_UM = 500.0
# Over squares so wide epithelium has so many times the typical haematoxylin of tissue other than
# bone; a strip of it is at least so wide, and begins within this distance of the implant.
OVER_UM, EPITHELIAL, STRIP_UM, BESIDE_UM, TURNS = 20.0, 1.7, 24.0, 40.0, 5
# Over squares so wide, of several nuclei, bone has so little of the other tissue's haematoxylin
# and so many times its eosin; it is at least so wide and large. Tissue of which less than this
# share is wider than that is a layer, as epithelium is. Amounts below the least are noise.
BROAD_UM, BARE, DENSE, BONE_UM, BONE_UM2 = 60.0, 0.75, 1.1, 100.0, 1e5
LAYER_UM, LAYER_SHARE, LEAST_OD = 300.0, 0.1, 0.005
# As the table of stains and configurations call them.
NUCLEAR, MATRIX = "haematoxylin", "eosin"
REASON = (
    "region proposed: nobody drew it; look at it and confirm the section, or mend "
    "the proposed regions and name them in the column rois"
)
SEVERAL = (
    "; {} implants were seen and are measured together: mend the regions where one is a cavity, "
    "or where each is an animal's or arm's own"
)


def propose(
    rgb: np.ndarray,
    pixel_um: float,
    scale: float = 1.0,
    pair: stains.StainPair | None = None,
) -> list[rois.Annotation]:
    """Regions of a section.

    Parameters
    ----------
    rgb
        The whole section (height, width, 3), in pixels of about `LOOK_UM`.
    pixel_um
        Their size.
    scale
        Finest-level pixels per pixel.
    pair
        The section's stains.

    Returns
    -------
    list of Annotation
        `tissue`, and where implants are seen (metal, or the hole that one left) `implant` and
        `interface` (its outline against tissue) of each, and `peri_implant_ct` (tissue around
        them); in haematoxylin and another stain `pie` (dense nuclei along the implant), and with
        eosin `bone`; in finest-level pixels.
    """
    from scipy.ndimage import gaussian_filter

    histogram = np.stack([np.bincount(rgb[..., c].ravel(), minlength=256) for c in range(3)])
    table = stains.od_table(stains.white_from_histogram(histogram))
    od = np.stack([table[c][rgb[..., c]] for c in range(3)], axis=-1)
    sigma = SMOOTH_UM / 2 / pixel_um
    smooth = np.stack([gaussian_filter(od[..., c], sigma) for c in range(3)], axis=-1)
    smooth -= _shade(smooth)[..., None]
    metal = _opened(smooth.min(axis=-1) >= METAL_OD, METAL_UM / 2 / pixel_um)
    # What is black has any hue.
    dyes = None if pair is None else pair.vectors
    pen = pen_mask(rgb, pixel_um, dyes) & ~dilate(metal, 2 * RIM_UM, pixel_um)
    tissue = (smooth.max(axis=-1) >= TISSUE_OD) & ~pen
    # Blur makes a thin rim of metal as dense as tissue.
    tissue = _clean(_opened(tissue & ~metal, RIM_UM / pixel_um), pixel_um)
    implants = _metals(metal, tissue, pixel_um)
    implants += _ghosts(tissue, implants, dilate(pen, 4 * RIM_UM, pixel_um), pixel_um)
    # Implants of one study are alike; smaller holes are the tissue's own.
    largest = max((part.sum() for part in implants), default=0)
    implants = [part for part in implants if part.sum() >= OF_LARGEST * largest]
    found = _named(tissue, implants, pixel_um, scale)
    if pair is not None and tissue.any():
        white = stains.white_from_histogram(histogram)
        amounts = stains.separate(rgb, white, pair)
        implant = np.any(implants, axis=0) if implants else None
        found += _by_stain(amounts, pair, (tissue, implant), pixel_um=pixel_um, scale=scale)
    return found


def _shade(od: np.ndarray) -> np.ndarray:
    """Density (rows, columns) of glass under uneven light: a parabola through what is pale and
    grey, as tissue is coloured."""
    low, high = od.min(axis=-1), od.max(axis=-1)
    grey = (high - low <= GREY_OD) & (high <= GLASS_MOST)
    if grey.mean() < GLASS_SHARE:
        return np.zeros(grey.shape, od.dtype)
    y, x = (np.linspace(-1, 1, n) for n in grey.shape)
    y, x = np.meshgrid(y, x, indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    fit, *_ = np.linalg.lstsq(terms[grey], od[grey].mean(axis=-1), rcond=None)
    shade = (terms @ fit).clip(0, GLASS_MOST)
    return np.asarray(shade, dtype=od.dtype)


def _by_stain(
    amounts: Sequence[np.ndarray],
    pair: stains.StainPair,
    masks: tuple[np.ndarray, np.ndarray | None],
    *,
    pixel_um: float,
    scale: float,
) -> list[rois.Annotation]:
    """Bone and the strip of epithelium along the implant, by how much of either stain there is."""
    if pair.stains[0] != NUCLEAR:
        return []
    tissue, implant = masks
    fine = _over(amounts[0], tissue, OVER_UM / pixel_um)
    blue, pink = (_over(a, tissue, BROAD_UM / pixel_um) for a in amounts)
    eosin = pair.stains[1] == MATRIX
    bone = _bone(blue, pink, tissue, eosin=eosin, pixel_um=pixel_um)
    found = [(BONE, _large(bone, pixel_um))] if bone is not None and eosin else []
    rest = tissue if bone is None else tissue & ~bone
    if implant is not None and (usual := _usual(fine[rest])) > 0:
        dense = _opened(tissue & (fine >= EPITHELIAL * usual), STRIP_UM / 2 / pixel_um)
        found.append((STRIP, _beside(dense, implant, BESIDE_UM / pixel_um)))
    shapes = [(name, _shape(mask, scale)) for name, mask in found]
    return [rois.Annotation(name, s, proposed=True) for name, s in shapes if s is not None]


def _over(amount: np.ndarray, tissue: np.ndarray, width: float) -> np.ndarray:
    """Mean amount of the tissue around every place, over so many pixels."""
    from scipy.ndimage import gaussian_filter

    weight = gaussian_filter(tissue.astype(np.float32), width / 2)
    mean = gaussian_filter(np.where(tissue, amount, 0), width / 2) / np.maximum(weight, 1e-3)
    return np.asarray(mean.clip(LEAST_OD))


def _bone(
    nuclear: np.ndarray, matrix: np.ndarray, tissue: np.ndarray, *, eosin: bool, pixel_um: float
) -> np.ndarray | None:
    """Tissue with few nuclei, None where it is not told from other tissue.

    What is parted is the share of the nuclear stain, which the strength of staining leaves as it
    is, or without eosin its amount. Two levels may be bone and other tissue or that and
    epithelium, in which bone has more eosin than the rest, and the rest is no mere layer.
    """
    share = -np.log10(nuclear / (nuclear + matrix) if eosin else nuclear)
    for cut in _cuts(share[tissue]):
        bone = tissue & (share >= cut)
        rest = tissue & ~bone
        bare, other = (float(np.median(nuclear[m])) for m in (bone, rest))
        pinker = np.median(matrix[bone]) / np.median(matrix[rest]) if eosin else DENSE
        thick = _opened(rest, LAYER_UM / 2 / pixel_um).sum() >= LAYER_SHARE * rest.sum()
        if bare <= BARE * other and pinker >= DENSE and thick:
            return bone
    return None


def _cuts(values: np.ndarray) -> list[float]:
    """Where the levels of tissue part, two and each of them in two, the highest first."""
    first, _ = two_levels(values)
    if np.isnan(first):
        return []
    sides = (values[values >= first], values[values < first])
    further = [two_levels(v)[0] for v in sides]
    return sorted((v for v in (first, *further) if not np.isnan(v)), reverse=True)


def _usual(amounts: np.ndarray) -> float:
    """Typical amount of what is not epithelium: of the lower level where there are two, else
    without what is as dense as epithelium beside it."""
    if not amounts.size:
        return 0.0
    cut, _ = two_levels(amounts)
    if not np.isnan(cut):
        return float(np.median(amounts[amounts < cut]))
    usual = float(np.median(amounts))
    for _ in range(TURNS):
        usual = float(np.median(amounts[amounts < EPITHELIAL * usual]))
    return usual


def _large(mask: np.ndarray, pixel_um: float) -> np.ndarray:
    """Parts as wide and as large as bone."""
    parts = label(_opened(mask, BONE_UM / 2 / pixel_um), connectivity=4)
    large = np.bincount(parts.ravel()) * pixel_um**2 >= BONE_UM2
    large[0] = False
    return np.asarray(large[parts])


def _beside(mask: np.ndarray, implant: np.ndarray, within: float) -> np.ndarray:
    """Parts that come so near to the implant, in pixels."""
    from edt import edt

    parts = label(mask)
    near = edt(~implant, black_border=False) <= within
    return np.isin(parts, np.unique(parts[near & mask])) & mask


def _clean(mask: np.ndarray, pixel_um: float) -> np.ndarray:
    """Without specks and small holes."""
    for flip, most in ((False, SPECK_UM2), (True, HOLE_UM2)):
        parts = label(mask ^ flip, connectivity=4)
        small = np.bincount(parts.ravel()) * pixel_um**2 < most
        small[0] = False
        mask = mask ^ small[parts]
    return mask


def _opened(mask: np.ndarray, radius: float) -> np.ndarray:
    """What a disc of that many pixels fits into."""
    from edt import edt

    core = edt(mask, black_border=False) > radius
    return mask & (edt(~core, black_border=False) <= radius + 1) if core.any() else core


def _metals(metal: np.ndarray, tissue: np.ndarray, pixel_um: float) -> list[np.ndarray]:
    """Parts of black that lie against tissue and do not run along the picture's sides."""
    return [
        part
        for part in _parts(metal, pixel_um)
        if _sides(part) < 2 and _against(part, tissue, pixel_um) >= METAL_AGAINST
    ]


def _ghosts(
    tissue: np.ndarray, metals: list[np.ndarray], pen: np.ndarray, pixel_um: float
) -> list[np.ndarray]:
    """Holes that implants left: bright, within the tissue's convex outline, full, with tissue along
    most of their outline, and not the gap beside metal."""
    from skimage.morphology import convex_hull_image

    if not tissue.any():
        return []
    bright = convex_hull_image(tissue) & ~tissue & ~pen
    for part in metals:
        bright &= ~dilate(part, 2 * NEAR_UM, pixel_um)
    return [
        part
        for part in _parts(_opened(bright, GHOST_UM / 2 / pixel_um), pixel_um)
        if _against(part, tissue, pixel_um) >= AGAINST
        and part.sum() / convex_hull_image(part).sum() >= SOLID
    ]


def _parts(mask: np.ndarray, pixel_um: float) -> list[np.ndarray]:
    """Connected parts that are as large as an implant."""
    parts = label(mask, connectivity=4)
    large = np.flatnonzero(np.bincount(parts.ravel())[1:] * pixel_um**2 >= IMPLANT_UM2) + 1
    return [parts == k for k in large]


def _sides(part: np.ndarray) -> int:
    """How many of the picture's sides a part lies on for more than a fifth of its extent."""
    sides = (part[0], part[-1], part[:, 0], part[:, -1])
    across = max(part.any(axis=0).sum(), part.any(axis=1).sum())
    return sum(bool(s.sum() > across / 5) for s in sides)


def _against(part: np.ndarray, tissue: np.ndarray, pixel_um: float) -> float:
    """Share of a part's outline with tissue near it."""
    from edt import edt
    from scipy.ndimage import binary_erosion

    edge = part & ~binary_erosion(part)
    near = edt(~tissue, black_border=False) <= NEAR_UM / pixel_um
    return float(near[edge].mean()) if edge.any() else 0.0


def _named(
    tissue: np.ndarray, implants: list[np.ndarray], pixel_um: float, scale: float
) -> list[rois.Annotation]:
    """Annotations of the masks, in finest-level pixels."""
    from shapely import unary_union

    body, per_um = _shape(tissue, scale), scale / pixel_um
    if body is None:
        return []
    metals = [_shape(part, scale) for part in implants]
    body = body.difference(unary_union(metals))
    found = [(TISSUE, body)]
    if metals:
        near = unary_union([metal.buffer(AROUND_IMPLANT_UM * per_um) for metal in metals])
        found += [(IMPLANT, metal) for metal in metals]
        found.append((AROUND, body.intersection(near)))
        found += [(LINE, _against_tissue(metal, body, per_um)) for metal in metals]
    return [
        rois.Annotation(name, shape, proposed=True)
        for name, shape in found
        if shape is not None and not shape.is_empty
    ]


def _against_tissue(metal: Any, body: Any, per_um: float) -> Any:
    """The longest piece of an implant's outline with tissue beside it."""
    from shapely import unary_union

    gaps = metal.boundary.difference(body.buffer(NEAR_UM * per_um))
    wide = [g for g in getattr(gaps, "geoms", [gaps]) if g.length >= GAP_UM * per_um]
    return _longest(metal.boundary.difference(unary_union(wide).buffer(1e-3)))


def _shape(mask: np.ndarray, scale: float) -> Any:
    """Polygons around the parts of a mask, without their holes; None where there is nothing."""
    from shapely import Polygon, make_valid, unary_union

    numbered = label(mask, connectivity=4)
    if not numbered.any():
        return None
    rings = [Polygon(o) for o in rois.outlines(numbered, scale) if len(o) > 3]
    return unary_union([make_valid(r) for r in rings]).simplify(scale / 2)


def _longest(lines: Any) -> Any:
    """The longest piece of an outline, its ends joined where it goes through the outline's
    start."""
    from shapely import line_merge, unary_union

    merged = line_merge(unary_union([lines])) if lines.geom_type != "LineString" else lines
    pieces = [g for g in getattr(merged, "geoms", [merged]) if g.geom_type == "LineString"]
    return max(pieces, key=lambda g: g.length) if pieces else None


@lru_cache(maxsize=64)
def proposed_of(
    path: str, sheet_um: float | None, overrule: bool, names: tuple[str, str], vectors: str
) -> tuple[rois.Annotation, ...]:
    """Proposed regions of a file; `names` of the stains, `vectors` as `stains.format_vectors`
    writes them.

    Raises
    ------
    InputError, SpecimenError
        If it cannot be read as colours.
    """
    rgb, pixel_um = readers.read_rgb(path, LOOK_UM, sheet_um, overrule=overrule)
    info = readers.probe(path)
    pair = stains.StainPair(names, stains.parse_vectors(vectors), "config")
    return tuple(propose(rgb, pixel_um, info.width / rgb.shape[1], pair))


def reason(annotations: Sequence[rois.Annotation]) -> str:
    """Why rows of a section are held back whose regions are proposed; empty where none is."""
    names = [a.name for a in annotations if a.proposed]
    many = names.count(IMPLANT)
    return (REASON + (SEVERAL.format(many) if many > 1 else "")) if names else ""


def need_proposed(found: Sequence[rois.Annotation], name: str, where: object) -> None:
    """Refuse a section in which a stain's region is not proposed.

    Raises
    ------
    InputError
        Naming the region.
    """
    if name not in {a.name for a in found}:
        seen = ", ".join(dict.fromkeys(a.name for a in found)) or "nothing"
        why = ": its stains do not tell it from other tissue" if name == BONE else ""
        message = f"no region {name!r} could be proposed{why} (seen: {seen})"
        raise InputError(message, file=where, column="rois", allowed="regions drawn by hand")


def features(annotations: Sequence[rois.Annotation], key: str) -> list[dict]:
    """Proposed regions as GeoJSON annotations that QuPath opens."""
    proposed = [a for a in annotations if a.proposed]
    names = [a.name for a in proposed]
    nth = [names[:k].count(name) + 1 for k, name in enumerate(names)]
    return [
        rois.annotation_feature(a.geometry, a.name, f"{key}:{a.name}{f' {n}' if n > 1 else ''}")
        for a, n in zip(proposed, nth, strict=True)
    ]
