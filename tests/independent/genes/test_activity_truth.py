"""Activities of pathways and factors against plain least squares written out here: one regression a library, solved by hand.

No function of the library is used for the truth: normal equations, residual variance, standard error, t.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.genes.footprints import footprint_scores, multivariate
from periomics.genes.regulons import factor_scores, univariate


def t_values(design, y):
    """t of every column of a design (a constant first), from the normal equations of one regression."""
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ y
    rest = y - design @ beta
    variance = rest @ rest / (len(y) - design.shape[1])
    return beta / np.sqrt(variance * np.diag(inverse))


@pytest.fixture
def drawn():
    rng = np.random.default_rng(20)
    weights = np.where(rng.random((240, 4)) < 0.25, rng.normal(size=(240, 4)), 0.0)
    expression = 3 + rng.gamma(2.0, 1.0, (240, 6)) + weights @ rng.normal(size=(4, 6))
    return weights, expression


def test_the_multivariate_model_is_plain_least_squares(drawn):
    weights, expression = drawn
    y = expression - expression.mean(axis=1, keepdims=True)
    design = np.column_stack([np.ones(240), weights])
    truth = np.column_stack([t_values(design, y[:, j])[1:] for j in range(6)])
    np.testing.assert_allclose(multivariate(weights, y), truth, rtol=1e-9)
    table = pd.DataFrame(weights, columns=list("ABCD"), index=[f"g{i}" for i in range(240)])
    rows = footprint_scores(expression, list(table.index), table)
    found = rows.pivot_table(index="score_id", columns="column", values="value").to_numpy()
    np.testing.assert_allclose(found, truth, rtol=1e-9)


def test_the_univariate_model_is_plain_least_squares(drawn):
    weights, expression = drawn
    y = expression - expression.mean(axis=1, keepdims=True)
    truth = np.array(
        [
            [t_values(np.column_stack([np.ones(240), w]), y[:, j])[1] for j in range(6)]
            for w in weights.T
        ]
    )
    np.testing.assert_allclose(univariate(weights, y), truth, rtol=1e-9)
    rows = [("ABCD"[k], f"g{i}", w) for k in range(4) for i, w in enumerate(weights[:, k]) if w]
    regulons = pd.DataFrame(rows, columns=["factor", "gene", "weight"])
    found = factor_scores(expression, [f"g{i}" for i in range(240)], regulons, 5)
    table = found.pivot_table(index="score_id", columns="column", values="value").to_numpy()
    np.testing.assert_allclose(table, truth, rtol=1e-9)


def test_the_univariate_t_is_that_of_a_correlation(drawn):
    """Another library: scipy's slope over its standard error, and its p from the same t."""
    weights, expression = drawn
    y = expression - expression.mean(axis=1, keepdims=True)
    line = stats.linregress(weights[:, 2], y[:, 4])
    assert univariate(weights, y)[2, 4] == pytest.approx(line.slope / line.stderr, rel=1e-9)


def test_four_genes_by_hand():
    """Weights 1, 1, 0, 0 and values 2, 3, 0, 1: slope 2, residuals ±1/2, so s² = 1/2, se = √(1/2), t = 2√2."""
    found = univariate(np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([[2.0], [3], [0], [1]]))
    assert found[0, 0] == pytest.approx(2 * np.sqrt(2), rel=1e-12)


def test_weights_times_a_number_and_libraries_shifted_change_nothing(drawn):
    weights, expression = drawn
    y = expression - expression.mean(axis=1, keepdims=True)
    for kernel in (univariate, multivariate):
        np.testing.assert_allclose(kernel(7 * weights, 3 * y + 5), kernel(weights, y), rtol=1e-9)
        np.testing.assert_allclose(kernel(-weights, y), -kernel(weights, y), rtol=1e-9)
