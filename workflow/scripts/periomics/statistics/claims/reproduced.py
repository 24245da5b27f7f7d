"""Values of animals behind every confirmatory contrast, for the R script that repeats them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from periomics.statistics.claims import animals as a
from periomics.statistics.claims import exact
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.judging import LEVEL_OF_OTHER
from periomics.statistics.claims.plan import Contrast
from periomics.statistics.claims.refusals import refusal
from periomics.statistics.claims.repeated import with_all
from periomics.statistics.kernels.contrasts import Estimate

SCRIPT = Path(__file__).with_name("reproduce.R")
COLUMNS = (
    "line",
    "outcome",
    "contrast",
    "how",
    "unit",
    "arm",
    "weight",
    "dose",
    "block",
    "covariate_1",
    "covariate_2",
    "covariate_3",
    "value",
    "level",
    "low",
    "high",
    "least",
    "most",
    "means",
    "level_lower",
    "level_upper",
)
YES_OR_NO, GRADES = "yes or no", "grades"


def reproducible(analysis: Analysis, contrasts: pd.DataFrame) -> pd.DataFrame:
    """One row per animal (or unit and arm) of every confirmatory contrast.

    Parameters
    ----------
    analysis
        Plan, animals and dictionary.
    contrasts
        statistics/contrasts.tsv.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`; `line` is the row's line in contrasts.tsv, whose header is line 1;
        `least` and `most` are given where arithmetic means are compared, of an outcome whose
        scale `means` names; `level_lower` and `level_upper` of yes or no and grades, each end of
        which is at the level of the side that it decides (empty where that is not told).
    """
    animals = with_all(analysis)
    wanted = contrasts[(contrasts["kind"] == "confirmatory") & contrasts["p"].notna()]
    parts = []
    for place, row in wanted.iterrows():
        own = animals[
            (animals["outcome"] == row["outcome"]) & (animals["variant"] == row["variant"])
        ]
        contrast = analysis.plan.contrasts[str(row["contrast"])]
        for cut in a.cuts(own, contrast, analysis.plan.role_arms, analysis.plan.adjustment):
            if np.array_equal([cut.time], [row["time"]], equal_nan=True):
                line = contrasts.index.get_loc(place) + 2
                kind = str(analysis.dictionary["kind"].get(row["outcome"], ""))
                form = a.estimate(cut, contrast, contrast.weights)[0]
                refused = refusal(cut, form, contrast.weights, contrast.trend)
                whole = exact.all_or_none(cut, contrast.weights, refused)
                if kind in exact.KINDS:
                    own_rows = _exact_rows(cut, contrast, kind, row)
                elif whole:
                    own_rows = _exact_rows(cut, contrast, "binary", row)
                    least, most = cut.limits
                    yes = (own_rows["value"] == most).astype(float)
                    own_rows = own_rows.assign(value=yes, block="", least=least, most=most)
                else:
                    own_rows = _rows(cut, contrast)
                parts.append(own_rows.assign(line=line, level=row["level"], **_names(row)))
    return (
        pd.concat(parts, ignore_index=True)[list(COLUMNS)]
        if parts
        else pd.DataFrame(columns=list(COLUMNS))
    )


def _names(row: pd.Series) -> dict[str, object]:
    return {"outcome": row["outcome"], "contrast": row["contrast"]}


def _rows(cut: a.Cut, contrast: Contrast) -> pd.DataFrame:
    w = cut.weights(contrast.weights)[cut.arm]
    table = pd.DataFrame(
        {
            "how": _how(cut, contrast),
            "unit": np.array(cut.units)[cut.unit],
            "arm": np.array(cut.arms)[cut.arm],
            "weight": w,
            "dose": np.where(np.isnan(cut.dose) & (w < 0), 0.0, cut.dose),
            "block": cut.block if "block" in cut.adjusted_for or cut.by_block else "",
            "value": cut.analysis,
        }
    )
    for i in range(3):
        known = i < cut.covariates.shape[1]
        table[f"covariate_{i + 1}"] = cut.covariates[:, i] if known else np.nan
    form: Estimate = a.estimate(cut, contrast, contrast.weights)[0]
    least, most = cut.limits if cut.means else (np.nan, np.nan)
    ends = {"low": float(form.low), "high": float(form.high)}
    none = dict.fromkeys(("level_lower", "level_upper"), np.nan)
    table = table.assign(**ends, least=least, most=most, means=cut.means, **none)
    if contrast.trend or cut.paired:
        table = table[table["weight"] != 0]
    return table[table["value"].notna()]


def _exact_rows(cut: a.Cut, contrast: Contrast, kind: str, row: pd.Series) -> pd.DataFrame:
    """Animals of an outcome that is judged exactly; blocks as `exact.form` takes them."""
    w = cut.weights(contrast.weights)[cut.arm]
    used = (w != 0) & ~np.isnan(cut.natural)
    blocks = "block" in cut.adjusted_for if kind == "binary" else all(cut.block[used])
    table = pd.DataFrame(
        {
            "how": YES_OR_NO if kind == "binary" else GRADES,
            "unit": np.array(cut.units)[cut.unit],
            "arm": np.array(cut.arms)[cut.arm],
            "weight": w,
            "block": cut.block if blocks else "",
            "value": cut.natural,
        }
    ).assign(
        **dict.fromkeys(("dose", "low", "high", "least", "most"), np.nan),
        **{f"covariate_{i + 1}": np.nan for i in range(3)},
        means="",
    )
    ends = row["level"], row.get(LEVEL_OF_OTHER, row["level"])
    lower, upper = ends if row["sign"] >= 0 else ends[::-1]
    return table[used].assign(level_lower=lower, level_upper=upper)


def _how(cut: a.Cut, contrast: Contrast) -> str:
    side = "within" if cut.paired else "between"
    return f"slope {side}" if contrast.trend else side
