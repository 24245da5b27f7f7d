"""Statistics on the page: forests, the panel of rescue fractions, and the tables that verdicts rest on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from periomics.report.claims import anchor
from periomics.report.forest import BETWEEN, forest, forest_table, rescue_panel, rescue_rows
from periomics.report.grids import Grid, grid
from periomics.report.robustness import CHECKS, CONTRASTS_FILE, checks_grid
from periomics.report.sources import Sources
from periomics.report.words import contrast_words, decimals, fixed, interval, said, symbol
from periomics.study.claims import ALL_OF

RESCUE_FILE = "statistics/rescue.tsv"
CONTRAST_COLUMNS = (
    "outcome",
    "variant",
    "contrast",
    "kind",
    "estimate",
    "se",
    "df",
    "lower",
    "upper",
    "level",
    "p",
    "p_adj",
    "family",
    "scale",
    "n_animals",
    "method",
    "time",
    "time_unit",
    "unit",
    "sign",
    "hedges_g",
    "g_lower",
    "g_upper",
    "n_per_arm",
    "ratio",
    "ratio_lower",
    "ratio_upper",
    *CHECKS,
    "confounded_with",
    "reason",
)
RESCUE_COLUMNS = (
    "outcome",
    "arm",
    "R",
    "lower",
    "upper",
    "bounded",
    "deficit_p",
    "scale",
    "variant",
    "set",
    "n_animals",
    "kind",
    "reason",
    "level",
)
KINDS = {
    "confirmatory": "Contrasts that claims rest on",
    "composite": "Contrasts of the healing index, which no claim names",
    "secondary": "Secondary contrasts, exploratory (BH)",
    "score": "Contrasts of scores (BH)",
}
RESCUE_KINDS = {
    "natural scale": "natural positions, tested on the outcome's scale (verdicts rest on these)",
    "raw means": "means of raw values",
    "own scale": "on the outcome's own scale, another number",
}
TRENDS = "t on slopes"
SHOWN, NO_BREAK = 300, "\u00a0"


def claim_figures(
    verdicts: pd.DataFrame, declared: dict, sources: Sources, figures: Path
) -> dict[str, object]:
    """Forests of the claims' outcomes and of all others, and the panel of rescue fractions."""
    contrasts = sources.table("contrasts", CONTRAST_COLUMNS)
    table = forest_table(contrasts, verdicts, declared, sources.dictionary)
    claimed = [o for o in dict.fromkeys(verdicts["outcome"]) if not str(o).startswith(ALL_OF)]
    drawn = []
    for how, part in table.groupby("standardised_by", sort=True):
        name = "forest" if how == BETWEEN else "forest-within-units"
        title = (
            "Claims' outcomes in SD"
            if how == BETWEEN
            else "Claims' outcomes in SD of the differences within units"
        )
        drawn.append(forest(part, claimed, figures, name, title))
    rest = table[~table["outcome"].isin(claimed)]
    further = [
        forest(
            part,
            list(dict.fromkeys(part["outcome"])),
            figures,
            f"forest-further-{i}",
            "Secondary outcomes in SD, exploratory",
        )
        for i, (_, part) in enumerate(rest.groupby("standardised_by", sort=True), start=1)
    ]
    rescue = sources.table("rescue", RESCUE_COLUMNS)
    rows = rescue_rows(rescue, claimed, sources.arms)
    rows = rows[rows["outcome"].isin(claimed)] if claimed else rows
    panel = rescue_panel(rows, sources.dictionary, figures, "rescue", sources.arms)
    return {
        "forests": [d for d in drawn if d],
        "further_forests": [d for d in further if d],
        "rescue_figure": panel,
    }


def statistics_grids(sources: Sources) -> list[Grid]:
    """Contrasts and rescue fractions, each row with the line of its file (the header is line 1)."""
    contrasts, rescue = (
        sources.table("contrasts", CONTRAST_COLUMNS),
        sources.table("rescue", RESCUE_COLUMNS),
    )
    if contrasts.empty and rescue.empty:
        return []
    out, usual = [], usual_method(contrasts)
    for kind, title in KINDS.items():
        part = contrasts[contrasts["kind"] == kind]
        if len(part) or kind == "confirmatory":
            out.append(_contrasts(part, title, sources, usual))
        if kind == "confirmatory" and (beside := checks_grid(contrasts, sources)):
            out.append(beside)
    if len(rescue):
        claimed = set(sources.table("verdicts", ("outcome",))["outcome"])
        default = rescue["variant"].map(said) == ""
        first = default & rescue["outcome"].isin(claimed) & (rescue["kind"] == "natural scale")
        parts = (
            (first, f"Rescue fractions of the claims' outcomes: {RESCUE_KINDS['natural scale']}"),
            (default & ~first, "Further rescue fractions"),
        )
        out += [_rescue(rescue[rows], title, sources) for rows, title in parts if rows.any()]
    return out


