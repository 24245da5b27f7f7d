"""Stain separation in log10 optical density, with a stated white point and two stains plus a residual."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from periomics.core.errors import InputError, nearest
from periomics.core.yamls import build

# What the highest intensity of fluorescence is as an amount of stain.
FULL = 2.0
LN10 = float(np.log(10))


@dataclass(frozen=True)
class StainPair:
    """Names and OD vectors (2, 3), each of length 1, of the two stains of a section, and where they come from.

    `off_plane_deg`: how far sound sections may lie from what the stains can mix, against and along the normal
    first × second; empty where it is not known.
    """

    stains: tuple[str, str]
    vectors: np.ndarray
    source: str = "fixed"
    off_plane_deg: tuple[float, ...] = ()


def load_stains(path: str | os.PathLike[str]) -> dict[str, StainPair]:
    """Read resources/stains.yaml: name of the pair → StainPair.

    Raises
    ------
    InputError
        If an entry lacks two stains with three positive numbers each, or its evidence.
    """
    table = build(Path(path).read_text(encoding="utf-8"))
    pairs = {}
    for name, entry in table.items():
        if entry.get("evidence") not in ("seen", "memory"):
            raise InputError("states no evidence", file=path, column=name, allowed="seen, memory")
        pair = stain_pair(
            entry.get("stains", ()), entry.get("vectors", ()), where=f"{path}, {name}"
        )
        pairs[name] = replace(pair, off_plane_deg=_tolerance(entry, f"{path}, {name}"))
    return pairs


def _tolerance(entry: Mapping[str, Any], where: str) -> tuple[float, ...]:
    given = entry.get("off_plane_deg", [])
    if len(given) not in (0, 2) or not all(0 < float(v) < 90 for v in given):
        raise InputError("two angles are needed", file=where, value=given, allowed="0 to 90")
    return tuple(float(v) for v in given)


def stain_pair(
    stains: Sequence[str],
    vectors: Sequence[Sequence[float]],
    where: str = "",
    source: str = "fixed",
) -> StainPair:
    """A checked StainPair with unit vectors.

    Raises
    ------
    InputError
        If there are not two stains with three numbers each, not negative and not all 0, at least 5°
        apart.
    """
    try:
        array = np.asarray(vectors, dtype=float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if (
        len(stains) != 2
        or array.shape != (2, 3)
        or not np.isfinite(array).all()
        or (array < 0).any()
        or not array.any(axis=1).all()
    ):
        raise InputError(
            "two stains with three OD values each are needed", file=where, value=str(vectors)[:80]
        )
    array = array / np.linalg.norm(array, axis=1, keepdims=True)
    if angle_between(array[0], array[1]) < 5:
        raise InputError(
            "the two stain vectors are less than 5° apart",
            file=where,
            value=np.round(array, 3).tolist(),
        )
    return StainPair((str(stains[0]), str(stains[1])), array, source)


def choose_pair(
    pairs: Mapping[str, StainPair], vectors: str | Mapping[str, Sequence[float]], where: str = ""
) -> StainPair:
    """The pair a config asks for: a name of the table, or two named vectors of its own, the counterstain first:
    `{haematoxylin: [.., .., ..], eosin: [.., .., ..]}`."""
    if isinstance(vectors, Mapping):
        return stain_pair(list(vectors), list(vectors.values()), where=where, source="config")
    if vectors not in pairs:
        raise InputError(
            f"unknown stain vectors{nearest(str(vectors), pairs)}",
            file=where,
            value=vectors,
            allowed=", ".join(pairs),
        )
    return pairs[vectors]


def angle_between(first: np.ndarray, second: np.ndarray) -> float:
    """Angle in degrees between two vectors."""
    cosine = float(np.dot(first, second) / (np.linalg.norm(first) * np.linalg.norm(second)))
    return float(np.degrees(np.arccos(min(1.0, max(-1.0, cosine)))))


def od_table(white: ArrayLike) -> np.ndarray:
    """Optical density of each 8-bit value: max(0, -log10(max(v, 1) / white)); float32, (3, 256), one row per channel.

    A value of 0 holds no density: it is taken as 1 and its share is reported by `clipped_share`. Where nothing shines is black:
    of a white point of 0 the table holds what `encode` made of intensities, 0 to FULL.
    """
    point = np.asarray(white, dtype=float)
    if point.shape == (3,) and not point.any():
        return np.tile((FULL * (np.arange(256) / 255) ** 2).astype(np.float32), (3, 1))
    if point.shape != (3,) or (point < 1).any() or (point > 255).any():
        raise InputError("a white point has three values from 1 to 255", value=point.tolist())
    values = np.maximum(np.arange(256), 1.0)
    return np.maximum(0.0, -np.log10(values[None, :] / point[:, None])).astype(np.float32)


def optical_density(rgb: np.ndarray, white: ArrayLike) -> np.ndarray:
    """Log10 optical density, float32 (..., 3), of uint8 rgb (..., 3)."""
    table = od_table(white)
    return np.stack([table[c][rgb[..., c]] for c in range(3)], axis=-1)


def encode(planes: np.ndarray, full: float) -> np.ndarray:
    """Intensities (height, width, 1 or 2) of a counterstain and a stain, or of the stain alone, as uint8 colours (height, width, 3):
    the stain in green, its counterstain in blue, by their square roots, which keep what is dim; `full` is the highest intensity."""
    out = np.zeros((*planes.shape[:2], 3), np.uint8)
    codes = np.round(255 * np.sqrt(np.clip(planes / full, 0, 1))).astype(np.uint8)
    out[..., 1] = codes[..., -1]
    if planes.shape[2] == 2:
        out[..., 2] = codes[..., 0]
    return out


def channel_pair(channels: Sequence[str | int]) -> StainPair:
    """The pair of stains that `encode` makes of channels: counterstain in blue, stain in green."""
    names = [f"channel {c}" if isinstance(c, int) else str(c) for c in channels]
    first = names[0] if len(names) == 2 else "no counterstain"
    vectors = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    return StainPair((first, names[-1]), vectors, "channels")


def clipped(rgb: np.ndarray) -> np.ndarray:
    """Pixels with a channel at 0, bool."""
    zero: np.ndarray = np.minimum(np.minimum(rgb[..., 0], rgb[..., 1]), rgb[..., 2]) == 0
    return zero


def clipped_share(rgb: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Share of pixels (inside a mask) with a channel at 0, whose density is only known to be at least 2.4."""
    zero = clipped(rgb)
    if mask is not None:
        zero = zero[mask]
    return float(zero.mean()) if zero.size else 0.0


