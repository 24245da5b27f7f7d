"""Masks by slabs, and the thickness that is measured on them: as in memory, whatever the slabs and threads."""

from functools import partial

import numpy as np
import pytest
from microct_bodies import SHAPE

from periomics.microct import streamed_thickness as streamed
from periomics.microct.cleanup import bonej_thickness, mid_axis
from periomics.microct.distance import squared_distance
from periomics.microct.morphometry import mid_axis_spacing, thickness
from periomics.microct.segment import smooth
from periomics.microct.slabs import bits_of, planes_for, threshold_bits
from periomics.microct.streamed_thickness import Moments, streamed_thickness
from periomics.microct.streaming import streamed_mid_axis, streamed_spacing
from periomics.microct.thickness import local_thickness

DISTANCES = streamed._Distances


@pytest.mark.parametrize("planes", [1, 7, 16, 100])
def test_bits_keep_a_mask_and_thresholds_see_beyond_the_slab(tmp_path, field, planes):
    grey = (1000 * field).astype(np.int16)
    expected = smooth(grey, 1.2) >= 100
    for file in (None, tmp_path / f"mask{planes}.bits"):
        found = threshold_bits(lambda low, high: grey[low:high], SHAPE, 100, 1.2, planes, file)
        np.testing.assert_array_equal(found.read(0, SHAPE[0]), expected)
    np.testing.assert_array_equal(found.read(5, 9), expected[5:9])


@pytest.mark.parametrize("planes", [1, 6, 20, 41])
@pytest.mark.parametrize("marrow", [False, True])
def test_thickness(bone, voi, planes, marrow):
    phase = bone ^ marrow
    whole = local_thickness(phase)
    bits, written = bits_of(phase), np.zeros(SHAPE, int)

    def keep(low, sizes):
        written[low : low + len(sizes)] = sizes

    found = streamed_thickness(
        bits.read, SHAPE, bits_of(voi), planes, threads=1 + planes % 2, clipped=True, write=keep
    )
    np.testing.assert_array_equal((2 * np.sqrt(written[voi])).astype(np.float32), whole[voi])
    streamed_thickness(bits.read, SHAPE, None, planes, write=keep)
    np.testing.assert_array_equal((2 * np.sqrt(written)).astype(np.float32), whole)
    expected = thickness(phase, voi, 1.0)
    assert (found.n_voxels, found.maximum) == (
        expected.n_voxels,
        pytest.approx(expected.maximum, rel=1e-7),
    )
    assert (found.mean, found.sd) == pytest.approx(
        (expected.mean, expected.sd), rel=1e-7
    )  # its map is single precision
    assert found.clipped / found.n_voxels == pytest.approx(expected.clipped_share, rel=1e-12)


def test_thickness_is_the_same_number_at_every_slab_size(bone):
    bits = bits_of(bone)
    results = {
        streamed_thickness(bits.read, SHAPE, None, planes).counts.tobytes()
        for planes in (1, 3, 10, 41)
    }
    assert len(results) == 1


def test_thickness_beside_metal(bone):
    zone = np.zeros(SHAPE, bool)
    zone[10:30, 20:28, 20:28] = True
    phase = bone & ~zone
    expected = thickness(phase, np.ones(SHAPE, bool), 1.0, zone)
    for planes in (5, 41):
        read = bits_of(phase).read
        found = streamed_thickness(
            read, SHAPE, None, planes, clipped=True, metal_zone=bits_of(zone)
        )
        assert found.clipped / found.n_voxels == pytest.approx(expected.clipped_share, rel=1e-12)


def test_thickness_finds_spheres_larger_than_the_first_guess():
    mask = np.ones((120, 90, 90), bool)
    mask[0] = mask[119] = mask[:, 0] = mask[:, 89] = mask[:, :, 0] = mask[:, :, 89] = False
    whole = local_thickness(mask)[mask]
    found = streamed_thickness(bits_of(mask).read, mask.shape, None, 30)
    assert found.maximum == whole.max() == 88
    assert found.mean == pytest.approx(whole.mean(dtype=float), rel=1e-7)


