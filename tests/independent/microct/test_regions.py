"""Volumes of interest on scenes drawn from geometry alone: bone stands in one part and nowhere else, so each share is known."""

import numpy as np
import pytest
from implants import VOXEL_UM, Fixture, image, scene, screw

from periomics.core.errors import InputError, SpecimenError
from periomics.microct.formats.lazy import in_memory
from periomics.microct.measure import measure
from periomics.microct.told import Told
from periomics.study.settings.microct import Microct

SECTION = {
    "bone_threshold": 17000,
    "implant_threshold": 39000,
    "prefilter_sigma_voxels": 0,
    "anisotropy": False,
    "thickness_variants": False,
    "shells_um": [],
    "voi": {"inner_um": 54, "outer_um": 200},
}
BARE = {**SECTION, "implant": "none"}
SHAPE = (64, 78, 82)


def read(grey, section, told=None, **voi):
    settings = Microct.of({**section, "voi": {**section["voi"], **voi}})
    scan = in_memory(grey, (VOXEL_UM,) * 3)
    return measure(scan, settings, {"specimen_id": "s"}, told=told or Told()).table


def row(table, outcome, variant=""):
    return table.set_index(["outcome", "variant"]).loc[(outcome, variant)]


@pytest.fixture(scope="module")
def noise():
    """Bone, air and soft tissue at random, and where bone is."""
    kind = np.random.default_rng(5).integers(0, 10, SHAPE)
    return np.where(kind < 4, 22000, 12000).astype(np.uint16), kind < 4


def test_a_box_and_a_cylinder_hold_the_voxels_whose_middles_lie_in_them(noise):
    grey, bone = noise
    box = [[180, 720], [90, 1000], [54, 1100]]
    at = [
        [i for i in range(n) if low <= (i + 0.5) * VOXEL_UM < high]
        for n, (low, high) in zip(SHAPE, box, strict=True)
    ]
    inner = bone[np.ix_(*at)]
    table = read(grey, BARE, box_um=box)
    assert row(table, "bvtv")["value"] == pytest.approx(100 * inner.mean())
    assert row(table, "tv")["value"] == pytest.approx(inner.size * (VOXEL_UM / 1000) ** 3)
    radius, centre = 500.0, (650.0, 800.0)
    y, x = np.meshgrid(
        *(
            (np.arange(n) * VOXEL_UM + VOXEL_UM / 2 - c)
            for n, c in zip(SHAPE[1:], centre, strict=True)
        ),
        indexing="ij",
    )
    inside = np.hypot(y, x) <= radius
    table = read(grey, BARE, radius_um=radius, centre_um=centre)
    assert row(table, "bvtv")["value"] == pytest.approx(100 * bone[:, inside].mean())
    # the area of a circle, to the grid
    area = np.pi * radius**2 * SHAPE[0] * VOXEL_UM / 1e9
    assert row(table, "tv")["value"] == pytest.approx(area, rel=0.005)
    both = read(grey, BARE, radius_um=radius, centre_um=centre, box_um=box)
    inner = bone[:, inside][at[0]]
    assert row(both, "bvtv")["value"] != pytest.approx(100 * inner.mean(), abs=1e-9)  # y, x too
    assert "cylinder of radius 500 um about y, x = 650, 800 um" in row(both, "tv")["method"]


def test_air_is_no_tissue():
    """A ball of air in bone of known share; single dark voxels are noise and stay tissue."""
    z, y, x = np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2
    air = np.sqrt(z**2 + y**2 + x**2) < 18
    bone = ~air & (np.arange(SHAPE[0]) % 4 == 0).reshape(-1, 1, 1)
    grey = np.where(air, 7000, np.where(bone, 22000, 12000)).astype(np.uint16)
    grey[5, 5, 5] = 7000
    with_air = row(read(grey, BARE), "bvtv")["value"]
    assert with_air == pytest.approx(100 * bone.mean(), abs=1e-3)
    table = read(grey, {**BARE, "air_below": 9500}, without_air=True)
    assert row(table, "bvtv")["value"] == pytest.approx(100 * bone.sum() / (~air).sum(), abs=1e-3)
    assert row(table, "tv")["value"] == pytest.approx((~air).sum() * (VOXEL_UM / 1000) ** 3)


# ---- around an implant

FIXTURE = Fixture(radius=14, length=42, thread=0)
# A quarter of all bone is left out, as a region of nothing but bone is refused.
STRIPES, FULL = (np.arange(SHAPE[0]) % 4 > 0).reshape(-1, 1, 1).astype(float), 75
WAYS = {"buccal": 0, "mesial": 90, "lingual": 180, "distal": 270}


def around(fixture, where):
    """A fixture whose bone stands where `where` of its scene says."""
    of = scene(fixture, SHAPE)
    return image(of, screw(of), where(of) * STRIPES, psf=0.3, noise=100.0)


def quarter(of, way, buccal, mesial):
    """The quarter of the slices about the fixture that faces one way, by its corner lines."""
    turn = 1 if (mesial - buccal) % 360 == 90 else -1
    y, x = np.indices(SHAPE[1:]) - np.array(SHAPE[1:]).reshape(2, 1, 1) / 2 + 0.5
    y, x = y - of.fixture.off[0], x - of.fixture.off[1]
    at = np.radians(buccal + turn * WAYS[way])
    ahead, beside = x * np.cos(at) + y * np.sin(at), y * np.cos(at) - x * np.sin(at)
    return np.broadcast_to(ahead >= np.abs(beside), SHAPE)


