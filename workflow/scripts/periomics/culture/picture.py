"""Pictures to judge a culture's numbers by: fronts on the frames, closure curves, plates as heat maps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from periomics.core.figures import PALETTE, new_figure
from periomics.culture.counts import Counted
from periomics.culture.network import Network
from periomics.culture.scratch import Gap, closure_percent

Measured = tuple[np.ndarray, np.ndarray, Gap, float | None]


def front_figure(series: Mapping[str, Measured], n_frames: int = 4):
    """Frames of every series with the gap's outline, the time and, where the pixel size is known, a scale bar; one row per series."""
    names = sorted(series)
    fig, axes = new_figure(
        2.3 * n_frames, 1.9 * len(names), nrows=len(names), ncols=n_frames, squeeze=False
    )
    for row, name in zip(axes, names, strict=True):
        frames, time_h, gap, pixel_um = series[name]
        for ax in row:
            ax.axis("off")
        for ax, i in zip(
            row,
            np.unique(np.linspace(0, len(frames) - 1, n_frames).round().astype(int)),
            strict=False,
        ):
            step = max(1, frames.shape[2] // 480)
            ax.imshow(frames[i][::step, ::step], cmap="gray", interpolation="nearest")
            if gap.masks[i].any():
                ax.contour(
                    gap.masks[i][::step, ::step], levels=[0.5], colors=[PALETTE[1]], linewidths=0.8
                )
            left_out = "" if gap.kept[i] else ", left out"
            ax.set_title(f"{name}  {time_h[i]:g} h{left_out}", fontsize=6)
            if gap.field is not None and not gap.field.all():
                ax.contour(
                    gap.field[::step, ::step], levels=[0.5], colors=[PALETTE[2]], linewidths=0.8
                )
            if pixel_um is not None:
                bar = 200 / pixel_um / step
                ax.plot(
                    [8, 8 + bar], [frames[i][::step, ::step].shape[0] - 10] * 2, color="white", lw=2
                )
    scale = "white bar 200 µm; no bar: pixel size not known"
    fig.suptitle(
        f"Cell-free gap (orange outline), field of view where it has a frame (second colour); {scale}",
        fontsize=7,
    )
    return fig


def curve_figure(series: Mapping[str, Measured]):
    """Closure over time, one line per series, labelled by specimen."""
    fig, ax = new_figure(5, 3.2)
    for i, name in enumerate(sorted(series)):
        _, time_h, gap, _ = series[name]
        ax.plot(
            time_h[gap.kept],
            closure_percent(gap.area_mm2)[gap.kept],
            "o-",
            ms=3,
            lw=1,
            color=PALETTE[i % len(PALETTE)],
            label=name,
        )
    ax.set(xlabel="time (h)", ylabel="closure (% of the first cell-free area)")
    ax.legend(fontsize=6, frameon=False)
    return fig


def network_figure(networks: Mapping[str, tuple[np.ndarray, Network]]):
    """Pictures of tubes and junctions, and beside each the lines that count drawn into it."""
    names = sorted(networks)
    fig, axes = new_figure(5.2, 2.4 * len(names), nrows=len(names), ncols=2, squeeze=False)
    for row, name in zip(axes, names, strict=True):
        picture, network = networks[name]
        step = max(1, picture.shape[1] // 700)
        low, high = np.percentile(picture, [1, 99.5])
        drawn = np.argwhere(network.skeleton) / step
        for ax, shown in zip(row, (False, True), strict=True):
            ax.axis("off")
            ax.imshow(picture[::step, ::step], cmap="gray", vmin=low, vmax=max(high, low + 1))
            if shown:
                ax.plot(drawn[:, 1], drawn[:, 0], ".", ms=0.8, color=PALETTE[1])
        row[0].set_title(name, fontsize=6)
        row[1].set_title(
            f"{network.length_um / 1000 / network.area_mm2:.3g} mm/mm², {network.branches} branches, "
            f"{network.meshes} meshes",
            fontsize=6,
        )
    return fig


def nuclei_figure(counted: Mapping[str, tuple[Counted, np.ndarray]]):
    """Nuclear channels, and beside each the outlines that were counted, positive ones in another colour."""
    from skimage.segmentation import find_boundaries

    names = sorted(counted)
    fig, axes = new_figure(5.2, 2.4 * len(names), nrows=len(names), ncols=2, squeeze=False)
    for row, name in zip(axes, names, strict=True):
        one, positive = counted[name]
        step = max(1, one.picture.shape[1] // 900)
        low, high = np.percentile(one.picture, [1, 99.5])
        labels = one.outlines[::step, ::step]
        edges = find_boundaries(labels, mode="inner")
        kind = np.concatenate([[0], np.where(positive, 2, 1)])[labels] if labels.any() else labels
        for ax, shown in zip(row, (False, True), strict=True):
            ax.axis("off")
            ax.imshow(one.picture[::step, ::step], cmap="gray", vmin=low, vmax=max(high, low + 1))
            for k in (1, 2):
                if shown and (kind == k).any():
                    rim = (kind == k) & edges
                    ax.contour(
                        rim, levels=[0.5], colors=[PALETTE[5 if k == 1 else 1]], linewidths=0.4
                    )
        row[0].set_title(name, fontsize=6)
        row[1].set_title(f"{len(positive)} nuclei, {int(positive.sum())} positive", fontsize=6)
    return fig


def plate_figure(plates: Mapping[str, pd.Series]):
    """Signals of plates as heat maps in the plate's own layout: gradients and rim effects show at a glance."""
    fig, axes = new_figure(4.2 * len(plates), 2.6, ncols=len(plates), squeeze=False)
    for ax, (name, signals) in zip(axes[0], sorted(plates.items()), strict=True):
        big = any(w[0] > "H" or int(w[1:]) > 12 for w in signals.index)
        grid = np.full((16, 24) if big else (8, 12), np.nan)
        for well, value in signals.items():
            grid[ord(well[0]) - 65, int(well[1:]) - 1] = value
        image = ax.imshow(grid, cmap="viridis", interpolation="nearest")
        ax.set_xticks(range(grid.shape[1]), range(1, grid.shape[1] + 1), fontsize=5)
        ax.set_yticks(range(grid.shape[0]), [chr(65 + i) for i in range(grid.shape[0])], fontsize=5)
        ax.set_title(name, fontsize=7)
        fig.colorbar(image, ax=ax, shrink=0.8, label="signal")
    return fig
