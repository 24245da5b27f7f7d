"""Degree of anisotropy (DA) by the mean intercept length (MIL), under every name that is in use, with its noise floor.

Parallel rays in 81 directions (the vertices of an icosahedron divided twice, one of each opposite pair) cross the VOI; every
change of phase counts (Odgaard 1997 [from memory]). An ellipsoid is fitted to the mean length between changes (Harrigan
& Mann 1984 [from memory]); its half-axes are a <= b <= c. Points on a ray are 2.3 voxels apart, since a finer step
imprints the grid (seen in the discussion of BoneJ's own change, pull request 187).

The noise floor is the DA that an isotropic Gaussian random field, cut at the same bone fraction, has in the same VOI with
the same rays: a DA near it says nothing of direction. The field's correlation is that of the bone averaged over directions,
brought from the cut field to the Gaussian one by the arcsine law (exact for a fraction of one half, near it for others).
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
STEP = 2.3
# Rays of a direction are at least this far apart (voxels), and not many more than this in number.
SPACING = 2.0
MOST_RAYS = 20_000
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


def anisotropy(bone: Mask, voi: Mask) -> Anisotropy | None:
    """MIL ellipsoid of bone in a VOI.

    Parameters
    ----------
    bone, voi
        (z, y, x); voxels are cubes.

    Returns
    -------
    None where the rays meet too few changes of phase.
    """
    at = np.argwhere(voi.any(axis=(1, 2))), np.argwhere(voi.any(axis=(0, 2))), np.argwhere(voi.any(axis=(0, 1)))
    if any(a.size == 0 for a in at):
        return None
    box = tuple(slice(int(a.min()), int(a.max()) + 1) for a in at)
    phase = np.where(voi[box], bone[box].astype(np.uint8) + np.uint8(1), np.uint8(0))
    vectors = directions()
    lengths, changes = _intercepts(phase, vectors, _frames(vectors), _spacing(phase.shape), _shifts(len(vectors)))
    if changes.sum() < LEAST_CHANGES * len(vectors) or not lengths.all():
        return None
    return _fit(vectors, changes / lengths)


def noise_floor(bone: Mask, voi: Mask, seed: int = 0) -> Anisotropy | None:
    """Anisotropy of one isotropic random field that shares bone fraction, correlation, VOI and rays with the bone."""
    inside = bone & voi
    fraction = np.count_nonzero(inside) / max(1, np.count_nonzero(voi))
    centred = np.where(voi, inside - np.float32(fraction), np.float32(0))
    radius = _radii(bone.shape)
    correlation = np.fft.irfftn(_isotropic(np.abs(np.fft.rfftn(centred)) ** 2, radius), s=bone.shape, axes=(0, 1, 2))
    correlation = np.sin(np.pi / 2 * np.clip(correlation / correlation[0, 0, 0], -1, 1))
    amplitude = np.sqrt(np.maximum(_isotropic(np.fft.rfftn(correlation).real, radius), 0))
    noise = np.random.default_rng(seed).standard_normal(bone.shape, dtype=np.float32)
    field = np.fft.irfftn(np.fft.rfftn(noise) * amplitude, s=bone.shape, axes=(0, 1, 2))
    return anisotropy(field > np.quantile(field[voi], 1 - fraction), voi) if voi.any() else None


def directions() -> NDArray[np.float64]:
    """(81, 3) unit vectors: an icosahedron divided twice, one of each opposite pair."""
    golden = (1 + 5**0.5) / 2
    points = [p for a in (-1, 1) for b in (-golden, golden) for p in ((0, a, b), (a, b, 0), (b, 0, a))]
    found = np.array(points, float)
    edge = 2.0
    for _ in range(2):
        gaps = np.linalg.norm(found[:, None] - found[None], axis=2)
        pairs = np.argwhere(np.triu((gaps > 0) & (gaps < 1.3 * edge), 1))
        middles = found[pairs[:, 0]] + found[pairs[:, 1]]
        found = np.concatenate([found / np.linalg.norm(found, axis=1)[:, None],
                                middles / np.linalg.norm(middles, axis=1)[:, None]])  # fmt: skip
        edge = float(np.linalg.norm(found[:, None] - found[None], axis=2)[np.triu_indices(len(found), 1)].min())
    sign = np.where(
        np.abs(found[:, 0]) > 1e-9, found[:, 0], np.where(np.abs(found[:, 1]) > 1e-9, found[:, 1], found[:, 2])
    )
    return found[sign > 0]


def _isotropic(spectrum: NDArray, radius: NDArray[np.int64]) -> NDArray[np.float64]:
    """The spectrum averaged over all directions."""
    flat = radius.ravel()
    return (np.bincount(flat, spectrum.ravel()) / np.maximum(np.bincount(flat), 1))[radius]


def _radii(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Radial frequency of each coefficient of a real transform, in steps of one cycle over the longest edge."""
    z, y, x = np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1]), np.fft.rfftfreq(shape[2])
    squares = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2
    return np.rint(np.sqrt(squares) * max(shape)).astype(np.int64)


