"""One-sided p-values of weighted sums of shares, beside what halving of their intervals comes
to."""

import numpy as np
import pytest

from periomics.statistics.kernels.discrete import METHOD_SUM, Shares, _least, p_above, p_below


@pytest.mark.parametrize("seed", range(12))
def test_p_of_a_sum_is_the_least_level_whose_interval_is_clear_of_nothing(seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(2, 9, 3)
    events = rng.binomial(n, rng.choice([0, 0.1, 0.5, 1.0], 3))
    form = Shares(
        (tuple(events.tolist()),),
        (tuple(n.tolist()),),
        tuple(rng.choice([-1.0, 0.5, 1.0, -0.2], 3).tolist()),
        shift=float(rng.choice([0.0, 10.0, -20.0])),
        scale=100.0,
    )
    assert form.method == METHOD_SUM
    above = _least(lambda level: form.interval(level)[0] > 0)
    below = _least(lambda level: form.interval(level)[1] < 0)
    assert p_above(form) == pytest.approx(above, abs=2e-12)
    assert p_below(form) == pytest.approx(below, abs=2e-12)
    assert form.p_two_sided() == pytest.approx(min(1.0, 2 * min(above, below)), abs=4e-12)


def test_an_arm_of_one_animal_has_no_p():
    form = Shares(((3, 1, 0),), ((3, 1, 3),), (1.0, -0.5, -0.5))
    assert p_above(form) == p_below(form) == 1.0
