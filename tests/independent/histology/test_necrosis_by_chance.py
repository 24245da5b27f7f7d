"""Necrotic area beyond chance: nothing where empty lacunae lie at random, the painted patch where they do not.

The truth is found another way: clusters by flooding a picture of discs, random placements in a loop of their own.
"""

import numpy as np
import pytest
from scipy import ndimage
from shapely.geometry import box

from periomics.histology import lacunae

SIDE = 700.0
BONE = box(0, 0, SIDE, SIDE)
K = 5


def places(rng, per_mm2=600):
    n = round(per_mm2 * (SIDE / 1000) ** 2)
    side = int(np.ceil(np.sqrt(n)))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)[:n]
    return (grid + 0.5 + rng.uniform(-0.4, 0.4, (n, 2))) * SIDE / side


def flooded(points, reach=60.0):
    """Share (%) of the bone in clusters: parts of a picture of discs that touch hold those within reach of each other."""
    step = 2.0
    size = int(SIDE / step)
    picture = np.ones((size, size), bool)
    at = np.clip((points / step).astype(int), 0, size - 1)
    picture[at[:, 1], at[:, 0]] = False
    parts, _ = ndimage.label(
        ndimage.distance_transform_edt(picture) * step <= reach / 2, np.ones((3, 3))
    )
    group = parts[at[:, 1], at[:, 0]]
    from shapely import MultiPoint, concave_hull, unary_union

    hulls = [
        concave_hull(MultiPoint(points[group == g]), ratio=0.5)
        for g in np.unique(group)
        if (group == g).sum() >= K
    ]
    return 100 * unary_union(hulls).intersection(BONE).area / BONE.area if hulls else 0.0


def excess(points, empty, reach=60.0):
    dead = lacunae.necrotic_area(points[empty], BONE, K, reach)
    chance = lacunae.random_area(points, int(empty.sum()), BONE, K, reach)
    return 100 * (dead - chance) / BONE.area, 100 * dead / BONE.area


@pytest.mark.parametrize("share", [0.15, 0.2, 0.3])
def test_random_empties_are_no_necrosis_beyond_chance(share):
    found = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        points = places(rng)
        found.append(excess(points, rng.random(len(points)) < share, 100.0))
    beyond, plain = np.mean(found, axis=0)
    assert plain > 10
    assert abs(beyond) < 2 + 2 * np.std([f[0] for f in found]) / np.sqrt(len(found))


def test_a_dead_patch_stands_out_by_what_chance_does_not_explain():
    rng = np.random.default_rng(3)
    points = places(rng)
    patch = np.hypot(*(points - SIDE / 2).T) < 190
    empty = patch | (rng.random(len(points)) < 0.02)
    draws = [rng.permutation(len(points))[: empty.sum()] for _ in range(25)]
    truth = flooded(points[empty]) - np.mean([flooded(points[d]) for d in draws])
    beyond, _ = excess(points, empty)
    assert beyond == pytest.approx(truth, abs=4)
    assert beyond > 8


def test_where_all_or_none_are_empty_placement_says_nothing():
    points = places(np.random.default_rng(5))
    for empty in (np.zeros(len(points), bool), np.ones(len(points), bool)):
        assert excess(points, empty)[0] == 0
