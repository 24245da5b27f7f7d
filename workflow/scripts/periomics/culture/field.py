"""What of a picture of a well is field of view, and which of its bare areas are wounds: gaps that part the cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

_BLACK, _WHITE = 0.12, 250.0  # a frame: below this share of the typical grey, or burnt out
_PLAIN = 12.0  # grey levels: what a frame's grey varies by at most
_LEAST_FRAME = 0.005  # of the picture; smaller black parts at its edge are objects
_LEAST_SHEET = 0.02  # of the field: cells on one side of a gap


@dataclass(frozen=True)
class Wounds:
    """Gaps of a first frame: their mask, how many there are, and how many fronts of them lie in the field."""

    mask: np.ndarray
    count: int
    fronts: int


def field_of_view(frames: np.ndarray) -> np.ndarray:
    """What is picture and not frame: False in black or burnt-out parts that fill a corner in all frames.

    Parameters
    ----------
    frames
        Grey 0 to 255 (time, row, column).

    Returns
    -------
    ndarray
        Boolean (row, column); True throughout where there is no frame.
    """
    typical = float(np.percentile(frames, 90))
    plain = np.ones(frames.shape[1:], bool)
    for frame in frames:
        smooth = ndi.uniform_filter(frame.astype(np.float64), 5, mode="nearest")
        plain &= (smooth < _BLACK * typical) | (smooth > _WHITE)
    labels, n = ndi.label(plain)
    sizes = np.bincount(labels.ravel(), minlength=n + 1)
    spread = ndi.standard_deviation(frames[0], labels, range(1, n + 1)) if n else []
    # A gap in fluorescence is black too, but has its ends between the corners and noise of the camera.
    corners = {int(labels[r, c]) for r in (0, -1) for c in (0, -1)} - {0}
    outer = [k for k in corners if sizes[k] > _LEAST_FRAME * plain.size and spread[k - 1] < _PLAIN]
    # The filter sees the picture two pixels into the frame.
    return np.asarray(~ndi.binary_dilation(np.isin(labels, outer), iterations=3))


def wounds(bare: np.ndarray, field: np.ndarray) -> Wounds:
    """The bare areas that part the cells of a field in two, or run along one of its sides.

    Parameters
    ----------
    bare, field
        Boolean (row, column).

    Returns
    -------
    Wounds
        Without any, `count` is 0. A gap that is cut by the side of the field has one front in it.
    """
    labels, n = ndi.label(bare)
    mask, count, fronts = np.zeros_like(bare), 0, 0
    least = _LEAST_SHEET * field.sum()
    for k in range(1, n + 1):
        own = labels == k
        if own.sum() < least / 4:
            continue
        sides = _sides(field & ~own, least)
        if sides >= 2 or (sides == 1 and _along_a_side(own, field)):
            mask |= own
            count += 1
            fronts += 2 if sides >= 2 else 1
    return Wounds(mask, count, fronts)


def _sides(rest: np.ndarray, least: float) -> int:
    labels, _ = ndi.label(rest)
    return int((np.bincount(labels.ravel())[1:] > least).sum())


def _along_a_side(own: np.ndarray, field: np.ndarray) -> bool:
    """Whether an area reaches from one end of the field to the other."""
    for axis in (0, 1):
        there = np.asarray(field.any(axis=axis))
        if np.asarray(own.any(axis=axis))[there].mean() > 0.98:
            return True
    return False


@dataclass(frozen=True)
class Course:
    """How a gap runs: along the rows or (turned) the columns, `secant` of its tilt, its length in pixels, gaps side by side."""

    turned: bool
    secant: float
    length: float
    gaps: int


def course(gap: np.ndarray, view: np.ndarray, gaps: int) -> Course:
    """Course of the gaps of a first frame: across the way in which they meet more cells, tilted as the middles of the largest."""
    labels, _ = ndi.label(gap)
    own = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    turned = int(_meetings(gap.T, view.T).sum()) > int(_meetings(gap, view).sum())
    whole, own = (gap.T, own.T) if turned else (gap, own)
    rows = np.flatnonzero(own.any(axis=1))
    middle = (own[rows] * np.arange(own.shape[1])).sum(axis=1) / own[rows].sum(axis=1)
    slope = float(np.polyfit(rows, middle, 1)[0]) if len(rows) > 1 else 0.0
    secant = float(np.hypot(1, slope))
    return Course(turned, secant, float(whole.any(axis=1).sum()) * secant * gaps, gaps)


def _meetings(gap: np.ndarray, view: np.ndarray) -> np.ndarray:
    """How often the cells of each row meet a gap."""
    cells = view & ~gap
    return ((gap[:, 1:] & cells[:, :-1]) | (cells[:, 1:] & gap[:, :-1])).sum(axis=1)


def front_length(gap: np.ndarray, view: np.ndarray, way: Course) -> float:
    """Length in pixels of the fronts in view, both sides together, straightened along the course."""
    meet = _meetings(gap.T, view.T) if way.turned else _meetings(gap, view)
    return float(np.minimum(meet, 2 * way.gaps).sum()) * way.secant


def mean_widths(stack: np.ndarray, view: np.ndarray, way: Course) -> np.ndarray:
    """Mean width of the gaps by frame, in pixels: the first area over the length, less twice what a front went on since.

    A front goes on by the lost area over the length of fronts in view, so that a round field, in which they grow longer, and a
    side that is out of view do not change its speed.
    """
    fronts = np.array([front_length(m, view, way) for m in stack])
    lost = -np.diff(stack.sum(axis=(1, 2)).astype(float))
    went = lost / np.maximum(0.5 * (fronts[1:] + fronts[:-1]), 1.0)
    return stack[0].sum() / way.length - 2 * np.concatenate([[0.0], np.cumsum(went)])


def without_attached(sheet: np.ndarray, radius_px: float) -> np.ndarray:
    """A sheet of cells without what is narrower than a disc: debris that lies on the front, single cells that reach out.

    Parts at the border of the picture stay, as what lies beyond is not known.
    """
    from edt import edt

    core = edt(sheet) > radius_px
    if not core.any():
        return sheet
    return sheet & (edt(~core) <= radius_px + 0.5)


def monotone(areas: np.ndarray, slack: float) -> np.ndarray:
    """The longest row of frames, the first among them, whose area never grows by more than `slack`.

    Of rows of the same length the one with the larger areas: a gap that is seen again cannot have been closed before.

    Parameters
    ----------
    areas
        Cell-free areas by time.
    slack
        What an area may grow by, in the same unit.

    Returns
    -------
    ndarray
        Boolean, True for the frames of the row.
    """
    n = len(areas)
    length, total, before = [1] * n, [float(areas[0])] * n, [-1] * n
    for i in range(1, n):
        length[i] = 0
        for j in range(i):
            if length[j] and areas[i] <= areas[j] + slack:
                better = (length[j] + 1, total[j] + float(areas[i]))
                if better > (length[i], total[i]):
                    length[i], total[i] = better
                    before[i] = j
    keep = np.zeros(n, bool)
    i = max(range(n), key=lambda k: (length[k], total[k]))
    while i >= 0:
        keep[i] = True
        i = before[i]
    return keep