def usual_method(contrasts: pd.DataFrame) -> str:
    """How most contrasts were estimated, '' where there are none; tables name the method only where it is another."""
    methods = contrasts.loc[contrasts["kind"].isin(list(KINDS)), "method"].map(said)
    counts = methods[methods != ""].value_counts()
    return str(counts.index[0]) if len(counts) else ""


def method_left(method: str, usual: str) -> str:
    """What a method adds to the usual one, or the whole of another."""
    return method.removeprefix(usual).lstrip(",; ")


def _contrasts(whole: pd.DataFrame, title: str, sources: Sources, usual: str) -> Grid:
    part = whole.head(SHOWN)
    remarks = [
        "; ".join(t for t in (method_left(said(m), usual), said(r)) if t)
        for m, r in zip(part["method"], part["reason"], strict=True)
    ]
    counted = [
        contrast_words(said(s), said(u), said(m), trend=said(m).startswith(TRENDS))
        for s, u, m in zip(part["scale"], part["unit"], part["method"], strict=True)
    ]
    ratios = part[["ratio", "ratio_lower", "ratio_upper"]].apply(pd.to_numeric, errors="coerce")
    rows = part.assign(
        symbol=[symbol(sources.dictionary, o) for o in part["outcome"]],
        best=[
            _estimate(estimate, lower, upper, c, *ratio)
            for (estimate, lower, upper), c, ratio in zip(
                part[["estimate", "lower", "upper"]].astype(float).to_numpy(),
                counted,
                ratios.to_numpy(float),
                strict=True,
            )
        ],
        remark=remarks,
        line=[str(i + 2) for i in part.index],
    )
    columns = {
        "symbol": "Outcome",
        "contrast": "Contrast",
        "best": "Estimate and interval",
        "df": "df",
        "p": "p",
        "p_adj": "adjusted p",
        "hedges_g": "Hedges' g",
        "n_per_arm": "n",
        "remark": "Remarks",
        "line": "Line",
    }
    anchors = [anchor(CONTRASTS_FILE, i + 2) for i in part.index]
    reason = "No contrast was declared or could be formed."
    shown = grid(
        rows, columns, file=CONTRASTS_FILE, title=title, anchors=anchors, reason=reason, limit=SHOWN
    )
    return replace(shown, more=len(whole) - len(part))


def _estimate(
    estimate: float, lower: float, upper: float, counted: str, ratio: float, low: float, high: float
) -> str:
    """An estimate with its interval and what it is counted in; of a log ratio also the ratio, whose interval is unadjusted."""
    parts = [fixed(estimate, decimals(lower, upper)), interval(lower, upper), counted]
    text = " ".join(t for t in parts if t)
    return (
        text
        if pd.isna(ratio)
        else f"{text}; ratio {fixed(ratio, decimals(low, high))} {interval(low, high)}".strip()
    )


def _rescue(rescue: pd.DataFrame, title: str, sources: Sources) -> Grid:
    names = [symbol(sources.dictionary, o) for o in rescue["outcome"]]
    kinds = [RESCUE_KINDS.get(str(k), str(k)) for k in rescue["kind"]]
    rows = rescue.assign(symbol=names, kind=kinds, line=[str(i + 2) for i in rescue.index])
    columns = {
        "symbol": "Outcome",
        "arm": "Arm",
        "R": "R",
        "set": "Fieller set",
        "deficit_p": "p of the deficit",
        "kind": "Compared",
        "n_animals": "n",
        "reason": "Remarks",
        "line": "Line",
    }
    if len(set(kinds)) == 1:
        del columns["kind"]
    anchors = [anchor(RESCUE_FILE, i + 2) for i in rescue.index]
    return grid(rows, columns, file=RESCUE_FILE, title=title, anchors=anchors, limit=SHOWN)
