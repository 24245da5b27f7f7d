"""Simulated scratch series and plates whose realised areas, speeds and signals are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage as ndi

from periomics.core.seeds import generator

# Where the plate reader stands: signal of an empty well, and of a vehicle well above it.
BLANK, SPAN = 0.08, 0.90


@dataclass(frozen=True)
class Series:
    """Frames (time, row, column) uint8, gap masks of the same shape, and the realised speed of one front in µm/h."""

    frames: np.ndarray
    masks: np.ndarray
    speed: float


def simulate_series(
    rate_um_h: float,
    shape: tuple[int, int],
    pixel_um: float,
    times_h: np.ndarray,
    rng: np.random.Generator,
) -> Series:
    """Draw a scratch that two rough fronts close at a given speed.

    Parameters
    ----------
    rate_um_h
        Wanted speed of one front.
    shape
        Rows and columns of a frame; the gap runs along the rows.
    pixel_um
        Pixel size.
    times_h
        Times of the frames, the first 0.
    rng
        Generator.

    Notes
    -----
    Every row of a front has its own speed (smooth, 15 % around the mean), so fronts stay ordered in time and the realised
    speed is the mean over rows, exact as long as no row is closed.
    """
    rows, columns = shape
    width = columns * pixel_um * rng.uniform(0.42, 0.5)
    middle = columns * pixel_um * rng.uniform(0.46, 0.54)
    start = [
        middle - width / 2 + _rough(rows, 6.0, rng),
        middle + width / 2 + _rough(rows, 6.0, rng),
    ]
    speeds = [rate_um_h * (1 + 0.15 * _unit(_rough(rows, 1.0, rng))) for _ in range(2)]
    x = (np.arange(columns) + 0.5) * pixel_um
    debris = _debris(shape, pixel_um, middle, width, rng)
    frames, masks = [], []
    for t in times_h:
        left = start[0] + speeds[0] * t
        right = start[1] - speeds[1] * t
        mask = (x[None, :] > left[:, None]) & (x[None, :] < right[:, None])
        masks.append(mask)
        frames.append(_render(mask, debris, rng))
    return Series(np.stack(frames), np.stack(masks), float(np.mean([s.mean() for s in speeds])))


def _rough(n: int, sd: float, rng: np.random.Generator) -> np.ndarray:
    smooth = ndi.gaussian_filter1d(rng.standard_normal(n), n / 25, mode="reflect")
    return sd * (smooth - smooth.mean()) / smooth.std()


def _unit(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def _debris(
    shape: tuple[int, int], pixel_um: float, middle: float, width: float, rng: np.random.Generator
) -> np.ndarray:
    """Floating cells in the gap: a few discs of 8 to 16 µm radius."""
    mask = np.zeros(shape, bool)
    yy, xx = np.indices(shape)
    for _ in range(int(rng.poisson(4))):
        y, x = rng.uniform(0, shape[0]), (middle + rng.uniform(-0.3, 0.3) * width) / pixel_um
        mask |= (yy - y) ** 2 + (xx - x) ** 2 < (rng.uniform(8, 16) / pixel_um) ** 2
    return mask


def _render(gap: np.ndarray, debris: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Phase contrast, roughly: textured cells, a smooth gap, a shading gradient, camera noise."""
    shape = gap.shape
    cells = ndi.gaussian_filter(rng.standard_normal(shape), 1.8)
    cells *= 26 / cells.std()
    textured = ~gap | debris
    shade = np.linspace(-6, 6, shape[1])[None, :] + np.linspace(-3, 3, shape[0])[:, None]
    image = 128 + shade + np.where(textured, cells, 0.0)
    image = ndi.gaussian_filter(image, 0.7) + rng.normal(0, 2.0, shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def series_truth(
    series: Series, times_h: np.ndarray, pixel_um: float, at_h: float
) -> list[dict[str, object]]:
    """Realised closure at the declared time and at every frame, speed, and area under the curve."""
    area = series.masks.sum(axis=(1, 2)) * (pixel_um * 1e-3) ** 2
    closed = 100 * (1 - area / area[0])
    rows = [
        {
            "outcome": "scratch",
            "variant": "",
            "time": at_h,
            "truth": float(np.interp(at_h, times_h, closed)),
        }
    ]
    rows += [
        {"outcome": "scratch", "variant": "frame", "time": t, "truth": c}
        for t, c in zip(times_h, closed, strict=True)
    ]
    rows.append({"outcome": "scratch_rate", "truth": series.speed})
    rows.append({"outcome": "scratch_auc", "truth": float(np.trapezoid(closed, times_h))})
    return rows


def simulate_plate(
    facts: Sequence[Mapping[str, object]],
    targets: Mapping[str, Mapping[str, float]],
    readout: str,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, list[dict[str, object]]]:
    """Draw a 96-well plate.

    Parameters
    ----------
    facts
        Rows of the cultures sheet on this plate.
    targets
        specimen_id → target → value.
    readout
        `prol` or `surv`; a well without target is a blank, or (role control) a well of untreated, unchallenged cells.
    rng
        Generator.

    Returns
    -------
    plate
        Grid: letters in the first column, numbers in the header.
    truth
        Realised signal above the empty well, in percent of the nominal vehicle, one row per well.
    """
    grid = pd.DataFrame("", index=list("ABCDEFGH"), columns=[str(c) for c in range(1, 13)])
    truth = []
    for fact in sorted(facts, key=lambda f: str(f["specimen_id"])):
        target = targets.get(str(fact["specimen_id"]), {}).get(readout)
        if target is None:
            target = 100.0 if fact.get("role") == "control" else 0.0
        realised = target * float(np.exp(rng.normal(0, 0.04)))
        signal = BLANK + SPAN * realised / 100 + rng.normal(0, 0.003)
        well = str(fact["well"])
        grid.loc[well[0], well[1:]] = f"{signal:.4f}"
        truth.append(
            {
                "specimen_id": fact["specimen_id"],
                "animal_id": fact["animal_id"],
                "field_id": well,
                "outcome": readout,
                "time": fact.get("time"),
                "truth": realised,
            }
        )
    grid.insert(0, "row", grid.index)
    return grid, truth


def specimen_targets(targets: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Table of targets as specimen_id → target → value."""
    return {
        str(s): dict(zip(part["target"], part["value"], strict=True))
        for s, part in targets.groupby("specimen_id")
    }


def series_for(
    fact: Mapping[str, Any],
    targets: Mapping[str, Mapping[str, float]],
    layer: Mapping[str, Any],
    seed: int,
) -> Series:
    """Series of one row of the cultures sheet, from its own generator."""
    specimen = str(fact["specimen_id"])
    times = np.arange(int(layer["frames"])) * float(layer["interval_h"])
    shape = (int(layer["shape"][0]), int(layer["shape"][1]))
    rng = generator(seed, "simulate_culture", specimen)
    return simulate_series(
        targets[specimen]["scratch_rate"], shape, float(layer["pixel_um"]), times, rng
    )
