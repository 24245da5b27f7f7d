"""What is measured by slabs is the same whatever the slabs and threads, and what plain steps on the whole give."""

import re

import numpy as np
import pytest
from microct_bodies import SHAPE
from scipy import ndimage
from skimage.measure import euler_number, marching_cubes, mesh_surface_area

from periomics.microct.anisotropy import anisotropy, noise_floors
from periomics.microct.components import largest_part, purify
from periomics.microct.connectivity import connectivity
from periomics.microct.random_field import Plan, field_mask, plan_for, radial_amplitude
from periomics.microct.slabs import bits_of, empty_bits
from periomics.microct.spill import Held, Spill
from periomics.microct.surface import surface


@pytest.mark.parametrize("planes", [1, 2, 9, 41])
def test_counts_and_euler_number(bone, voi, planes):
    for region in (None, voi):
        bits = None if region is None else bits_of(region)
        expected = connectivity(bits_of(bone), bits, 2 * len(bone))
        assert connectivity(bits_of(bone), bits, planes, 1 + planes % 2) == expected
        inside = bone if region is None else bone & region
        assert expected.euler == euler_number(inside, 3)


def plainly_purified(mask):
    """The largest part with 26 neighbours, and all of its background but the largest part with 6."""

    def largest(mask, neighbours):
        labels, _ = ndimage.label(mask, neighbours)
        return labels == 1 + np.bincount(labels[labels > 0] - 1).argmax()

    return ~largest(~largest(mask, np.ones((3, 3, 3))), None)


@pytest.mark.parametrize("planes", [1, 5, 41])
def test_purification(planes):
    mask = np.random.default_rng(2).random((30, 26, 22)) < 0.12  # many parts across every border
    mask[3:27, 4:20, 4:20] |= np.random.default_rng(3).random((24, 16, 16)) < 0.5
    mask[8:13, 8:13, 8:13] = True
    mask[10, 10, 10] = False  # a cavity
    expected = plainly_purified(mask)
    found = purify(bits_of(mask), None, planes)
    np.testing.assert_array_equal(found.read(0, 30), expected)
    assert found.read(0, 30)[10, 10, 10]
    outside = np.zeros_like(mask)
    outside[10] = True
    found = purify(bits_of(mask), bits_of(outside), planes)
    np.testing.assert_array_equal(found.read(0, 30), expected & ~outside)


def test_largest_part_of_equal_ones_is_the_first_and_of_nothing_nothing():
    mask = np.zeros((12, 5, 5), bool)
    mask[1:4, 1, 1] = mask[6:9, 3, 3] = True
    for planes in (1, 2, 12):
        found = largest_part(bits_of(mask).read, mask.shape, 26, planes).read(0, 12)
        assert found.sum() == 3
        assert found[1:4, 1, 1].all()
    assert not largest_part(empty_bits((4, 5, 6)).read, (4, 5, 6), 26, 2).bits.any()


def test_surface_and_smi(bone, voi):
    for region in (np.ones(SHAPE, bool), voi):
        found = {
            surface(bits_of(bone), 0.02, bits_of(region), planes, 1 + planes % 2)
            for planes in (1, 8, 41, 90)
        }
        assert len(found) == 1


def test_area_of_the_meshes_is_that_of_another_mesher(bone):
    """Scikit-image's mesh of the same values; it joins some cuts otherwise."""
    found = surface(bits_of(bone), 1.0)
    smooth = ndimage.gaussian_filter(bone.astype(np.float32), 1.0, mode="nearest")
    for values, area in ((smooth, found.smoothed_mesh), (bone.astype(np.float32), found.raw_mesh)):
        points, triangles, *_ = marching_cubes(values, 0.5)
        assert area == pytest.approx(mesh_surface_area(points, triangles), rel=1e-3)


def test_surface_of_nothing():
    found = surface(empty_bits((5, 6, 7)), 1.0)
    assert (found.smoothed_mesh, found.raw_mesh, found.faces) == (0, 0, 0)
    assert np.isnan(found.smi)


def test_anisotropy(bone, voi):
    for region in (None, voi):
        expected = anisotropy(
            bits_of(bone), bits_of(np.ones_like(voi) if region is None else region)
        )
        for threads in (1, 2):
            found = anisotropy(bits_of(bone), None if region is None else bits_of(region), threads)
            np.testing.assert_array_equal(found.axes, expected.axes)
    assert anisotropy(empty_bits((8, 8, 8))) is None


