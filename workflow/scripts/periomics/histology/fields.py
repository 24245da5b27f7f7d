"""Densities as they are counted at a microscope: in the densest field of a fixed area (hot spot),
and in systematic random fields."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from periomics.core.seeds import generator
from periomics.histology.detection import Prepared, density
from periomics.histology.profiles import Profiled
from periomics.histology.settings import outcome_name


@dataclass(frozen=True)
class Sampled(Profiled):
    """hotspot_um2: area of the round field of the hot spot; field_um: side of systematic fields;
    pitch_um: from one to the next."""

    hotspot_um2: float = 200_000.0
    field_um: float = 200.0
    pitch_um: float = 400.0


def hot_spot(places: np.ndarray, radius: float) -> int:
    """Most places (n, 2) that a disc of a radius holds anywhere, exactly: a disc of most places can
    be moved until one of them lies on its rim, and along that rim the others come and go at known
    angles."""
    from scipy.spatial import cKDTree

    best = min(1, len(places))
    if len(places) < 2:
        return best
    tree = cKDTree(places)
    for centre, near in zip(places, tree.query_ball_point(places, 2 * radius), strict=True):
        if len(near) <= best:
            continue
        apart = places[near] - centre
        far = np.hypot(apart[:, 0], apart[:, 1])
        same = far == 0
        far, apart = far[~same], apart[~same]
        half = np.arccos(np.minimum(far / (2 * radius), 1)) + 1e-9
        towards = np.arctan2(apart[:, 1], apart[:, 0])
        comes, goes = (towards - half) % (2 * np.pi), (towards + half) % (2 * np.pi)
        at = np.concatenate([comes, goes])
        change = np.concatenate([np.ones(len(comes)), -np.ones(len(goes))])
        order = np.lexsort((-change, at))
        there = int(same.sum()) + int((comes > goes).sum())
        steps = there + np.cumsum(change[order])
        best = max(best, there, int(steps.max()) if len(steps) else 0)
    return best


def systematic(
    shape: tuple[int, int], side: int, pitch: int, start: tuple[float, float]
) -> np.ndarray:
    """Square fields on a grid, numbered 1..N, int32 (height, width), 0 between them; `start` (y, x)
    are shares of the pitch."""
    index = []
    for n, share in zip(shape, start, strict=True):
        along = np.arange(n) - round(share * pitch)
        index.append(np.where(along % pitch < side, along // pitch + 1, -1))
    inside = (index[0][:, None] >= 0) & (index[1][None, :] >= 0)
    number = index[0][:, None] * (shape[1] // pitch + 3) + index[1][None, :] + 1
    return np.where(inside, number, 0).astype(np.int32)


def sampled(
    prepared: Prepared, options: Sampled, objects: pd.DataFrame, tissue: np.ndarray, method: str
) -> list[dict[str, object]]:
    """Rows of `hotspot` and `fields`, where the config names them: counted objects by where their
    middle lies.

    The grid's random start is drawn from the region itself, so that it is the same in every run and
    knows no arm.
    """
    settings, pixel, roi = prepared.settings, prepared.pixel_um, prepared.settings.roi
    left, top = (v / prepared.opened.scale * pixel for v in prepared.opened.offset)
    found = objects[objects["counted"].astype(bool)]
    places = np.column_stack([found["x_um"] - left, found["y_um"] - top])
    rows = []
    if name := outcome_name(settings, "hotspot", ""):
        n = hot_spot(places, float(np.sqrt(options.hotspot_um2 / np.pi)))
        said = f"{method}, densest round field of {options.hotspot_um2 * 1e-6:g} mm2"
        row = density(name, roi, n, options.hotspot_um2, n_sub=n, method=said)
        if (whole := float(tissue.sum()) * pixel**2) < options.hotspot_um2:
            why = f"the region's {whole * 1e-6:.3g} mm2 are less than the hot spot's field"
            row |= {"value": float("nan"), "qc": "fail", "qc_reason": why}
        rows.append(row)
    if name := outcome_name(settings, "fields", ""):
        side, pitch = (max(1, round(v / pixel)) for v in (options.field_um, options.pitch_um))
        mark = str(zlib.crc32(np.packbits(prepared.opened.region).tobytes()))
        y, x = generator(0, "fields", mark).random(2)
        grid = systematic(tissue.shape, min(side, pitch), pitch, (y, x))
        row_of = (places[:, 1] / pixel).astype(int).clip(0, tissue.shape[0] - 1)
        column = (places[:, 0] / pixel).astype(int).clip(0, tissue.shape[1] - 1)
        count = int((grid[row_of, column] > 0).sum())
        inside = tissue & (grid > 0)
        used, area = len(np.unique(grid[inside])), float(inside.sum()) * pixel**2
        said = f"{method}, {used} fields of {side * pixel:g} um every {pitch * pixel:g} um"
        rows.append(density(name, roi, count, area, n_sub=used, method=said))
    return rows
