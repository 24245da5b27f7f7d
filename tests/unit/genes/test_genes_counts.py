"""The negative binomial fit: coefficients beside statsmodels, dispersions beside brute force, trend, prior, outliers, lengths."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import special, stats

from periomics.genes.count_model import cooks_distance, fit_counts
from periomics.genes.design import model_matrix, with_design
from periomics.genes.dispersion import (
    estimate_dispersions,
    own_dispersions,
    parametric_trend,
    prior_variance,
)
from periomics.genes.model import against_margin, fit_contrasts
from periomics.genes.negative_binomial import adjusted_likelihood, fit_means
from periomics.genes.normalise import scales
from periomics.study.settings.genes import GeneTests

MATRIX = np.column_stack([np.ones(8), np.repeat([0, 1], 4), np.tile([0, 1], 4)]).astype(float)
SCALE = np.array([0.7, 1.0, 1.3, 0.9, 1.1, 0.8, 1.2, 1.0])


def draw(seed, genes=300, matrix=MATRIX, scale=SCALE, spread=0.4, change=0.0):
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(4.5, 1.3, genes))
    alpha = (0.05 + 2 / mean) * np.exp(rng.normal(0, spread, genes))
    sign = rng.choice([-1, 1], genes)[:, None]
    mu = mean[:, None] * scale * np.exp(change * sign * matrix[:, 1])
    counts = rng.poisson(rng.gamma(1 / alpha[:, None], mu * alpha[:, None])).astype(float)
    keep = counts.sum(axis=1) >= 10
    return counts[keep], alpha[keep], mean[keep]


def test_coefficients_and_errors_are_those_of_a_regression_gene_by_gene():
    counts, alpha, _ = draw(1, 40)
    out = fit_means(counts, MATRIX, np.broadcast_to(SCALE, counts.shape), alpha)
    for i in np.flatnonzero(counts.min(axis=1) > 5):
        family = sm.families.NegativeBinomial(alpha=alpha[i])
        peer = sm.GLM(counts[i], MATRIX, family=family, offset=np.log(SCALE)).fit(tol=1e-12)
        assert out.beta[i] == pytest.approx(peer.params, abs=1e-4)
        assert np.sqrt(np.diag(out.covariance[i])) == pytest.approx(peer.bse, rel=1e-3)
        assert out.mean[i] == pytest.approx(peer.mu, rel=1e-3)
        assert out.leverage[i].sum() == pytest.approx(3, abs=1e-3)


def test_genes_without_counts_in_an_arm_stay_finite():
    counts, alpha, _ = draw(2, 40)
    counts[0, :4], counts[1, 4:] = 0, 0
    out = fit_means(counts, MATRIX, np.broadcast_to(SCALE, counts.shape), alpha)
    assert np.isfinite(out.beta).all()
    assert out.beta[0, 1] > 3
    assert out.beta[1, 1] < -3


def test_the_slope_of_the_likelihood_is_that_of_its_value():
    counts, _, mean = draw(3, 30)
    mu = mean[: len(counts), None] * SCALE
    for log in (-9.0, -3.0, 0.5):
        at = np.full(len(counts), log)
        up, down = (adjusted_likelihood(counts, mu, MATRIX, at + e)[0] for e in (1e-4, -1e-4))
        slope = adjusted_likelihood(counts, mu, MATRIX, at)[1]
        assert slope == pytest.approx((up - down) / 2e-4, rel=1e-3, abs=1e-3)


def test_own_dispersions_are_at_the_top_of_the_adjusted_likelihood():
    """Within .02 in log likelihood: the climb is left where little is gained."""
    counts, _, _ = draw(4, 120)
    own, mu = own_dispersions(counts, MATRIX, np.broadcast_to(SCALE, counts.shape))
    checked = 0
    for i in np.flatnonzero(own > 1e-3)[:40]:
        grid = np.append(np.linspace(np.log(1e-6), np.log(8), 1500), np.log(own[i]))
        r = np.exp(-grid)[:, None]
        value = stats.nbinom.logpmf(counts[i], r, r / (r + mu[i])).sum(axis=1)
        for k, w in enumerate(1 / (1 / mu[i] + 1 / r)):
            value[k] -= 0.5 * np.linalg.slogdet(MATRIX.T @ (MATRIX * w[:, None]))[1]
        checked += 0 < value[:-1].argmax() < 1499
        assert value[-1] > value.max() - 0.02
    assert checked > 25


def test_trend_and_prior_are_those_the_counts_were_drawn_from():
    matrix = np.column_stack([np.ones(12), np.repeat([0, 1], 6)]).astype(float)
    scale = np.ones(12)
    counts, alpha, _ = draw(5, 5000, matrix, scale, spread=0.9)
    out = estimate_dispersions(counts, matrix, np.ones_like(counts))
    assert out.coefficients == pytest.approx((0.05 * np.exp(0.4), 2 * np.exp(0.4)), rel=0.15)
    assert out.prior == pytest.approx(0.81, rel=0.2)
    missed, own_missed = (np.mean(np.log(d / alpha) ** 2) for d in (out.used, out.own))
    assert missed < 0.5 * own_missed


@pytest.mark.parametrize("freedom", [1, 3, 4, 10])
@pytest.mark.parametrize("variance", [0.5, 1.5])
def test_the_prior_is_recovered_from_few_degrees_of_freedom(freedom, variance):
    """The smooth line of the divergence lifts small variances: .5 is given as .6 at three degrees of freedom."""
    rng = np.random.default_rng(freedom)
    chance = np.log(rng.chisquare(freedom, 40_000) / freedom)
    ratio = chance + rng.normal(0, np.sqrt(variance), 40_000)
    found, spread = prior_variance(ratio, freedom)
    assert found == pytest.approx(variance, abs=0.15 if freedom <= 3 else 0.35)
    assert spread == pytest.approx(variance + special.polygamma(1, freedom / 2), rel=0.35)


def test_a_trend_that_cannot_be_is_no_trend():
    mean = np.exp(np.linspace(1, 8, 200))
    assert parametric_trend(mean, 0.3 + 2 / mean) == pytest.approx((0.3, 2.0), rel=1e-6)
    assert parametric_trend(mean, mean / 1000) is None


def kinds(n):
    return np.column_stack([np.ones(2 * n), np.repeat([0, 1], n)]).astype(float)


@pytest.mark.parametrize(("n", "is_replaced"), [(4, False), (8, True)])
def test_a_count_far_from_its_arm_is_left_out_or_replaced(n, is_replaced):
    matrix, scale = kinds(n), np.ones(2 * n)
    counts, _, _ = draw(6, 400, matrix, scale, spread=0.2)
    wide = np.flatnonzero(counts.min(axis=1) > 20)[:3]
    spoilt = counts.copy()
    spoilt[wide, 2] *= 100
    clean, out = (fit_counts(c, matrix, np.ones_like(c)) for c in (counts, spoilt))
    assert out.outlier[wide].all() == (not is_replaced)
    assert out.outlier.sum() <= 3 + 2
    vector = np.array([0.0, 1.0])
    moved = np.abs(out.contrast(vector)[0] - clean.contrast(vector)[0])[wide]
    assert (moved < 0.7).all() == is_replaced
    assert (out.mean[wide] < 2 * clean.mean[wide]).all() == is_replaced


def test_a_gene_of_one_count_far_from_no_others_is_not_tested():
    """Where the only count is the outlier nothing is left after it is replaced: no change, and none named."""
    matrix, scale = kinds(8), np.ones(16)
    counts, _, _ = draw(6, 400, matrix, scale, spread=0.2)
    counts[5] = 0
    counts[5, 2] = 500
    fit = fit_counts(counts, matrix, np.ones_like(counts))
    change, error = fit.contrast(np.array([0.0, 1.0]))
    assert fit.outlier[5]
    assert (fit.mean[5], change[5], error[5]) == (0, 0, 0)
    found = table_of(counts, reference="normal").iloc[5]
    assert np.isnan(found["p"]) and np.isnan(found["padj_normal"])


def test_cooks_distance_is_that_of_leaving_the_sample_out():
    """For a linear model it is exact; here the count model is near one: large means, small dispersion."""
    matrix = kinds(4)
    rng = np.random.default_rng(7)
    counts = rng.normal(10_000, 2000, (1, 8)).round()
    one = np.ones_like(counts)
    means = fit_means(counts, matrix, one, np.full(1, 0.04))
    found = cooks_distance(counts, one, means, kinds=np.repeat([0, 1], 4), coefficients=2)[0]
    mu = means.mean[0]
    for i in range(8):
        rest = np.arange(8) != i
        less = fit_means(counts[:, rest], matrix[rest], one[:, rest], np.full(1, 0.04)).mean[0]
        moved = mu.copy()
        moved[rest] = less
        moved[i] = less[0 if i > 3 else -1] if (i in (0, 7)) else moved[i]
        same = rest & (np.repeat([0, 1], 4) == (i > 3))
        change = np.sum((mu[same] - moved[same]) ** 2) * 4 / 3
        assert found[i] == pytest.approx(change / (mu[i] + 0.04 * mu[i] ** 2) / 2, rel=0.35)


def table_of(counts, lengths=None, **settings):
    ids = [f"s{i}" for i in range(counts.shape[1])]
    rows = {"specimen_id": ids, "animal_id": ids, "unit": "animal", "time": 0.0}
    half = counts.shape[1] // 2
    design = with_design(
        pd.DataFrame({**rows, "group": ["A"] * half + ["B"] * half}), "group", (), "x"
    )
    genes = [f"g{i:04d}" for i in range(len(counts))]
    frame, long = (
        None if x is None else pd.DataFrame(x, genes, ids) for x in (counts.astype(int), lengths)
    )
    weights = {"c": {"B": 1, "A": -1}}
    return fit_contrasts(
        frame, model_matrix(design), weights, {}, GeneTests(**settings), lengths=long
    )["c"].set_index("gene_id")


def test_lengths_take_out_what_longer_transcripts_add():
    matrix, scale = kinds(5), np.ones(10)
    counts, _, _ = draw(8, 600, matrix, scale)
    lengths = np.full(counts.shape, 2000.0)
    lengths[:100, 5:] = 4000.0
    rng = np.random.default_rng(1)
    longer = counts.copy()
    longer[:100, 5:] = rng.poisson(2 * counts[:100, 5:])
    plain, corrected, before = (
        table_of(longer),
        table_of(longer, lengths),
        table_of(counts, np.full(counts.shape, 700.0)),
    )
    switched = [f"g{i:04d}" for i in range(100)]
    others = plain.index.difference(switched)
    assert plain.loc[switched, "log2FC"].median() == pytest.approx(1, abs=0.15)
    assert corrected.loc[switched, "log2FC"].median() == pytest.approx(0, abs=0.1)
    assert (plain.loc[switched, "p"] < 0.05).mean() > 0.4
    assert (corrected.loc[switched, "p"] < 0.05).mean() < 0.12
    near = corrected.loc[others, "log2FC"] - before.loc[others, "log2FC"]
    assert near.abs().median() < 0.05
    # Lengths that do not differ between samples change nothing.
    without = table_of(counts)
    assert np.allclose(before["log2FC"], without["log2FC"], atol=1e-3)
    assert np.allclose(before["p"], without["p"], atol=1e-4)


def test_scales_with_lengths_have_the_geometric_mean_one_in_each_gene():
    counts, _, _ = draw(9, 50)
    lengths = np.random.default_rng(2).uniform(500, 5000, counts.shape)
    out = scales(counts, lengths)
    assert np.log(out).mean(axis=1) == pytest.approx(0, abs=1e-12)
    ratio = out / lengths
    factors = ratio / ratio[:, :1]
    assert factors == pytest.approx(np.broadcast_to(factors[0], factors.shape))


@pytest.mark.parametrize("reference", ["moderated", "normal"])
@pytest.mark.parametrize("n", [3, 6])
def test_at_the_margin_neither_side_is_claimed_too_often(reference, n):
    """True changes of exactly the margin: p_beyond and p_within below .05 in .05 of the genes at most (.08 for the normal)."""
    matrix, scale = kinds(n), np.ones(2 * n)
    beyond, within = [], []
    for seed in range(5):
        counts, _, _ = draw(20 + seed, 1500, matrix, scale, change=np.log(2))
        flat, _, _ = draw(40 + seed, 1500, matrix, scale)
        table = table_of(np.vstack([counts, flat]), reference=reference)
        at = table.loc[[f"g{i:04d}" for i in range(len(counts))]]
        beyond.append((at["p_beyond"] < 0.05).mean())
        within.append((at["p_within"] < 0.05).mean())
    most = 0.055 if reference == "moderated" else 0.10
    assert 0.02 < np.mean(beyond) < most
    assert 0.01 < np.mean(within) < most


def test_margins_split_clear_genes_and_leave_wide_ones_open():
    test = pd.DataFrame(
        {"change": [3.0, 0.05, 0.5, -3.0], "error": [0.2, 0.2, 2.0, 0.2], "df": 10.0, "p": 0.5}
    )
    out = against_margin(test, test["change"].to_numpy(), 1.0)
    assert (out["padj_beyond"] < 0.05).tolist() == [True, False, False, True]
    assert (out["padj_within"] < 0.05).tolist() == [False, True, False, False]
    assert out.at[1, "p_within"] == pytest.approx(stats.t.sf(0.95 / 0.2, 10))
    against = against_margin(test, -test["change"].to_numpy(), 1.0)
    assert (against["p_beyond"] > 0.5).all()
