"""Trabecular bone as a thresholded random field, and a threaded implant in it: the exact voxel truth of a scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
BANDWIDTH = 0.25  # relative width of the field's frequency band: one typical spacing, no lattice


@dataclass(frozen=True)
class Implant:
    """A threaded, slightly tilted screw in voxel coordinates; its apex (the end in the bone) is at high z.

    `apex` and `head` are points (z, y, x) on the axis, `direction` the unit vector from apex to head; `core`, `depth`
    and `pitch` are the core radius, the thread's depth and its pitch in voxels.
    """

    apex: NDArray[np.float64]
    head: NDArray[np.float64]
    direction: NDArray[np.float64]
    core: float
    depth: float
    pitch: float


def draw_implant(
    shape: tuple[int, int, int], tilt_degrees: float, rng: np.random.Generator
) -> Implant:
    """Draw an implant that scales with the scan: length 0.78 of its height, core radius 0.115 of its smaller width.

    Parameters
    ----------
    shape
        (z, y, x) voxels.
    tilt_degrees
        Largest tilt from z; the tilt is uniform in cosine up to it, its azimuth uniform.
    """
    width = min(shape[1:])
    cosine = rng.uniform(np.cos(np.radians(tilt_degrees)), 1.0)
    azimuth, sine = rng.uniform(0, 2 * np.pi), np.sqrt(1 - cosine**2)
    direction = np.array([-cosine, sine * np.sin(azimuth), sine * np.cos(azimuth)])
    centre = (np.array(shape) - 1) / 2 + rng.uniform(-0.01, 0.01, 3) * width
    half = 0.39 * shape[0]
    return Implant(
        centre - half * direction,
        centre + half * direction,
        direction,
        0.115 * width,
        0.025 * width,
        0.085 * width,
    )


def implant_mask(shape: tuple[int, int, int], implant: Implant) -> Mask:
    """Voxels whose centre lies in the screw: a helical triangular thread on a core, tapered over its last core radius."""
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    rel = (z - implant.apex[0], y - implant.apex[1], x - implant.apex[2])
    d = implant.direction
    along = rel[0] * d[0] + rel[1] * d[1] + rel[2] * d[2]
    side = np.cross(d, [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    other = np.cross(d, side)
    u = rel[0] * side[0] + rel[1] * side[1] + rel[2] * side[2]
    v = rel[0] * other[0] + rel[1] * other[1] + rel[2] * other[2]
    phase = along / implant.pitch - np.arctan2(v, u) / (2 * np.pi)
    thread = implant.depth * np.abs(2 * (phase - np.floor(phase)) - 1)
    taper = np.minimum(1.0, 0.6 + 0.4 * along / implant.core)
    length = np.linalg.norm(implant.head - implant.apex)
    return (along >= 0) & (along <= length) & (np.hypot(u, v) <= (implant.core + thread) * taper)


def random_field(
    shape: tuple[int, int, int], wavelength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Isotropic Gaussian random field of one typical wavelength (voxels), periodic, not normalised."""
    from scipy import fft

    spectrum = fft.rfftn(rng.standard_normal(shape, dtype=np.float32))
    fz, fy = (np.fft.fftfreq(n).astype(np.float32) for n in shape[:2])
    fx = np.fft.rfftfreq(shape[2]).astype(np.float32)
    frequency = np.sqrt(fz[:, None, None] ** 2 + fy[:, None] ** 2 + fx**2)
    spectrum *= np.exp(-0.5 * ((frequency - 1 / wavelength) / (BANDWIDTH / wavelength)) ** 2)
    return fft.irfftn(spectrum, s=shape)


def bone_mask(
    field: NDArray[np.float32], where: Mask, allowed: Mask, dense: Mask, share: float
) -> Mask:
    """Dense bone, and spongiosa where the field is high: the cut is the quantile that gives `share` of bone inside `where`.

    Parameters
    ----------
    field
        (z, y, x).
    where
        VOI in which the share is met (to within one voxel).
    allowed
        Where spongiosa may be.
    dense
        What is bone anyhow.
    share
        0 to 1, both excluded.

    Raises
    ------
    ValueError
        If the share leaves no spongiosa or no marrow where spongiosa may be.
    """
    open_ = where & allowed
    n = np.count_nonzero(open_)
    wanted = share * np.count_nonzero(where) - np.count_nonzero(where & dense)
    if not 0 < share < 1 or not 0 < wanted < n:
        raise ValueError(f"a bone share of {share} leaves no bone or no marrow")
    return (field > np.quantile(field[open_], 1 - wanted / n)) & allowed | dense
