"""p-values of drawn relabellings count the observed labelling itself: never 0, never below 1 / (draws + 1)."""

import numpy as np
import pytest

from periomics.statistics.kernels.exchange import of_animals, p_value
from periomics.statistics.kernels.permutation import (
    flip_signs,
    judge,
    p_unknown_direction,
    permute_unknown_direction,
)


@pytest.mark.parametrize(("observed", "p"), [(9.0, 1 / 5), (3.0, 2 / 5), (2.0, 3 / 5), (0.0, 1.0)])
def test_drawn_relabellings_by_hand(observed, p):
    found = judge(np.array([0.0, 1.0, 2.0, 3.0]), observed, 0.0, every=False)
    assert found.p == pytest.approx(p)
    assert found.floor == pytest.approx(1 / 5)


@pytest.mark.parametrize(("observed", "p"), [(3.0, 1 / 4), (2.0, 2 / 4), (0.0, 1.0)])
def test_all_relabellings_by_hand(observed, p):
    assert judge(np.array([0.0, 1.0, 2.0, 3.0]), observed, 0.25, every=True).p == pytest.approx(p)


def test_nothing_drawn_reaches_what_was_observed():
    rng = np.random.default_rng(1)
    y = np.r_[np.arange(20.0), 100 + np.arange(20.0), 200 + np.arange(20.0)]
    arm = np.repeat([0, 1, 2], 20)
    assert flip_signs(np.ones(40), rng, draws=99).p == pytest.approx(1 / 100)
    assert p_unknown_direction(y, arm, np.zeros(60, int), rng, 99) == pytest.approx(1 / 100)
    whole = permute_unknown_direction(y, arm, np.zeros(60, int), rng, 99)
    assert whole.p == pytest.approx(1 / 100)
    x = np.arange(30.0) - 14.5
    one = of_animals(np.full(30, "A"))
    assert p_value(x, x, one, rng, 99) == pytest.approx(1 / 100)


def test_everything_drawn_reaches_what_is_no_difference():
    rng = np.random.default_rng(2)
    x = np.arange(30.0) - 14.5
    assert p_value(x, np.zeros(30), of_animals(np.full(30, "A")), rng, 99) == pytest.approx(1)
    assert flip_signs(np.tile([1.0, -1.0], 20), rng, draws=99).p == pytest.approx(1)
