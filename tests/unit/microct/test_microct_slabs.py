"""Masks by slabs, and the thickness that is measured on them: as of the whole, whatever the slabs and threads."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from microct_bodies import SHAPE
from scipy import ndimage

from periomics.microct import streamed_thickness as streamed
from periomics.microct.boxes import box_around
from periomics.microct.cleanup import bonej_thickness
from periomics.microct.distance import squared_distance
from periomics.microct.mid_axes import mid_axis, mid_axis_spacing, ridge
from periomics.microct.segment import smooth
from periomics.microct.slabs import bits_of, empty_bits, planes_for, smoothed_slabs
from periomics.microct.streamed_thickness import Moments, streamed_thickness
from periomics.microct.thickness import local_thickness

DISTANCES = streamed._Distances


@pytest.mark.parametrize("planes", [1, 7, 16, 100])
def test_bits_keep_a_mask_and_thresholds_see_beyond_the_slab(tmp_path, field, planes):
    grey = (1000 * field).astype(np.int16)
    expected = smooth(grey, 1.2) >= 100
    for file in (None, tmp_path / f"mask{planes}.bits"):
        found = empty_bits(SHAPE, file)
        for low, some in smoothed_slabs(lambda a, b: grey[a:b], SHAPE, 1.2, planes, "test"):
            found.write(low, some >= 100)
        np.testing.assert_array_equal(found.read(0, SHAPE[0]), expected)
    np.testing.assert_array_equal(found.read(5, 9), expected[5:9])


def thickness(phase, voi, zone=None):
    """Mean, deviation, maximum, number and clipped share in a VOI by the map of the whole, border and metal by plain distances."""
    inside, square = phase & voi, squared_distance(phase)
    sizes = local_thickness(phase)[inside]
    free = (
        square
        < (ndimage.distance_transform_edt(np.pad(np.ones(phase.shape), 1)) ** 2)[
            1:-1, 1:-1, 1:-1
        ].round()
    )
    if zone is not None:
        free &= square < (ndimage.distance_transform_edt(~zone) ** 2).round()
    return SimpleNamespace(
        mean=sizes.mean(dtype=float),
        sd=sizes.std(dtype=float),
        maximum=sizes.max(),
        n_voxels=sizes.size,
        clipped_share=np.mean(local_thickness(phase, 1, square, free)[inside] < sizes),
    )


@pytest.mark.parametrize("planes", [1, 6, 20, 41])
@pytest.mark.parametrize("marrow", [False, True])
def test_thickness(bone, voi, planes, marrow):
    phase = bone ^ marrow
    whole = local_thickness(phase)
    bits, written = bits_of(phase), np.zeros(SHAPE, int)
    rows, columns = slice(0, 50), slice(0, 45)

    def keep(low, sizes):
        written[low : low + len(sizes), rows, columns] = sizes

    _, rows, columns = box_around(bits_of(voi), 0, SHAPE)
    found = streamed_thickness(
        bits.read, SHAPE, bits_of(voi), planes, threads=1 + planes % 2, clipped=True, write=keep
    )
    np.testing.assert_array_equal((2 * np.sqrt(written[voi])).astype(np.float32), whole[voi])
    rows, columns = slice(0, 50), slice(0, 45)
    streamed_thickness(bits.read, SHAPE, None, planes, write=keep)
    np.testing.assert_array_equal((2 * np.sqrt(written)).astype(np.float32), whole)
    expected = thickness(phase, voi)
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
    expected = thickness(phase, np.ones(SHAPE, bool), zone)
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
        expected = thickness(mask, voi)
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

    region = None if voi is None else bits_of(voi)
    _, rows, columns = box_around(region, 0, phase.shape)

    def take(low, squares):
        at = (slice(low, low + len(squares)), rows, columns)
        plain[at] = 2 * np.sqrt(squares, dtype=np.float32)

    def take_plugin(low, sizes):
        at = (slice(low, low + len(sizes)), rows, columns)
        plugin[at] = sizes
        moments.take(low, sizes, inside[at])

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
    plugin = np.where(inside, bonej_thickness(phase), 0)
    moments = set()
    for planes in (1, 2, 6, 20, 41):
        found = both_maps(phase, voi if part else None, planes, 1 + planes % 2)
        np.testing.assert_array_equal(found[0], plain)
        np.testing.assert_array_equal(found[1], plugin)
        moments.add(found[2:])
    assert len(moments) == 1
    expected = thickness(phase, voi if part else np.ones_like(voi))
    mean_and_sd, clipped = moments.pop()
    values = plugin[inside].astype(float)
    assert mean_and_sd == pytest.approx((values.mean(), values.std()), rel=1e-12)
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
    plugin = np.where(phase & voi, bonej_thickness(phase), 0)
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
    plugin = np.where(inside, bonej_thickness(phase), 0)
    for reach in (1, 2, 3, 5, 7):
        monkeypatch.setattr(streamed, "_Distances", partial(DISTANCES, reach=reach))
        found = both_maps(phase, voi, int(rng.integers(1, shape[0] + 1)))
        np.testing.assert_array_equal(found[0], plain)
        np.testing.assert_array_equal(found[1], plugin)


@pytest.mark.parametrize("planes", [1, 7, 20, 41])
@pytest.mark.parametrize("part", [False, True])
def test_mid_axes_and_what_lies_between_them(bone, voi, planes, part):
    threads, region = 1 + planes % 2, voi if part else np.ones_like(voi)
    axes = ridge(squared_distance(bone), slice(0, len(bone)))
    found = mid_axis(bits_of(bone), None, planes, threads=threads)
    np.testing.assert_array_equal(found.read(0, SHAPE[0]), axes)
    box = (slice(5, 30), slice(3, 50), slice(9, 21))
    np.testing.assert_array_equal(mid_axis(bits_of(bone), box, planes).read(0, 25), axes[box])
    spacing = mid_axis_spacing(
        bits_of(bone), bits_of(voi) if part else None, planes, threads=threads
    )
    wanted = local_thickness(~axes)[~axes & region].mean(dtype=float)
    assert spacing.mean == pytest.approx(wanted, rel=1e-7)
    whole = mid_axis_spacing(bits_of(bone), bits_of(voi) if part else None, SHAPE[0])
    np.testing.assert_array_equal(spacing.counts, whole.counts)


@pytest.mark.parametrize("first", [3, 6, 64])
def test_spaces_between_mid_axes_are_looked_at_as_far_as_a_small_voi_needs(
    monkeypatch, bone, first
):
    """The first guess of how far that is does not matter."""
    monkeypatch.setattr("periomics.microct.mid_axes.FIRST_BETWEEN", first)
    monkeypatch.setattr(streamed, "_Distances", partial(DISTANCES, reach=2))
    axes = ridge(squared_distance(bone), slice(0, len(bone)))
    voi = np.zeros(SHAPE, bool)
    voi[20:23, 20:26, 20:22] = True
    wanted = local_thickness(~axes)[~axes & voi].mean(dtype=float)
    assert mid_axis_spacing(bits_of(bone), bits_of(voi), 2).mean == pytest.approx(wanted, rel=1e-7)


def test_mid_axes_of_thick_bone_and_of_none():
    """Distances beyond the first guess of the reach, and longer than any edge of the volume."""
    block = np.ones((40, 30, 25), bool)
    block[0, 0, :3] = False
    for planes in (9, 40):
        axes = ridge(squared_distance(block), slice(0, 40))
        found = mid_axis(bits_of(block), None, planes)
        np.testing.assert_array_equal(found.read(0, 40), axes)
        between = mid_axis_spacing(bits_of(block), None, planes)
        wanted = local_thickness(~axes)[~axes].mean(dtype=float)
        assert between.mean == pytest.approx(wanted, rel=1e-7)
        np.testing.assert_array_equal(both_maps(block, None, planes)[0], local_thickness(block))
    for phase in (np.ones((9, 9, 9), bool), np.zeros((9, 9, 9), bool)):
        assert mid_axis_spacing(bits_of(phase), None, 4) is None
    with pytest.raises(ValueError, match="MB are too few"):
        mid_axis_spacing(bits_of(block), memory_mb=0.2)


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
