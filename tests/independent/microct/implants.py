"""Scans of implants drawn from geometry alone: no code of the simulator or of the measurement.

Lengths in voxels, heights along the implant's axis from the middle of the fixture. A voxel's share of a body is read off
its signed distance to the surface, blurred by the scanner and made noisy; so truths are those of the geometry.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

AIR, SOFT, BONE, METAL = 7000.0, 12000.0, 22000.0, 55000.0
VOXEL_UM = 18.0


@dataclass(frozen=True)
class Fixture:
    """A screw: radius, length, depth and pitch of its thread (none: 0), tilt and place of its middle off the scan's (y, x)."""

    radius: float = 25.0
    length: float = 80.0
    thread: float = 3.0
    pitch: float = 14.0
    tilt: float = 0.0
    azimuth: float = 30.0
    off: tuple[float, float] = (0.0, 0.0)
    sunk: float = 0.0  # how far its middle lies deeper than the scan's


@dataclass(frozen=True)
class Scene:
    """A fixture in bone; `shares`: metal, bone and air of each voxel; `height`, `radius`, `angle` about its axis."""

    fixture: Fixture
    height: np.ndarray
    radius: np.ndarray
    angle: np.ndarray
    shares: dict[str, np.ndarray] = field(default_factory=dict)


def inside(distance):
    """Share of a voxel within a body from the signed distance to its surface (negative inside)."""
    return np.clip(0.5 - distance, 0.0, 1.0)


def scene(fixture=None, shape=(120, 150, 150)):
    """An empty scene; the apex lies at high z."""
    fixture = fixture or Fixture()
    z, y, x = np.indices(shape, dtype=np.float32)
    z -= (shape[0] - 1) / 2 + fixture.sunk
    y -= (shape[1] - 1) / 2 + fixture.off[0]
    x -= (shape[2] - 1) / 2 + fixture.off[1]
    tilt, azimuth = np.radians(fixture.tilt), np.radians(fixture.azimuth)
    up = np.array([-np.cos(tilt), np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth)])
    one = np.cross(up, [0.0, 0.0, 1.0])
    one /= np.linalg.norm(one)
    two = np.cross(up, one)
    height, a, b = (v[0] * z + v[1] * y + v[2] * x for v in (up, one, two))
    return Scene(fixture, height, np.hypot(a, b), np.arctan2(b, a) % (2 * np.pi))


def cylinder(of, radius, low, high):
    """A body of revolution between two heights; the radius may differ from voxel to voxel."""
    return inside(np.maximum(of.radius - radius, np.maximum(low - of.height, of.height - high)))


def screw(of):
    """The fixture with its triangular thread."""
    f = of.fixture
    turn = (of.height / f.pitch - of.angle / (2 * np.pi)) % 1.0
    return cylinder(of, f.radius - f.thread * np.abs(2 * turn - 1), -f.length / 2, f.length / 2)


def sectors(of, n, share, turned=0.1):
    """Bone in n wedges about the axis that fill a share of every circle; edges by arc length."""
    phase = (of.angle / (2 * np.pi) * n + turned) % 1.0
    away = np.abs(phase - share / 2)
    away = np.minimum(away, 1 - away) - share / 2
    return inside(away * 2 * np.pi / n * of.radius)


def below(of, depth):
    """All that lies at least so far below the shoulder."""
    return inside(of.height - (of.fixture.length / 2 - depth))


def image(of, metal, bone, air=None, psf=0.7, noise=500.0, seed=0, dtype=np.uint16, levels=None):
    """Grey values of a scene."""
    at = {"air": AIR, "soft": SOFT, "bone": BONE, "metal": METAL} | (levels or {})
    bone = bone * (1 - metal)
    grey = at["soft"] + (at["bone"] - at["soft"]) * bone + (at["metal"] - at["soft"]) * metal
    if air is not None:
        grey += (at["air"] - at["soft"]) * air * (1 - metal) * (1 - bone)
    grey = ndimage.gaussian_filter(grey.astype(np.float32), psf, mode="nearest")
    grey += noise * np.random.default_rng(seed).standard_normal(grey.shape, dtype=np.float32)
    return np.clip(np.rint(grey), np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)
