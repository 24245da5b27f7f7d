"""Local thickness against plain search, known bodies, and figures measured on real bone with other tools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from periomics.microct.thickness import (
    cover_tables,
    largest_squares,
    local_thickness,
    squared_distance,
)


def brute(mask):
    """Thickness by the definition, squared distances included: every voxel against every sphere."""
    background = np.argwhere(~mask)
    inside = np.argwhere(mask)
    if not len(inside):
        return np.zeros(mask.shape, np.float32)
    square = ((inside[:, None] - background[None]) ** 2).sum(-1).min(1)
    apart = ((inside[:, None] - inside[None]) ** 2).sum(-1)
    best = np.where(apart <= square[None], square[None], 0).max(1)
    out = np.zeros(mask.shape, np.float32)
    out[mask] = 2 * np.sqrt(best)
    return out


@settings(max_examples=60)
@given(arrays(bool, (7, 8, 9)))
def test_equals_plain_search_on_any_mask(mask):
    if mask.all():
        mask[0, 0, 0] = False
    np.testing.assert_array_equal(local_thickness(mask), brute(mask))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_equals_plain_search_on_a_smooth_structure(share):
    from periomics.simulate.trabeculae import random_field

    field = random_field((16, 17, 18), 9.0, np.random.default_rng(3))
    mask = field > np.quantile(field, 1 - share)
    np.testing.assert_array_equal(local_thickness(mask), brute(mask))


def test_does_not_depend_on_threads_or_pruning(monkeypatch):
    from periomics.microct import thickness
    from periomics.simulate.trabeculae import random_field

    mask = random_field((48, 50, 52), 16.0, np.random.default_rng(1)) > 0
    one = local_thickness(mask, threads=1)
    np.testing.assert_array_equal(one, local_thickness(mask, threads=2))
    monkeypatch.setattr(
        thickness, "cover_tables", lambda largest: np.full((3, largest + 1), 1 << 40)
    )
    np.testing.assert_array_equal(one, local_thickness(mask))


@pytest.mark.parametrize(
    ("plate", "expected"), [(4, 4), (5, 6), (6, 6), (10, 10), (11, 12), (20, 20)]
)
def test_plate(plate, expected):
    mask = np.zeros((40, 60, 60), bool)
    mask[5 : 5 + plate] = True
    assert np.unique(local_thickness(mask)[mask]).tolist() == [expected]


@pytest.mark.parametrize(("radius", "mean"), [(5, 8.72), (10, 18.55), (20, 38.40), (40, 78.37)])
def test_sphere(radius, mean):
    axis = (np.arange(-radius - 2, radius + 2) + 0.5) ** 2  # centred between voxels
    ball = axis[:, None, None] + axis[:, None] + axis <= radius**2
    assert local_thickness(ball)[ball].mean(dtype=float) == pytest.approx(mean, abs=0.005)


def rod(diameter, shape, axis):
    """A rod through the middle of a volume along an axis."""
    across = [((np.arange(n) - (n - 1) / 2) ** 2) for n in shape]
    across[axis] = np.zeros(shape[axis])
    return across[0][:, None, None] + across[1][:, None] + across[2] <= (diameter / 2) ** 2


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("diameter", [3, 5, 8, 13, 24])
def test_rod(diameter, axis):
    mask = rod(diameter, (40, 40, 40), axis)
    assert local_thickness(mask)[mask].mean() == pytest.approx(
        diameter, abs=1.5
    )  # the bound of BoneJ's own test


def test_crossing_rods_are_thickest_where_they_cross():
    mask = rod(12, (60, 60, 60), 0) | rod(12, (60, 60, 60), 1) | rod(12, (60, 60, 60), 2)
    sizes = local_thickness(mask)
    arms = np.concatenate(
        [sizes[:12][mask[:12]], sizes[:, :12][mask[:, :12]], sizes[..., :12][mask[..., :12]]]
    )
    assert arms.mean() == pytest.approx(12, abs=1.5)
    assert 12 < sizes[30, 30, 30] == sizes.max() < 12 * np.sqrt(2) + 1.5


@pytest.mark.parametrize("wall", [2, 4, 6])
def test_hollow_box(wall):
    mask = np.zeros((50, 54, 58), bool)
    mask[4:46, 4:50, 4:54] = True
    mask[4 + wall : 46 - wall, 4 + wall : 50 - wall, 4 + wall : 54 - wall] = False
    values, counts = np.unique(local_thickness(mask)[mask], return_counts=True)
    assert values[counts.argmax()] == wall
    cavity = np.zeros_like(mask)
    cavity[4 + wall : 46 - wall, 4 + wall : 50 - wall, 4 + wall : 54 - wall] = True
    assert local_thickness(cavity).max() == 42 - 2 * wall


def test_distances_equal_another_transform_also_beyond_the_narrow_type():
    import edt

    rng = np.random.default_rng(5)
    for mask in (
        rng.random((9, 40, 70)) < 0.9,
        rng.random((40, 9, 7)) < 0.5,
        np.ones((300, 280, 5), bool),
    ):
        mask[0, 0, 0] = False
        found = squared_distance(mask, threads=2)
        np.testing.assert_array_equal(found, edt.edtsq(mask, black_border=False))
        assert found.dtype == (np.uint32 if mask.shape[0] == 300 else np.uint16)


def test_wide_spheres_and_many_sizes():
    """Spans longer than a vector, cut by the border; more sizes than fit into a byte; squares beyond 16 bits."""
    mask = np.zeros((3, 90, 130), bool)
    mask[1, 2:88, 1:] = True
    wide = np.full(
        mask.shape, 1_000_000, np.uint32
    )  # not distances of this mask: spheres that hold all of it
    wide[1, 5, 5] += 1
    assert (largest_squares(wide, 1, 2) == 1_000_001).all()
    ramp = np.arange(mask.size, dtype=np.uint16).reshape(mask.shape) % 700
    centres = np.argwhere(ramp > 0)
    expected = np.zeros(mask.shape[1:], int)
    y, x = np.ogrid[:90, :130]
    for z, cy, cx in centres[np.argsort(ramp[tuple(centres.T)], kind="stable")][-400:]:
        reached = (z - 1) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= ramp[z, cy, cx]
        expected[reached] = np.maximum(expected[reached], ramp[z, cy, cx])
    found = largest_squares(ramp, 1, 2)[0]
    seen = (expected > 0) & (ramp[1] > 0)
    assert seen.sum() > 5000
    np.testing.assert_array_equal(found[seen], expected[seen])
    assert not found[ramp[1] == 0].any()


def test_scales_with_the_body():
    mask = np.zeros((30, 40, 40), bool)
    mask[10:14, 12:28, 12:28] = True
    double = mask.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    assert local_thickness(double).max() == 2 * local_thickness(mask).max() == 8


def test_cover_table_holds_every_point():
    tables = cover_tables(60)
    axis = np.arange(-9, 10)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    norms = (points**2).sum(1)
    for row, shift in zip(tables, ([1, 0, 0], [1, 1, 0], [1, 1, 1]), strict=True):
        shifted = ((points + shift) ** 2).sum(1)
        np.testing.assert_array_equal(row, [shifted[norms <= n].max() for n in range(61)])


def test_no_background_is_an_error_and_nothing_is_nothing():
    with pytest.raises(ValueError, match="fills the whole volume"):
        local_thickness(np.ones((4, 4, 4), bool))
    with pytest.raises(ValueError, match="3 needed"):
        local_thickness(np.ones((4, 4), bool))
    assert not local_thickness(np.zeros((4, 4, 4), bool)).any()


def test_limited_centres():
    mask = np.zeros((20, 30, 30), bool)
    mask[5:15] = True
    centres = np.zeros_like(mask)
    centres[9, 15, 15] = True
    limited = local_thickness(mask, centres=centres)
    z, y, x = np.ogrid[:20, :30, :30]
    ball = (z - 9) ** 2 + (y - 15) ** 2 + (x - 15) ** 2 <= squared_distance(mask)[9, 15, 15]
    np.testing.assert_array_equal(limited > 0, ball & mask)
