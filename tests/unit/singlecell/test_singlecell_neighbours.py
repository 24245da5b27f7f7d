"""Nearest cells where several are the same: each is its own first neighbour, and there is a map."""

import numpy as np
import pytest

from periomics.singlecell.clusters import layout
from periomics.singlecell.neighbours import nearest


@pytest.mark.parametrize("copies", [2, 40])
def test_cells_that_are_the_same_are_their_own_first_neighbours(copies):
    points = np.random.default_rng(1).normal(size=(60, 5))
    points[:copies] = points[0]
    found = nearest(points, 11)
    assert np.array_equal(found[:, 0], np.arange(60))
    assert all(len(set(row)) == 11 for row in found)
    assert all(set(row) <= set(range(copies)) for row in found[: copies if copies > 11 else 0])
    assert np.isfinite(layout(points, found, 7)).all()


def test_neighbours_are_the_nearest_in_order():
    points = np.random.default_rng(2).normal(size=(50, 3))
    away = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert np.array_equal(nearest(points, 6), np.argsort(away, axis=1)[:, :6])
