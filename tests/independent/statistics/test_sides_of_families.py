"""Family-wise error of "refuted" and "improved", with a plain generator: arms of normal animals, nothing from the project's own draws."""

import numpy as np
import pytest
from scipy import stats

from periomics.statistics.claims.graph import Forms, decide
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.kernels.contrasts import Estimate

STUDIES, OUTCOMES, MARGIN = 6000, 5, 1.0


def plan_of(kind):
    claim = {
        "id": "A",
        "kind": kind,
        "contrast": "C",
        "outcomes": [f"o{i}" for i in range(OUTCOMES)],
        "correction": "holm",
        "margin": {"kind": "raw", "value": MARGIN},
    }
    return read_plan({"contrasts": {"C": {"weights": {"x": 1, "c": -1}}}, "claims": [claim]})


def studies(effect, n, seed):
    """Welch estimates of drawn studies; effects of the outcomes in SD."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((STUDIES, OUTCOMES, n)) + np.asarray(effect)[:, None]
    c = rng.standard_normal((STUDIES, OUTCOMES, n))
    parts = [a.var(axis=-1, ddof=1) / n for a in (x, c)]
    se = np.sqrt(sum(parts))
    df = se**4 / sum(v**2 / (n - 1) for v in parts)
    form = Estimate(x.mean(axis=-1) - c.mean(axis=-1), se, df)
    return Forms(
        form,
        form._replace(estimate=form.estimate - MARGIN),
        form._replace(estimate=form.estimate + MARGIN),
    )


CASES = [
    # Three outcomes at the margin, where "refuted" is false, two without an effect, where it is right.
    ("superiority", [1, 1, 1, 0, 0], 12, {"refuted", "supported, small"}, 0.025),
    ("superiority", [1, 1, 1, -3, -3], 5, {"refuted", "supported, small"}, 0.025),
    # Three without an effect, two beyond the margin.
    (
        "non_superiority",
        [0, 0, 0, 4, 4],
        5,
        {"refuted", "improved but below the margin", "improved, size unclear"},
        0.05,
    ),
    ("non_superiority", [1, 1, 1, 5, 5], 6, {"refuted"}, 0.05),
    ("equivalence", [1, 1, 1, 6, 6], 6, {"refuted"}, 0.05),
]


@pytest.mark.parametrize(("kind", "effect", "n", "words", "bound"), CASES)
def test_the_other_sides_hold_their_level(kind, effect, n, words, bound):
    forms = studies(effect, n, seed=11)
    found = decide(plan_of(kind), {"A": forms})["A"]
    wrong = np.isin(found.verdict[:, :3], list(words)).any(axis=-1).sum()
    low = stats.binomtest(int(wrong), STUDIES).proportion_ci(0.99, method="exact").low
    assert low <= bound
    # The test notices: where the rest is decided, three true nulls come near the bound.
    assert wrong / STUDIES > bound / 4


def test_each_end_is_at_the_level_of_its_side():
    forms = studies([0, 0, 0, 4, 4], 5, seed=12)
    found = decide(plan_of("non_superiority"), {"A": forms})["A"]
    e = forms.effect
    at = e.estimate - stats.t.ppf(0.5 + found.level_improved / 2, e.df) * e.se
    assert found.lower == pytest.approx(at)
    at = forms.above.estimate + stats.t.ppf(0.5 + found.level / 2, e.df) * e.se
    assert found.upper_margin == pytest.approx(at)
    assert ((found.upper_margin < 0) == (found.p_adj <= 0.05)).all()


def test_a_claim_over_all_outcomes_is_rarely_refuted_where_none_is_beyond_the_margin():
    claim = {
        "id": "A",
        "kind": "non_superiority",
        "contrast": "C",
        "outcomes": [f"o{i}" for i in range(OUTCOMES)],
        "combine": "all",
        "margin": {"kind": "raw", "value": MARGIN},
    }
    plan = read_plan({"contrasts": {"C": {"weights": {"x": 1, "c": -1}}}, "claims": [claim]})
    found = decide(plan, {"A": studies([1] * OUTCOMES, 6, seed=13)})["A"]
    wrong = int((found.overall == "refuted").sum())
    assert stats.binomtest(wrong, STUDIES).proportion_ci(0.99, method="exact").low <= 0.05
    # What is claimed is judged outcome by outcome, without correction.
    assert (found.level == 0.9).all() and wrong / STUDIES > 0.01
