"""The cell-free area of a scratch over time.

Cells have texture, the gap has none: the logarithm of the local standard deviation is thresholded once for the whole series
(so that the same rule holds for every frame), within the field of view. Debris inside the gap is filled, and what is narrower
than a cell is taken off the fronts. A window that straddles the front already sees texture, which moves the front into the gap
by a known share of the window; that is undone. Every frame stands on its own; frames whose gap is larger than before are left out
of the curve by name, since a gap only shrinks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage as ndi

from periomics.core.errors import SpecimenError
from periomics.culture.field import (
    Course,
    course,
    field_of_view,
    mean_widths,
    monotone,
    without_attached,
    wounds,
)
from periomics.study.settings.culture import Culture

_PIECE = 0.03  # of the gap before: a smaller piece beside the largest is no part of it
_HALF = 0.05  # of the field: cells in a half of it whose texture is told
_SHEET = 0.02  # of the field: a sheet of cells whose own texture is told
# Windows: what is narrower on a front may be a clump of debris, and is told, not taken off.
_WIDE = 2.5
# A second difference both ways, in which white noise keeps its spread.
_CURVED = np.outer([1, -2, 1], [1, -2, 1]) / 6


@dataclass(frozen=True)
class Gap:
    """Cell-free area of a series, and what was noticed.

    Attributes
    ----------
    masks
        (time, row, column).
    area_mm2, width_um
        By frame: area, and mean width of all gaps in view together.
    warnings, holds
        What was noticed; what leaves the series out until it is confirmed.
    kept
        Frames that the curve rests on.
    fronts
        How many fronts move into the gaps.
    field
        What is picture and not frame.
    """

    masks: np.ndarray
    area_mm2: np.ndarray
    width_um: np.ndarray
    warnings: tuple[str, ...]
    holds: tuple[str, ...] = ()
    kept: np.ndarray = field(default_factory=lambda: np.ones(0, bool))
    fronts: int = 2
    field: np.ndarray | None = None


def texture(frame: np.ndarray, window_px: int, view: np.ndarray | None = None) -> np.ndarray:
    """Natural logarithm of the local standard deviation (float32, same shape), floored at half a grey level.

    With `view` only its pixels count, so that the edge of the field is no texture.
    """
    image = frame.astype(np.float64)
    if view is None or view.all():
        mean = ndi.uniform_filter(image, window_px, mode="nearest")
        square = ndi.uniform_filter(image * image, window_px, mode="nearest")
    else:
        inside = view.astype(np.float64)
        weight = np.maximum(ndi.uniform_filter(inside, window_px, mode="nearest"), 1e-9)
        mean = ndi.uniform_filter(image * inside, window_px, mode="nearest") / weight
        square = ndi.uniform_filter(image * image * inside, window_px, mode="nearest") / weight
    return np.log(np.sqrt(np.maximum(square - mean * mean, 0.0)) + 0.5).astype(np.float32)


def split(values: np.ndarray) -> tuple[float, float, float]:
    """Threshold of the pooled texture and the medians on its two sides (gap, cells).

    Otsu's threshold on the pooled histogram is moved to the middle between the two medians, since the classes differ in
    size.
    """
    from skimage.filters import threshold_otsu

    sample = values.ravel()[:: max(1, values.size // 2_000_000)]
    threshold = float(threshold_otsu(sample))
    for _ in range(3):
        low, high = sample[sample < threshold], sample[sample >= threshold]
        if low.size == 0 or high.size == 0:
            raise SpecimenError(
                "texture has one class only: no cell-free gap can be told from cells"
            )
        threshold = 0.5 * (float(np.median(low)) + float(np.median(high)))
    return threshold, float(np.median(low)), float(np.median(high))


def front_shift_px(threshold: float, gap: float, cells: float, window_px: int) -> float:
    """How far the thresholded front lies inside the gap, in pixels.

    A window with a share f of cells has variance f·s² + (1−f)·g² (plus the step between the two means, which is neglected);
    the threshold is passed at the share f*, so the front is found (1/2 − f*) windows too far into the gap.
    """
    s2, g2, t2 = np.exp(2 * cells), np.exp(2 * gap), np.exp(2 * threshold)
    share = float(np.clip((t2 - g2) / max(s2 - g2, 1e-12), 0.0, 1.0))
    return window_px * max(0.0, 0.5 - share)


def _moved(
    gap: np.ndarray,
    values: np.ndarray,
    view: np.ndarray,
    levels: tuple[float, float, float],
    window_px: int,
) -> np.ndarray:
    """A gap whose fronts are moved back to where the cells begin, each by the texture of its own
    sheet in that frame: cells that are brighter or less sharp than others are passed elsewhere.

    Parameters
    ----------
    levels
        The threshold and the usual texture of the gap and of cells; see `split`.
    """
    from edt import edt

    if not gap.any():
        return gap
    threshold, bare, usual = levels
    sheets, n = ndi.label(view & ~gap)
    size = np.bincount(sheets.ravel(), minlength=n + 1)
    large = np.flatnonzero(size >= _SHEET * view.sum())
    own = np.full(n + 1, usual)
    for k in large[large > 0]:
        own[k] = float(np.median(values[sheets == k]))
    shifts = np.array([front_shift_px(threshold, bare, o, window_px) for o in own])
    away = edt(~gap)
    return (away <= shifts[sheets]) & view


def find_gap(frames: np.ndarray, pixel_um: float, settings: Culture | None = None) -> Gap:
    """Find the cell-free gap in every frame of a series.

    Parameters
    ----------
    frames
        Grey images (time, row, column), the first at time 0.
    pixel_um
        Pixel size in µm.
    settings
        Knobs.

    Raises
    ------
    SpecimenError
        If no gap spans the first frame.

    Notes
    -----
    Validated on simulated fronts and on fronts painted cell by cell, both with known areas (tests); on real images only
    against other texture segmenters, which differ among themselves by up to 12 points of area [project's notes].
    """
    settings = settings or Culture()
    window = max(3, round(settings.window_um / pixel_um) | 1)
    view = field_of_view(frames)
    maps = np.stack([texture(f, window, view) for f in frames])
    threshold, gap, cells = split(maps[:, view])
    if cells - gap < 0.4:
        raise SpecimenError(
            f"cells and gap differ too little in texture ({np.exp(cells - gap):.2f} fold) to find a front"
        )
    debris = settings.debris_um2 / pixel_um**2
    found = _clean((maps[0] < threshold) & view, debris, window**2)
    first = wounds(found, view)
    if not first.count:
        raise SpecimenError("no cell-free gap spans the first frame from edge to edge")
    masks, filled, before = [], [], first.mask
    for i, values in enumerate(maps):
        raw = (values < threshold) & view
        mask = first.mask if i == 0 else _touching(_clean(raw, debris, window**2), before, debris)
        smooth = ~without_attached(~mask, window) & view
        filled.append(int((smooth & ~raw).sum()))
        if first.count == 1:  # what parts two gaps may be narrow
            wide = ~without_attached(~mask, _WIDE * window) & view
            filled[-1] = max(filled[-1], int((wide & ~mask).sum()))
        mask = _moved(smooth, values, view, (threshold, gap, cells), window)
        masks.append(mask)
        if mask.any() and (i == 0 or mask.sum() <= 1.05 * before.sum()):
            before = mask
    stack = np.stack(masks)
    pixels = stack.sum(axis=(1, 2)).astype(float)
    kept = monotone(pixels, settings.regrown_percent / 100 * pixels[0])
    way = course(stack[0], view, first.count)
    warnings, holds = _notes(stack, kept, settings.regrowth_um / pixel_um, way.turned)
    if first.count > 1:
        warnings.append(f"{first.count} cell-free gaps in the first frame, measured together")
    if first.fronts < 2 * first.count:
        holds.append("a gap is cut by the side of the picture: not all of it is in view")
    share = 100 * max(filled) / pixels[0]
    if share > settings.max_debris_percent:
        holds.append(
            f"single cells, debris or ragged fronts on {share:.0f} % of the gap (at most "
            f"{settings.max_debris_percent:g} %)"
        )
    change = 100 * _change(maps, stack, view, kept)
    if change > settings.max_texture_change_percent:
        holds.append(
            f"the cells' texture differs by {change:.0f} % from the first frame's (at most "
            f"{settings.max_texture_change_percent:g} %): light or focus changed, fronts are "
            f"misplaced"
        )
    cells = view & ~stack[0]
    holds += _noisy(frames, cells, kept, float(np.exp(threshold)), settings.max_noise_percent)
    bare = 100 * _structure(frames[0], stack[0], view, window)
    if bare > settings.max_gap_texture_percent:
        holds.append(
            f"the gap is not bare: {bare:.0f} % of the cells' texture (at most "
            f"{settings.max_gap_texture_percent:g} %)"
        )
    return Gap(
        masks=stack,
        area_mm2=pixels * (pixel_um * 1e-3) ** 2,
        width_um=_widths(stack, kept, view, way) * pixel_um,
        warnings=tuple(warnings),
        holds=tuple(holds),
        kept=kept,
        fronts=first.fronts,
        field=view,
    )


def _widths(stack: np.ndarray, kept: np.ndarray, view: np.ndarray, way: Course) -> np.ndarray:
    """Mean widths of the frames that are kept; missing for the others."""
    out = np.full(len(stack), np.nan)
    out[kept] = mean_widths(stack[kept], view, way)
    return out


def _notes(
    stack: np.ndarray, kept: np.ndarray, reach_px: float, turned: bool
) -> tuple[list[str], list[str]]:
    """What the frames show against each other: a field that moved across the gap, frames that cannot be of the same gap."""
    warnings, holds = [], []
    pixels = stack.sum(axis=(1, 2))
    middle = None
    for i, mask in enumerate(stack):
        if not kept[i]:
            message = (
                "the gap grew, the field may have moved, or it was closed before it is seen again"
            )
            warnings.append(f"frame {i + 1}: {message}; left out")
        elif pixels[i] > 0.3 * pixels[0]:  # of the rest of a gap the middle says little
            here = ndi.center_of_mass(mask)[0 if turned else 1]
            if middle is not None and abs(here - middle) > reach_px:
                warnings.append(f"frame {i + 1}: the field may have moved")
            middle = here
    left = int((~kept).sum())
    if left and left * 3 >= len(kept):
        holds.append(f"{left} of {len(kept)} frames do not show the gap of the others")
    return warnings, holds


def _change(maps: np.ndarray, gaps: np.ndarray, view: np.ndarray, kept: np.ndarray) -> float:
    """Largest share by which the typical texture of the cells falls short of the first frame's, or
    the first's of theirs, in all of the field or one half of it: one threshold holds for all."""
    rows, columns = (np.arange(n) < n / 2 for n in view.shape)
    halves = [rows[:, None], ~rows[:, None], columns[None], ~columns[None]]
    parts = [view & half for half in halves]
    least, most = _HALF * view.sum(), 0.0
    for part in (view, *parts):
        cells = [part & ~g for g in gaps[kept]]
        told = [c.sum() >= least for c in cells]
        if not told[0]:
            continue
        logs = [
            float(np.median(m[c])) for m, c, t in zip(maps[kept], cells, told, strict=True) if t
        ]
        most = max(most, float(np.abs(np.array(logs) - logs[0]).max()))
    return 1 - float(np.exp(-most))


def _noisy(
    frames: np.ndarray,
    cells: np.ndarray,
    kept: np.ndarray,
    threshold: float,
    most_percent: float,
) -> list[str]:
    """Pixel noise above the first frame's, where `cells` are in all that are kept: bare glass with
    it would pass for cells."""
    bent = [np.abs(ndi.convolve(f.astype(np.float64), _CURVED)[cells]) for f in frames]
    noise = np.where(kept, [1.4826 * np.median(b) for b in bent], 0.0)
    more = float(np.sqrt(max(0.0, noise.max() ** 2 - noise[0] ** 2)))
    if 100 * more <= most_percent * threshold:
        return []
    return [
        f"frame {int(noise.argmax()) + 1} has {more:.3g} grey levels of noise more than the "
        f"first, cells begin at "
        f"{threshold:.3g}: bare glass passes for cells"
    ]


def _structure(frame: np.ndarray, gap: np.ndarray, view: np.ndarray, window_px: int) -> float:
    """Texture of the gap over that of the cells where single pixels are averaged away: noise of the camera is no cell."""
    from edt import edt

    smooth = ndi.gaussian_filter(frame.astype(np.float64), max(1.0, window_px / 10))
    deep = window_px / 2 + 3
    spread = np.exp(texture(smooth, window_px, view))
    inside = edt(gap) > deep
    outside = edt(view & ~gap) > deep
    if not (inside.any() and outside.any()):
        return 0.0
    return float((np.median(spread[inside]) - 0.5) / max(np.median(spread[outside]) - 0.5, 1e-6))


def _clean(mask: np.ndarray, debris_px: float, speck_px: float) -> np.ndarray:
    """Fill islands of texture that are debris, and drop smooth specks between cells that are smaller than the window."""
    from skimage.morphology import remove_small_holes, remove_small_objects

    return remove_small_objects(
        remove_small_holes(mask, max_size=int(debris_px)), max_size=int(speck_px)
    )


def _touching(mask: np.ndarray, before: np.ndarray, least_px: float) -> np.ndarray:
    """The parts of a mask that meet the gap of the frame before; small ones beside the largest are bare spots between cells."""
    labels, _ = ndi.label(mask)
    sizes = np.bincount(labels.ravel())
    keep = np.zeros(len(sizes), bool)
    keep[np.unique(labels[before])] = True
    keep[0] = False
    if keep.any():
        least_px = min(least_px, _PIECE * float(before.sum()))
        keep &= (sizes >= least_px) | (sizes == sizes[keep].max())
    return keep[labels]


def closure_percent(area: np.ndarray) -> np.ndarray:
    """Lost share of the first area in percent."""
    return 100.0 * (area[0] - area) / area[0]


def closure_at(time_h: np.ndarray, area: np.ndarray, at_h: float) -> float:
    """Closure in percent at a time, interpolated between frames; missing outside the series."""
    if not time_h[0] <= at_h <= time_h[-1]:
        return float("nan")
    return float(np.interp(at_h, time_h, closure_percent(area)))


def front_speed(
    time_h: np.ndarray, width_um: np.ndarray, closed_share: float = 0.8
) -> tuple[float, int]:
    """Speed of one front in µm/h = half the (negative) slope of the mean width, and the number of frames used.

    A Theil–Sen line over the frames before `closed_share` of the width is closed: robust to a single bad frame.
    """
    from scipy.stats import theilslopes

    used = width_um > (1 - closed_share) * width_um[0]
    stop = int(np.argmin(used)) if not used.all() else len(used)
    stop = max(stop, 2)
    if len(time_h) < 2:
        return float("nan"), len(time_h)
    slope = theilslopes(width_um[:stop], time_h[:stop])[0]
    return float(-slope / 2), stop


def half_time(time_h: np.ndarray, area: np.ndarray) -> float:
    """Time at which half of the area is closed, interpolated; missing where the series ends before."""
    closed = closure_percent(area)
    reached = np.flatnonzero(closed >= 50)
    if reached.size == 0 or reached[0] == 0:
        return float("nan")
    i = int(reached[0])
    return float(np.interp(50, [closed[i - 1], closed[i]], [time_h[i - 1], time_h[i]]))
