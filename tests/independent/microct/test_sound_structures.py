"""Bone of other kinds than a random field, drawn from formulas: no fact of quality is beyond its
limit on any; and facts of edges, threshold, saturation and border beside what was drawn."""

import numpy as np
import pytest
from implants import VOXEL_UM, Fixture, below, image, inside, scene, screw
from scipy import ndimage
from scipy.spatial import cKDTree

from periomics.microct.edges import edge_sums, edge_width, smoothed
from periomics.microct.formats.lazy import in_memory
from periomics.microct.measure import measure
from periomics.study.settings.microct import Microct

pytestmark = pytest.mark.usefixtures("without_spacing")
N = 64
MARROW, BONE, CUT = 12000.0, 22000.0, 17000
Z, Y, X = (a.astype(np.float32) - (N - 1) / 2 for a in np.indices((N, N, N)))
SECTION = {
    "bone_threshold": CUT,
    "implant_threshold": 60000,
    "implant": "none",
    "anisotropy": False,
    "thickness_variants": False,
}


def rods(n, radius, seed):
    """Straight rods of any direction."""
    rng, out = np.random.default_rng(seed), np.zeros((N, N, N), np.float32)
    for _ in range(n):
        at, way = rng.uniform(-N / 2, N / 2, 3), rng.normal(size=3)
        way /= np.linalg.norm(way)
        a = [c - p for c, p in zip((Z, Y, X), at, strict=True)]
        along = sum(w * c for w, c in zip(way, a, strict=True))
        out = np.maximum(out, inside(np.sqrt(sum(c * c for c in a) - along**2) - radius))
    return out


def gyroid(period=24.0, level=0.5):
    z, y, x = (c * 2 * np.pi / period for c in (Z, Y, X))
    field = np.sin(z) * np.cos(y) + np.sin(y) * np.cos(x) + np.sin(x) * np.cos(z)
    return inside((level - field) / np.sqrt(sum(g**2 for g in np.gradient(field))))


def foam(n=22, wall=4.5):
    """Walls between cells of random points."""
    points = np.random.default_rng(2).uniform(-N / 2, N / 2, (n, 3))
    near = cKDTree(points).query(np.stack([Z, Y, X], -1).reshape(-1, 3), 2)[0]
    return inside((near[:, 1] - near[:, 0] - wall) / 1.6).reshape(N, N, N)


def plates_of(thicks, gap):
    out, at = np.zeros((N, N, N), np.float32), -N / 2 + 3
    for t in thicks:
        out = np.maximum(out, inside(np.abs(X - at - t / 2) - t / 2))
        at += t + gap
    return out


def holes(n=45, radius=8):
    """Dense bone with round holes."""
    out = np.ones((N, N, N), np.float32)
    for p in np.random.default_rng(6).uniform(-N / 2, N / 2, (n, 3)):
        out = np.minimum(
            out,
            1
            - inside(
                np.sqrt(sum((c - a) ** 2 for c, a in zip((Z, Y, X), p, strict=True))) - radius
            ),
        )
    return out


def cortex():
    out = np.hypot(Y, X)
    return np.maximum(inside(np.abs(out - 26) - 4), rods(25, 3.0, 4) * inside(out - 26))


def scanned(bone, psf=0.7, noise=700.0, levels=(MARROW, BONE)):
    grey = ndimage.gaussian_filter(levels[0] + (levels[1] - levels[0]) * bone, psf)
    grey += noise * np.random.default_rng(0).standard_normal(bone.shape, dtype=np.float32)
    return np.clip(np.rint(grey), 0, 65535).astype(np.uint16)


def read(grey, **changed):
    scan = in_memory(grey, (VOXEL_UM,) * 3)
    return measure(scan, Microct.of({**SECTION, **changed}), {"specimen_id": "s", "animal_id": "a"})


def fact(found, name):
    return next(q for q in found.quality if q.name == name)


