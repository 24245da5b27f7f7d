"""Hot spot against every disc that two places can hold on their rim; systematic fields against the
whole; Allred by hand."""

from itertools import combinations

import numpy as np
import pytest
from ground import SIDE, circle, disc, light, measured, square

from periomics.histology.fields import hot_spot, systematic
from periomics.histology.nuclei import allred_score
from periomics.imaging.stains import load_stains


def by_brute_force(places, radius):
    """Discs centred on each place, and through each pair of places with both on the rim."""
    centres = list(places)
    for a, b in combinations(places, 2):
        middle, half = (a + b) / 2, (b - a) / 2
        if 0 < np.hypot(*half) <= radius:
            along = np.sqrt(radius**2 - half @ half) * np.array([-half[1], half[0]])
            centres += [middle + s * along / np.hypot(*half) for s in (1, -1)]
    far = np.hypot(*(np.array(centres)[:, None] - places[None]).transpose(2, 0, 1))
    return int((far <= radius * (1 + 1e-9)).sum(axis=1).max())


@pytest.mark.parametrize("seed", range(6))
def test_the_densest_disc_is_found_exactly_and_turned_it_is_the_same(seed):
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 100, (45, 2))
    places[:5] = places[5:10]  # objects on the very same place
    for radius in (3.0, 11.0, 24.0, 200.0):
        assert hot_spot(places, radius) == by_brute_force(places, radius)
        assert hot_spot(places[:, ::-1] * [1, -1], radius) == hot_spot(places, radius)


def test_no_place_and_one_place():
    assert hot_spot(np.empty((0, 2)), 5.0) == 0
    assert hot_spot(np.array([[3.0, 4.0]]), 5.0) == 1
    assert hot_spot(np.array([[0.0, 0.0], [10.0, 0.0]]), 5.0) == 2
    assert hot_spot(np.array([[0.0, 0.0], [10.1, 0.0]]), 5.0) == 1


def test_fields_over_all_starts_take_every_place_alike():
    taken = np.zeros((60, 90))
    for y in range(20):
        for x in range(20):
            taken += systematic((60, 90), 8, 20, (y / 20, x / 20)) > 0
    np.testing.assert_array_equal(taken, 8 * 8)
    grid = systematic((60, 90), 8, 20, (0, 0))
    assert len(np.unique(grid)) == 1 + 3 * 5 and (grid > 0).sum() == 15 * 64


@pytest.fixture(scope="module")
def rows(request):
    """Brown discs of 4 µm on a lattice of 40 µm, and 12 more within a round field in the middle."""
    table = load_stains(request.config.rootpath / "resources" / "stains.yaml")
    brown = np.zeros((SIDE, SIDE))
    for y in range(20, 320, 40):
        for x in range(20, 320, 40):
            brown[disc((x, y), 4)] = 0.8
    for k in range(12):
        brown[disc((160 + 12 * (k % 4 - 1.5), 160 + 10 * (k // 4 - 1)), 3)] = 0.8
    blue = 0.15 + 0.03 * np.random.default_rng(4).random(brown.shape)
    drawn = light([blue, brown], [(0.63, 0.71, 0.31), (0.28, 0.56, 0.78)])
    block = {"detector": "vessels", "vectors": "H-DAB", "roi": "region"}
    options = {"hotspot_um2": np.pi * 30**2, "field_um": 80, "pitch_um": 80, "gap_um": 1}
    outcomes = {"hotspot": "mvd_hot", "fields": "mvd_fields"}
    return measured(drawn, [square("region")], table, **block, options=options, outcomes=outcomes)[
        0
    ]


def test_hot_spot_of_a_section(rows):
    """A disc of 30 µm holds the 12 of the middle, and of the lattice the four about it (28.3 µm
    off) in part."""
    places = [(x, y) for y in range(20, 320, 40) for x in range(20, 320, 40)]
    places += [(160 + 12 * (k % 4 - 1.5), 160 + 10 * (k // 4 - 1)) for k in range(12)]
    truth = by_brute_force(np.array(places, float), 30)
    assert rows["mvd", ""]["numerator"] == 64 + 12
    row = rows["mvd_hot", ""]
    assert row["numerator"] == truth
    assert row["value"] == pytest.approx(truth / (np.pi * 0.03**2), rel=1e-6)


def test_fields_without_gaps_between_them_are_the_whole(rows):
    assert rows["mvd_fields", ""]["value"] == pytest.approx(rows["mvd", ""]["value"], rel=1e-6)


def test_a_region_smaller_than_the_hot_spot_has_none(request):
    table = load_stains(request.config.rootpath / "resources" / "stains.yaml")
    brown = np.zeros((SIDE, SIDE))
    for x in range(20, 320, 40):
        brown[disc((x, 160), 4)] = 0.8
    drawn = light([0.15 + 0 * brown, brown], [(0.63, 0.71, 0.31), (0.28, 0.56, 0.78)])
    block = {"detector": "vessels", "roi": "spot", "outcomes": {"hotspot": "mvd_hot"}}
    row = measured(drawn, [circle("spot", 120)], table, **block)[0]["mvd_hot", ""]
    assert row["qc"] == "fail" and "less than the hot spot's field" in row["qc_reason"]


@pytest.mark.parametrize(
    ("grades", "score"),
    [
        ([0] * 50, 0),
        ([0] * 199 + [1], 1 + 1),  # half a percent, weak
        ([0] * 99 + [2], 2 + 2),  # 1 percent, moderate
        ([0] * 90 + [3] * 10, 3 + 3),
        ([0] * 2 + [1], 4 + 1),  # a third
        ([0, 1, 3], 5 + 2),  # two thirds; mean 2
        ([1, 2, 2], 5 + 1),  # mean 5/3 is not above it
        ([2, 2, 3], 5 + 2),  # mean 7/3 is not above it
        ([3, 3, 2], 5 + 3),
    ],
)
def test_allred_by_hand(grades, score):
    assert allred_score(np.array(grades)) == score
