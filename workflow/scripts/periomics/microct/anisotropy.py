"""Degree of anisotropy (DA) by the mean intercept length (MIL), under every name that is in use, with its noise floor.

Parallel rays in 81 directions (the vertices of an icosahedron divided twice, one of each opposite pair) cross
the VOI; every change of phase counts. An ellipsoid is fitted to the mean length between changes; its half-axes
are a <= b <= c. Points on a ray are 2.3 voxels apart, since a finer step imprints the grid (seen in the
discussion of BoneJ's own change, pull request 187).

The noise floor is the DA that an isotropic Gaussian random field, cut at the same bone fraction, has in the same VOI with
the same rays: a DA near it says nothing of direction. The field's correlation is that of the bone averaged over directions,
brought from the cut field to the Gaussian one by the arcsine law (exact for a fraction of one half, near it for others).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from periomics.microct.boxes import box_around, boxed, size_of, start_of
from periomics.microct.random_field import field_mask, plan_for, radial_amplitude
from periomics.microct.slabs import BitVolume
from periomics.microct.threads import in_parts

Shape = tuple[int, ...]
STEP = 2.3
# Rays of a direction are at least this far apart (voxels), and not many more than this in number.
SPACING = 2.0
MOST_RAYS = 20_000
FIELD_MASKS = 3  # bone, VOI and field in the VOI's bounding box
LEAST_CHANGES = 50  # on average over directions
LONGEST = 1e3  # longest axis over the shortest that is told apart from infinity


@dataclass(frozen=True)
class Anisotropy:
    """Half-axes of the MIL ellipsoid (voxels, short to long), directions (rows, z y x) and all names of DA."""

    axes: NDArray[np.float64]
    directions: NDArray[np.float64]

    @property
    def ratio(self) -> float:
        """c/a, 1 for isotropic (the field's guideline)."""
        return float(self.axes[2] / self.axes[0])

    @property
    def one_minus_ratio(self) -> float:
        """1 - a/c, 0 for isotropic."""
        return 1.0 - 1.0 / self.ratio

    @property
    def bonej(self) -> float:
        """1 - (a/c)², 0 for isotropic: BoneJ's DA, of eigenvalues and not of axes."""
        return 1.0 - 1.0 / self.ratio**2

    @property
    def tda(self) -> float:
        """1/(1 - BoneJ's DA) = (c/a)², 1 for isotropic: BoneJ's tDA."""
        return self.ratio**2


def anisotropy(
    bone: BitVolume, voi: BitVolume | None = None, threads: int = 1
) -> Anisotropy | None:
    """MIL ellipsoid of bone in a VOI, looked up in the bits in place, which rays cross in any direction.

    Parameters
    ----------
    bone, voi
        (z, y, x); voxels are cubes; the whole without a VOI.
    threads
        Threads; the result does not depend on it.

    Returns
    -------
    None where the rays meet too few changes of phase.
    """
    box = box_around(voi, 0, bone.shape)
    shape = size_of(box)
    if min(shape) == 0:
        return None
    vectors = directions()
    lengths, changes = np.zeros(len(vectors)), np.zeros(len(vectors), np.int64)
    given = {
        "bone": bone.bits,
        "voi": bone.bits if voi is None else voi.bits,
        "whole": voi is None,
        "low": start_of(box),
        "shape": shape,
        "vectors": vectors,
        "frames": _frames(vectors),
        "spacing": _spacing(shape),
        "shifts": _shifts(len(vectors)),
        "lengths": lengths,
        "changes": changes,
    }
    in_parts(lambda a, b: _intercepts(**given, first=a, last=b), len(vectors), threads)
    if changes.sum() < LEAST_CHANGES * len(vectors) or not lengths.all():
        return None
    return fit_ellipsoid(vectors, changes / lengths)


def noise_floors(
    bone: BitVolume, voi: BitVolume, n: int = 1, memory_mb: float = 1000, threads: int = 1
) -> tuple[Anisotropy, ...]:
    """Anisotropy of n isotropic random fields that share bone fraction, correlation, VOI and rays with the bone.

    A field fills the VOI's bounding box, so that it does not depend on how much of a scan is around it.

    Parameters
    ----------
    bone, voi
        (z, y, x).
    n
        Fields; those whose rays meet too few changes of phase are left out.
    memory_mb
        Memory for this step (MB), the masks given not counted. What lies between passes (8 bytes for each voxel of the VOI's
        bounding box) goes to a temporary file where it does not fit.
    threads
        Threads; neither they nor the memory change the result.

    Raises
    ------
    ValueError
        If the memory is too little for eight planes, or eight rows along z.
    """
    box = box_around(voi, 0, bone.shape)
    shape = size_of(box)
    if n == 0 or min(shape) == 0:
        return ()
    masks_mb = FIELD_MASKS * math.prod(shape) / 8e6
    plan = plan_for(shape, memory_mb - masks_mb, threads, "noise floor of DA")
    bone, voi = boxed(bone, box), boxed(voi, box)
    inside = sum(
        int(np.bitwise_count(a & b).sum()) for a, b in zip(bone.bits, voi.bits, strict=True)
    )
    total = voi.count()
    if inside in (0, total):
        return ()
    amplitude = radial_amplitude(bone.read, voi.read, inside / total, plan)
    fields = (field_mask(amplitude, voi.read, inside, total, seed, plan) for seed in range(n))
    found = (anisotropy(f, voi, plan.threads) for f in fields)
    return tuple(f for f in found if f is not None)


def directions() -> NDArray[np.float64]:
    """(81, 3) unit vectors: an icosahedron divided twice, one of each opposite pair."""
    golden = (1 + 5**0.5) / 2
    points = [
        p for a in (-1, 1) for b in (-golden, golden) for p in ((0, a, b), (a, b, 0), (b, 0, a))
    ]
    found = np.array(points, float)
    edge = 2.0
    for _ in range(2):
        gaps = np.linalg.norm(found[:, None] - found[None], axis=2)
        pairs = np.argwhere(np.triu((gaps > 0) & (gaps < 1.3 * edge), 1))
        middles = found[pairs[:, 0]] + found[pairs[:, 1]]
        found = np.concatenate(
            [
                found / np.linalg.norm(found, axis=1)[:, None],
                middles / np.linalg.norm(middles, axis=1)[:, None],
            ]
        )
        edge = float(
            np.linalg.norm(found[:, None] - found[None], axis=2)[
                np.triu_indices(len(found), 1)
            ].min()
        )
    sign = np.where(
        np.abs(found[:, 0]) > 1e-9,
        found[:, 0],
        np.where(np.abs(found[:, 1]) > 1e-9, found[:, 1], found[:, 2]),
    )
    return found[sign > 0]


def _spacing(shape: Shape) -> float:
    diagonal = float(np.sqrt(sum(n * n for n in shape)))
    return max(SPACING, diagonal / MOST_RAYS**0.5)


def _frames(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two unit vectors across each direction, (n, 2, 3)."""
    helper = np.eye(3)[np.abs(vectors).argmin(axis=1)]
    first = np.cross(vectors, helper)
    first /= np.linalg.norm(first, axis=1)[:, None]
    return np.stack([first, np.cross(vectors, first)], axis=1)


def _shifts(n: int) -> NDArray[np.float64]:
    """Shift of the rays' grid and start for each direction (shares of their steps), so that no direction rests on the grid."""
    return np.random.default_rng(0).random((n, 3))


@numba.njit(cache=True, nogil=True)
def _intercepts(
    bone, voi, whole, low, shape, vectors, frames, spacing, shifts, lengths, changes, first, last
):
    """Length (voxels) of rays inside the VOI and changes of phase on them, for directions first to last."""
    reach = np.sqrt(float(shape[0] * shape[0] + shape[1] * shape[1] + shape[2] * shape[2])) / 2.0
    half = int(reach / spacing) + 1
    for k in range(first, last):
        inside = 0
        crossed = 0
        for i in range(-half, half + 1):
            a = (i + shifts[k, 0]) * spacing
            for j in range(-half, half + 1):
                b = (j + shifts[k, 1]) * spacing
                if a * a + b * b <= reach * reach:
                    n, c = _ray(
                        bone,
                        voi,
                        whole,
                        low=low,
                        shape=shape,
                        v=vectors[k],
                        frame=frames[k],
                        a=a,
                        b=b,
                        shift=shifts[k, 2],
                        reach=reach,
                    )
                    inside += n
                    crossed += c
        lengths[k] = inside * STEP
        changes[k] = crossed


@numba.njit(cache=True, nogil=True)
def _ray(bone, voi, whole, low, shape, v, frame, a, b, shift, reach):
    """Steps between two points in the VOI on a ray, and how many of them change the phase."""
    nz, ny, nx = shape
    last = inside = crossed = 0
    for s in range(int(2 * reach / STEP) + 1):
        t = (s + shift) * STEP - reach
        z = int(np.floor((nz - 1) / 2.0 + t * v[0] + a * frame[0, 0] + b * frame[1, 0] + 0.5))
        y = int(np.floor((ny - 1) / 2.0 + t * v[1] + a * frame[0, 1] + b * frame[1, 1] + 0.5))
        x = int(np.floor((nx - 1) / 2.0 + t * v[2] + a * frame[0, 2] + b * frame[1, 2] + 0.5))
        here = 0
        if z >= 0 and y >= 0 and x >= 0 and z < nz and y < ny and x < nx:
            z, y, x = z + low[0], y + low[1], x + low[2]
            if whole or voi[z, y, x >> 3] >> (x & 7) & 1:
                here = 1 + (bone[z, y, x >> 3] >> (x & 7) & 1)
        if here != 0 and last != 0:
            inside += 1
            crossed += here != last
        last = here
    return inside, crossed


def fit_ellipsoid(vectors: NDArray[np.float64], per_length: NDArray[np.float64]) -> Anisotropy:
    """Ellipsoid n' M n = 1/MIL² by least squares; axes over a thousand times the shortest are cut to that (plates)."""
    z, y, x = vectors.T
    design = np.stack([z * z, y * y, x * x, 2 * z * y, 2 * z * x, 2 * y * x], axis=1)
    m, *_ = np.linalg.lstsq(design, per_length**2, rcond=None)
    tensor = np.array([[m[0], m[3], m[4]], [m[3], m[1], m[5]], [m[4], m[5], m[2]]])
    values, axes = np.linalg.eigh(tensor)
    values = np.maximum(values, values[2] / LONGEST**2)
    return Anisotropy(1.0 / np.sqrt(values[::-1]), axes[:, ::-1].T)
