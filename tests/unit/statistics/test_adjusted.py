"""Contrasts adjusted for blocks and covariates: the same as Welch without them, as statsmodels with them, and at their level."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from periomics.statistics.kernels.adjusted import adjust
from periomics.statistics.kernels.contrasts import interval, summarise
from periomics.statistics.kernels.rescue import fieller

W = [-0.3, -0.7, 0, 1.0]
ARM = np.repeat(range(4), 6)
BLOCK = np.tile([0, 0, 1, 1, 2, 2], 4)


def several(form):
    """Estimate, standard error and degrees of freedom."""
    return [np.asarray(x, float) for x in form[:3]]


def test_without_blocks_it_is_welch():
    rng = np.random.default_rng(1)
    y = rng.normal(50, 5, (50, 3, 24))
    y[rng.random((50, 24))[:, None, :].repeat(3, axis=1) < 0.1] = np.nan
    for a, b in zip(adjust(y, ARM, 4).form(W), summarise(y, ARM, 4).form(W), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_estimates_and_standard_errors_are_those_of_statsmodels():
    rng = np.random.default_rng(2)
    weight = rng.normal(180, 10, 24)
    y = rng.normal(50, 5, (20, 24)) + 4.0 * BLOCK + 0.1 * weight
    y[rng.random((20, 24)) < 0.1] = np.nan
    form = adjust(y, ARM, 4, BLOCK, weight[:, None]).form(W)
    for i, values in enumerate(y):
        keep = ~np.isnan(values)
        model = np.column_stack([np.eye(4)[ARM], np.eye(3)[BLOCK][:, 1:], weight])[keep]
        peer = sm.OLS(values[keep], model).fit(cov_type="HC2").t_test(np.array([*W, 0, 0, 0]))
        assert form.estimate[i] == pytest.approx(float(peer.effect[0]), rel=1e-9)
        due, expected, _ = by_definition(values[keep], model, ARM[keep], W)
        corrected = float(peer.sd.item()) * np.sqrt(np.clip(due / expected, 2 / 3, 3 / 2))
        assert form.se[i] == pytest.approx(corrected, rel=1e-9)


def by_definition(y, x, arm, w):
    """Under the arms' working variances: the contrast's variance, the sandwich's mean, and degrees of freedom from two moments."""
    m = np.eye(len(y)) - x @ np.linalg.solve(x.T @ x, x.T)
    a = np.concatenate([w, np.zeros(x.shape[1] - 4)]) @ np.linalg.solve(x.T @ x, x.T)
    z = np.eye(4)[arm]
    s = np.linalg.solve(z.T @ m**2 @ z, z.T @ (m @ y) ** 2)
    sigma = np.diag(np.maximum(s, 0)[arm])
    q = m @ np.diag(a**2 / np.diag(m)) @ m
    mean = np.trace(q @ sigma)
    return a @ sigma @ a, mean, mean**2 / np.trace(q @ sigma @ q @ sigma)


def test_a_quiet_arm_is_not_charged_for_the_noise_of_another():
    """Coverage of the contrast of two quiet arms, and of one with the variable arm; .981 and .986 with the plain sandwich."""
    rng = np.random.default_rng(7)
    for n, blocks in ((3, [0, 1, 2]), (4, [0, 0, 1, 2])):
        arm, block = np.repeat(range(4), n), np.tile(blocks, 4)
        y = rng.normal(0, np.array([1, 2.0, 1, 1])[arm], (8000, arm.size))
        fit = adjust(y, arm, 4, block)
        for w in ([0, 0, -1, 1], [0, -1, 0, 1], [1, -1, 0, 0]):
            lower, upper = interval(fit.form(w), 0.95)
            assert 0.935 < ((lower <= 0) & (upper >= 0)).mean() < 0.973, (n, w)


def test_degrees_of_freedom_are_those_of_their_definition():
    rng = np.random.default_rng(3)
    y = rng.normal(0, 1 + ARM, (10, 24))
    form = adjust(y, ARM, 4, BLOCK).form(W)
    x = np.column_stack([np.eye(4)[ARM], np.eye(3)[BLOCK][:, 1:]])
    np.testing.assert_allclose(form.df, [by_definition(v, x, ARM, W)[2] for v in y], rtol=1e-9)


def test_every_study_may_have_weights_of_its_own():
    rng = np.random.default_rng(4)
    y = rng.normal(0, 1, (7, 24))
    y[3:, 2] = np.nan
    fit, x = adjust(y, ARM, 4, BLOCK), rng.normal(0, 2, 7)
    own = fit.form(np.stack([-x, x - 1, 0 * x, 0 * x + 1], axis=-1))
    for i, r in enumerate(x):
        for a, b in zip(own[:3], fit.form([-r, r - 1, 0, 1])[:3], strict=True):
            assert a[i] == pytest.approx(b[i], rel=1e-9)


def test_means_of_arms_lie_where_the_animals_are():
    rng = np.random.default_rng(14)
    y = rng.normal(50, 1, 24) + 3.0 * BLOCK
    np.testing.assert_allclose(adjust(y, ARM, 4, BLOCK).mean, summarise(y, ARM, 4).mean, rtol=1e-9)


