"""Exact inference on yes or no: level and coverage by full enumeration, peers, degenerate tables."""

import itertools
import warnings
from functools import cache

import numpy as np
import pytest
from scipy import stats

from periomics.statistics.kernels import binary as b

SHARES = np.linspace(0, 1, 101)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def probabilities(n, shares=SHARES):
    return stats.binom.pmf(np.arange(n + 1), n, shares[:, None])


def coverage(n, lower, upper):
    """Coverage at every pair of shares; `lower` and `upper` hold the interval of every table."""
    d = (SHARES[:, None] - SHARES[None])[..., None, None]
    held = (lower <= d + 1e-9) & (d <= upper + 1e-9)
    return np.einsum("ax,by,abxy->ab", probabilities(n[0]), probabilities(n[1]), held.astype(float))


@pytest.mark.parametrize("n", [(3, 3), (4, 6), (5, 5), (6, 6), (8, 5), (10, 3), (10, 10)])
def test_level_and_coverage_by_enumeration(n):
    grid = np.linspace(-1, 1, b.DIFFERENCES)
    p = b.exact_p_values(n, grid)
    kept = p > 0.05
    lower, upper = (
        grid[kept.argmax(axis=0)],
        grid[::-1][kept[::-1].argmax(axis=0)],
    )  # within the interval that is reported
    found = coverage(n, lower, upper)
    assert found.min() >= 0.949, found.min()
    fine = np.linspace(0, 1, 1001)
    null = np.einsum(
        "ax,ay,xy->a",
        probabilities(n[0], fine),
        probabilities(n[1], fine),
        p[grid.size // 2] <= 0.05,
    )
    assert null.max() <= 0.0501


def test_why_not_newcombe():
    n = (6, 6)
    ends = np.array([[b.newcombe((x, y), n) for y in range(7)] for x in range(7)])
    assert coverage(n, ends[..., 0], ends[..., 1]).min() < 0.85


@pytest.mark.parametrize("n", [(5, 5), (4, 6)])
def test_p_values_are_barnards(n):
    """scipy breaks exact ties by rounding; the larger of a table's and its mirror's p-value is free of that nearly everywhere."""
    own, far = b.exact_p_values(n, [0.0], 1001)[0], 0
    for x, y in itertools.product(range(n[0] + 1), range(n[1] + 1)):
        tables = [[[x, y], [n[0] - x, n[1] - y]], [[n[0] - x, n[1] - y], [x, y]]]
        peer = max(stats.barnard_exact(t, n=32).pvalue for t in tables)
        assert own[x, y] >= peer - 1e-4
        far += own[x, y] > peer + 1e-4
        assert own[x, y] == pytest.approx(own[n[0] - x, n[1] - y], abs=1e-12)
    assert far <= own.size * 0.1


@pytest.mark.parametrize(
    ("events", "n"), [((5, 1), (6, 6)), ((0, 0), (6, 5)), ((6, 6), (6, 6)), ((3, 9), (10, 12))]
)
def test_newcombe_equals_statsmodels(events, n):
    from statsmodels.stats.proportion import confint_proportions_2indep

    peer = confint_proportions_2indep(
        events[0], n[0], events[1], n[1], method="newcomb", compare="diff"
    )
    np.testing.assert_allclose(b.newcombe(events, n), peer, atol=1e-9)


def test_restricted_shares_are_the_likeliest():
    """The closed form against a fine search of the likelihood."""
    n, difference = (5, 7), 0.23
    q = np.linspace(difference + 1e-9, 1 - 1e-9, 200_001)
    own = b._score(n, difference)
    for x, y in itertools.product(range(1, 5), range(1, 7)):
        with np.errstate(divide="ignore"):
            best = q[
                (
                    x * np.log(q)
                    + (5 - x) * np.log1p(-q)
                    + y * np.log(q - difference)
                    + (7 - y) * np.log1p(difference - q)
                ).argmax()
            ]
        variance = best * (1 - best) / 5 + (best - difference) * (1 - best + difference) / 7
        assert own[x, y] == pytest.approx(
            abs(x / 5 - y / 7 - difference) / np.sqrt(variance), rel=1e-4
        )


def test_exchange_complement_and_level():
    one, two, other = (
        b.risk_difference(*a) for a in (((5, 1), (6, 7)), ((1, 5), (7, 6)), ((1, 6), (6, 7)))
    )
    np.testing.assert_allclose(one[:3], [-two[0], -two[2], -two[1]], atol=1e-9)
    np.testing.assert_allclose(one[:3], [-other[0], -other[2], -other[1]], atol=1e-9)
    assert one.p == pytest.approx(two.p) == pytest.approx(other.p)
    wide = b.risk_difference((5, 1), (6, 7), 0.99)
    assert wide.lower < one.lower < one.difference < one.upper < wide.upper
    assert (one.lower > 0) == (one.p < 0.05)


def test_edges():
    assert np.isnan(b.risk_difference((1, 1), (1, 4))[1:]).all()
    assert np.isnan(b.risk_difference((0, 1), (0, 4))).all()
    none = b.risk_difference((0, 0), (6, 5))
    assert none.p == 1 and none.lower < 0 < none.upper
    all_of_them = b.risk_difference((6, 0), (6, 6))
    assert all_of_them.upper == 1 and all_of_them.lower > 0 and all_of_them.p < 0.001
    large = b.risk_difference((40, 20), (60, 60))
    assert large.p == pytest.approx(stats.fisher_exact([[40, 20], [20, 40]]).pvalue)


def test_conditional_p_is_fishers_and_the_permutation_within_blocks():
    for events, n in (((5, 1), (6, 6)), ((0, 3), (5, 8)), ((0, 0), (4, 4))):
        table = [[events[0], n[0] - events[0]], [events[1], n[1] - events[1]]]
        assert b.conditional_p(events, n) == pytest.approx(stats.fisher_exact(table).pvalue)
    # Three blocks of two and two: every way to choose two of four animals in each block.
    y = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]])
    sums = [
        sum(c)
        for c in itertools.product(
            *([sum(pair) for pair in itertools.combinations(row, 2)] for row in y)
        )
    ]
    chance = {s: sums.count(s) / len(sums) for s in set(sums)}
    observed = int(y[:, :2].sum())
    expected = sum(v for v in chance.values() if v <= chance[observed] * (1 + 1e-9))
    assert b.conditional_p(
        np.c_[y[:, :2].sum(1), y[:, 2:].sum(1)], np.full((3, 2), 2)
    ) == pytest.approx(expected)


