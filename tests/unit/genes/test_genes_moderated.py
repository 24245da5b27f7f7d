"""Moderated tests of counts: squeezing beside an independent calculation, calibration under the null, degenerate genes."""

import numpy as np
import pytest
from scipy import integrate, stats

from periomics.core.multiplicity import benjamini_hochberg
from periomics.genes.moderated import (
    adjusted_after_filter,
    contrast_test,
    fit_logs,
    squeeze,
    trigamma_inverse,
)


def draw(seed, per_arm=3, spread=0.6, genes=2000, library=0.3):
    rng = np.random.default_rng(seed)
    arms = np.repeat([0, 1], per_arm)
    mean = np.exp(rng.normal(5, 1.6, genes))
    dispersion = (0.06 + 2 / mean) * np.exp(rng.normal(0, spread, genes))
    sizes = np.exp(rng.normal(0, library, len(arms)))
    mu = mean[:, None] * sizes
    counts = rng.poisson(rng.gamma(1 / dispersion[:, None], mu * dispersion[:, None]))
    matrix = np.column_stack([np.ones(len(arms)), arms]).astype(float)
    keep = counts.sum(axis=1) >= 10
    return counts[keep].astype(float), matrix, arms, sizes


def test_trigamma_inverse_inverts_the_sum_that_trigamma_is():
    for x in (0.01, 0.7, 3.0, 250.0):
        k = np.arange(200_000)
        total = np.sum(1 / (x + k) ** 2) + 1 / (x + len(k) - 0.5)
        assert trigamma_inverse(float(total)) == pytest.approx(x, rel=1e-6)


def test_squeezed_variances_are_the_posterior_means_of_drawn_ones():
    rng = np.random.default_rng(1)
    d, prior, location = 4, 7.0, 0.3
    truth = location * prior / rng.chisquare(prior, 200_000)
    s2 = truth * rng.chisquare(d, len(truth)) / d
    out = squeeze(s2, np.full(len(s2), float(d)))
    assert out.prior == pytest.approx(prior, rel=0.05)
    assert out.location[0] == pytest.approx(location, rel=0.02)
    assert np.allclose(out.freedom, d + out.prior)
    # Posterior mean of the precision, by quadrature over the prior; its inverse is the squeezed variance.
    for i in range(3):

        def density(precision, i=i):
            return (
                stats.chi2.pdf(precision * location * prior, prior)
                * stats.chi2.pdf(precision * s2[i] * d, d)
                * precision
            )

        above = integrate.quad(lambda x: x * density(x), 0, 60)[0]
        assert out.variance[i] == pytest.approx(integrate.quad(density, 0, 60)[0] / above, rel=0.05)


def test_variances_that_differ_by_chance_only_are_pooled():
    rng = np.random.default_rng(2)
    # Two kinds of degrees of freedom, and sample variances less spread than chance makes them.
    d = np.tile([3.0, 5.0], 50)
    out = squeeze(rng.uniform(0.9, 1.1, 100), d)
    assert np.isinf(out.prior)
    assert np.ptp(out.variance) == 0
    assert (out.freedom == d.sum()).all()


def test_genes_without_freedom_take_the_location_and_few_or_constant_variances_stay():
    rng = np.random.default_rng(3)
    s2 = rng.chisquare(3, 300) / rng.chisquare(5, 300)
    s2[0], d = np.nan, np.full(300, 3.0)
    d[0] = 0
    out = squeeze(s2, d)
    assert out.variance[0] == pytest.approx(out.location[0])
    assert out.freedom[0] == pytest.approx(out.prior)
    assert squeeze(s2[1:2], d[1:2]).prior == 0
    flat = squeeze(np.zeros(5), np.full(5, 3.0))
    assert flat.prior == 0
    assert (flat.variance == 0).all()