def _spacing(shape: tuple[int, ...]) -> float:
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


@numba.njit(cache=True)
def _intercepts(phase, vectors, frames, spacing, shifts):
    """Length (voxels) of rays inside the VOI and changes of phase on them, by direction; phase 0 is outside the VOI."""
    nz, ny, nx = phase.shape
    middle = ((nz - 1) / 2.0, (ny - 1) / 2.0, (nx - 1) / 2.0)
    reach = np.sqrt(float(nz * nz + ny * ny + nx * nx)) / 2.0
    steps = int(2 * reach / STEP) + 1
    half = int(reach / spacing) + 1
    lengths = np.zeros(len(vectors))
    changes = np.zeros(len(vectors), np.int64)
    for k in range(len(vectors)):
        v, u, w = vectors[k], frames[k, 0], frames[k, 1]
        inside = 0
        crossed = 0
        for i in range(-half, half + 1):
            a = (i + shifts[k, 0]) * spacing
            for j in range(-half, half + 1):
                b = (j + shifts[k, 1]) * spacing
                if a * a + b * b > reach * reach:
                    continue
                last = 0
                for s in range(steps):
                    t = (s + shifts[k, 2]) * STEP - reach
                    z = int(np.floor(middle[0] + t * v[0] + a * u[0] + b * w[0] + 0.5))
                    y = int(np.floor(middle[1] + t * v[1] + a * u[1] + b * w[1] + 0.5))
                    x = int(np.floor(middle[2] + t * v[2] + a * u[2] + b * w[2] + 0.5))
                    if z < 0 or y < 0 or x < 0 or z >= nz or y >= ny or x >= nx:
                        last = 0
                        continue
                    here = phase[z, y, x]
                    if here != 0 and last != 0:
                        inside += 1
                        if here != last:
                            crossed += 1
                    last = here
        lengths[k] = inside * STEP
        changes[k] = crossed
    return lengths, changes


def _fit(vectors: NDArray[np.float64], per_length: NDArray[np.float64]) -> Anisotropy:
    """Ellipsoid n' M n = 1/MIL² by least squares; axes over a thousand times the shortest are cut to that (plates)."""
    z, y, x = vectors.T
    design = np.stack([z * z, y * y, x * x, 2 * z * y, 2 * z * x, 2 * y * x], axis=1)
    m, *_ = np.linalg.lstsq(design, per_length**2, rcond=None)
    tensor = np.array([[m[0], m[3], m[4]], [m[3], m[1], m[5]], [m[4], m[5], m[2]]])
    values, axes = np.linalg.eigh(tensor)
    values = np.maximum(values, values[2] / LONGEST**2)
    return Anisotropy(1.0 / np.sqrt(values[::-1]), axes[:, ::-1].T)
