"""Variance between animals, sections and fields: what the next study should sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from periomics.outcomes.aggregate import PLACE, one_level, sampled_rows
from periomics.study.dictionary import entry
from periomics.study.scale import applies, to_scale

COLUMNS = (
    "outcome",
    "variant",
    "scale",
    "unit",
    "level",
    "variance",
    "share",
    "n",
    "df",
    "mean_size",
    "icc",
    "design_effect",
    "reason",
)
SAMPLING_COLUMNS = (
    "outcome",
    "variant",
    "scale",
    "unit",
    "upper_level",
    "n_upper",
    "lower_level",
    "n_lower",
    "variance",
    "relative",
)
# Sections (or specimens) an animal and fields (or wells) a section for which the variance of an animal's mean is foretold.
N_UPPER, N_LOWER = (1, 2, 3, 5), (1, 2, 3, 5, 10)


class Components(NamedTuple):
    """Per level, the highest first: variance (may be negative), degrees of freedom, number of units."""

    variance: NDArray[np.float64]
    df: NDArray[np.int64]
    n: NDArray[np.int64]


def nested_components(values: ArrayLike, levels: Sequence[ArrayLike], arm: ArrayLike) -> Components:
    """Variance components of a nested sample with unequal numbers, arms held fixed, by analysis of variance.

    Parameters
    ----------
    values
        Shape (rows,), no missing value.
    levels
        Labels of the unit of each row, the highest level (animal) first, each of shape (rows,). A unit of a lower level belongs
        to the higher units it is seen with. The rows themselves are the lowest level unless the last labels already tell
        every row apart.
    arm
        Label of the fixed arm of each row, shape (rows,); a unit seen in two arms counts as two.

    Returns
    -------
    Components
        Unbiased, hence below 0 now and then; NaN where a level has no degree of freedom.

    Notes
    -----
    Sums of squares between the units of a level within those of the level above, set equal to their expectations: a
    component σ²_j adds to the sum of squares of level k Σ_c Σ_d n_d²/n_c − Σ_p Σ_d n_d²/n_p over units c of level k, p of the
    level above and d of level j within them (Henderson's first method for nested factors; Searle, Casella & McCulloch 1992 [from
    memory]).
    """
    y = np.asarray(values, float)
    codes = [_codes([arm])]
    for label in levels:
        codes.append(_codes([codes[-1], label]))
    if codes[-1].max(initial=-1) + 1 < y.size:
        codes.append(np.arange(y.size))
    size = [np.bincount(c).astype(float) for c in codes]
    n = np.array([s.size for s in size])
    df = np.diff(n)
    means = [np.bincount(c, y) / s for c, s in zip(codes, size, strict=True)]
    squares = np.array(
        [
            ((m1[c1] - m0[c0]) ** 2).sum()
            for (m0, c0), (m1, c1) in pairwise(zip(means, codes, strict=True))
        ]
    )
    k = len(df)
    weight = np.array([[_weight(codes, size, i, j) for j in range(1, k + 1)] for i in range(k + 1)])
    variance = np.full(k, np.nan)
    for level in range(k - 1, -1, -1):
        own = weight[level + 1] - weight[level]
        if df[level] > 0 and own[level] > 0:
            below = sum(own[j] * variance[j] for j in range(level + 1, k))
            variance[level] = (squares[level] - below) / own[level]
    return Components(variance, df, n[1:])


def _codes(labels: Sequence[ArrayLike]) -> NDArray[np.int64]:
    return pd.MultiIndex.from_arrays([np.asarray(a) for a in labels]).factorize()[0]


def _weight(codes: list, size: list, level: int, component: int) -> float:
    """Σ over units c of `level` of Σ n_d²/n_c over units d of the component's level; n_c where d is not smaller than c."""
    if component <= level:
        return float(size[level].sum())
    parent = np.zeros(size[component].size, int)
    parent[codes[component]] = codes[level]
    return float((size[component] ** 2 / size[level][parent]).sum())


def variance_of_mean(variance: ArrayLike, numbers: ArrayLike) -> float:
    """Variance of an animal's mean: σ²_animal + σ²_section / s + σ²_field / (s f) …

    Parameters
    ----------
    variance
        Components, the animal's first.
    numbers
        Units of each lower level in a unit of the level above.
    """
    counts = np.concatenate([[1.0], np.cumprod(np.asarray(numbers, float))])
    return float((np.asarray(variance, float) / counts).sum())


