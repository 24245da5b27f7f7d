"""Readouts by their distance to the implant: rings of equal width around the metal, each with its own area."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from periomics.histology.detection import Of, Prepared, measurement

NO_IMPLANT = "no implant is annotated, so that there is no distance to it"


@dataclass(frozen=True)
class Profiled:
    """profile_um: width of the rings around the implant by which a readout is given too, 0 for none; profile_to_um: where the
    last one ends."""

    profile_um: float = 0.0
    profile_to_um: float = 300.0


def rings(prepared: Prepared, width_um: float, most_um: float) -> tuple[np.ndarray, list[str]]:
    """Ring in which each pixel's centre lies (−1: in the metal, beyond the last, or without an implant), and their names."""
    from edt import edt

    count = max(1, round(most_um / width_um))
    names = [f"distance={k * width_um:g}-{(k + 1) * width_um:g}um" for k in range(count)]
    metal = prepared.opened.implant
    if not metal.any():
        return np.full(metal.shape, -1, np.int16), names
    pixel = prepared.pixel_um
    # To the metal's edge, which lies half a pixel before the centre of its first pixel.
    away = edt(~metal, anisotropy=(pixel, pixel), black_border=False) - pixel / 2
    ring = np.floor(away / width_um)
    return np.where(metal | (ring >= count), -1, ring).astype(np.int16), names


def shares(
    prepared: Prepared,
    inside: tuple[np.ndarray, np.ndarray],
    rung: tuple[np.ndarray, list[str]],
    outcome: str,
    method: str,
) -> Iterator[dict[str, object]]:
    """One row per ring: the stained share (%) of its tissue; `inside` are the stained and all of the tissue, `rung` of `rings`."""
    ring, names = rung
    stained, tissue = (_areas(mask, ring, len(names), prepared.pixel_um) for mask in inside)
    for name, part, whole in zip(names, stained, tissue, strict=True):
        value, of = 100 * part / whole if whole else 0, Of(part, whole, "mm2")
        row = {"outcome": outcome, "value": value, "unit": "%", "of": of, "n_sub": int(whole > 0)}
        yield _row(prepared, method=f"{method}, by distance", variant=name, **row)


def densities(
    prepared: Prepared,
    objects: pd.DataFrame,
    tissue: np.ndarray,
    rung: tuple[np.ndarray, list[str]],
    outcome: str,
    method: str,
) -> Iterator[dict[str, object]]:
    """One row per ring: counted objects whose middle lies in it per mm² of its tissue."""
    ring, names = rung
    areas = _areas(tissue, ring, len(names), prepared.pixel_um)
    pixel, opened = prepared.pixel_um, prepared.opened
    left, top = (v / opened.scale * pixel for v in opened.offset)
    found = objects[objects["counted"].astype(bool)]
    x = ((found["x_um"] - left) / pixel).astype(int).clip(0, ring.shape[1] - 1)
    y = ((found["y_um"] - top) / pixel).astype(int).clip(0, ring.shape[0] - 1)
    which = ring[y.to_numpy(), x.to_numpy()]
    counts = np.bincount(which[which >= 0], minlength=len(names))
    for name, count, area in zip(names, counts.tolist(), areas, strict=True):
        value, of = count / area if area else 0, Of(count, area, "mm2")
        row = {"outcome": outcome, "value": value, "unit": "1/mm2", "of": of, "n_sub": count}
        yield _row(prepared, method=f"{method}, by distance", variant=name, **row)


def _areas(mask: np.ndarray, ring: np.ndarray, count: int, pixel_um: float) -> list[float]:
    where = ring[mask & (ring >= 0)]
    return (np.bincount(where, minlength=count) * pixel_um**2 * 1e-6).tolist()


def _row(prepared: Prepared, **said: Any) -> dict[str, object]:
    row = measurement(roi=prepared.settings.roi, **said)
    if not prepared.opened.implant.any():
        row |= {"value": float("nan"), "qc": "fail", "qc_reason": NO_IMPLANT}
    return row