@pytest.mark.parametrize("told", [(20, -70), (250, 340)])
def test_sides_and_octants_are_counted_from_the_declared_directions(told):
    at = scene(Fixture(radius=14, length=42, thread=0, off=(3, -2)), SHAPE).fixture
    grey = around(at, lambda of: quarter(of, "mesial", *told))
    table = read(grey, SECTION, Told(*told), parts=["sides", "octants"])
    for outcome in ("bvtv", "bic_ct"):
        found = {w: row(table, outcome, f"part={w}")["value"] for w in WAYS}
        assert found == pytest.approx(
            {"buccal": 0, "mesial": FULL, "lingual": 0, "distal": 0}, abs=5
        )
        octants = [row(table, outcome, f"part=octant {i}")["value"] for i in range(1, 9)]
        # the third points to the mesial side, its neighbours lie half in that quarter
        assert octants == pytest.approx([0, FULL / 2, FULL, FULL / 2, 0, 0, 0, 0], abs=5)
    only = read(grey, SECTION, Told(*told), only="mesial")
    assert row(only, "bvtv")["value"] == pytest.approx(FULL, abs=5)
    assert row(only, "ovtv")["value"] == pytest.approx(FULL, abs=5)
    assert row(only, "tv")["value"] == pytest.approx(row(table, "tv")["value"] / 4, rel=0.03)


@pytest.mark.parametrize("tilt", [0, 12])
def test_thirds_are_those_of_the_implant(tilt):
    fixture = Fixture(radius=14, length=42, thread=0, tilt=tilt)
    grey = around(fixture, lambda of: (of.height > -7) & (of.height < 7))
    table = read(grey, SECTION, parts=["thirds"])
    found = [row(table, "bvtv", f"part={t}")["value"] for t in ("apical", "middle", "coronal")]
    assert found == pytest.approx([0, FULL, 0], abs=4 if tilt == 0 else 7)
    only = read(grey, SECTION, only="middle")
    assert row(only, "bvtv")["value"] == pytest.approx(FULL, abs=4 if tilt == 0 else 7)


@pytest.mark.parametrize("tilt", [0, 12])
def test_between_the_threads_is_what_the_hull_holds(tilt):
    fixture = Fixture(radius=20, length=66, thread=10, pitch=16, tilt=tilt)
    of = scene(fixture, (84, 70, 70))
    held = (of.radius < fixture.radius) & (np.abs(of.height) < fixture.length / 2)
    grey = image(
        of, screw(of), held * (np.arange(84) % 4 > 0).reshape(-1, 1, 1), psf=0.3, noise=100.0
    )
    table = read(grey, SECTION, parts=["threads"], inner_um=36)
    threads = row(table, "bvtv", "part=threads")
    # the hull is known to half a voxel, 8 % of these shallow grooves
    assert threads["value"] == pytest.approx(FULL, abs=8)
    # its volume by search: within the hull, and farther than the band from every voxel of metal
    metal = np.argwhere(screw(of) >= 0.5)
    room = np.argwhere(held & (screw(of) < 0.5))
    some = room[:: max(1, len(room) // 600)]
    away = np.array([((metal - p) ** 2).sum(axis=1).min() for p in some])
    share = np.mean(away > 4) * len(room) * (VOXEL_UM / 1000) ** 3
    assert threads["denominator"] == pytest.approx(share, rel=0.12)
    only = read(grey, SECTION, only="threads", inner_um=36)
    assert row(only, "bvtv")["value"] == pytest.approx(FULL, abs=8)


def test_no_room_between_the_threads_is_said():
    grey = around(Fixture(radius=14, length=42, thread=2), lambda of: of.radius < 20)
    table = read(grey, SECTION, parts=["threads"])
    threads = row(table, "bvtv", "part=threads")
    assert threads["qc"] == "fail" and "no voxel to count" in threads["qc_reason"]
    with pytest.raises(SpecimenError, match="VOI is empty"):
        read(grey, SECTION, only="threads")


@pytest.mark.parametrize(
    ("voi", "more", "match"),
    [
        ({"without_air": True}, {}, "without_air is true"),
        ({"only": "apical"}, {"implant": "none"}, "needs an implant"),
        ({"parts": ["sides"]}, {"implant": "none"}, "needs an implant"),
        ({"centre_um": [1, 2], "radius_um": 3}, {}, "about its axis"),
        ({"centre_um": [1, 2]}, {"implant": "none"}, "centre_um is set"),
        ({"box_um": [[0, 1], [0, 1], [2, 1]]}, {}, "ends before it starts"),
        ({"box_um": [[0, 1], [0, 1], [-2, 1]]}, {}, "outside the scan"),
    ],
)
def test_regions_that_cannot_be_are_refused(voi, more, match):
    with pytest.raises(InputError, match=match):
        Microct.of({**SECTION, **more, "voi": {**SECTION["voi"], **voi}}, "microct")


def test_sides_that_the_sheet_does_not_say():
    grey = around(FIXTURE, lambda of: of.radius < 20)
    with pytest.raises(SpecimenError, match="does not say buccal_degrees"):
        read(grey, SECTION, parts=["sides"])
