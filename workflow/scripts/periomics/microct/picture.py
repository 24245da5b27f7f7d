"""The picture to judge a measurement by: slices through the implant's axis with outlines, and the thickness map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periomics.microct.measure import LABELS, Measured
from periomics.study.figures import PALETTE, new_figure

BEHIND_TEXT = {"facecolor": "black", "alpha": 0.5, "edgecolor": "none", "pad": 1}
BONE, IMPLANT, VOI = PALETTE[4], PALETTE[0], PALETTE[3]


def overlay(grey: NDArray, measured: Measured, title: str = ""):
    """Figure of three orthogonal slices and a thickness map.

    Parameters
    ----------
    grey
        (z, y, x) scan.
    measured
        What `measure` gave for it.
    title
        Above the panels.

    Returns
    -------
    matplotlib Figure: across the axis at the middle of the VOI, and two slices along it; outlines of bone (orange),
    implant (blue) and VOI (pink), scale bar in µm; and local thickness (mm) of the bone of the second slice.
    """
    fig, axes = new_figure(13.0, 4.0, ncols=4)
    at = _centre(measured)
    low, high = _window(grey, measured)
    planes = (("across", 0, "x", "y"), ("along", 1, "x", "z"), ("along", 2, "y", "z"))
    for ax, (name, axis, horizontal, vertical) in zip(axes, planes, strict=False):
        ax.imshow(np.take(grey, at[axis], axis=axis), cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        _outlines(ax, np.take(measured.labels, at[axis], axis=axis))
        ax.set_title(f"{name} the axis, {'zyx'[axis]} = {at[axis]}")
        ax.set_xlabel(horizontal)
        ax.set_ylabel(vertical)
        _scale_bar(ax, measured.voxel_um, grey.shape[2])
    thick = np.take(measured.thickness_mm, at[1], axis=1)
    image = axes[3].imshow(np.ma.masked_equal(thick, 0), cmap="viridis", vmin=0, interpolation="nearest")
    axes[3].contour(np.take(measured.labels, at[1], axis=1) == LABELS["implant"], [0.5], colors=IMPLANT, linewidths=0.8)
    axes[3].set_title(f"bone thickness in the VOI, y = {at[1]}")
    fig.colorbar(image, ax=axes[3], label="mm", shrink=0.8)
    for ax in axes:
        ax.set_xticks([])
        ax.set_yticks([])
    fig.suptitle("; ".join(t for t in (title, *measured.warnings) if t), fontsize=9)
    return fig


def _centre(measured: Measured) -> tuple[int, int, int]:
    """Voxel of the axis (or of the scan, without an implant) at the middle height of the VOI."""
    axis, shape = measured.regions.axis, measured.labels.shape
    z = np.flatnonzero(measured.regions.voi.any(axis=(1, 2)))
    middle = int((z[0] + z[-1]) // 2)
    if axis is None:
        return middle, shape[1] // 2, shape[2] // 2
    along = (middle - axis.apex[0]) / axis.direction[0]
    _, y, x = np.rint(axis.apex + along * axis.direction).astype(int)
    return middle, int(np.clip(y, 0, shape[1] - 1)), int(np.clip(x, 0, shape[2] - 1))


def _window(grey: NDArray, measured: Measured) -> tuple[float, float]:
    """Grey window of the tissue, so that the metal does not darken the bone."""
    tissue = grey[~measured.regions.zone]
    return float(np.percentile(tissue, 0.5)), float(np.percentile(tissue, 99.9))


def _outlines(ax, labels: NDArray[np.uint8]) -> None:
    voi = np.isin(labels, (LABELS["bone in VOI"], LABELS["marrow in VOI"]))
    bone = labels == LABELS["bone in VOI"]
    for mask, colour, width in ((bone, BONE, 0.5), (voi, VOI, 1.2), (labels == LABELS["implant"], IMPLANT, 1.2)):
        if mask.any() and not mask.all():
            ax.contour(mask, [0.5], colors=colour, linewidths=width)


def _scale_bar(ax, voxel_um: float, width: int) -> None:
    """A bar of a round length near a quarter of the picture."""
    wanted = 0.25 * width * voxel_um
    power = 10.0 ** np.floor(np.log10(wanted))
    length = max(step * power for step in (1, 2, 5) if step * power <= wanted)
    bottom, top = ax.get_ylim()
    y = bottom + 0.06 * (top - bottom)
    x = 0.05 * width
    ax.plot([x, x + length / voxel_um], [y, y], color="white", lw=2.5, solid_capstyle="butt")
    ax.text(x, bottom + 0.09 * (top - bottom), f"{length:g} µm", color="white", fontsize=8, bbox=BEHIND_TEXT)