@pytest.mark.parametrize("per_arm", [3, 5])
@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_under_the_null_one_p_in_twenty_is_below_a_twentieth(per_arm, spread):
    hits = total = any_named = 0
    for seed in range(5):
        counts, matrix, arms, sizes = draw(seed, per_arm, spread)
        p = contrast_test(fit_logs(counts, matrix, arms, sizes), np.array([0.0, 1.0]))["p"]
        hits, total = hits + int((p < 0.05).sum()), total + len(p)
        adjusted = adjusted_after_filter(p.to_numpy(), counts.mean(axis=1), 0.05)
        any_named += bool((adjusted < 0.05).any())
    # Binomial limits of one in ten thousand around rates of .045 and .055, as genes share size factors
    assert stats.binom.ppf(1e-4, total, 0.045) <= hits <= stats.binom.ppf(1 - 1e-4, total, 0.055)
    assert any_named <= stats.binom.ppf(1 - 1e-4, 5, 0.05)


def test_each_gene_has_the_degrees_of_freedom_of_its_arms_and_the_prior():
    counts, matrix, arms, sizes = draw(1)
    counts[0, arms == 0] = 0
    counts[1] = 0
    fit = fit_logs(counts, matrix, arms, sizes)
    assert list(fit.own_freedom[:3]) == [2, 0, 4]
    assert np.isnan(fit.own[1])
    assert np.allclose(fit.squeezed.freedom[[0, 2]], fit.own_freedom[[0, 2]] + fit.squeezed.prior)


def test_libraries_of_other_depth_and_labels_turned_round_change_only_what_they_should():
    counts, matrix, arms, sizes = draw(2)
    forward = contrast_test(fit_logs(counts, matrix, arms, sizes), np.array([0.0, 1.0]))
    turned = np.column_stack([matrix[:, 0], 1 - matrix[:, 1]])
    back = contrast_test(fit_logs(counts, turned, 1 - arms, sizes), np.array([0.0, 1.0]))
    assert np.allclose(forward["stat"], -back["stat"])
    order = np.random.default_rng(1).permutation(len(arms))
    moved = contrast_test(
        fit_logs(counts[:, order], matrix[order], arms[order], sizes[order]), np.array([0.0, 1.0])
    )
    assert np.allclose(forward["p"], moved["p"])


def test_identical_libraries_have_no_variance_and_no_p():
    counts = np.tile(np.arange(20.0, 120.0)[:, None], 6)
    matrix = np.column_stack([np.ones(6), np.repeat([0.0, 1.0], 3)])
    fit = fit_logs(counts, matrix, np.repeat([0, 1], 3), np.ones(6))
    assert "too few" in fit.reason
    assert not (contrast_test(fit, np.array([0.0, 1.0]))["p"] < 1).any()


def test_filtering_leaves_out_low_means_only_where_it_finds_more():
    rng = np.random.default_rng(4)
    mean = np.exp(rng.normal(3, 2, 3000))
    p = rng.uniform(size=3000)
    strong = (mean > 20) & (rng.random(3000) < 0.3)
    p[strong] = rng.beta(0.15, 6, strong.sum())
    out = adjusted_after_filter(p, mean, 0.05)
    plain = benjamini_hochberg(p)
    assert (out < 0.05).sum() > (plain < 0.05).sum()
    gone = np.isnan(out)
    assert gone.any()
    assert mean[gone].max() < mean[~gone].min()
    quiet = rng.uniform(size=500)
    quiet[3] = np.nan
    np.testing.assert_allclose(
        adjusted_after_filter(quiet, mean[:500], 0.05), benjamini_hochberg(quiet)
    )


def test_a_prior_follows_the_trend_over_abundance():
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 1, 20_000)
    location = np.exp(1 - 2 * x)
    s2 = location * 8 / rng.chisquare(8, len(x)) * rng.chisquare(4, len(x)) / 4
    out = squeeze(s2, np.full(len(x), 4.0), x)
    assert out.prior == pytest.approx(8, rel=0.1)
    inner = (x > 0.1) & (x < 0.9)
    assert np.allclose(out.location[inner], location[inner], rtol=0.1)
    assert squeeze(s2, np.full(len(x), 4.0)).prior < 7
