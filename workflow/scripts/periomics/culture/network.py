"""Networks of bright or dark lines in a picture: tubes that cells form on a gel, junctions between them.

Lines are what stands out from its surroundings at their usual width. The mask is thinned to lines one pixel wide, which are walked from
node to node; lengths are those of the smoothed walks, since steps along pixels are up to 8 % too long. Short dead ends are thinning's
own and are taken off.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage as ndi

from periomics.core.spread import robust_spread
from periomics.culture.field import field_of_view
from periomics.study.settings.culture import Culture

_EIGHT = np.ones((3, 3), int)
_STEPS = [(-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]
_SMOOTH = 7  # pixels along a walk
_UNEVEN = 0.8
_LEAST_CONTRAST = 6.0  # spreads of the background that a line stands out by

Walk = list[tuple[int, int]]


@dataclass(frozen=True)
class Branch:
    """A line between nodes: its pixels in order, its length in pixels, and whether an end of it is free within the picture."""

    pixels: Walk
    length: float
    dead: bool


@dataclass(frozen=True)
class Network:
    """Lines of a picture: walks between nodes, what they enclose, and what was noticed.

    Attributes
    ----------
    lines
        Mask of what stands out (row, column).
    skeleton
        Of lines that count.
    length_um, area_mm2
        Of all branches; of the field.
    branches, nodes, meshes
        Numbers; a mesh is closed within the field.
    mesh_um2
        Area of all meshes.
    warnings, holds
        What was noticed; what holds the picture back.
    """

    lines: np.ndarray
    skeleton: np.ndarray
    length_um: float
    area_mm2: float
    branches: int
    nodes: int
    meshes: int
    mesh_um2: float
    warnings: tuple[str, ...] = field(default=())
    holds: tuple[str, ...] = field(default=())


def find_network(
    picture: np.ndarray, pixel_um: float, line_um: float, settings: Culture, dark: bool = False
) -> Network:
    """Lines of one picture.

    Parameters
    ----------
    picture
        Grey (row, column), in any unit.
    pixel_um
        Pixel size.
    line_um
        Usual width of a line.
    settings
        Knobs.
    dark
        Lines are darker than what lies between them.
    """
    # A dark background is no frame: only where lines are dark can a frame be told.
    view = field_of_view(picture[None]) if dark else np.ones(picture.shape, bool)
    width = line_um / pixel_um
    lines, contrast, uneven = _standing_out(-picture if dark else picture, view, width)
    warnings, holds = [], []
    if contrast < _LEAST_CONTRAST:
        warnings.append("nothing stands out from the background: no lines")
        lines = np.zeros_like(view)
    elif uneven > _UNEVEN:
        holds.append(
            f"what lies between lines differs by {100 * uneven:.0f} % of what lines stand out by (at "
            f"most {100 * _UNEVEN:.0f} %): uneven light, or sheets of cells"
        )
    share = 100 * lines.sum() / max(int(view.sum()), 1)
    if share > settings.max_line_percent:
        holds.append(
            f"{share:.0f} % of the field stands out (at most {settings.max_line_percent:g} %): "
            "sheets, not lines"
        )
    skeleton, walks = _walks(lines, settings.least_branch_widths * width)
    length = sum(w.length for w in walks) * pixel_um
    meshes, inside = _meshes(skeleton, view, (2 * width) ** 2)
    return Network(
        lines=lines,
        skeleton=skeleton,
        length_um=float(length),
        area_mm2=float(view.sum() * (pixel_um * 1e-3) ** 2),
        branches=len(walks),
        nodes=ndi.label(_nodes(skeleton), _EIGHT)[1],
        meshes=meshes,
        mesh_um2=float(inside * pixel_um**2),
        warnings=tuple(warnings),
        holds=tuple(holds),
    )


def _standing_out(
    picture: np.ndarray, view: np.ndarray, width: float
) -> tuple[np.ndarray, float, float]:
    """What is brighter than its surroundings by half of what lines are.

    Returns
    -------
    mask, contrast, uneven
        Contrast is what lines stand out by in spreads of the background; `uneven` is the range (5 to 95 %) of the background over it.
    """
    from skimage.filters import threshold_otsu
    from skimage.morphology import remove_small_holes, remove_small_objects

    fine = _blurred(picture, view, 0.35 * width)
    # The surroundings without the lines: a low quantile in squares four widths wide, smoothed.
    step = max(1, round(width / 2))
    low = ndi.percentile_filter(fine[::step, ::step], 30, size=9, mode="nearest")
    ground = ndi.zoom(low, np.array(fine.shape) / low.shape, order=1, mode="nearest")
    ground = _blurred(ground, view, 2 * width)
    raised = fine - ground
    values = raised[view]
    cut = float(threshold_otsu(values))
    below, above = values[values < cut], values[values >= cut]
    spread = robust_spread(below - np.median(below)) if below.size else 0.0
    rise = float(np.median(above) - np.median(below)) if above.size and below.size else 0.0
    mask = (raised > np.median(below) + rise / 2) & view
    area = int(width * width)
    mask = remove_small_holes(remove_small_objects(mask, max_size=4 * area), max_size=area)
    uneven = float(np.subtract(*np.percentile(ground[view], [95, 5]))) / max(rise, 1e-6)
    return np.asarray(mask), rise / max(spread, 1e-6), uneven


def _blurred(picture: np.ndarray, view: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian mean over the field only."""
    inside = view.astype(np.float64)
    weight = np.maximum(ndi.gaussian_filter(inside, sigma), 1e-6)
    return ndi.gaussian_filter(picture.astype(np.float64) * inside, sigma) / weight