def plain_field(bone, voi, seed):
    """The isotropic field's mask by transforms of the whole volume, with numpy's own radial means and quantile."""
    shape, axes = bone.shape, (0, 1, 2)
    z, y, x = np.meshgrid(
        *map(np.fft.fftfreq, shape[:2]), np.fft.rfftfreq(shape[2]), indexing="ij", sparse=True
    )
    radius = np.rint(np.sqrt(z**2 + y**2 + x**2) * max(shape)).astype(int)

    def radial(spectrum):
        return (
            np.bincount(radius.ravel(), spectrum.ravel())
            / np.maximum(np.bincount(radius.ravel()), 1)
        )[radius]

    inside = bone & voi
    fraction = inside.sum() / voi.sum()
    centred = np.where(voi, inside - np.float32(fraction), np.float32(0))
    correlation = np.fft.irfftn(radial(np.abs(np.fft.rfftn(centred)) ** 2), s=shape, axes=axes)
    correlation = np.sin(np.pi / 2 * np.clip(correlation / correlation[0, 0, 0], -1, 1))
    amplitude = np.sqrt(np.maximum(radial(np.fft.rfftn(correlation).real), 0))
    noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    field = np.fft.irfftn(np.fft.rfftn(noise) * amplitude, s=shape, axes=axes)
    return field > np.quantile(field[voi], 1 - fraction)


@pytest.mark.parametrize(
    ("planes", "rows", "threads"), [(1, 1, 1), (7, 64, 2), (64, 5, 2), (20, 3, 1)]
)
def test_isotropic_field(bone, voi, planes, rows, threads):
    """The same amplitude and mask, to the last bit, whatever the slabs and threads; the mask is that of plain transforms."""
    ours, region = bits_of(bone), bits_of(voi)
    inside, total = np.count_nonzero(bone & voi), np.count_nonzero(voi)
    wanted = radial_amplitude(ours.read, region.read, inside / total, Plan(SHAPE))
    for kept in (Held, Spill):
        plan = Plan(SHAPE, planes, rows, threads, kept)
        amplitude = radial_amplitude(ours.read, region.read, inside / total, plan)
        np.testing.assert_array_equal(amplitude, wanted)
        for seed in (0, 3):
            found = field_mask(amplitude, region.read, inside, total, seed, plan).read(0, SHAPE[0])
            # outside the VOI, which nothing looks at, a value may lie between two in it, where the cut is put
            assert (
                np.count_nonzero((found != plain_field(bone, voi, seed)) & voi) == 0
            )  # voxels that differ
            assert np.count_nonzero(found & voi) == inside


def test_noise_floor(bone, voi, caplog):
    """In a box of the volume with little memory; nothing of it where the VOI is empty or all bone."""
    region = voi.copy()
    region[:3] = region[:, -4:] = region[:, :, :5] = False
    expected = noise_floors(bits_of(bone), bits_of(region), 2, 4000)
    assert len(expected) == 2
    with caplog.at_level("INFO", "periomics.microct"):
        for memory_mb, threads in ((1.0, 1), (50, 2)):
            found = noise_floors(bits_of(bone), bits_of(region), 2, memory_mb, threads)
            for one, wanted in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one.axes, wanted.axes)
    assert re.search(
        r"noise floor of DA, field: (?!36 )\d+ of 36 planes", caplog.text
    )  # more than one slab
    nothing = np.zeros(SHAPE, bool)
    for mask, where in ((bone, nothing), (voi, voi), (nothing, voi)):
        assert noise_floors(bits_of(mask), bits_of(where)) == ()
    with pytest.raises(ValueError, match="too few"):
        noise_floors(bits_of(bone), bits_of(region), 1, 0.3)


def test_temporary_file_of_a_field_is_gone_after_an_error(bone, voi, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = []

    class Watched(Spill):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    def broken(low, high):
        assert not list(tmp_path.iterdir())  # without a name from the start
        if low:
            raise RuntimeError("a plane could not be read")
        return bone[low:high]

    with pytest.raises(RuntimeError, match="could not be read"):
        radial_amplitude(broken, bits_of(voi).read, 0.3, Plan(SHAPE, 9, kept=Watched))
    assert [m._file.closed for m in made] == [True]
    assert plan_for(SHAPE, 1).kept is Spill and plan_for(SHAPE, 1000).kept is Held


@pytest.mark.parametrize("planes", [3, 30])
def test_planted_connectivity(planes):
    frame = np.zeros((30, 30, 30), bool)
    frame[3:27, 3:27, 3:27] = True
    for axis in range(3):
        middle = tuple(slice(6, 24) if a != axis else slice(None) for a in range(3))
        frame[middle] = False
    assert (
        connectivity(bits_of(frame), None, planes).euler == -4
    )  # five connections, as in BoneJ's own test
    rods = np.zeros((40, 40, 40), bool)
    rods[:, 5:35:10, 5:35:10] = True
    rods[5:35:10, 5:35:10, :] = rods[5:35:10, :, 5:35:10] = True
    nodes, links = 27, 54
    rods = rods & (np.indices(rods.shape) >= 5).all(0) & (np.indices(rods.shape) < 26).all(0)
    assert connectivity(bits_of(rods), None, planes).euler == nodes - links