def test_blocks_and_scale_drop_out():
    rng = np.random.default_rng(5)
    y = rng.normal(0, 1, 24)
    plain = several(adjust(y, ARM, 4, BLOCK).form(W))
    moved = several(adjust(y + 1e4 * BLOCK + 1e6, ARM, 4, BLOCK).form(W))
    np.testing.assert_allclose(moved, plain, rtol=1e-6)
    scaled = several(adjust(1000 * y, ARM, 4, BLOCK).form(W))
    np.testing.assert_allclose(scaled, [1000 * plain[0], 1000 * plain[1], plain[2]], rtol=1e-9)


@pytest.mark.parametrize(
    ("n", "blocks", "sds", "low"),
    [
        (3, 3, (1, 1, 1, 1), 0.93),
        (4, 2, (1, 1, 2, 2), 0.93),
        (6, 3, (1, 1, 1, 1), 0.93),
        (6, 3, (1, 3, 1, 1), 0.93),
        (8, 4, (1, 1, 2, 2), 0.93),
        (10, 5, (2, 1, 1, 3), 0.93),
    ],
)
def test_coverage_with_blocks(n, blocks, sds, low):
    """Beside the table in docs/statistics.md: near .95 with unequal variances too, a little more with three animals per arm."""
    rng = np.random.default_rng(6)
    arm, block = np.repeat(range(4), n), np.tile(np.arange(n) * blocks // n, 4)
    studies = 4000
    y = (
        rng.standard_normal((studies, 4 * n)) * np.asarray(sds)[arm]
        + rng.standard_normal((studies, blocks))[:, block]
    )
    lower, upper = interval(adjust(y, arm, 4, block).form([0, -1, 0, 1]), 0.95)
    hits = int(((lower <= 0) & (upper >= 0)).sum())
    found = stats.binomtest(hits, studies).proportion_ci(0.99)
    assert found.high >= low and found.low <= 0.975, hits / studies


def test_fieller_with_blocks_covers_and_agrees_with_the_linear_form():
    rng = np.random.default_rng(7)
    studies = 3000
    y = rng.standard_normal((studies, 24)) + rng.standard_normal((studies, 3))[:, BLOCK]
    y += 2.5 * np.array([1, 0, 0.05, 0.7])[ARM]
    fit = adjust(y, ARM, 4, BLOCK)
    found = fieller(fit, 0, 1, 3)
    inside = np.where(
        found.bounded,
        (found.lower <= 0.7) & (found.upper >= 0.7),
        (found.lower >= 0.7) | (found.upper <= 0.7),
    )
    inside |= np.isnan(found.lower)
    assert 0.93 <= inside.mean() <= 0.975
    lower, upper = interval(fit.form([-0.7, -0.3, 0, 1]), 0.95)
    np.testing.assert_array_equal(inside, (lower <= 0) & (upper >= 0))


@pytest.mark.parametrize("deficit", [1.0, 200.0])
def test_fieller_where_animals_are_missing_and_no_set_or_some_are_unbounded(deficit):
    """Study by study the same as all at once, also where no set is unbounded."""
    rng = np.random.default_rng(9)
    y = rng.standard_normal((40, 24)) + deficit * np.array([1, 0, 0.05, 0.7])[ARM]
    y[rng.random(y.shape) < 0.1] = np.nan
    found = fieller(adjust(y, ARM, 4, BLOCK), 0, 1, 3)
    assert found.bounded.all() if deficit == 200 else not found.bounded.all()
    alone = [fieller(adjust(one, ARM, 4, BLOCK), 0, 1, 3) for one in y]
    for name in ("R", "lower", "upper", "bounded"):
        np.testing.assert_allclose(
            getattr(found, name), [getattr(a, name) for a in alone], rtol=1e-7
        )


def test_what_cannot_be_told_apart_has_no_inference():
    rng = np.random.default_rng(8)
    y = rng.normal(0, 1, 24)
    form = adjust(y, ARM, 4, (ARM == 3).astype(int)).form(W)
    assert np.isnan(form.estimate) and np.isnan(form.se)
    assert np.isfinite(adjust(y, ARM, 4, (ARM == 3).astype(int)).form([1, -1, 0, 0]).se)
    for empty in (
        np.full(24, np.nan),
        np.where(ARM == 3, np.nan, y),
        np.where((ARM == 3) & (np.arange(24) > 18), np.nan, y),
    ):
        assert np.isnan(adjust(empty, ARM, 4, BLOCK).form(W).se)
    assert np.isnan(adjust(np.full(24, 7.3), ARM, 4, BLOCK).form(W).se)


def test_many_patterns_of_missing_animals_are_each_their_own_study():
    rng = np.random.default_rng(9)
    y = rng.normal(0, 1, (60, 24))
    y[rng.random((60, 24)) < 0.15] = np.nan
    together = adjust(y, ARM, 4, BLOCK).form(W)
    for i, values in enumerate(y):
        np.testing.assert_allclose(
            several(adjust(values, ARM, 4, BLOCK).form(W)), [x[i] for x in together[:3]], rtol=1e-8
        )