def separate(rgb: np.ndarray, white: ArrayLike, pair: StainPair) -> tuple[np.ndarray, np.ndarray]:
    """Amount of each of two stains, in OD of its own unit vector (QuPath's units, six times `skimage.color.rgb2hed`'s).

    The third component of the inverse is the residual (cross product of the two vectors) and is not returned; see
    `unmix` for it.

    Parameters
    ----------
    rgb
        uint8, (height, width, 3).
    white
        Value of each channel where nothing is stained.

    Returns
    -------
    first, second : float32, (height, width)
    """
    table = od_table(white)
    inverse = _inverse(pair.vectors)
    out = []
    for k in range(2):
        amount = (table[0] * inverse[0, k])[rgb[..., 0]]
        amount += (table[1] * inverse[1, k])[rgb[..., 1]]
        amount += (table[2] * inverse[2, k])[rgb[..., 2]]
        out.append(amount)
    return out[0], out[1]


def unmix(od: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Amounts (..., 3) of two stains and the residual from optical densities (..., 3)."""
    inverse = _inverse(vectors)
    return sum(od[..., c, None] * inverse[c] for c in range(3))


def _inverse(vectors: np.ndarray) -> np.ndarray:
    """Inverse (3, 3), float32, of the two unit vectors and their normal, which spans the residual."""
    normal = np.cross(vectors[0], vectors[1])
    matrix = np.vstack([vectors, normal / np.linalg.norm(normal)])
    return np.linalg.inv(matrix).astype(np.float32)


def white_from_histogram(histogram: np.ndarray, percentile: float = 98.0) -> np.ndarray:
    """White point of pooled 8-bit histograms (3, 256): a percentile of each channel, float (3,)."""
    cumulative = np.cumsum(histogram, axis=1)
    if (cumulative[:, -1] == 0).any():
        raise InputError("no pixels to take a white point from")
    wanted = cumulative[:, -1:] * (percentile / 100)
    return np.argmax(cumulative >= wanted, axis=1).astype(float)


def estimate_vectors(
    od: np.ndarray,
    reference: StainPair,
    min_od: float = 0.15,
    percentile: float = 1.0,
    min_angle: float = 15.0,
) -> tuple[StainPair, float, str]:
    """Stain vectors of pooled tissue pixels, by the extreme directions in their main plane (after Macenko).

    The two directions are ordered by their cosine to the reference, never by their own colour: "the redder one is
    haematoxylin" fails on real tiles.

    Parameters
    ----------
    od
        Log10 optical densities (n, 3), pooled over all sections of a stain batch.
    min_od
        Pixels whose mean density is below are glass and left out.
    percentile
        Of the angles in the plane, from either end.
    min_angle
        Degrees; closer directions mean that the pixels hold one stain only, and the reference is kept.

    Returns
    -------
    pair, angle, reason
        `pair.source` is "estimated" or "fixed"; `reason` says why the reference was kept, else it is empty.

    Macenko's method.
    """
    od = np.asarray(od, dtype=float)
    od = od[od.mean(axis=1) >= min_od]
    if len(od) < 1000:
        return reference, 0.0, f"only {len(od)} tissue pixels"
    _, vectors = np.linalg.eigh(np.cov(od.T))
    plane = vectors[:, [2, 1]]
    plane = plane * np.where(plane.sum(axis=0) < 0, -1.0, 1.0)
    projected = od @ plane
    angles = np.arctan2(projected[:, 1], projected[:, 0])
    ends = np.percentile(angles, [percentile, 100 - percentile])
    found = np.maximum((plane @ np.vstack([np.cos(ends), np.sin(ends)])).T, 0.0)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    cosine = found @ reference.vectors.T
    if cosine[0, 0] + cosine[1, 1] < cosine[0, 1] + cosine[1, 0]:
        found = found[::-1]
    angle = angle_between(found[0], found[1])
    if angle < min_angle:
        return reference, angle, f"the two directions are {angle:.1f}° apart"
    off = [angle_between(f, r) for f, r in zip(found, reference.vectors, strict=True)]
    if max(off) > 25:
        return reference, angle, f"an estimated direction is {max(off):.0f}° from its reference"
    return StainPair(reference.stains, found, "estimated"), angle, ""


def format_vectors(vectors: np.ndarray) -> str:
    """`r,g,b;r,g,b` with six digits, as stored in a batch table."""
    return ";".join(",".join(f"{v:.6f}" for v in row) for row in vectors)


def parse_vectors(text: str) -> np.ndarray:
    """The vectors (2, 3) of `format_vectors`."""
    return np.array([[float(v) for v in row.split(",")] for row in text.split(";")])
