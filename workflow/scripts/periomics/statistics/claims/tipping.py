"""How far animals without a value would have to lie against a supported claim before it no longer stood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.special import ndtri

from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.graph import ends_of
from periomics.statistics.claims.judging import claim_forms
from periomics.statistics.claims.plan import Claim
from periomics.statistics.claims.repeated import with_all
from periomics.statistics.kernels import position
from periomics.statistics.kernels.discrete import ExactForms
from periomics.study.claims import COMPOSITE, NO_BENEFIT

COLUMNS = ("n_missing", "tipping_sd")
# In SD within arms: beyond REACH nothing is said but that the verdict holds up to there.
STEP, REACH = 0.1, 5.0


def with_tipping(
    verdicts: pd.DataFrame,
    analysis: Analysis,
    sheet: pd.DataFrame,
    everyone: Analysis | None = None,
) -> pd.DataFrame:
    """Verdicts with how many animals of the contrasted arms have no value, and the point at which these would tip a supported one.

    Parameters
    ----------
    verdicts
        `judging.verdict_table`.
    analysis
        What it was judged on.
    sheet
        The animals sheet: who could have had a value.
    everyone
        The same plan on animals of which nothing was left out; nothing where nothing was. An animal
        that has a value there was left out, which `excluded.beside_all` judges, and is not missing.

    Returns
    -------
    DataFrame
        With `n_missing` and `tipping_sd`, the least distance against the claim, in SD within its arm, of every animal without a value
        at which the claim is no longer supported at its level; empty where nothing is missing, where the claim is not
        supported, and, as the reason says, where it holds up to `REACH` SD. Yes or no, grades, the healing index and claims within units
        have none, nor have outcomes that more than half of an arm lack, which were not meant to be measured in all.

    Notes
    -----
    Delta adjustment: the missing take the quantiles of a normal distribution with their arm's SD, moved against the claim in both of its
    sides at once. The level stays that of the verdict.
    """
    out = verdicts.assign(n_missing=np.nan, tipping_sd=np.nan)
    claims = {c.id: c for c in analysis.plan.claims}
    supported = out[np.isin(out["verdict"].astype(str), (v.SUPPORTED, v.SMALL))]
    if supported.empty:
        return out
    ready = analysis.of(with_all(analysis))
    whole = everyone.of(with_all(everyone)) if everyone is not None else ready
    for i, row in supported.iterrows():
        claim, outcome = claims[str(row["claim_id"])], str(row["outcome"])
        if outcome not in claim.outcomes or outcome == COMPOSITE or claim.kind == "association":
            continue
        missing = _missing(whole, claim, outcome, float(row["time"]), sheet)
        if not len(missing):
            continue
        out.at[i, "n_missing"] = len(missing)
        found = _tipping(ready, claim, outcome, row, missing)
        out.at[i, "tipping_sd"] = found
        n = f"{len(missing)} animals have" if len(missing) > 1 else "1 animal has"
        if np.isfinite(found):
            word = f"stands unless they lie {found:.1f} SD or more against it"
        else:
            word = f"stands where they lie up to {REACH:g} SD against it"
        out.at[i, "reason"] = "; ".join(
            x for x in (str(row["reason"]), f"{n} no value: it {word}") if x
        )
    return out


def _missing(
    analysis: Analysis, claim: Claim, outcome: str, time: float, sheet: pd.DataFrame
) -> pd.DataFrame:
    """Animals of the sheet, of the arms that the claim weighs, without a value even where nothing
    is left out: animal_id, group, block."""
    arms = list(analysis.plan.weights_of(claim))
    could = sheet[(sheet["unit"] == "animal") & sheet["group"].isin(arms)]
    own = _rows(analysis, claim, outcome, time)
    none = could[~could["animal_id"].isin(own["animal_id"])]
    lacking = none["group"].value_counts() / could["group"].value_counts()
    whole = own["unit_of_analysis"].eq("animal").all() and len(own) > 0
    return none if whole and not (lacking > 0.5).any() else none.iloc[:0]


def _rows(analysis: Analysis, claim: Claim, outcome: str, time: float) -> pd.DataFrame:
    table = analysis.animals
    own = table[(table["outcome"] == outcome) & (table["variant"] == claim.variant)]
    return own[own["time"].isna() if np.isnan(time) else np.isclose(own["time"], time)]


def _tipping(
    analysis: Analysis, claim: Claim, outcome: str, row: pd.Series, missing: pd.DataFrame
) -> float:
    """The least distance at which the verdict falls; NaN where it does not."""
    tails = 2 if claim.kind in NO_BENEFIT else 1
    claimed, refuted, improved = (
        np.asarray((1 - float(row[c])) / tails if np.isfinite(row[c]) else np.nan)
        for c in ("level", "level_refuted", "level_improved")
    )
    own = _rows(analysis, claim, outcome, float(row["time"]))

    def stands(distance: float) -> bool:
        """Whether the claim is still supported with the missing so far against it."""
        sign = analysis.direction(outcome) * (-1 if claim.kind in NO_BENEFIT else 1)
        shift = {
            arm: -sign * np.sign(w) * distance for arm, w in analysis.plan.weights_of(claim).items()
        }
        moved = pd.concat([analysis.animals, *_placed(own, missing, shift)], ignore_index=True)
        forms, _ = claim_forms(analysis.of(moved), claim, outcome)
        if isinstance(forms, ExactForms):
            return True
        ends = ends_of(claim.kind, forms, claimed, refuted, improved)
        return bool(v.passed(v.judge(claim.kind, *ends[0], *ends[1], *ends[2])).all())

    low, high = 0.0, REACH
    if stands(high):
        return np.nan
    if not stands(low):
        return 0.0
    while high - low > STEP / 2:
        middle = (low + high) / 2
        low, high = (middle, high) if stands(middle) else (low, middle)
    return round(high / STEP) * STEP


def _placed(
    own: pd.DataFrame, missing: pd.DataFrame, shift: Mapping[str, float]
) -> Iterator[pd.DataFrame]:
    """Rows for the missing of each arm: normal quantiles about its mean, shifted by so many of its SD."""
    code = position.CODES[str(own["scale"].iloc[0])]
    for arm, part in missing.groupby("group", sort=True):
        seen, k = own[own["condition"] == arm], len(part)
        spread = float(seen["analysis"].std(ddof=1))
        quantiles = ndtri((np.arange(k) + 0.5) / k) * spread
        values = seen["analysis"].mean() + shift[str(arm)] * spread + quantiles
        values = np.clip(values, *_possible(seen, code))
        rows = pd.concat([seen.iloc[:1]] * k, ignore_index=True)
        yield rows.assign(
            animal_id=part["animal_id"].to_numpy(),
            block=part["block"].to_numpy(),
            analysis=values,
            value=_unit(seen, code) * position.natural(values, code),
        )


def _unit(seen: pd.DataFrame, code: int) -> float:
    """Values over natural positions: 100 where percent stand for shares; 1 where means are compared, zeros among them."""
    if code == position.IDENTITY:
        return 1.0
    return float(np.median(seen["value"] / position.natural(seen["analysis"], code)))


def _possible(seen: pd.DataFrame, code: int) -> tuple[float, float]:
    """Least and largest value on the scale of the analysis; other scales have no impossible ones."""
    if code != position.IDENTITY:
        return -np.inf, np.inf
    return float(seen["least"].iloc[0]), float(seen["most"].iloc[0])