@pytest.mark.parametrize("planes", [4, 15, 120])
def test_only_spheres_that_reach_the_voi_matter(bone, planes):
    """Wide spaces above and beside a VOI: those that reach into it count in full, others cost nothing."""
    mask = np.zeros((70 + SHAPE[0], *SHAPE[1:]), bool)
    mask[70:] = ~bone
    mask[1:66, 1:40, 1:40] = True
    for first, last in ((64, 75), (60, 80), (100, 111), (30, 31)):
        voi = np.zeros(mask.shape, bool)
        voi[first:last, 5:30, 8:40] = True
        expected = thickness(mask, voi, 1.0)
        found = streamed_thickness(
            bits_of(mask).read, mask.shape, bits_of(voi), planes, clipped=True
        )
        assert (found.mean, found.sd) == pytest.approx((expected.mean, expected.sd), rel=1e-7)
        assert found.clipped / found.n_voxels == pytest.approx(expected.clipped_share, rel=1e-12)


def both_maps(phase, voi, planes, threads=1):
    """Plain and ImageJ's map (voxels) by slabs, mean and deviation of the latter, share of clipped voxels, all in the VOI."""
    inside = phase if voi is None else phase & voi
    plain, plugin, moments = (
        np.zeros(phase.shape, np.float32),
        np.zeros(phase.shape, np.float32),
        Moments(),
    )

    def take(low, squares):
        plain[low : low + len(squares)] = 2 * np.sqrt(squares, dtype=np.float32)

    def take_plugin(low, sizes):
        plugin[low : low + len(sizes)] = sizes
        moments.take(low, sizes, inside[low : low + len(sizes)])

    region = None if voi is None else bits_of(voi)
    found = streamed_thickness(
        bits_of(phase).read,
        phase.shape,
        region,
        planes,
        threads=threads,
        clipped=True,
        write=take,
        write_bonej=take_plugin,
    )
    return (
        np.where(inside, plain, 0),
        np.where(inside, plugin, 0),
        moments.mean_and_sd(),
        found.clipped / max(1, found.n_voxels),
    )


@pytest.mark.parametrize("marrow", [False, True])
@pytest.mark.parametrize("part", [False, True])
def test_the_map_as_imagej_leaves_it(bone, voi, marrow, part):
    """Every voxel as in memory, where spheres beside the phase and the clean-up look beyond slab and VOI; one mean for all slabs."""
    phase = bone ^ marrow
    inside = phase & voi if part else phase
    plain = np.where(inside, local_thickness(phase), 0)
    plugin = np.where(inside, bonej_thickness(phase, squared_distance(phase)), 0)
    moments = set()
    for planes in (1, 2, 6, 20, 41):
        found = both_maps(phase, voi if part else None, planes, 1 + planes % 2)
        np.testing.assert_array_equal(found[0], plain)
        np.testing.assert_array_equal(found[1], plugin)
        moments.add(found[2:])
    assert len(moments) == 1
    expected = thickness(phase, voi if part else np.ones_like(voi), 1.0, bonej=True)
    mean_and_sd, clipped = moments.pop()
    assert mean_and_sd == pytest.approx((expected.bonej_mean, expected.bonej_sd), rel=1e-12)
    assert clipped == pytest.approx(expected.clipped_share, rel=1e-12)


@pytest.mark.parametrize("planes", [3, 16, 50])
@pytest.mark.parametrize("at", range(8, 30, 3))
def test_imagejs_map_of_a_voi_beside_a_wide_space(bone, planes, at):
    """Balls that end at, before and within a VOI of some planes, larger than the first guess of the reach."""
    z, y, x = np.ogrid[-29:41, -25:25, -22:23]
    phase = np.zeros((70, *SHAPE[1:]), bool)
    phase[29:] = bone
    phase |= z**2 + y**2 + x**2 < 20**2
    voi = np.zeros_like(phase)
    voi[30 + at : 33 + at, 5:45, 4:40] = True
    plugin = np.where(phase & voi, bonej_thickness(phase, squared_distance(phase)), 0)
    np.testing.assert_array_equal(both_maps(phase, voi, planes)[1], plugin)


