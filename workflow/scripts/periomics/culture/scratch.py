"""The cell-free area of a scratch over time.

Cells have texture, the gap has none: the logarithm of the local standard deviation is thresholded once for the whole series
(so that the same rule holds for every frame), debris inside the gap is filled, and the gap may only shrink (where the field
moved between frames, only its area may). A window that
straddles the front already sees texture, which moves the front into the gap by a known share of the window; that is undone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

from periomics.core.errors import SpecimenError
from periomics.study.settings.culture import Culture


@dataclass(frozen=True)
class Gap:
    """Cell-free area of a series: masks (time, row, column), areas in mm², mean widths in µm, and what was noticed."""

    masks: np.ndarray
    area_mm2: np.ndarray
    width_um: np.ndarray
    warnings: tuple[str, ...]


def texture(frame: np.ndarray, window_px: int) -> np.ndarray:
    """Natural logarithm of the local standard deviation (float32, same shape), floored at half a grey level."""
    image = frame.astype(np.float64)
    mean = ndi.uniform_filter(image, window_px, mode="nearest")
    square = ndi.uniform_filter(image * image, window_px, mode="nearest")
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
    Validated on simulated fronts with known areas (tests) and, on real images, only against other texture segmenters, which
    differ among themselves by up to 12 points of area [project's notes].
    """
    settings = settings or Culture()
    window = max(3, round(settings.window_um / pixel_um) | 1)
    maps = np.stack([texture(f, window) for f in frames])
    threshold, gap, cells = split(maps)
    if cells - gap < 0.4:
        raise SpecimenError(
            f"cells and gap differ too little in texture ({np.exp(cells - gap):.2f} fold) to find a front"
        )
    shift = front_shift_px(threshold, gap, cells, window)
    masks, warnings = [], []
    before: np.ndarray | None = None
    for i, values in enumerate(maps):
        mask = _clean(values < threshold, settings.debris_um2 / pixel_um**2, window**2)
        mask = _largest(mask) if before is None else _touching(mask, before)
        if shift > 0 and mask.any():
            mask = ndi.distance_transform_edt(~mask) <= shift
        if before is not None:
            grown = mask & ~before
            if (
                grown.sum() > 0.02 * before.sum()
                and _reach(grown, before) * pixel_um > settings.regrowth_um
            ):
                # What both frames share of a gap that was shifted is narrower than either: the frame stands on its own.
                warnings.append(f"frame {i + 1}: the gap grew, the field may have moved")
            else:
                mask = mask & before
        masks.append(mask)
        before = mask
    stack = np.stack(masks)
    if not _spans(stack[0]):
        raise SpecimenError("no cell-free gap spans the first frame from edge to edge")
    area = np.minimum.accumulate(stack.sum(axis=(1, 2)) * (pixel_um * 1e-3) ** 2)
    return Gap(stack, area, np.minimum.accumulate(_width(stack, pixel_um)), tuple(warnings))


def _clean(mask: np.ndarray, debris_px: float, speck_px: float) -> np.ndarray:
    """Fill islands of texture that are debris, and drop smooth specks between cells that are smaller than the window."""
    from skimage.morphology import remove_small_holes, remove_small_objects

    return remove_small_objects(
        remove_small_holes(mask, max_size=int(debris_px)), max_size=int(speck_px)
    )


def _largest(mask: np.ndarray) -> np.ndarray:
    labels, n = ndi.label(mask)
    if n < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == int(np.argmax(sizes))


def _touching(mask: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The parts of a mask that meet the gap of the frame before: bare spots between cells are no part of it."""
    labels, _ = ndi.label(mask)
    keep = np.zeros(int(labels.max()) + 1, bool)
    keep[np.unique(labels[before])] = True
    keep[0] = False
    return keep[labels]


def _reach(grown: np.ndarray, before: np.ndarray) -> float:
    return float(ndi.distance_transform_edt(~before)[grown].max()) if grown.any() else 0.0


def _spans(mask: np.ndarray) -> bool:
    rows, columns = mask.any(axis=1), mask.any(axis=0)
    return bool(rows.all() or columns.all())


def _width(masks: np.ndarray, pixel_um: float) -> np.ndarray:
    """Mean width in µm across the direction that the first gap spans."""
    vertical = masks[0].any(axis=1).all() and not (
        masks[0].any(axis=0).all()
        and masks[0].shape[1] * masks[0].any(axis=0).mean() < masks[0].shape[0]
    )
    length = masks.shape[1] if vertical else masks.shape[2]
    return masks.sum(axis=(1, 2)) / length * pixel_um


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
