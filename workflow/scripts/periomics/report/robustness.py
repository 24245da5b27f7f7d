"""Does it hold another way? Checks beside contrasts, lost animals ranked worst, the healing index in other forms; never a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from periomics.report.drawing import Drawn, canvas, keep, page_width
from periomics.report.grids import Grid, grid
from periomics.report.sources import Sources
from periomics.report.words import bayes_words, fixed, interval, number, said, symbol
from periomics.study.claims import COMPOSITE

CHECKS = (
    "rank_effect",
    "rank_p",
    "perm_p",
    "perm_floor",
    "p_dunnett",
    "bf01",
    "bf01_ceiling",
    "outlier_p",
)
CONTRASTS_FILE, LOSSES_FILE = "statistics/contrasts.tsv", "statistics/losses.tsv"
LOSS_COLUMNS = (
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
INDEX_COLUMNS = (
    "contrast",
    "form",
    "variant",
    "estimate",
    "lower",
    "upper",
    "level",
    "n_animals",
    "side",
)
DECLARED, PCA = "as declared", "weights=pca"
SIDES = {1: "above 0", -1: "below 0", 0: "spanning 0"}


@dataclass(frozen=True)
class Losses:
    """Animals that were lost: how many of each arm, and comparisons with them ranked worst."""

    line: str
    table: Grid


@dataclass(frozen=True)
class Forms:
    """The healing index in its forms: a picture, and what it says of each contrast."""

    drawn: Drawn
    lines: Sequence[str]


def checks_grid(contrasts: pd.DataFrame, sources: Sources) -> Grid | None:
    """Ranks, permutation, Dunnett, Bayes factor and Grubbs' flag of the contrasts that claims rest on; None where there are none."""
    part = contrasts[contrasts["kind"].isin(["confirmatory", "composite"])]
    values = part[list(CHECKS)].apply(pd.to_numeric, errors="coerce")
    part, values = part[values.notna().any(axis=1)], values[values.notna().any(axis=1)]
    if part.empty:
        return None
    rows = pd.DataFrame(
        {
            "symbol": [symbol(sources.dictionary, o) for o in part["outcome"]],
            "contrast": part["contrast"],
            "p": part["p"],
            "rank_effect": values["rank_effect"],
            "rank_p": values["rank_p"],
            "perm": [
                _with_floor(p, f)
                for p, f in zip(values["perm_p"], values["perm_floor"], strict=True)
            ],
            "p_dunnett": values["p_dunnett"],
            "bayes": [
                bayes_words(b, c).removeprefix("BF₀₁ ")
                for b, c in zip(values["bf01"], values["bf01_ceiling"], strict=True)
            ],
            "outlier_p": values["outlier_p"],
            "line": [str(i + 2) for i in part.index],
        }
    )
    columns = {
        "symbol": "Outcome",
        "contrast": "Contrast",
        "p": "p",
        "rank_effect": "P(first higher)",
        "rank_p": "p of ranks",
        "perm": "permutation p",
        "p_dunnett": "Dunnett p",
        "bayes": "BF₀₁, two-sided",
        "outlier_p": "Grubbs p",
        "line": "Line",
    }
    return grid(
        rows, columns, file=CONTRASTS_FILE, title="Checks beside the contrasts that claims rest on"
    )


def _with_floor(p: float, floor: float) -> str:
    if np.isnan(p):
        return ""
    return number(p) if np.isnan(floor) else f"{number(p, 2)} (not below {number(floor, 2)})"


def losses(sources: Sources) -> Losses | None:
    """Comparisons with the lost animals ranked worst, None where none was lost."""
    table = sources.table("losses", LOSS_COLUMNS)
    if table.empty:
        return None
    remarks = [
        _named(said(b) or said(r), f, s)
        for b, r, f, s in zip(
            table["bias"], table["reason"], table["first"], table["second"], strict=True
        )
    ]
    rows = pd.DataFrame(
        {
            "symbol": [symbol(sources.dictionary, o) for o in table["outcome"]],
            "contrast": table["contrast"],
            "available": [_effect(e) for e in table["effect_available"]],
            "p_available": table["p_available"],
            "worst": [
                " ".join(t for t in (_effect(e), interval(a, b)) if t)
                for e, a, b in zip(
                    table["effect_worst_rank"],
                    _numeric(table["lower"]),
                    _numeric(table["upper"]),
                    strict=True,
                )
            ],
            "p_worst_rank": table["p_worst_rank"],
            "bias": remarks,
        }
    )
    columns = {
        "symbol": "Outcome",
        "contrast": "Contrast",
        "available": "P(first fares better), measured animals",
        "p_available": "p",
        "worst": "lost animals ranked worst",
        "p_worst_rank": "p",
        "bias": "Losses, and which way they may mislead",
    }
    title = "Lost animals ranked worst, beside those that were measured"
    return Losses(_loss_line(table), grid(rows, columns, file=LOSSES_FILE, title=title))


def _named(bias: str, first: object, second: object) -> str:
    return bias.replace("the first arm", str(first)).replace("the second arm", str(second))


def _effect(value: object) -> str:
    x = pd.to_numeric(value, errors="coerce")
    return "" if pd.isna(x) else fixed(float(x), 2)


def _numeric(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column, errors="coerce")


