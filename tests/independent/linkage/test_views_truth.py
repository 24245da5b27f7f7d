"""Views against truths by hand and by other ways: eigenvectors of a covariance, a factor analysis written out on a small table.

No function of the library makes a truth here.
"""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from periomics.linkage.views import (
    between_arms,
    block_weights,
    complete_cases,
    components,
    contributions,
    least_likeness,
    rv,
    standardised,
)


@pytest.fixture
def drawn():
    rng = np.random.default_rng(11)
    hidden = rng.normal(size=(16, 2))
    table = np.column_stack(
        [
            hidden @ rng.normal(size=(2, 6)) + 0.5 * rng.normal(size=(16, 6)),
            hidden[:, :1] @ rng.normal(size=(1, 3)) + rng.normal(size=(16, 3)),
        ]
    )
    return table, ["many"] * 6 + ["few"] * 3


def mfa(table, blocks, most=3):
    z = standardised(table)
    return components(z, block_weights(z, blocks), most)


def test_components_are_eigenvectors_of_the_correlation_matrix(drawn):
    table, _ = drawn
    found = components(standardised(table), np.ones(9), 9)
    values, vectors = np.linalg.eigh(np.corrcoef(table.T))
    np.testing.assert_allclose(found.spread, values[::-1], rtol=1e-9)
    np.testing.assert_allclose(found.shares.sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(np.abs(found.weights), np.abs(vectors[:, ::-1]), atol=1e-7)
    for k in range(3):
        correlations = [np.corrcoef(table[:, j], found.units[:, k])[0, 1] for j in range(9)]
        np.testing.assert_allclose(found.variables[:, k], correlations, rtol=1e-7)


def test_a_factor_analysis_by_hand():
    """Blocks A (two equal columns) and B (one column), uncorrelated with A, four animals.

    z of A is ±1 twice, so that its first singular value over √4 is √2 and each column counts with 1/√2: its variance along the
    common direction is 2 · 1/2 = 1. B counts with 1. Both components have variance 1, half of the whole each.
    """
    a, b = np.array([1.0, 1, -1, -1]), np.array([1.0, -1, 1, -1])
    table = np.column_stack([5 * a + 2, 0.1 * a, b])
    z = standardised(table)
    weights = block_weights(z, ["A", "A", "B"])
    np.testing.assert_allclose(weights, [np.sqrt(0.5), np.sqrt(0.5), 1], rtol=1e-12)
    found = components(z, weights, 3)
    np.testing.assert_allclose(found.spread, [1, 1], rtol=1e-12)
    np.testing.assert_allclose(found.shares, [0.5, 0.5], rtol=1e-12)
    np.testing.assert_allclose(contributions(found, ["A", "A", "B"]).sum(axis=0), [1, 1])
    assert rv(z[:, :2], z[:, 2:]) == pytest.approx(0, abs=1e-12)


def test_alike_blocks_share_alike_whatever_the_number_of_their_columns():
    """A block and three copies of each of its columns: in MFA half each; in PCA the copies have three quarters."""
    rng = np.random.default_rng(4)
    block = rng.normal(size=(14, 3))
    table = np.column_stack([block, block, block, block])
    names = ["one"] * 3 + ["copies"] * 9
    np.testing.assert_allclose(contributions(mfa(table, names), names), 0.5, rtol=1e-9)
    plain = components(standardised(table), np.ones(12), 3)
    np.testing.assert_allclose(contributions(plain, names).loc["copies"], 0.75, rtol=1e-9)
    assert rv(block - block.mean(0), table - table.mean(0)) == pytest.approx(1)


def test_units_of_measurement_and_their_zero_change_nothing(drawn):
    table, blocks = drawn
    other = table * np.array([1000.0] * 6 + [0.01] * 3) + 7
    one, two = mfa(table, blocks), mfa(other, blocks)
    np.testing.assert_allclose(one.units, two.units, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(one.shares, two.shares, rtol=1e-9)


def test_no_block_has_more_than_one_of_the_variance_of_a_component(drawn):
    table, blocks = drawn
    found = mfa(table, blocks)
    parts = contributions(found, blocks).to_numpy() * found.spread
    assert (parts <= 1 + 1e-9).all() and found.spread[0] <= 2 + 1e-9


def test_signs_do_not_depend_on_the_order_of_animals_and_follow_the_strongest_variable(drawn):
    table, blocks = drawn
    order = np.random.default_rng(1).permutation(16)
    one, two = mfa(table, blocks), mfa(table[order], blocks)
    np.testing.assert_allclose(one.units[order], two.units, rtol=1e-6, atol=1e-9)
    strongest = one.variables[np.abs(one.variables).argmax(axis=0), np.arange(3)]
    assert (strongest > 0).all()


def test_likeness_of_blocks_by_the_definition(drawn):
    table, _ = drawn
    z = standardised(table)
    x, y = z[:, :6], z[:, 6:]
    cross = np.trace(x.T @ y @ y.T @ x)
    whole = np.trace(x.T @ x @ x.T @ x) * np.trace(y.T @ y @ y.T @ y)
    assert rv(x, y) == pytest.approx(cross / np.sqrt(whole))


def test_the_adjusted_likeness_is_zero_on_average_over_every_order_of_animals():
    """Six animals: all 720 orders, each dealt and computed."""
    rng = np.random.default_rng(5)
    x, y = standardised(rng.normal(size=(6, 9))), standardised(rng.normal(size=(6, 4)) ** 3)
    orders = [list(o) for o in permutations(range(6))]
    assert np.mean([rv(x, y[o], adjusted=True) for o in orders]) == pytest.approx(0, abs=1e-9)
    assert rv(x, x, adjusted=True) == pytest.approx(1)
    assert rv(x, 3 * y, adjusted=True) == pytest.approx(rv(x, y, adjusted=True))


def test_the_adjusted_likeness_of_unrelated_blocks_is_about_zero_and_the_plain_one_is_not():
    rng = np.random.default_rng(8)
    pairs = [[standardised(rng.normal(size=(14, 40))) for _ in range(2)] for _ in range(60)]
    assert abs(np.mean([rv(*p, adjusted=True) for p in pairs])) < 0.05
    assert np.mean([rv(*p) for p in pairs]) > 0.6


def test_the_share_between_arms_by_sums_of_squares():
    units = np.array([[1.0], [3.0], [5.0], [7.0]])
    assert between_arms(units, ["a", "a", "b", "b"])[0] == pytest.approx(16 / 20)


def test_a_component_that_one_animal_makes_is_told():
    rng = np.random.default_rng(3)
    table = rng.normal(size=(14, 6))
    table[0] += 40
    table[0, ::2] -= 80
    assert least_likeness(table, None, 1)[0] < 0.9
    common = rng.normal(size=(14, 1)) @ np.ones((1, 6)) + 0.1 * rng.normal(size=(14, 6))
    assert least_likeness(common, None, 1)[0] > 0.99


def test_outcomes_with_gaps_go_before_animals_and_both_say_why():
    wide = pd.DataFrame(
        {
            "a": [1.0, 2, 3, 4, 5],
            "b": [1.0, np.nan, np.nan, np.nan, 2],
            "c": [1.0, 2, 3, 4, np.nan],
        },
        index=list("vwxyz"),
    ).assign(d=7.0)
    table, lost = complete_cases(wide, {"a": "A", "b": "B", "c": "C", "d": "D"}, 0.8)
    assert list(table.columns) == ["a", "c"] and list(table.index) == list("vwxy")
    told = {r["name"]: (r["value"], r["n"], r["reason"]) for r in lost}
    assert told["b"] == (2, 5, "measured in fewer than 80 % of the animals")
    assert told["z"] == (1, 3, "lacks outcomes of C")
    assert told["d"] == (4, 4, "does not vary")
