"""Partial least squares of left-out animals against scikit-learn's, with the design fitted by least
squares without each animal.

No function of the library makes a truth here but the design's exchange, which has truths of its
own.
"""

from itertools import permutations

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression

from periomics.linkage.pls import duals, folds, predicted, squared_errors
from periomics.statistics.kernels.exchange import of_animals

ARMS = np.array(list("aaaaabbbbbbbcccc"))
DAYS = np.array(["1", "2", "3", "4"] * 4)


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(6)
    scores = rng.normal(size=(16, 3)) @ rng.normal(size=(3, 7)) + rng.normal(size=(16, 7))
    scores += 3 * (ARMS == "b")[:, None] * rng.normal(size=7)
    outcome = scores[:, 0] - scores[:, 3] + rng.normal(size=16) + 5 * (ARMS == "c")
    return scores, outcome


def dummies(*labels):
    columns = [np.ones(len(labels[0]))]
    columns += [(one == value).astype(float) for one in labels for value in sorted(set(one))[1:]]
    return np.column_stack(columns)


def q2_by_hand(scores, outcome, fixed, most):
    """Each animal predicted by scikit-learn from the others, whose fit of the design is all that is
    known of arms and days."""
    error = alone = 0.0
    both = np.column_stack([scores, outcome])
    for i in range(len(outcome)):
        kept = np.delete(np.arange(len(outcome)), i)
        fit, *_ = np.linalg.lstsq(fixed[kept], both[kept], rcond=None)
        rest = both - fixed @ fit
        model = PLSRegression(most).fit(rest[kept, :-1], rest[kept, -1])
        error += (rest[i, -1] - model.predict(rest[i : i + 1, :-1]).ravel()[0]) ** 2
        alone += rest[i, -1] ** 2
    return 1 - error / alone


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("blocked", [True, False])
def test_left_out_animals_are_predicted_as_by_scikit_learn(drawn, most, blocked):
    scores, outcome = drawn
    design = of_animals(ARMS, DAYS if blocked else None)
    found = squared_errors(folds(scores, design), (design.fixed @ outcome)[:, None], most)
    fixed = dummies(ARMS, DAYS) if blocked else dummies(ARMS)
    assert found[0] == pytest.approx(q2_by_hand(scores, outcome, fixed, most), abs=1e-9)


def test_coefficients_are_those_of_scikit_learn_and_more_components_end_at_least_squares(drawn):
    scores, outcome = drawn
    z = (scores - scores.mean(0)) / scores.std(0)
    y = outcome - outcome.mean()
    for most in (1, 2, 4):
        own = z.T @ duals(z, y[:, None], most)[:, 0]
        theirs = PLSRegression(most).fit(z, y).coef_.ravel()
        np.testing.assert_allclose(own, theirs, rtol=1e-8)
    plain, *_ = np.linalg.lstsq(z, y, rcond=None)
    np.testing.assert_allclose(z.T @ duals(z, y[:, None], 20)[:, 0], plain, rtol=1e-6)


def test_p_is_the_share_of_all_orders_within_arms():
    """Two arms of three without days, 6 · 6 = 36 orders, each dealt here and predicted by
    scikit-learn."""
    rng = np.random.default_rng(2)
    arm = np.array(list("aaabbb"))
    scores = rng.normal(size=(6, 3))
    outcome = 1.2 * scores[:, 0] + rng.normal(size=6)
    design, fixed = of_animals(arm), dummies(arm)
    fit, *_ = np.linalg.lstsq(fixed, outcome, rcond=None)
    rest = outcome - fixed @ fit
    every = [
        q2_by_hand(scores, rest[[*first, *(3 + np.array(second))]], fixed, 1)
        for first in permutations(range(3))
        for second in permutations(range(3))
    ]
    found = predicted(scores, outcome, design, rng, 999, 1)
    assert found.q2 == pytest.approx(every[0])
    assert found.p == pytest.approx(np.mean(np.array(every) >= every[0] - 1e-9))
    assert found.floor == pytest.approx(1 / 36)


def test_an_exact_link_is_predicted_without_error_whatever_arms_and_days_add():
    rng = np.random.default_rng(3)
    score = rng.normal(size=(16, 1))
    moved = score + 40 * (ARMS == "b")[:, None] - 7 * (DAYS == "2")[:, None]
    outcome = 3 - 2 * score[:, 0] + 9 * (ARMS == "c")
    found = predicted(moved, outcome, of_animals(ARMS, DAYS), rng, 199, 1)
    assert found.q2 == pytest.approx(1) and found.p == pytest.approx(1 / 200)
    np.testing.assert_allclose(found.structure, [-1])
    assert found.stability == pytest.approx(1)


def test_arms_that_move_both_predict_nothing():
    """Without the design, the arms alone would predict nearly all of the outcome; beyond it p ≤ .05
    in no more than chance."""
    rng, wrong, studies = np.random.default_rng(9), 0, 120
    arm, day = np.repeat(list("abcd"), 8), np.tile(list("1234"), 8)
    for _ in range(studies):
        means = rng.normal(scale=3, size=(4, 7))[np.repeat(np.arange(4), 8)]
        days = rng.normal(size=(4, 7))[np.tile(np.arange(4), 8)]
        table = means + days + rng.normal(size=(32, 7))
        design = of_animals(arm, day)
        wrong += predicted(table[:, :6], table[:, 6], design, rng, 59, 1).p <= 0.05
    # Binomial(120, .05) is above 13 in .003 of runs.
    assert wrong <= 13