LAYOUTS = [[(2, 1), (1, 2)], [(3, 1), (1, 2)], [(2, 2), (2, 1)], [(1, 2), (1, 1), (1, 1)]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_blocks_by_enumeration(layout, monkeypatch):
    monkeypatch.setattr(b, "risk_difference", cache(b.risk_difference))
    n = np.array(layout)
    tables = [
        np.array(t).reshape(n.shape) for t in itertools.product(*(range(m + 1) for m in n.ravel()))
    ]
    found = [b.risk_difference_blocks(t, n) for t in tables]
    counts = np.array(tables)
    for base in ([0.5, 0.5, 0.5], [0.05, 0.9, 0.5], [0.02, 0.02, 0.02], [0.3, 0.6, 0.3]):
        for difference in (0, 0.05, 0.3, 0.8, -0.3):
            low = np.array(base[: len(n)])
            if (low + difference < 0).any() or (low + difference > 1).any():
                continue
            shares = np.stack([low + difference, low], axis=1)
            chance = stats.binom.pmf(counts, n, shares).prod(axis=(1, 2))
            held = np.array([r.lower - 1e-9 <= difference <= r.upper + 1e-9 for r in found])
            assert chance @ held >= 0.95
            if difference == 0:
                assert chance @ np.array([r.p <= 0.05 for r in found]) <= 0.05


def test_blocks_with_equal_proportions_equal_the_sum_and_lacking_arms_take_no_part():
    found = b.risk_difference_blocks([[2, 0], [1, 1]], [[3, 3], [3, 3]])
    np.testing.assert_allclose(found[:3], b.risk_difference((3, 1), (6, 6))[:3])
    more = b.risk_difference_blocks([[2, 0], [1, 1], [4, 0]], [[3, 3], [3, 3], [5, 0]])
    assert more == found
    assert np.isnan(b.risk_difference_blocks([[2, 0]], [[3, 0]])).all()
    few = b.risk_difference_blocks([[1, 0]], [[1, 1]])
    assert few.difference == 1 and np.isnan(few.p)
