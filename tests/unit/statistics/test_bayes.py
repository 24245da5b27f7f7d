"""The Bayes factor against its definition, and the figures of spec/study.md 3.3."""

import warnings

import numpy as np
import pytest
from limits import compatible
from scipy import integrate, stats

from periomics.statistics.kernels import bayes as b


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def by_definition(t, size, df, one_sided):
    """Noncentral t densities averaged over the prior, by adaptive quadrature; another route than the module's."""

    def weighted(d):
        return stats.nct.pdf(t, df, d * np.sqrt(size)) * stats.cauchy.pdf(d, 0, b.WIDTH)

    parts = [
        integrate.quad(weighted, 0, 9, limit=400)[0],
        0 if one_sided else integrate.quad(weighted, -9, 0, limit=400)[0],
    ]
    return stats.t.pdf(t, df) / (sum(parts) * (2 if one_sided else 1))


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize(("n1", "n2"), [(6, 6), (10, 10), (4, 9)])
def test_equals_its_definition(n1, n2, one_sided):
    t = np.array([-2, -0.5, 0, 1, 2.5])
    size = n1 * n2 / (n1 + n2)
    own = b.bf01(t, size, n1 + n2 - 2, improvement_only=one_sided)
    np.testing.assert_allclose(
        own, [by_definition(x, size, n1 + n2 - 2, one_sided) for x in t], rtol=1e-6
    )


def test_ceilings_of_the_specification():
    n = np.array([5, 6, 8, 10, 15, 20])
    top = b.ceiling(b.effective_n(np.stack([n, n], axis=-1)), 2 * n - 2)
    np.testing.assert_allclose(top, [2.0, 2.1, 2.3, 2.5, 2.90, 3.2], atol=0.05)
    assert top[4] == pytest.approx(2.90, abs=0.005)
    t = np.linspace(-4, 4, 81)
    assert (b.bf01(t[:, None], n / 2, 2 * n - 2) <= top + 1e-12).all()


def test_one_sided_rises_as_t_falls_towards_its_limit():
    t = np.r_[-np.inf, np.linspace(-200, 20, 400)]
    for size, df in ((1, 2), (3, 10), (60, 238)):
        f = b.bf01(t, size, df, improvement_only=True)
        assert np.isfinite(f).all() and (np.diff(f) < 1e-9).all()
        top = b.ceiling(size, df, improvement_only=True)
        assert f[0] == pytest.approx(top) and f[1] == pytest.approx(top, rel=0.02)
        assert b.bf01(0.0, size, df, improvement_only=True) == pytest.approx(b.ceiling(size, df))


@pytest.mark.parametrize(("n", "share"), [(6, 0.269), (10, 0.387)])
def test_how_often_one_sided_evidence_for_nothing_is_reached(n, share):
    """BF01 > 3 in studies without any effect: .27 at n = 6, .39 at n = 10 (exactly: a t below the value where BF01 is 3)."""
    rng = np.random.default_rng(n)
    studies = 10_000
    t = stats.ttest_ind(
        rng.normal(size=(studies, n)), rng.normal(size=(studies, n)), axis=1
    ).statistic
    hits = (b.bf01(t, n / 2, 2 * n - 2, improvement_only=True) > 3).sum()
    assert compatible(hits, studies, share)
    assert not (b.bf01(t, n / 2, 2 * n - 2) > 3).any()  # two-sided it is out of reach


def test_signs_sizes_and_nothing():
    assert b.bf01(1.7, 3, 10) == pytest.approx(b.bf01(-1.7, 3, 10))
    np.testing.assert_allclose(b.effective_n([[6, 6], [3, 9]]), [3, 27 / 12])
    assert b.effective_n([6, 6, 0, 6], [0, -1, 0, 1]) == pytest.approx(3)
    assert (
        np.isnan(b.effective_n([0, 5])) and np.isnan(b.bf01([np.nan, 1.0], [3, np.nan], 10)).all()
    )
    assert (b.bf01([60.0, 1e4], 3, 10) < 1e-8).all()
