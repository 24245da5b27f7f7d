"""Animals that lost their implant: every outcome again with the lost ranked worst, beside those that were measured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from periomics.core.seeds import generator
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.estimates import confirmatory
from periomics.statistics.kernels.lost import compare_with_losses
from periomics.study.claims import COMPOSITE

COLUMNS = (
    "outcome",
    "contrast",
    "first",
    "second",
    "n_first",
    "n_second",
    "lost_first",
    "lost_second",
    "effect_available",
    "p_available",
    "effect_worst_rank",
    "lower",
    "upper",
    "p_worst_rank",
    "bias",
    "reason",
)
RETAINED = "impl_surv"


def loss_table(analysis: Analysis, seed: int) -> pd.DataFrame:
    """Sensitivity of confirmatory comparisons of two arms to animals that were lost.

    Parameters
    ----------
    analysis
        Plan, animals and dictionary; an animal whose last `impl_surv` is 0 counts as lost, and so does what was
        measured of it.
    seed
        The config's seed, for relabellings that are too many to list.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`; a row for each confirmatory outcome and contrast in whose arms an animal was lost, empty without losses.
        Effects are P(an animal of the first arm fares better) + ½ P(equal): .5 is no tendency.
    """
    plan, animals = analysis.plan, analysis.animals
    kept = animals[(animals["outcome"] == RETAINED) & (animals["unit_of_analysis"] == "animal")]
    last = kept.sort_values("time", kind="stable", na_position="first").drop_duplicates(
        "animal_id", keep="last"
    )
    gone = set(last.loc[last["value"] == 0, "animal_id"])
    rows = []
    for contrast_id, outcome, variant in confirmatory(plan) if gone else ():
        contrast = plan.contrasts[contrast_id]
        plus, minus = ([a for a, w in contrast.weights.items() if np.sign(w) == s] for s in (1, -1))
        if (
            len(plus) != 1
            or len(minus) != 1
            or contrast.trend
            or variant
            or outcome in (RETAINED, COMPOSITE)
        ):
            continue
        found = _compare(
            animals,
            gone,
            outcome,
            first=plus[0],
            second=minus[0],
            sign=analysis.direction(outcome),
            seed=seed,
            contrast=contrast_id,
        )
        if found:
            rows.append(
                {"outcome": outcome, "contrast": contrast_id, "first": plus[0], "second": minus[0]}
                | found
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _compare(
    animals: pd.DataFrame,
    gone: set[str],
    outcome: str,
    first: str,
    second: str,
    sign: float,
    seed: int,
    contrast: str,
) -> dict[str, object]:
    rows = animals[
        animals["condition"].isin([first, second]) & (animals["unit_of_analysis"] == "animal")
    ]
    own = rows[(rows["outcome"] == outcome) & (rows["variant"] == "")]
    own = own.sort_values("time", kind="stable", na_position="first").drop_duplicates(
        "animal_id", keep="last"
    )
    if own.empty:
        return {}
    each = rows.drop_duplicates("animal_id").sort_values("animal_id", kind="stable")
    each = each[each["animal_id"].isin(gone | set(own["animal_id"]))]
    lost = each["animal_id"].isin(gone).to_numpy()
    if not lost.any():
        return {}
    values = own.set_index("animal_id")["analysis"].reindex(each["animal_id"]).to_numpy(float)
    if np.isnan(sign):
        return {"reason": "no declared direction of benefit: worst is not known"}
    block = each["block"].to_numpy(str)
    block = block if all(block) else np.full(block.shape, "")
    rng = generator(seed, "estimate_contrasts", f"losses/{outcome}/{contrast}")
    found = compare_with_losses(
        sign * values, lost, (each["condition"] == first).to_numpy(), block, rng
    )
    return {
        "n_first": found.n_measured[0],
        "n_second": found.n_measured[1],
        "lost_first": found.n_lost[0],
        "lost_second": found.n_lost[1],
        "effect_available": found.available.effect,
        "p_available": found.available.p,
        "effect_worst_rank": found.worst_rank.effect,
        "lower": found.worst_rank.lower,
        "upper": found.worst_rank.upper,
        "p_worst_rank": found.worst_rank.p,
        "bias": found.bias,
        "reason": found.worst_rank.reason,
    }
