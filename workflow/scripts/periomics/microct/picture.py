"""The picture to judge a measurement by: slices with outlines, a 3-D view, thickness maps, and curves around the implant."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from periomics.core.figures import PALETTE, new_figure
from periomics.microct.masks import LABELS
from periomics.microct.measure import Measured
from periomics.microct.render import render
from periomics.microct.times import KINDS, Change
from periomics.microct.view import View

BEHIND_TEXT = {"facecolor": "black", "alpha": 0.5, "edgecolor": "none", "pad": 1}
IN_VOI = (LABELS["bone in VOI"], LABELS["marrow in VOI"])
BONE, IMPLANT, VOI = PALETTE[4], PALETTE[0], PALETTE[3]


def overlay(measured: Measured, title: str = "", band_um: float | None = None):
    """Figure of slices, 3-D view, thickness maps and curves.

    Parameters
    ----------
    measured
        What `measure` gave.
    title
        Above the panels.
    band_um
        Declared exclusion band, shaded in the curves.

    Returns
    -------
    matplotlib Figure. Above: across the axis at the middle of the VOI, and two slices along it, with outlines of bone
    (orange), implant (blue) and VOI (pink) and a scale bar in µm; the bone in 3-D, its front cut away. Below: local
    thickness of bone and of marrow (mm) in the second slice; with an implant, contact by offset with the sweep of the
    band, and BV/TV by distance. Further down: what came and went since an earlier scan, and the
    virtual sections, where any are asked for.
    """
    with_curves = len(measured.curves) > 0
    n_rows = 2 + -(-(len(measured.planes) + (measured.change is not None)) // 4)
    fig, axes = new_figure(14.0, 3.5 * n_rows, ncols=4, nrows=n_rows)
    view = measured.view
    at = _centre(view)
    in_scan = [o + view.step * a for a, o in zip(at, view.origin, strict=True)]
    low, high = _window(view)
    planes = (("across", 0, "x", "y"), ("along", 1, "x", "z"), ("along", 2, "y", "z"))
    for ax, (name, axis, horizontal, vertical) in zip(axes[0, :3], planes, strict=True):
        ax.imshow(
            np.take(view.grey, at[axis], axis=axis),
            cmap="gray",
            vmin=low,
            vmax=high,
            interpolation="nearest",
        )
        _outlines(ax, np.take(view.labels, at[axis], axis=axis))
        ax.set_title(f"{name} the axis, {'zyx'[axis]} = {in_scan[axis]}")
        ax.set_xlabel(horizontal)
        ax.set_ylabel(vertical)
        _scale_bar(ax, view.voxel_um, view.grey.shape[2])
    up = view.axis.direction if view.axis is not None else None
    axes[0, 3].imshow(render(view.labels, up))
    axes[0, 3].set_title("bone and implant, front cut away" if view.axis is not None else "bone")
    axes[0, 3].axis("off")
    implant = np.take(view.labels, at[1], axis=1) == LABELS["implant"]
    for ax, sizes, name in zip(
        axes[1], (view.thickness_mm, view.separation_mm), ("bone", "marrow"), strict=False
    ):
        image = ax.imshow(
            np.ma.masked_equal(np.take(sizes, at[1], axis=1), 0),
            cmap="viridis",
            vmin=0,
            interpolation="nearest",
        )
        if implant.any():
            ax.contour(implant, [0.5], colors=IMPLANT, linewidths=0.8)
        ax.set_title(f"thickness of {name}, y = {in_scan[1]}")
        fig.colorbar(image, ax=ax, label="mm", shrink=0.8)
    for ax in (*axes[0, :3], *axes[1, :2]):
        ax.set_xticks([])
        ax.set_yticks([])
    more = list(axes[2:].ravel())
    if measured.change is not None:
        _change_panel(more.pop(0), measured.change, measured.voxel_um)
    _plane_panels(more, measured, (low, high))
    if with_curves:
        _curve_panels(axes[1, 2:], measured, band_um)
    else:
        for ax in axes[1, 2:]:
            ax.axis("off")
    fig.suptitle("; ".join(t for t in (title, *measured.warnings) if t), fontsize=9)
    return fig


def _change_panel(ax, change: Change, voxel_um: float) -> None:
    """A slice of the region with bone that stayed, came and went."""
    colours = ["white", "0.9", BONE, IMPLANT, "0.5"]
    ax.imshow(change.slice, cmap=ListedColormap(colours), vmin=0, vmax=4, interpolation="nearest")
    for name in ("formed", "resorbed", "bone at both times"):
        ax.plot([], [], "s", color=colours[KINDS.index(name)], label=name)
    ax.legend(fontsize=7, frameon=False, loc="upper right")
    ax.set_title(f"since the earlier scan, y = {change.y}")
    ax.set_xlabel("x")
    ax.set_ylabel("z")
    ax.set_xticks([])
    ax.set_yticks([])
    _scale_bar(ax, voxel_um, change.slice.shape[1])


def _plane_panels(axes, measured: Measured, window: tuple[float, float]) -> None:
    """Virtual sections with the same outlines, the head above."""
    for ax, plane in zip(axes, measured.planes, strict=False):
        ax.imshow(plane.grey, cmap="gray", vmin=window[0], vmax=window[1], interpolation="nearest")
        _outlines(ax, plane.labels)
        ax.set_title(f"through the axis at {plane.degrees:g}°")
        _scale_bar(ax, plane.step_um, plane.grey.shape[1])
    for ax in axes:
        ax.axis("off")


def _curve_panels(axes, measured: Measured, band_um: float | None) -> None:
    """Contact and band sweep by offset, and BV/TV by distance; the declared band is grey."""
    named = (
        ("bic_by_offset", "BIC.ct at the offset", BONE),
        ("band_sweep_ovtv", "OV/TV with this band", IMPLANT),
        ("band_sweep_bvtv", "BV/TV with this band", VOI),
    )
    curves = measured.curves.set_index("curve")
    for name, label, colour in named:
        part = curves.loc[[name]]
        axes[0].plot(part["position"], part["value"], "o-", ms=3, color=colour, label=label)
    part = curves.loc[["bvtv_by_distance"]]
    axes[1].plot((part["position"] + part["upper"]) / 2, part["value"], color=BONE)
    for ax, title, text in (
        (axes[0], "what the artefact band does", "offset or width of the band, µm"),
        (axes[1], "BV/TV by distance", "distance to the metal, µm"),
    ):
        if band_um is not None:
            ax.axvspan(0, band_um, color="0.85", zorder=0)
        ax.set_title(title)
        ax.set_xlabel(text)
        ax.set_ylabel("%")
        ax.set_ylim(0, 100)
    axes[0].legend(fontsize=7, frameon=False)


def _centre(view: View) -> tuple[int, int, int]:
    """Voxel of the axis (or of the scan, without an implant) at the middle height of the VOI."""
    axis, shape = view.axis, view.labels.shape
    z = np.flatnonzero(np.isin(view.labels, IN_VOI).any(axis=(1, 2)))
    middle = int((z[0] + z[-1]) // 2)
    if axis is None:
        return middle, shape[1] // 2, shape[2] // 2
    along = (middle - axis.apex[0]) / axis.direction[0]
    _, y, x = np.rint(axis.apex + along * axis.direction).astype(int)
    return middle, int(np.clip(y, 0, shape[1] - 1)), int(np.clip(x, 0, shape[2] - 1))


def _window(view: View) -> tuple[float, float]:
    """Grey window of the tissue, so that the metal does not darken the bone."""
    metal = np.isin(view.labels, (LABELS["implant"], LABELS["exclusion band"]))
    tissue = view.grey[~metal]
    return float(np.percentile(tissue, 0.5)), float(np.percentile(tissue, 99.9))


def _outlines(ax, labels: NDArray[np.uint8]) -> None:
    voi = np.isin(labels, IN_VOI)
    bone = labels == LABELS["bone in VOI"]
    for mask, colour, width in (
        (bone, BONE, 0.5),
        (voi, VOI, 1.2),
        (labels == LABELS["implant"], IMPLANT, 1.2),
    ):
        if mask.any() and not mask.all():
            ax.contour(mask, [0.5], colors=colour, linewidths=width)


def _scale_bar(ax, voxel_um: float, width: int) -> None:
    """A bar of a round length near a quarter of the picture."""
    wanted = 0.25 * width * voxel_um
    power = 10.0 ** np.floor(np.log10(wanted))
    # a logarithm that rounds up must not leave none
    length = max(step * power for step in (1, 2, 5) if step * power <= wanted * (1 + 1e-9))
    bottom, top = ax.get_ylim()
    y = bottom + 0.06 * (top - bottom)
    x = 0.05 * width
    ax.plot([x, x + length / voxel_um], [y, y], color="white", lw=2.5, solid_capstyle="butt")
    ax.text(
        x,
        bottom + 0.09 * (top - bottom),
        f"{length:g} µm",
        color="white",
        fontsize=8,
        bbox=BEHIND_TEXT,
    )
