"""Yes or no and grades against counting: every table and every relabelling, from the definitions alone."""

import itertools
import math

import numpy as np
import pytest

from periomics.statistics.kernels.discrete import (
    Ranks,
    Shares,
    p_above,
    p_below,
    ranks,
    share_rescue,
)

GRID = [i / 1000 for i in range(1001)]


def chance(k, n, p):
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def pooled_z(k1, n1, k2, n2):
    pooled = (k1 + k2) / (n1 + n2)
    variance = pooled * (1 - pooled) * (1 / n1 + 1 / n2)
    return 0.0 if variance == 0 else abs(k1 / n1 - k2 / n2) / math.sqrt(variance)


def barnard(k1, n1, k2, n2):
    """Largest chance, over the common share, of a table at least as far from equality."""
    seen = pooled_z(k1, n1, k2, n2) - 1e-9
    far = [
        (i, j)
        for i, j in itertools.product(range(n1 + 1), range(n2 + 1))
        if pooled_z(i, n1, j, n2) >= seen
    ]
    return max(sum(chance(i, n1, p) * chance(j, n2, p) for i, j in far) for p in GRID)


def two_arms(k1, n1, k2, n2):
    return Shares(((k1, k2),), ((n1, n2),), (1.0, -1.0))


@pytest.mark.parametrize(("n1", "n2"), [(4, 4), (5, 3), (3, 6)])
def test_the_p_value_is_that_of_barnard(n1, n2):
    for k1, k2 in itertools.product(range(n1 + 1), range(n2 + 1)):
        found = two_arms(k1, n1, k2, n2).p_two_sided()
        assert found == pytest.approx(barnard(k1, n1, k2, n2), abs=1e-9)


def test_none_of_eight_against_all_of_eight():
    form = two_arms(0, 8, 8, 8)
    assert form.p_two_sided() == pytest.approx(2 * 0.5**16)
    lower, upper = form.interval(0.95)
    assert lower == -1 and -0.6 < upper < -0.5


@pytest.mark.parametrize(("n1", "n2"), [(4, 4), (6, 3)])
def test_two_arms_are_covered_whatever_the_shares(n1, n2):
    tables = list(itertools.product(range(n1 + 1), range(n2 + 1)))
    ends = {t: two_arms(t[0], n1, t[1], n2).interval(0.95) for t in tables}
    shares = [i / 20 for i in range(21)]
    for p1, p2 in itertools.product(shares, shares):
        covered = sum(
            chance(i, n1, p1) * chance(j, n2, p2)
            for i, j in tables
            if ends[i, j][0] - 1e-9 <= p1 - p2 <= ends[i, j][1] + 1e-9
        )
        assert covered >= 0.95 - 1e-6


@pytest.mark.parametrize("n", [(3, 3, 3), (3, 3, 6), (5, 3, 6), (6, 6, 6)])
@pytest.mark.parametrize("weights", [(-0.3, -0.7, 1.0), (0.5, -1.5, 1.0), (0.5, 0.5, -1.0)])
def test_three_arms_are_covered_whatever_the_shares(n, weights):
    tables = list(itertools.product(*(range(m + 1) for m in n)))
    ends = np.array([Shares((t,), (n,), weights).interval(0.95) for t in tables])
    p = np.array([0, 0.03, 0.05, 0.1, 0.25, 0.4, 0.5, 0.75, 0.9, 0.95, 1])
    each = [np.array([[chance(k, m, x) for k in range(m + 1)] for x in p]) for m in n]
    index = np.array(tables).T
    worst = 1.0
    for a, b, c in itertools.product(range(11), repeat=3):
        true = sum(w * p[i] for w, i in zip(weights, (a, b, c), strict=True))
        joint = each[0][a][index[0]] * each[1][b][index[1]] * each[2][c][index[2]]
        inside = (ends[:, 0] - 1e-9 <= true) & (true <= ends[:, 1] + 1e-9)
        worst = min(worst, joint[inside].sum())
    assert worst >= 0.95 - 1e-3


def test_one_sided_p_values_are_those_levels_whose_intervals_end_at_0():
    form = Shares(((1, 7, 2),), ((8, 8, 8),), (-0.3, -0.7, 1.0))
    p = p_below(form)
    assert 0 < p < 0.5 and p_above(form) == 1.0
    assert abs(form.interval(1 - 2 * p)[1]) < 1e-6
    assert p_below(form.signed(-1.0)) == 1.0 and p_above(form.signed(-1.0)) == pytest.approx(p)


def test_rescue_of_shares_ends_where_its_own_form_touches_0():
    form = Shares(((0, 8, 2),), ((8, 8, 8),), (0.0, 0.0, 1.0))
    R, lower, upper, bounded, p = share_rescue(form, 0, 1, 2, 0.95)
    assert pytest.approx(0.75) == R and bounded and lower < R < upper
    assert p == pytest.approx(2 * 0.5**16)
    for end, out in ((lower, -1e-6), (upper, 1e-6)):
        for at, inside in ((end + out, False), (end - out, True)):
            ends = Shares(form.events, form.n, (-at, at - 1, 1.0)).interval(0.95)
            assert (ends[0] <= 0 <= ends[1]) == inside
    flat = share_rescue(Shares(((4, 4, 2),), ((8, 8, 8),), (0.0, 0.0, 1.0)), 0, 1, 2, 0.95)
    assert math.isnan(flat[0]) and not flat[3]


def brunner_munzel(y, first):
    """|statistic| from placements, by loops over pairs."""
    one = [v for v, f in zip(y, first, strict=True) if f]
    two = [v for v, f in zip(y, first, strict=True) if not f]

    def above(a, b):
        return 1.0 if a > b else 0.5 if a == b else 0.0

    place1 = [sum(above(a, b) for b in two) / len(two) for a in one]
    place2 = [sum(above(a, b) for a in one) / len(one) for b in two]
    effect = sum(place1) / len(one)
    parts = []
    for places in (place1, place2):
        mean = sum(places) / len(places)
        parts.append(sum((x - mean) ** 2 for x in places) / (len(places) - 1) / len(places))
    gap, se = abs(effect - 0.5), math.sqrt(sum(parts))
    if se < 1e-9:
        return effect, math.inf if gap > 1e-9 else 0.0
    return effect, gap / se


@pytest.mark.parametrize(
    ("one", "two"),
    [([0, 0, 1, 1], [2, 3, 3, 2]), ([0, 1, 1, 2], [1, 2, 3, 3]), ([1, 1, 2, 2, 0], [1, 2, 2, 3])],
)
def test_grades_are_compared_by_every_relabelling(one, two):
    y = np.array([*one, *two], float)
    labels = np.array([True] * len(one) + [False] * len(two))
    effect, seen = brunner_munzel(y, labels)
    size = len(y)
    far = total = 0
    for chosen in itertools.combinations(range(size), len(one)):
        mask = np.isin(np.arange(size), chosen)
        total += 1
        far += brunner_munzel(y, mask)[1] >= seen - 1e-9
    form, reason = ranks(y, labels, np.full(size, ""), np.random.default_rng(1))
    assert isinstance(form, Ranks) and reason == ""
    assert form.estimate == pytest.approx(effect - 0.5)
    assert form.p_two_sided() == pytest.approx(far / total)
    lower, upper = form.interval(0.95)
    assert lower <= form.estimate <= upper
    assert (lower <= 0 <= upper) or form.p <= 0.05
