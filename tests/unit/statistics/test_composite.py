"""The healing index: by hand, blind to units, with missing domains, and its null rate."""

import numpy as np
import pytest
from scipy import stats
from studies import CLAIMS, DICTIONARY, analysed, analysis, plan, simulated

from periomics.statistics.claims import composite as h
from periomics.statistics.claims.animals import prepare
from periomics.statistics.kernels.contrasts import interval, summarise

ARM = np.repeat(range(4), 6)


def test_by_hand():
    y = np.array([[1.0, 3, 10, 14], [5.0, 5, 1, 3]])
    arm = np.array([0, 0, 1, 1])
    z = h.z_scores(np.hstack([y, y]), np.tile(arm, 2), 2, [1, -1], 0)
    # Twice 1, 3, 10, 14 about 7, and twice 5, 5, 1, 3 about 3.5
    sd = [np.sqrt(2 * (36 + 16 + 9 + 49) / 7), np.sqrt(2 * (2.25 + 2.25 + 6.25 + 0.25) / 7)]
    np.testing.assert_allclose(z[0, :4], (y[0] - 2) / sd[0])
    np.testing.assert_allclose(z[1, :4], -(y[1] - 5) / sd[1])
    index = h.healing_index(z, [0, 1], 1.0)
    np.testing.assert_allclose(index, z.mean(axis=0))
    # Two outcomes of one domain count once.
    three = np.vstack([z[0], z[0], z[1]])
    np.testing.assert_allclose(h.healing_index(three, [0, 0, 1], 1.0), z.mean(axis=0))
    np.testing.assert_allclose(h.healing_index(z, [0, 1], 1.0, [3, 1]), (3 * z[0] + z[1]) / 4)


def test_too_few_domains_are_missing_and_the_rest_keep_their_weight():
    z = np.array([[1.0, np.nan, 1], [2.0, 2, np.nan], [3.0, np.nan, np.nan]])
    np.testing.assert_allclose(h.healing_index(z, [0, 1, 2], 0.6), [2, np.nan, np.nan])
    np.testing.assert_allclose(h.healing_index(z, [0, 1, 2], 0.3), [2, 2, 1])


def test_units_and_directions_drop_out():
    rng = np.random.default_rng(1)
    y = rng.normal(0, 1, (3, 24))
    a = h.z_scores(y, ARM, 4, [1, 1, -1], 1)
    b = h.z_scores(y * [[1000], [-0.1], [3]] + [[5], [6], [7]], ARM, 4, [1, -1, -1], 1)
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_what_does_not_vary_or_has_no_diseased_animal_is_missing():
    y = np.vstack([np.full(24, 3.0), np.where(ARM == 1, np.nan, np.arange(24.0))])
    assert np.isnan(h.z_scores(y, ARM, 4, [1, 1], 1)).all()


def test_weights_do_not_follow_the_effect():
    rng = np.random.default_rng(2)
    y = rng.normal(0, 1, (3, 24))
    effect = np.array([[10.0], [0], [0]]) * (ARM == 0)
    np.testing.assert_allclose(
        h.first_component(y, ARM), h.first_component(y + effect, ARM), rtol=1e-8
    )
    assert h.first_component(y[:, :3], ARM[:3]).tolist() == pytest.approx([1 / 3] * 3)


def test_null_rate_and_power_of_the_composite():
    """8 outcomes, r = .5, n = 6, d = 1.2: power .69 with group-wise variances, beside .46 for one outcome (spec/study.md 3.6)."""
    rng = np.random.default_rng(3)
    studies, k = 6000, 8
    shared = rng.standard_normal((studies, 1, 24))
    y = np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.standard_normal((studies, k, 24))

    def rate(values):
        index = h.healing_index(h.z_scores(values, ARM, 4, np.ones(k), 1), np.arange(k), 0.6)
        lower, upper = interval(summarise(index, ARM, 4).form([0, -1, 0, 1]), 0.95)
        return int(((lower > 0) | (upper < 0)).sum())

    limits = stats.binomtest(rate(y), studies).proportion_ci(0.99)
    assert limits.low <= 0.055 and limits.high >= 0.045
    assert rate(y + 1.2 * (ARM == 3)) / studies == pytest.approx(0.69, abs=0.02)


def test_the_scale_does_not_shrink_with_the_residuals_of_a_variable_arm():
    """Diseased arm with twice the SD, four an arm: one-sided rate at .05; .065 when scaled by the SD within arms."""
    rng, arm = np.random.default_rng(4), np.repeat(range(4), 4)
    y = np.sqrt(0.4) * rng.standard_normal((20_000, 1, 16)) + np.sqrt(0.6) * rng.standard_normal(
        (20_000, 5, 16)
    )
    index = h.healing_index(
        h.z_scores(y * np.array([1, 2, 1, 1])[arm], arm, 4, np.ones(5), 1), np.arange(5), 0.6
    )
    form = summarise(index, arm, 4).form([0, -1, 1, 0])
    assert (stats.t.sf(form.estimate / form.se, form.df) <= 0.05).mean() < 0.056


def test_rows_of_a_study():
    p = plan(claims=CLAIMS["claims"][:1])
    prepared = prepare(*simulated(), DICTIONARY)
    found = h.with_index(analysis(p, prepared))
    rows = found.animals
    own = rows[rows["outcome"] == "hi"]
    assert set(own["variant"]) == {"", "weights=pca", *(f"without={d}" for d in p.domains)}
    main = own[own["variant"] == ""]
    assert len(main) == 24 and main.groupby("condition")["value"].mean()["DRUG"] == pytest.approx(
        0, abs=1e-9
    )
    assert main.groupby("condition")["value"].mean().idxmax() == "CTRL"
    assert h.with_index(found) is found


def test_no_index_without_diseased_arm_or_with_one_outcome():
    p = plan()
    prepared = prepare(*simulated(), DICTIONARY)
    one = prepared[prepared["outcome"] == "mvd"]
    assert h.with_index(analysis(p, one)).animals is one
    healthy = prepared[prepared["condition"] == "CTRL"]
    assert h.with_index(analysis(p, healthy)).animals is healthy


def test_an_outcome_that_its_batches_confound_stays_out():
    table, sheet = simulated()
    table["batch"] = np.where(
        table["outcome"] == "mvd", np.where(table["condition"] == "POST", "b2", "b1"), "b1"
    )
    rows = h.with_index(analysed(table, sheet)).animals
    own = rows[rows["outcome"] == "hi"]
    assert (
        "without=vessels" not in set(own["variant"])
        and own["scale_note"].str.contains("mvd left out").all()
    )