SOUND = {
    "rods": lambda: scanned(rods(35, 3.2, 1)),
    "few thin rods": lambda: scanned(rods(10, 2.6, 3)),
    "gyroid": lambda: scanned(gyroid()),
    "foam": lambda: scanned(foam()),
    "plates of four to eleven voxels": lambda: scanned(plates_of((4, 11, 5, 8, 6), 5)),
    "dense with round holes": lambda: scanned(holes()),
    "rods through a softer lens": lambda: scanned(rods(24, 5, 7), psf=1.2),
    "bone of uneven mineral": lambda: scanned(foam() * (0.85 + 0.15 * gyroid(60.0, 0.0))),
    "marrow and bone brighter towards an end": lambda: scanned(
        foam() * (0.95 + 0.1 * Z / N) + 0.05 * np.sin(Z / 12)
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_no_fact_is_beyond_its_limit_on_sound_bone(name):
    found = read(SOUND[name]())
    assert found.warnings == ()
    assert len(found.quality) == 11


def test_a_shell_of_cortex_with_trabeculae():
    assert read(scanned(cortex()), voi={"radius_um": 31 * VOXEL_UM}).warnings == ()


@pytest.mark.parametrize("blur", [0.7, 1.0, 1.5, 2.1])
def test_edges_are_as_wide_as_they_were_blurred(blur):
    """10 to 90 % of a Gaussian's edge: 2.563 standard deviations; balls and slanting planes, noise
    of a tenth."""
    rng, voi = np.random.default_rng(1), np.zeros((N, N, N), bool)
    voi[4:-4, 4:-4, 4:-4] = True
    distance = np.sqrt(Z**2 + Y**2 + X**2)
    for away in (distance - 22, distance - 12, 0.3 * Z + 0.5 * Y + 0.812 * X):
        grey = ndimage.gaussian_filter(inside(away), blur)
        grey += 0.1 * rng.standard_normal(grey.shape, dtype=np.float32)
        mask = ndimage.gaussian_filter(grey, 0.6) >= 0.5
        found = edge_width(edge_sums(grey, smoothed(mask), voi), 1.0)
        assert found == pytest.approx(2.563 * np.hypot(blur, 1 / np.sqrt(12)), rel=0.15)


def test_the_axis_of_motion_decides():
    """A ball that moved by six voxels along y, half of the time in either place: half of the height
    at once, so twice as wide at least."""
    ball = ndimage.gaussian_filter(inside(np.sqrt(Z**2 + Y**2 + X**2) - 18), 0.8)
    voi = np.ones(ball.shape, bool)
    wide = [
        edge_width(edge_sums(g, smoothed(g >= 0.45), voi), 1.0)
        for g in (ball, (ball + np.roll(ball, 6, 1)) / 2)
    ]
    assert wide[0] == pytest.approx(2.2, abs=0.3)
    assert wide[1] > 2 * wide[0]


def test_threshold_beside_the_grey_values_is_that_of_a_plain_search():
    """All cuts between whole grey values, with sums over the voxels themselves."""
    grey = scanned(gyroid())
    values = np.sort(grey.ravel().astype(float))
    below = np.arange(1, values.size)
    sums = np.cumsum(values)
    low, high = sums[:-1] / below, (sums[-1] - sums[:-1]) / (values.size - below)
    between = below * (values.size - below) * (high - low) ** 2
    as_good = np.flatnonzero(between >= between.max() * (1 - 1e-3))
    best = between.argmax()
    for cut in (12500, 16000, 20000):
        away = max(0.0, values[as_good[0]] - cut, cut - values[as_good[-1] + 1])
        wanted = 100 * away / (high[best] - low[best])
        found = fact(read(grey, bone_threshold=cut), "threshold beside the grey values")
        assert found.value == pytest.approx(wanted, abs=1.0), cut
        assert found.beyond == (wanted > 20)


def test_any_threshold_parts_two_grey_values():
    """A scan that is published as bone and marrow is parted by every threshold between: none lies
    beside."""
    two = np.where(gyroid() >= 0.5, 255, 0).astype(np.uint8)
    for cut in (3, 64, 250):
        found = read(two, bone_threshold=cut, implant_threshold=256, prefilter_sigma_voxels=0)
        assert fact(found, "threshold beside the grey values").value == 0
        assert fact(found, "saturated bone").value == 100
        assert set(found.table["qc"]) <= {"hold", "fail"}


@pytest.fixture(scope="module")
def eight_bits():
    """An implant in foam, 8 bit, its metal and the halo beside it saturated; the implant ends 22
    voxels below either end of the stack and 44 beside its edges."""
    of = scene(Fixture(radius=9, length=44, thread=2, pitch=10), (88, 108, 108))
    bone = np.tile(foam(), (2, 2, 2))[:88, :108, :108] * below(of, 4)
    grey = image(of, screw(of), bone, noise=500.0).astype(float) / 200
    halo = np.exp(-ndimage.distance_transform_edt(screw(of) < 0.5) / 1.0)
    return np.clip(np.rint(grey + 200 * halo), 0, 255).astype(np.uint8)


ROUND = {
    "implant": "required",
    "bone_threshold": 85,
    "implant_threshold": 250,
    "voi": {"inner_um": 90, "outer_um": 270, "axial_um": [100, 600]},
}


def test_metal_that_is_saturated_is_no_saturated_bone(eight_bits):
    assert (eight_bits == 255).sum() > 8000
    found = read(eight_bits, **ROUND)
    assert fact(found, "saturated bone").value == 0
    assert found.warnings == ()


def test_bone_that_is_saturated_is_held_back():
    """Window of 8 bits that ends at bone's own grey value: half of its voxels stand at 255, by
    noise."""
    grey = np.clip(scanned(gyroid()) * (255 / BONE), 0, 255).astype(np.uint8)
    found = read(grey, bone_threshold=200, implant_threshold=256)
    assert fact(found, "saturated bone").beyond
    assert any(w.startswith("saturated bone") for w in found.warnings)


@pytest.mark.parametrize(
    ("z", "x", "said"),
    [
        ((0, 88), (20, 88), ()),
        ((0, 88), (34, 108), ("VOI",)),
        ((0, 88), (0, 72), ("VOI",)),
        ((26, 88), (0, 108), ("implant",)),
        ((0, 62), (0, 108), ("implant",)),
    ],
)
def test_what_the_border_cuts_is_said(eight_bits, z, x, said):
    """The region reaches 9 + 15 voxels from the axis, within 100 to 600 µm of the apex at high
    z."""
    found = read(eight_bits[z[0] : z[1], :, x[0] : x[1]], **ROUND)
    cut = [w for w in found.warnings if w.endswith("meets the border of the scan")]
    assert sorted(cut) == sorted(f"the {name} meets the border of the scan" for name in said)
    assert ("hold" in set(found.table["qc"])) == bool(said)
