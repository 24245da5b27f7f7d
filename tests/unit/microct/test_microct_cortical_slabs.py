"""Cortical compartments by slabs: those of plain steps on the whole, whatever the slabs, threads and memory."""

import numpy as np
import pytest
from microct_arrays import thickness
from microct_bodies import tube
from scipy import ndimage

from periomics.core.errors import SpecimenError
from periomics.microct import balls, cortical
from periomics.microct.slabs import TOO_LITTLE, bits_of
from periomics.simulate.trabeculae import random_field
from periomics.study.settings.microct import Microct

SECTION = {
    "bone_threshold": 17000,
    "implant_threshold": 39000,
    "voi": {"inner_um": 90, "outer_um": 250},
    "compartments": "dual_threshold",
    "cortical_close_um": 80,
    "cortical_pore_um": 40,
    "trabecular_close_um": 80,
}
RADII = [{}, {"cortical_close_um": 95, "cortical_pore_um": 20, "trabecular_close_um": 50}]


def shaft(seed, shape=(37, 60, 66)):
    """A bent bone that is cut by the scan's ends: uneven cortex, pores and canals, trabeculae, specks around it."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(shape)
    y, x = y - shape[1] / 2 - 3 * np.sin(z / 9), (x - shape[2] / 2) * rng.uniform(0.9, 1.2)
    r, outer = np.hypot(y, x), 27 * (1 + 0.1 * np.sin(z / 11))
    inner = outer - 7 * (1 + 0.4 * np.sin(2 * np.arctan2(y, x) + z / 8))
    trabeculae, pores = random_field(shape, 10.0, rng), random_field(shape, 6.0, rng)
    bone = ((r < outer) & (r >= inner)) | (
        (r < inner) & (trabeculae > np.quantile(trabeculae, 0.75))
    )
    return (bone & (pores < np.quantile(pores, 0.93))) | (rng.random(shape) < 0.002)


def cut_shaft():
    """One whose side is outside the scan."""
    return shaft(3)[:, 22:]


def far(mask, radius):
    """Voxels farther than a radius from all outside the mask."""
    return ndimage.distance_transform_edt(mask) > radius if not mask.all() else mask


def closed(mask, radius):
    pad = int(np.ceil(radius)) + 1
    inner = (slice(pad, -pad),) * 3
    grown = ~far(~np.pad(mask, pad, mode="edge"), radius) if mask.any() else np.pad(mask, pad)
    return far(grown, radius)[inner]


def opened(mask, radius):
    core = far(mask, radius)
    return ~far(~core, radius) & mask if core.any() else core


def largest(mask, neighbours):
    labels, _ = ndimage.label(mask, np.ones((3, 3, 3)) if neighbours == 26 else None)
    return labels == 1 + np.bincount(labels[labels > 0] - 1).argmax()


def plain(bone, settings, voxel_um):
    """The steps on the whole at once: outer surface, cortex and trabecular compartment."""
    outer = largest(closed(bone, settings.cortical_close_um / voxel_um), 26)
    outer = np.stack([ndimage.binary_fill_holes(plane) for plane in outer])
    outer &= bone | far(outer, 1.5)
    marrow = largest(opened(outer & ~bone, settings.cortical_pore_um / voxel_um), 6)
    inner = closed(marrow, settings.trabecular_close_um / voxel_um) & outer
    inner |= outer & ~bone & ~far(~inner, 1.5)
    return outer, outer & ~inner, inner


BODIES = {"tube": lambda: tube()[0], "shaft": lambda: shaft(1), "cut": cut_shaft}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("change", RADII)
def test_compartments_are_those_of_the_whole_at_every_slab_size(body, change):
    bone, settings = BODIES[body](), Microct.of({**SECTION, **change})
    outer, cortex, inner = plain(bone, settings, 10.0)
    assert cortex.sum() > 5000 and inner.sum() > 5000
    rows = set()
    for planes in (1, 7, 20, 64):
        parts = cortical.split(bits_of(bone), settings, 10.0, planes, threads=1 + planes % 2)
        np.testing.assert_array_equal(parts.outer.read(0, len(bone)), outer)
        np.testing.assert_array_equal(parts.cortical(0, len(bone)), cortex)
        np.testing.assert_array_equal(parts.trabecular.read(0, len(bone)), inner)
        for memory_mb in (None, 6.0):
            rows.add(
                repr(
                    cortical.measure(
                        bits_of(bone), settings, 10.0, memory_mb, planes, 1 + planes % 2
                    )
                )
            )
    assert len(rows) == 1


@pytest.mark.parametrize("body", BODIES)
def test_rows_are_what_the_masks_hold(body):
    bone, settings = BODIES[body](), Microct.of(SECTION)
    outer, cortex, inner = plain(bone, settings, 10.0)
    found = {
        (r["outcome"], r.get("variant", "")): r["value"]
        for r in cortical.measure(bits_of(bone), settings, 10.0)
    }
    slices = np.count_nonzero(outer.any(axis=(1, 2)))
    held = np.count_nonzero(cortex & bone)
    wanted = {
        ("ct_th", ""): thickness(cortex, cortex, 0.01).mean,
        ("ct_ar", ""): held * 1e-4 / slices,
        ("tt_ar", ""): outer.sum() * 1e-4 / slices,
        ("ct_ar_tt_ar", ""): 100 * held / outer.sum(),
        ("porosity", ""): 100 * (1 - held / cortex.sum()),
        ("bvtv", "compartment=trabecular"): 100 * np.count_nonzero(bone & inner) / inner.sum(),
    }
    assert found == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize("radius", [1, 1.5, 2**0.5, 5 - 1e-15, 7.3, 26])
def test_balls_are_those_of_the_whole(radius):
    """Also where the ball is larger than the scan, and where its radius is whole but for rounding."""
    rng = np.random.default_rng(2)
    mask = ndimage.gaussian_filter(rng.standard_normal((19, 24, 21)), 1.5) > 0.08
    exact = 5 if radius == 5 - 1e-15 else radius
    for m in (mask, mask[:1], rng.random((11, 9, 10)) < 0.03):
        for planes in (1, 4, 19):
            got = balls.close(bits_of(m).read, m.shape, radius, planes).read(0, len(m))
            np.testing.assert_array_equal(got, closed(m, exact))
            assert (got | m == got).all()
            got = balls.open_(bits_of(m).read, m.shape, radius, planes).read(0, len(m))
            np.testing.assert_array_equal(got, opened(m, exact))


@pytest.mark.parametrize("whole", [False, True])
def test_balls_leave_nothing_and_everything_as_they_are(whole):
    mask = np.full((6, 7, 9), whole)
    for work in (balls.close, balls.open_):
        assert (work(bits_of(mask).read, mask.shape, 3, 4).read(0, 6) == whole).all()


def test_holes_of_slices():
    rng = np.random.default_rng(5)
    for share in (0.3, 0.5, 0.7, 1.0, 0.0):
        for shape in ((30, 41), (1, 9), (9, 2)):
            plane = rng.random(shape) < share
            np.testing.assert_array_equal(
                cortical.fill_holes(plane), ndimage.binary_fill_holes(plane)
            )


@pytest.mark.parametrize("planes", [3, 64])
def test_what_cannot_be_split_is_said(planes):
    bone, r, _ = tube()
    settings = Microct.of(SECTION)
    for nothing in (r < 26, np.zeros_like(bone), np.ones_like(bone)):
        with pytest.raises(SpecimenError, match="no medullary space is left inside the bone"):
            cortical.split(bits_of(nothing), settings, 10.0, planes)
    rods = np.zeros(
        (20, 67, 67), bool
    )  # up to all borders of the scan: marrow, closed, is everywhere
    rods[:, 6:61:6, 6:61:6] = rods[:, ::66, 3::6] = rods[:, 3::6, ::66] = True
    wide = Microct.of(
        {**SECTION, "cortical_close_um": 120, "cortical_pore_um": 10, "trabecular_close_um": 120}
    )
    with pytest.raises(SpecimenError, match="no cortex is left around the medullary space"):
        cortical.split(bits_of(rods), wide, 10.0, planes)


def test_too_little_memory_is_said():
    """For the balls nothing is measured; for the spheres of the cortex Ct.Th alone is missing."""
    bone = np.pad(tube()[0], ((0, 0), (10, 10), (10, 10)))
    settings = Microct.of(SECTION)
    rows = cortical.measure(bits_of(bone), settings, 10.0, memory_mb=0.1)
    assert [(r["outcome"], r.get("variant")) for r in rows] == [
        *((o, None) for o in cortical.OUTCOMES),
        ("bvtv", cortical.TRABECULAR),
    ]
    assert all(r["qc"] == "fail" and r["qc_reason"].startswith(TOO_LITTLE) for r in rows)
    small = Microct.of(
        {**SECTION, "cortical_close_um": 40, "cortical_pore_um": 30, "trabecular_close_um": 60}
    )
    thick, *rest = cortical.measure(bits_of(bone), small, 10.0, memory_mb=1.4)
    assert (
        thick["outcome"] == "ct_th"
        and thick["qc_reason"].startswith(TOO_LITTLE)
        and "value" not in thick
    )
    assert all(r["value"] > 0 for r in rest)