def _nodes(skeleton: np.ndarray) -> np.ndarray:
    """Pixels where three lines or more meet: those whose surroundings change from line to none three times or more."""
    padded = np.pad(skeleton, 1)
    ring = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
    rows, columns = skeleton.shape
    around = np.stack(
        [padded[1 + r : 1 + r + rows, 1 + c : 1 + c + columns] for r, c in ring]
    ).astype(np.int8)
    changes = (np.roll(around, -1, axis=0) > around).sum(axis=0)
    return skeleton & (changes >= 3)


def _walks(lines: np.ndarray, least: float) -> tuple[np.ndarray, list[Branch]]:
    """Skeleton without dead ends that are shorter than `least` pixels, and its branches from node to node."""
    from skimage.morphology import skeletonize

    skeleton = np.asarray(skeletonize(lines))
    for _ in range(4):
        short = [b for b in _branches(skeleton) if b.dead and b.length < least]
        if not short:
            break
        for branch in short:
            for pixel in branch.pixels:
                skeleton[pixel] = False
        skeleton = np.asarray(skeletonize(skeleton))
    return skeleton, [b for b in _branches(skeleton) if b.length > 1]


def _branches(skeleton: np.ndarray) -> list[Branch]:
    """Branches between nodes; a node takes the pixels around it, and branches end in its middle."""
    crowded = skeleton & ndi.binary_dilation(_nodes(skeleton), _EIGHT)
    clusters, n_nodes = ndi.label(crowded, _EIGHT)
    middles = ndi.center_of_mass(crowded, clusters, range(1, n_nodes + 1))
    labels, _ = ndi.label(skeleton & ~crowded, _EIGHT)
    out = []
    for k, box in enumerate(ndi.find_objects(labels), start=1):
        corner = np.array([box[0].start, box[1].start])
        found = np.argwhere(labels[box] == k) + corner
        walk = _ordered({(int(r), int(c)) for r, c in found})
        ends = [_cluster(walk[0], clusters, 0), 0]
        ends[1] = _cluster(walk[-1], clusters, ends[0] if len(walk) == 1 else 0)
        before = [middles[ends[0] - 1]] if ends[0] else []
        after = [middles[ends[1] - 1]] if ends[1] else []
        points = np.array([*before, *walk, *after], float)
        closed = len(walk) > 3 and not any(ends) and max(abs(np.subtract(walk[0], walk[-1]))) <= 1
        if closed:
            points = np.vstack([points, points[:1]])
        edge = [_at_edge(p, skeleton.shape) for p in (walk[0], walk[-1])]
        free = [not e and not rim for e, rim in zip(ends, edge, strict=True)]
        out.append(Branch(walk, _length(points), any(free) and not closed))
    return out


def _cluster(pixel: tuple[int, int], clusters: np.ndarray, other: int) -> int:
    """The node that a pixel touches, not `other`; 0 for none."""
    r, c = pixel
    near = clusters[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2]
    found = [int(k) for k in np.unique(near) if k and k != other]
    return found[0] if found else 0


def _at_edge(pixel: tuple[int, int], shape: tuple[int, ...]) -> bool:
    return min(pixel) <= 1 or pixel[0] >= shape[0] - 2 or pixel[1] >= shape[1] - 2


def _ordered(pixels: set[tuple[int, int]]) -> Walk:
    """Pixels of a line in order, from an end where it has one."""

    def near(p: tuple[int, int]) -> list[tuple[int, int]]:
        return [q for s in _STEPS if (q := (p[0] + s[0], p[1] + s[1])) in pixels]

    start = min(pixels, key=lambda p: (len(near(p)), p))
    walk, seen = [start], {start}
    while True:
        onward = [q for q in near(walk[-1]) if q not in seen]
        if not onward:
            return walk
        walk.append(onward[0])
        seen.add(onward[0])


def _length(points: np.ndarray) -> float:
    """Length of a walk in pixels, smoothed along itself with its ends held."""
    if len(points) < 2:
        return 0.0
    half = min(_SMOOTH // 2, (len(points) - 1) // 2)
    smooth = points.copy()
    for i in range(len(points)):
        k = min(i, len(points) - 1 - i, half)
        smooth[i] = points[i - k : i + k + 1].mean(axis=0)
    return float(np.hypot(*np.diff(smooth, axis=0).T).sum())


def _meshes(skeleton: np.ndarray, view: np.ndarray, least: float) -> tuple[int, float]:
    """Number and pixels of what lines enclose within the field."""
    labels, n = ndi.label(view & ~skeleton)
    sizes = np.bincount(labels.ravel(), minlength=n + 1)
    beyond = ndi.binary_dilation(np.pad(~view, 1, constant_values=True), iterations=1)[1:-1, 1:-1]
    open_ones = set(np.unique(labels[beyond]))
    closed = [k for k in range(1, n + 1) if k not in open_ones and sizes[k] >= least]
    boxes, area = ndi.find_objects(labels), 0.0
    for k in closed:
        # Half of the line around it belongs to it.
        own = np.pad(labels[boxes[k - 1]] == k, 1)
        area += own.sum() + 0.5 * (ndi.binary_dilation(own) & ~own).sum()
    return len(closed), area
