"""The error of a slope from unit to unit: Welch's test, plain matrices, paired differences."""

import numpy as np
import pytest
from scipy import stats

from periomics.statistics.kernels import slope_error as kernel
from periomics.statistics.kernels.exchange import LEAST_FREEDOM, SlopeTest, of_animals, of_units

NO_RNG = np.random.default_rng(0)


def test_a_score_of_two_values_gives_welchs_t_and_the_freedom_of_alike_variances():
    rng = np.random.default_rng(1)
    for few, many in ((3, 9), (5, 5), (2, 8)):
        score = np.r_[np.zeros(few), np.ones(many)]
        outcome = rng.normal(size=few + many) * np.where(score > 0, 3, 1) + score
        test = SlopeTest(score, outcome, of_animals(np.array(["A"] * len(score))), NO_RNG, 1)
        sides = 1 / few + 1 / many
        freedom = sides**2 / (1 / (few**2 * (few - 1)) + 1 / (many**2 * (many - 1)))
        t = stats.ttest_ind(outcome[score > 0], outcome[score == 0], equal_var=False).statistic
        assert test.error.freedom == pytest.approx(freedom)
        assert test.by_error() == pytest.approx(2 * stats.t.sf(abs(t), freedom))
        # Against its own estimate nothing is left; the interval is symmetric about it.
        assert test.by_error(test.best) == pytest.approx(1.0)
        assert test.by_error(test.best + 0.3) == pytest.approx(test.by_error(test.best - 0.3))


def designs():
    arm, block = np.repeat(list("ABCD"), (6, 2, 5, 3)), np.resize(list("123"), 16)
    yield of_animals(arm, block), kernel.BY_ARM
    unit, condition = np.repeat(list("ijklm"), 4), np.tile(list("abcd"), 5)
    kept = np.delete(np.arange(20), [3, 9])
    yield of_units(unit[kept], condition[kept]), kernel.BY_UNIT


@pytest.mark.parametrize(("design", "share"), list(designs()), ids=["animals", "isolations"])
def test_the_error_is_right_on_average_and_its_freedom_is_that_of_its_spread(design, share):
    """By plain matrices: the squared error is a quadratic form in the outcome."""
    score = np.random.default_rng(2).normal(size=len(design.unit))
    x, n = design.fixed @ score, len(score)
    error = kernel.slope_error(x, design.fixed, design.unit, design.alike)
    v = np.ones(n)
    for k in np.unique(design.alike):
        own = design.alike == k
        v[own] = (x[own] ** 2).sum() / np.diag(design.fixed)[own].sum()
    v = 1 - share + share * v / np.median(v)
    left = design.fixed - np.outer(x, x) / (x @ x)
    form = np.zeros((n, n))
    for k in np.unique(design.unit):
        own = left[:, design.unit == k] @ error.weights[design.unit == k]
        form += np.outer(own, own)
    spread = form @ np.diag(v)
    mean, variance = np.trace(spread), 2 * np.trace(spread @ spread)
    assert mean == pytest.approx((x**2 * v).sum())
    assert error.freedom == pytest.approx(2 * mean**2 / variance)
    y = design.fixed @ np.random.default_rng(3).normal(size=n)
    t = (x @ y) / np.sqrt(y @ form @ y)
    found = error.p(x @ y, y - x * (x @ y) / (x @ x), design.unit)
    assert found == pytest.approx(2 * stats.t.sf(abs(t), error.freedom))


def test_two_conditions_of_isolations_are_their_differences(monkeypatch):
    monkeypatch.setattr(kernel, "BY_ARM", 0.0)
    monkeypatch.setattr(kernel, "BY_UNIT", 0.0)
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 8, 2))
    unit, condition = np.repeat(list("abcdefgh"), 2), np.tile(["v", "m"], 8)
    whole = SlopeTest(x.ravel(), y.ravel(), of_units(unit, condition), NO_RNG, 1)
    first, second = (v[:, 1] - v[:, 0] for v in (x, y))
    alone = SlopeTest(first, second, of_animals(np.array(["A"] * 8)), NO_RNG, 1)
    assert whole.by_error() == pytest.approx(alone.by_error())
    assert whole.error.freedom == pytest.approx(alone.error.freedom)


def test_units_of_measurement_and_order_change_nothing():
    rng = np.random.default_rng(5)
    arm, block = np.repeat(list("AB"), 8), np.tile(list("1234"), 4)
    x, y = rng.normal(size=(2, 16))
    test = SlopeTest(x, y, of_animals(arm, block), NO_RNG, 1)
    other = SlopeTest(1e6 * x + 3, -1e-6 * y, of_animals(arm, block), NO_RNG, 1)
    mixed = rng.permutation(16)
    again = SlopeTest(x[mixed], y[mixed], of_animals(arm[mixed], block[mixed]), NO_RNG, 1)
    for found in (other, again):
        assert found.by_error() == pytest.approx(test.by_error())
        assert found.error.freedom == pytest.approx(test.error.freedom)


def test_a_score_of_one_animal_is_not_tested_and_an_exact_line_is():
    arm = np.array(["A"] * 14)
    score, outcome = np.zeros(14), np.random.default_rng(6).normal(size=14)
    score[3] = 1.0
    test = SlopeTest(score, outcome, of_animals(arm), NO_RNG, 9)
    assert test.error.freedom < LEAST_FREEDOM and "degrees of freedom" in test.hindrance
    line = SlopeTest(outcome, 3 * outcome, of_animals(arm), NO_RNG, 9)
    assert line.hindrance == "" and line.by_error() == pytest.approx(0.0, abs=1e-9)
