"""Families are adjusted in one place; it equals statsmodels, ties and missing values included."""

import ast
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

import periomics.core.multiplicity as m

LIBRARY = Path(m.__file__).parents[1]


@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_holm_and_bh_equal_statsmodels(size):
    rng = np.random.default_rng(size)
    for _ in range(5):
        p = rng.beta(0.3, 2, size).round(rng.integers(1, 6))
        reject, peer, _, _ = multipletests(p, 0.05, "holm")
        np.testing.assert_allclose(m.holm(p), peer, rtol=1e-12)
        assert ((p <= m.holm_levels(p, 0.05)) == reject).all()
        bh = multipletests(p, 0.05, "fdr_bh")[1]
        np.testing.assert_allclose(m.benjamini_hochberg(p), bh, rtol=1e-12)


def test_missing_hypotheses_leave_the_family():
    p = [0.01, np.nan, 0.04]
    np.testing.assert_allclose(m.holm(p), [0.02, np.nan, 0.04])
    np.testing.assert_allclose(m.holm_levels(p, 0.05), [0.025, np.nan, 0.05])
    np.testing.assert_allclose(m.benjamini_hochberg(p), [0.02, np.nan, 0.04])
    nothing = np.empty(0)
    assert m.holm(nothing).size == m.holm_levels(nothing, 0.05).size == 0
    assert np.isnan(m.benjamini_hochberg([np.nan, np.nan])).all()


def test_rows_are_families_of_their_own():
    p = np.array([[0.01, 0.04, 0.03], [0.2, np.nan, 0.001]])
    for function in (m.holm, m.benjamini_hochberg, lambda x: m.holm_levels(x, 0.05)):
        np.testing.assert_array_equal(function(p), [function(row) for row in p])


def test_nobody_else_adjusts_a_family():
    """A second Holm or Benjamini and Hochberg drifts from the first."""
    foreign = {"false_discovery_control", "multipletests", "fdrcorrection"}
    found = []
    for path in LIBRARY.rglob("*.py"):
        if path == Path(m.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node, "attr", getattr(node, "name", getattr(node, "id", "")))
            own = isinstance(node, ast.FunctionDef) and any(
                w in node.name.lower() for w in ("holm", "benjamini", "hochberg")
            )
            if name in foreign or own:
                found.append((path.name, node.lineno, name))
    assert not found