def _loss_line(table: pd.DataFrame) -> str:
    """`by arm: DRUG 1, PRE 2`: the most of each arm over its comparisons."""
    arms: dict[str, int] = {}
    for side in ("first", "second"):
        lost = _numeric(table[f"lost_{side}"]).fillna(0).astype(int)
        for arm, n in zip(table[side].astype(str), lost, strict=True):
            arms[arm] = max(arms.get(arm, 0), n)
    each = ", ".join(f"{a} {n}" for a, n in arms.items() if n)
    return (
        f"Animals that lost their implant, by arm: {each}."
        if each
        else "Animals lost their implant."
    )


def index_rows(contrasts: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """The healing index as declared, without one domain each, and with other weights: one row per contrast and form.

    Intervals are unadjusted at 1 − alpha for every form, also for the declared one, whose table holds the adjusted interval.
    """
    part = contrasts[
        (contrasts["outcome"] == COMPOSITE)
        & contrasts["kind"].isin(["confirmatory", "composite", "sensitivity"])
    ]
    part = part.drop_duplicates(["contrast", "variant"], keep="last")
    numbers = part[["estimate", "se", "df", "n_animals"]].apply(pd.to_numeric, errors="coerce")
    part, numbers = part[numbers["se"].notna()], numbers[numbers["se"].notna()]
    if part["variant"].nunique() < 2 or not (part["variant"] == "").any():
        return pd.DataFrame(columns=list(INDEX_COLUMNS))
    half = stdtrit(numbers["df"].to_numpy(float), 1 - alpha / 2) * numbers["se"].to_numpy(float)
    lower, upper = numbers["estimate"] - half, numbers["estimate"] + half
    rows = pd.DataFrame(
        {
            "contrast": part["contrast"],
            "form": [_form(str(v)) for v in part["variant"]],
            "variant": part["variant"],
            "estimate": numbers["estimate"],
            "lower": lower,
            "upper": upper,
            "level": 1 - alpha,
            "n_animals": numbers["n_animals"],
            "side": [SIDES[int(a > 0) - int(b < 0)] for a, b in zip(lower, upper, strict=True)],
        }
    )
    place = {
        v: i
        for i, v in enumerate(
            ["", *(v for v in dict.fromkeys(part["variant"]) if v not in ("", PCA)), PCA]
        )
    }
    order = rows["variant"].map(place)
    first = {c: i for i, c in enumerate(dict.fromkeys(rows["contrast"]))}
    rows = rows.assign(_c=rows["contrast"].map(first), _v=order).sort_values(
        ["_c", "_v"], kind="stable"
    )
    return rows[list(INDEX_COLUMNS)].reset_index(drop=True)


def _form(variant: str) -> str:
    if variant == PCA:
        return "weights by first component"
    return variant.replace("without=", "without ") if variant else DECLARED


def index_lines(rows: pd.DataFrame) -> list[str]:
    """What the forms say of each contrast, in the order of the table."""
    out = []
    for contrast, part in rows.groupby("contrast", sort=False):
        own = part.loc[part["variant"] == "", "side"]
        if own.empty:
            continue
        others = part[part["variant"] != ""]
        same = others["side"] == own.iloc[0]
        ends = f"{fixed(part['estimate'].min(), 2)} to {fixed(part['estimate'].max(), 2)} SD"
        text = f"{contrast}: {own.iloc[0]} as declared and in {_all(int(same.sum()), len(others))} other forms; estimate {ends}"
        changed = ", ".join(
            f"{s} {f}"
            for f, s in zip(others.loc[~same, "form"], others.loc[~same, "side"], strict=True)
        )
        out.append(text + (f"; {changed}" if changed else ""))
    return out


def _all(n: int, total: int) -> str:
    return f"all {total}" if n == total else f"{n} of {total}"


def index_forms(
    contrasts: pd.DataFrame, declared: Mapping[str, Any], figures: Path
) -> Forms | None:
    """The healing index in its forms, None where the study has none."""
    alpha = float(declared.get("alpha") or 0.05)
    rows = index_rows(contrasts, alpha)
    if rows.empty:
        return None
    names = list(dict.fromkeys(rows["contrast"]))
    forms = list(dict.fromkeys(rows["form"]))
    with canvas(
        page_width(len(names)),
        0.95 + 0.27 * len(forms),
        ncols=len(names),
        sharey=True,
        squeeze=False,
    ) as (
        fig,
        axes,
    ):
        for ax, name in zip(axes[0], names, strict=True):
            _panel(ax, rows[rows["contrast"] == name], forms, name)
        axes[0][0].set_yticks(range(len(forms)), forms, fontsize=9.5)
        axes[0][0].set_ylim(len(forms) - 0.4, -0.6)
        fig.supxlabel("healing index, SD; right of 0 is better", fontsize=9)
        title = "The healing index with one domain left out and with other weights"
        text = f"Bars: unadjusted {100 * (1 - alpha):g} % intervals, also for the declared form. Dotted: estimate of the declared form."
        return Forms(
            keep(fig, figures, "index-forms", rows, title=title, caption=text), index_lines(rows)
        )


def _panel(ax, part: pd.DataFrame, forms: Sequence[str], name: str) -> None:
    ax.axvline(0, color="#9aa5b1", lw=0.8, zorder=1)
    for row in part.itertuples():
        y, own = forms.index(row.form), row.variant == ""
        colour = "#0b5d6b" if own else "#33414f"
        if own:
            ax.axvline(row.estimate, color=colour, lw=0.8, ls=":", zorder=1)
        ax.plot([row.lower, row.upper], [y, y], color=colour, lw=1.8 if own else 1.2, zorder=2)
        ax.plot([row.estimate], [y], "o", ms=6 if own else 4.5, color=colour, zorder=3)
    ax.set_title(name, fontsize=10)
    ax.tick_params(axis="x", labelsize=9)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
