"""Which verdicts are false in a truth, and the bounds within which rates of simulated studies must lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from periomics.statistics.claims import verdicts as v
from periomics.study.claims import DIFFERENCE

TINY = 1e-9
COVERAGE = (0.93, 0.97)
FAMILY_WISE = 0.01
# Mean of estimate − truth, on the scale of the test; the only quantity that is no share.
BIAS = "bias"
# What is false of one outcome → how often that happens to any outcome of a claim.
FAMILY_OF = {
    "false_supported": "false_family",
    "false_refuted": "false_family_refuted",
    "false_improved": "false_family_improved",
}


def false_verdicts(
    kind: str, effect: float, above: float, below: float
) -> dict[str, tuple[str, ...]]:
    """Which verdicts are false, by what they wrongly say.

    Parameters
    ----------
    kind
        Kind of claim.
    effect
        True benefit-signed effect; of a rescue claim the linear form at its threshold.
    above, below
        True effect − margin and effect + margin; NaN where there is no margin.

    Returns
    -------
    dict
        `false_supported`, `false_refuted`, `false_improved` → verdicts; a key is absent where no verdict could be false that way. At a
        boundary (a true 0) both sides are false.
    """
    out: dict[str, tuple[str, ...]]
    if kind == "gate":
        return {"false_supported": (v.SUPPORTED,)} if effect <= TINY else {}
    if kind in DIFFERENCE:
        out = {"false_supported": (v.SUPPORTED, v.SMALL)} if effect <= TINY else {}
        # Refuted says that there is no relevant improvement.
        if above >= -TINY or (np.isnan(above) and effect >= -TINY):
            out["false_refuted"] = (v.REFUTED,) if effect <= TINY else (v.REFUTED, v.SMALL)
        return out
    if kind == "rescue":
        out = {"false_supported": (v.SUPPORTED,)} if effect <= TINY else {}
        if effect >= -TINY:
            out["false_refuted"] = (v.REFUTED,)
        return out
    beyond = above >= -TINY or (kind == "equivalence" and below <= TINY)
    within = above <= TINY and (kind != "equivalence" or below >= -TINY)
    out = {"false_supported": (v.SUPPORTED, v.BELOW_MARGIN)} if beyond else {}
    if within:
        out["false_refuted"] = (v.REFUTED,)
    if kind == "non_superiority" and effect <= TINY:
        out["false_improved"] = (v.REFUTED, v.BELOW_MARGIN, v.SIZE_UNCLEAR)
    return out


def bounds(
    quantity: str, corrected: bool, alpha: float, exact: bool = False
) -> tuple[float, float]:
    """Bounds of design.md section 7.16; NaN where there is none. Exact intervals have no upper one."""
    if quantity in (*FAMILY_OF, "permutation_false") or (
        quantity in FAMILY_OF.values() and corrected
    ):
        return np.nan, alpha
    if quantity in ("coverage", "fieller coverage"):
        return (COVERAGE[0], 1.0) if exact else COVERAGE
    return np.nan, np.nan


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """Add Clopper–Pearson limits and whether each bound holds within them.

    Limits of bounded rows hold together, family-wise .01 over all of them; those of other rows are at 95 %.
    """

    out = table.copy()
    bounded = out["bound_high"].notna()
    alone = FAMILY_WISE / max(int(bounded.sum()), 1)
    k, n = out["count"].to_numpy(float), out["studies"].to_numpy(float)
    alpha = np.where(bounded, alone, 0.05)
    with np.errstate(invalid="ignore", divide="ignore"):
        lower = np.where(k > 0, stats.beta.ppf(alpha / 2, k, n - k + 1), 0.0)
        upper = np.where(k < n, stats.beta.ppf(1 - alpha / 2, k + 1, n - k), 1.0)
    rate = (n > 0) & (out["quantity"] != BIAS)
    out["lower"], out["upper"] = np.where(rate, lower, np.nan), np.where(rate, upper, np.nan)
    fine = (out["lower"] <= out["bound_high"]) & ~(out["upper"] < out["bound_low"])
    out["within"] = np.where(bounded & (n > 0), np.where(fine, "yes", "no"), "")
    return out