@pytest.mark.parametrize("seed", range(40))
def test_the_first_guess_of_the_reach_does_not_matter(monkeypatch, seed):
    """Scattered voxels, where spheres of all sizes just reach slab, VOI or what the clean-up looks at."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(8, 24, 3))
    phase = rng.random(shape) < rng.choice([0.3, 0.5, 0.7, 0.9, 0.97, 0.99, 0.995])
    voi = None
    if seed % 3:
        voi = np.zeros(shape, bool)
        voi[
            tuple(slice(a, a + rng.integers(1, 6)) for a in (rng.integers(0, n) for n in shape))
        ] = True
    inside = phase if voi is None else phase & voi
    plain = np.where(inside, local_thickness(phase), 0)
    plugin = np.where(inside, bonej_thickness(phase, squared_distance(phase)), 0)
    for reach in (1, 2, 3, 5, 7):
        monkeypatch.setattr(streamed, "_Distances", partial(DISTANCES, reach=reach))
        found = both_maps(phase, voi, int(rng.integers(1, shape[0] + 1)))
        np.testing.assert_array_equal(found[0], plain)
        np.testing.assert_array_equal(found[1], plugin)


@pytest.mark.parametrize("planes", [1, 7, 20, 41])
@pytest.mark.parametrize("part", [False, True])
def test_mid_axes_and_what_lies_between_them(bone, voi, planes, part):
    threads, region = 1 + planes % 2, voi if part else np.ones_like(voi)
    found = streamed_mid_axis(bits_of(bone), planes, threads=threads)
    np.testing.assert_array_equal(found.read(0, SHAPE[0]), mid_axis(bone))
    spacing = streamed_spacing(
        bits_of(bone), bits_of(voi) if part else None, planes, threads=threads
    )
    assert spacing.mean == pytest.approx(mid_axis_spacing(bone, region, 1.0), rel=1e-7)
    whole = streamed_spacing(bits_of(bone), bits_of(voi) if part else None, SHAPE[0])
    np.testing.assert_array_equal(spacing.counts, whole.counts)


def test_mid_axes_of_thick_bone_and_of_none():
    """Distances beyond the first guess of the reach, and longer than any edge of the volume."""
    block = np.ones((40, 30, 25), bool)
    block[0, 0, :3] = False
    for planes in (9, 40):
        found = streamed_mid_axis(bits_of(block), planes)
        np.testing.assert_array_equal(found.read(0, 40), mid_axis(block))
        between = streamed_spacing(bits_of(block), None, planes)
        assert between.mean == pytest.approx(
            mid_axis_spacing(block, np.ones_like(block), 1.0), rel=1e-7
        )
        np.testing.assert_array_equal(both_maps(block, None, planes)[0], local_thickness(block))
    for phase in (np.ones((9, 9, 9), bool), np.zeros((9, 9, 9), bool)):
        assert streamed_spacing(bits_of(phase), None, 4) is None
        assert mid_axis_spacing(phase, np.ones_like(phase), 1.0) is None
    with pytest.raises(ValueError, match="MB are too few"):
        streamed_spacing(bits_of(block), memory_mb=0.2)


def test_thickness_without_phase_or_border():
    assert np.isnan(streamed_thickness(bits_of(np.zeros((9, 9, 9), bool)).read, (9, 9, 9)).mean)
    with pytest.raises(ValueError, match="fills the whole volume"):
        streamed_thickness(bits_of(np.ones((9, 9, 9), bool)).read, (9, 9, 9), None, 4)


def test_distances_up_to_a_reach_are_exact_and_larger_ones_stay_larger(bone):
    exact = squared_distance(~bone)
    near = squared_distance(~bone, reach=4)
    np.testing.assert_array_equal(near[exact <= 16], exact[exact <= 16])
    assert (near[exact > 16] > 16).all()
    assert (squared_distance(np.ones((5, 5, 5), bool), reach=3) > 9).all()
    np.testing.assert_array_equal(squared_distance(~bone, planes=slice(7, 20)), exact[7:20])


def test_planes_follow_memory():
    assert planes_for(100, (50, 1000, 1000), 10) == 10
    assert planes_for(1e6, (50, 1000, 1000), 10) == 50
    with pytest.raises(ValueError, match="too few"):
        planes_for(100, (50, 1000, 1000), 10, 20, 7)
