"""Quality of scans drawn from geometry alone: each fault is said, and no sound scan is."""

import numpy as np
import pytest
from implants import VOXEL_UM, Fixture, below, image, inside, scene, screw
from scipy import ndimage

from periomics.microct.formats.lazy import in_memory
from periomics.microct.measure import measure
from periomics.study.settings.microct import Microct

pytestmark = pytest.mark.usefixtures("without_spacing")
SECTION = {
    "bone_threshold": 17000,
    "implant_threshold": 39000,
    "anisotropy": False,
    "thickness_variants": False,
    "voi": {"inner_um": 90, "outer_um": 400, "axial_um": [100, 1100]},
}
SHAPE, WIDE = (110, 140, 140), (110, 220, 220)
FIXTURE = Fixture(length=72, sunk=6)


def trabeculae(sigma=3.5, share=0.3, seed=3, shape=SHAPE):
    """Bone where a smooth field is high; a voxel's share from the field's slope."""
    field = ndimage.gaussian_filter(
        np.random.default_rng(seed).standard_normal(shape, dtype=np.float32), sigma
    )
    slope = np.sqrt(sum(g**2 for g in np.gradient(field)))
    return np.clip(0.5 + (field - np.quantile(field, 1 - share)) / slope, 0, 1)


def plates(thick, period):
    across = ((np.arange(SHAPE[2]) % period) < thick).astype(np.float32)
    return np.broadcast_to(across, SHAPE)


@pytest.fixture(scope="module")
def screw_in_bone():
    return drawn()


def drawn(fixture=FIXTURE, bone=None, air=None, metal=None, shape=SHAPE, **more):
    of = scene(fixture, shape)
    body = screw(of) if metal is None else np.maximum(screw(of), metal(of))
    bone = (trabeculae(shape=shape) if bone is None else bone) * below(of, 8)
    return image(of, body, bone, None if air is None else air(of), **more)


def radius(shape=SHAPE):
    y, x = np.indices(shape[1:])
    return np.hypot(y - (shape[1] - 1) / 2, x - (shape[2] - 1) / 2)


def cupped(grey, share):
    """Darker towards the middle; the metal stays metal."""
    out = radius(grey.shape)
    dark = grey * (1 - share * (1 - (out / out.max()) ** 2))
    return np.where(grey > 39000, grey, dark).astype(np.uint16)


def ringed(grey, sd):
    by_radius = np.random.default_rng(1).normal(0, sd, 200)
    return np.clip(grey + by_radius[radius().astype(int)], 0, 65535).astype(np.uint16)


def tissue(grey, changed):
    """The metal as it was, what is around it changed."""
    return np.clip(np.where(grey > 39000, grey, np.rint(changed)), 0, 65535).astype(np.uint16)


def darker(grey, slices, share):
    times = np.ones((len(grey), 1, 1))
    times[slices] = 1 - share
    return tissue(grey, grey * times)


def doubled(grey, shift):
    """Moved by so many voxels along x, half of the time in either place."""
    return tissue(grey, (grey.astype(float) + np.roll(grey, shift, 2)) / 2)


def bubble(of):
    """A torus of air around the implant."""
    return inside(np.hypot(of.height, of.radius - 38) - 7)


def fragment(of):
    """A piece of metal beside the implant."""
    return inside(np.hypot(np.hypot(of.height, of.radius - 36), 10 * (of.angle - 2)) - 4)


def streaked(grey, height, width=5.0, way=0.6):
    """A band through the implant, brighter or darker on both sides, that fades away from it."""
    y, x = (np.indices(grey.shape[1:]) - np.array(grey.shape[1:]).reshape(2, 1, 1) / 2).astype(
        float
    )
    across, along = y * np.cos(way) - x * np.sin(way), y * np.sin(way) + x * np.cos(way)
    band = height * np.exp(-((across / width) ** 2) - np.abs(along) / 80)
    return np.clip(np.where(grey > 39000, grey, grey + band), 0, 65535).astype(np.uint16)


def read(grey, **changed):
    scan = in_memory(grey, (VOXEL_UM,) * 3)
    return measure(scan, Microct.of({**SECTION, **changed}), {"specimen_id": "s", "animal_id": "a"})


def blooming(height, reach, shape=SHAPE):
    """A halo of the metal that ends far behind the band."""
    of = scene(FIXTURE, shape)
    away = ndimage.distance_transform_edt(screw(of) < 0.5)
    return np.where(away > 0, height * np.exp(-away / reach), 0)