def variance_tables(
    joined: pd.DataFrame, dictionary: pd.DataFrame, exclusions: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Components of each outcome by level, and what sections and fields do to the variance of an animal's mean.

    Parameters
    ----------
    joined
        Measurements with design columns (`join_design`), cultures normalised.
    dictionary
        resources/outcomes.tsv: the scale of each outcome.
    exclusions
        The exclusions sheet.

    Returns
    -------
    variance
        Columns `COLUMNS`, one row per outcome, scale and level; default variants only. `scale` is `identity` for the natural unit
        and the outcome's own scale where it has one that fits every row. Arms (condition, dose, time) are held fixed. A component below
        0 is given as 0 and says so. Of a unit of the level: `icc` is the share of its variance that lies between animals and
        `design_effect` how many times too small the variance of an arm's mean becomes where such units are taken for animals;
        `mean_size` is how many of them a unit of the level above holds.
    sampling
        Columns `SAMPLING_COLUMNS`: `variance` of an animal's mean for other numbers of sections and fields, `relative` to the
        variance between animals alone (1: nothing left to gain from sampling more within the animal).
    """
    df = sampled_rows(joined, exclusions)
    df = df[
        (df["excluded"] == "")
        & ~df["superseded"]
        & (df["qc"] != "fail")
        & df["value"].notna()
        & (df["variant"] == "")
    ]
    rows: list[dict[str, object]] = []
    sampling: list[dict[str, object]] = []
    for outcome, part in df.groupby("outcome", sort=True):
        known = entry(dictionary, str(outcome))
        if known["kind"] in ("binary", "ordinal"):
            continue
        for scale, table in _scales(_readings(part, known), str(known["scale"])):
            base = {
                "outcome": outcome,
                "variant": "",
                "scale": scale,
                "unit": table["unit"].iloc[0] if scale == "identity" else "",
            }
            found = _outcome(table)
            rows += [base | r for r in found]
            sampling += [base | r for r in _sampling(found)]
    return pd.DataFrame(rows, columns=list(COLUMNS)), pd.DataFrame(
        sampling, columns=list(SAMPLING_COLUMNS)
    )


def _readings(part: pd.DataFrame, known: pd.Series) -> pd.DataFrame:
    """Rows of the level that the outcome is aggregated from, several readers and regions averaged."""
    part = one_level(part, str(known["aggregation"]))
    part = part.assign(
        arm=_codes([part["condition"], part["dose"].fillna(-1.0), part["time"].fillna(-1.0)])
    )
    keys = ["arm", "animal_id", *PLACE, "unit_of_analysis", "level", "unit"]
    numbers = part.groupby(keys, sort=True)[["value", "numerator", "denominator"]]
    return numbers.mean().reset_index()


def _scales(rows: pd.DataFrame, own: str) -> Iterator[tuple[str, pd.DataFrame]]:
    if rows.empty:
        return
    yield "identity", rows
    if own != "identity":
        values, _ = to_scale(
            rows["value"], own, str(rows["unit"].iloc[0]), rows["numerator"], rows["denominator"]
        )
        if applies(rows["value"], values):
            yield own, rows.assign(value=values)


def _outcome(rows: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of `variance_tables` of one outcome and scale, without outcome and scale."""
    top = rows["unit_of_analysis"].iloc[0] or "animal"
    names, labels = [top], [rows["animal_id"]]
    for column in PLACE:
        finer = len(set(zip(rows["arm"], *labels, rows[column], strict=True)))
        if finer > len(set(zip(rows["arm"], *labels, strict=True))):
            lowest = rows["level"].iloc[0] if column == "field_id" else ""
            names.append(lowest if lowest in ("well", "field") else column.removesuffix("_id"))
            labels.append(rows[column])
    found = nested_components(rows["value"], labels, rows["arm"])
    variance, n = found.variance, found.n
    reasons = [
        "" if d > 0 else "no two units of this level in one of the level above" for d in found.df
    ]
    reasons = [
        r or ("" if v >= 0 else "estimated below 0, given as 0")
        for r, v in zip(reasons, variance, strict=True)
    ]
    if len(names) == 1:
        reasons[0] = "; ".join(
            filter(None, [reasons[0], f"sampled once: what varies within the {top} is part of it"])
        )
    variance = np.maximum(variance, 0.0)
    total = variance.sum()
    sizes = n[1:] / n[:-1]
    out = []
    for k, name in enumerate(names):
        of_unit = variance[: k + 1].sum() + (
            variance_of_mean([0.0, *variance[k + 1 :]], sizes[k:]) if k + 1 < len(names) else 0.0
        )
        of_animal, units = variance_of_mean(variance, sizes), float(np.prod(sizes[:k]))
        fine = np.isfinite(of_unit) and of_unit > 0
        out.append(
            {
                "level": name,
                "variance": variance[k],
                "share": variance[k] / total if total > 0 else np.nan,
                "n": int(n[k]),
                "df": int(found.df[k]),
                "mean_size": sizes[k - 1] if k else np.nan,
                "icc": variance[0] / of_unit if fine else np.nan,
                "design_effect": units * of_animal / of_unit if fine else np.nan,
                "reason": reasons[k],
            }
        )
    return out


def _sampling(found: list[dict[str, Any]]) -> list[dict[str, object]]:
    variance = [float(r["variance"]) for r in found]
    names = [str(r["level"]) for r in found]
    if len(found) < 2 or not np.isfinite(variance).all() or len(found) > 3:
        return []
    upper = N_UPPER if len(found) == 3 else (np.nan,)
    rows = []
    for s, f in product(upper, N_LOWER):
        value = variance_of_mean(variance, [f] if len(found) == 2 else [s, f])
        rows.append(
            {
                "upper_level": names[1] if len(found) == 3 else "",
                "n_upper": s,
                "lower_level": names[-1],
                "n_lower": f,
                "variance": value,
                "relative": value / variance[0] if variance[0] > 0 else np.nan,
            }
        )
    return rows
