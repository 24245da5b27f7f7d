"""Natural positions tested on the outcome's scale: the sign is the natural one, the level holds, Fieller says the same."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from periomics.statistics.kernels import position
from periomics.statistics.kernels.adjusted import adjust
from periomics.statistics.kernels.contrasts import Arms, interval, summarise
from periomics.statistics.kernels.rescue import fieller, rescue_weights

ARM = np.repeat(range(3), 6)
BACK = {position.IDENTITY: lambda x: x, position.LOG: np.exp, position.LOGIT: expit}
ENDS = {position.IDENTITY: (10.0, 7.0), position.LOG: (60.0, 260.0), position.LOGIT: (0.08, 0.38)}


def located(code, R):
    """Healthy, diseased and treated on the scale of `code`, the treated at R of the way on the natural scale."""
    healthy, diseased = ENDS[code]
    m = np.array([healthy, diseased, diseased + R * (healthy - diseased)])
    return position.scaled(m, code), abs(float(np.diff(position.scaled(m[:2], code))[0]))


@pytest.mark.parametrize("code", [position.IDENTITY, position.LOG, position.LOGIT])
def test_scaled_and_natural_are_inverse_and_slope_is_the_derivative(code):
    x = np.linspace(-2, 2, 9)
    m = position.natural(x, code)
    np.testing.assert_allclose(position.scaled(m, code), x, rtol=1e-12, atol=1e-12)
    numeric = (position.natural(x + 1e-6, code) - position.natural(x - 1e-6, code)) / 2e-6
    np.testing.assert_allclose(position.slope(m, code), numeric, rtol=1e-6)


@pytest.mark.parametrize("code", [position.IDENTITY, position.LOG, position.LOGIT])
@pytest.mark.parametrize(
    "weights", [(-0.3, -0.7, 1), (-1.4, 0.4, 1), (0.5, -1.5, 1), (1, -1, 0), (-3, -7, 10)]
)
def test_the_sign_is_that_of_the_natural_form(code, weights):
    rng = np.random.default_rng(1)
    y = rng.normal(0, 1, (200, 18))
    arms = summarise(y, ARM, 3)
    natural = (np.asarray(weights) * BACK[code](arms.mean)).sum(axis=-1)
    found = position.form(arms, weights, code).estimate
    assert (np.sign(found) == np.sign(natural)).all()
    for a, b in zip(
        position.form(arms, weights, code),
        position.form(arms, 7 * np.asarray(weights), code),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_on_the_identity_scale_it_is_the_contrast():
    arms = summarise(np.random.default_rng(2).normal(0, 1, (5, 18)), ARM, 3)
    for a, b in zip(
        position.form(arms, (-0.3, -0.7, 1), 0), arms.form([-0.3, -0.7, 1]), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_standard_error_by_the_delta_method_is_that_of_many_studies():
    rng = np.random.default_rng(3)
    mean, spread = located(position.LOG, 0.5)
    y = mean[ARM] + spread / 2.5 * rng.standard_normal((20_000, 18))
    form = position.form(summarise(y, ARM, 3), (-0.5, -0.5, 1), position.LOG)
    assert np.sqrt((form.se**2).mean()) == pytest.approx(form.estimate.std(), rel=0.03)


@pytest.mark.parametrize("code", [position.LOG, position.LOGIT])
@pytest.mark.parametrize(("n", "d"), [(3, 2.5), (6, 1.2), (6, 2.5), (10, 1.2)])
@pytest.mark.parametrize("R", [0.3, 0.8])
def test_level_holds_where_raw_means_do_not(code, n, d, R):
    rng = np.random.default_rng(4)
    arm, studies = np.repeat(range(3), n), 4000
    mean, gap = located(code, R)
    y = mean[arm] + gap / d * rng.standard_normal((studies, arm.size))
    form = position.form(summarise(y, arm, 3), rescue_weights(R, 3, 0, 1, 2), code)
    for p in (
        stats.t.sf(form.estimate / form.se, form.df),
        stats.t.cdf(form.estimate / form.se, form.df),
    ):
        limits = stats.binomtest(int((p < 0.05).sum()), studies).proportion_ci(0.999)
        assert limits.low <= 0.05, (p < 0.05).mean()
    lower, upper = interval(form, 0.95)
    limits = stats.binomtest(int(((lower <= 0) & (upper >= 0)).sum()), studies).proportion_ci(0.999)
    assert limits.high >= 0.93 and limits.low <= 0.97


def test_raw_means_of_skewed_values_do_not_hold_their_level():
    """Why it is done so: twice the spread in the diseased arm, log scale, n = 6 (docs/statistics.md)."""
    rng = np.random.default_rng(5)
    mean, gap = located(position.LOG, 0.0)
    sd = gap / 2.5 * np.array([1.0, 2.0, 1.0])
    y = mean[ARM] + sd[ARM] * rng.standard_normal((4000, 18))
    truth = float((np.array([0, -1, 1]) * np.exp(mean + sd**2 / 2)).sum())
    lower, upper = interval(summarise(np.exp(y), ARM, 3).form([0, -1, 1]), 0.95)
    assert ((lower <= truth) & (upper >= truth)).mean() < 0.88


@pytest.mark.parametrize("code", [position.IDENTITY, position.LOG, position.LOGIT])
@pytest.mark.parametrize("blocks", [False, True])
def test_fieller_says_what_the_form_says_at_every_threshold(code, blocks):
    rng = np.random.default_rng(6)
    mean, gap = located(code, 0.6)
    y = mean[ARM] + gap / 2 * rng.standard_normal((300, 18))
    fit = adjust(y, ARM, 3, np.tile([0, 0, 1, 1, 2, 2], 3)) if blocks else summarise(y, ARM, 3)
    found = fieller(fit, 0, 1, 2, 0.95, code)
    assert found.bounded.any() and not found.bounded.all()
    for R in (-0.4, 0.2, 0.5, 0.8, 1.3):
        lower, upper = interval(position.form(fit, rescue_weights(R, 3, 0, 1, 2), code), 0.95)
        inside = np.where(
            found.bounded,
            (found.lower <= R) & (found.upper >= R),
            (found.lower >= R) | (found.upper <= R),
        )
        inside |= np.isnan(found.lower)
        assert ((lower <= 0) & (upper >= 0) == inside).mean() > 0.995
    p = (
        stats.t.sf(
            np.abs(position.form(fit, (1, -1, 0), code).estimate / fit.form([1, -1, 0]).se),
            fit.form([1, -1, 0]).df,
        )
        * 2
    )
    np.testing.assert_allclose(found.deficit_p, p, rtol=1e-9)


def test_rescue_in_shares_is_not_rescue_on_the_logit():
    """design.md 7.2: a raw R of .70 is .49 on the logit for necrosis (3 and 22 % of the bone)."""
    mean = logit(np.array([0.03, 0.22, 0.22 - 0.7 * 0.19]))
    arms = Arms(mean, np.full(3, 1e-6), np.full(3, 6.0))
    assert pytest.approx(0.7) == fieller(arms, 0, 1, 2, 0.95, position.LOGIT).R
    assert (
        pytest.approx((mean[2] - mean[1]) / (mean[0] - mean[1]))
        == fieller(arms, 0, 1, 2, 0.95, position.IDENTITY).R
    )
    assert pytest.approx(0.49, abs=0.01) == fieller(arms, 0, 1, 2, 0.95, position.IDENTITY).R


def test_an_empty_arm_has_no_position():
    y = np.where(ARM == 2, np.nan, np.random.default_rng(7).normal(0, 1, 18))
    assert np.isnan(position.form(summarise(y, ARM, 3), (-0.3, -0.7, 1), position.LOGIT).se)
    assert np.isfinite(position.form(summarise(y, ARM, 3), (1, -1, 0), position.LOGIT).se)