# From the screw in bone, or drawn anew where that is not enough.
SOUND = {
    "screw": lambda g: g,
    "tilted": lambda _: drawn(Fixture(length=72, tilt=12, sunk=6)),
    "off the middle": lambda _: drawn(Fixture(length=72, off=(9, -7), sunk=6)),
    "dense": lambda _: drawn(bone=trabeculae(share=0.6)),
    "fine": lambda _: drawn(bone=trabeculae(sigma=2.0)),
    "noisy": lambda _: drawn(noise=1500.0),
    "plates of five voxels": lambda _: drawn(bone=plates(5, 12)),
    "drawn out along x": lambda _: drawn(bone=trabeculae(sigma=(2, 2, 6))),
    "signed": lambda g: (g.astype(np.int32) - 25000).astype(np.int16),
}
FAULTS = {
    "strong cupping": (lambda g: cupped(g, 0.25), "grey values that differ in marrow"),
    "cupping": (lambda g: cupped(g, 0.2), "shading"),
    "slight cupping": (lambda g: cupped(g, 0.12), "shading"),
    "bloom": (lambda g: tissue(g, g + blooming(12000, 5)), "halo of the metal"),
    "dark streak": (lambda g: streaked(g, -2000), "streaks"),
    "bright streak": (lambda g: streaked(g, 2000), "streaks"),
    "rings": (lambda g: ringed(g, 1000), "rings"),
    "low contrast": (
        lambda _: drawn(levels={"soft": 15500.0, "bone": 18500.0}, noise=900.0),
        "contrast to noise",
    ),
    "plates of one voxel": (lambda _: drawn(bone=plates(1, 8), psf=0.3), "Tb.Th in voxels"),
    "air": (lambda _: drawn(air=bubble), "air in the VOI"),
    "fragment": (lambda _: drawn(metal=fragment), "metal in the VOI"),
    "blur": (
        lambda g: tissue(g, ndimage.gaussian_filter(g.astype(float), 2)),
        "edges beside Tb.Th",
    ),
    "motion": (lambda g: doubled(g, 5), "edges beside Tb.Th"),
    "motion farther than bone is thick": (
        lambda g: doubled(g, 12),
        "grey values that differ in bone",
    ),
    "darker half": (lambda g: darker(g, slice(0, 55), 0.15), "jumps between slices"),
    "darker slices": (lambda g: darker(g, slice(0, None, 8), 0.25), "jumps between slices"),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_scans_are_measured_without_a_word(name, screw_in_bone):
    shift = {"bone_threshold": -8000, "implant_threshold": 14000} if name == "signed" else {}
    found = read(SOUND[name](screw_in_bone), **shift)
    assert found.warnings == ()
    assert len(found.quality) == 14
    assert not any(q.beyond for q in found.quality)


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_said(name, screw_in_bone):
    draw, fact = FAULTS[name]
    found = read(draw(screw_in_bone))
    beyond = {q.name for q in found.quality if q.beyond}
    assert fact in beyond
    assert any(w.startswith(f"{fact} ") and "(limit" in w for w in found.warnings)
    assert set(found.table["qc"]) <= {"hold", "fail"}


@pytest.mark.parametrize(("height", "wide"), [(1500, SHAPE), (-1500, WIDE)])
def test_a_weak_halo_of_the_metal_is_no_shading(height, wide):
    """Drawn out to the rim of the slices it would be 12 to 60 % of the contrast."""
    found = read(np.rint(drawn(shape=wide) + blooming(height, 5, wide)).astype(np.uint16))
    assert found.warnings == ()
    halo = next(q.value for q in found.quality if q.name == "halo of the metal")
    assert halo == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize(
    ("fixture", "wide"),
    [(FIXTURE, WIDE), (Fixture(length=72, sunk=6, thread=0), SHAPE)],
    ids=["wide", "cylinder"],
)
def test_cupping_is_told_around_every_implant(fixture, wide):
    found = read(cupped(drawn(fixture, shape=wide), 0.12))
    assert {w.split()[0] for w in found.warnings} - {"threshold"} == {"shading"}


@pytest.mark.parametrize("times", [0.8, 0.9, 1.25])
def test_a_scan_of_another_brightness_than_the_threshold_was_chosen_for_is_said(
    times, screw_in_bone
):
    """Bone is lost or won by half, by a sixth and by a third; contrast to noise, shading and rings
    stay as they were."""
    bright = tissue(screw_in_bone, screw_in_bone * times)
    beyond = {q.name for q in read(bright).quality if q.beyond}
    assert "threshold beside the grey values" in beyond


def test_facts_do_not_depend_on_slabs():
    grey = ringed(cupped(drawn(air=bubble), 0.2), 500)
    one, many = read(grey), read(grey, memory_mb=25)
    for a, b in zip(one.quality, many.quality, strict=True):
        assert (a.name, a.beyond) == (b.name, b.beyond)
        assert a.value == pytest.approx(b.value, rel=1e-9)
