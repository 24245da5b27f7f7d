"""Statistics on the page: forests, the panel of rescue fractions, and the tables that verdicts rest on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from periomics.report.claims import ALL_OF, anchor
from periomics.report.dots import arm_order
from periomics.report.forest import BETWEEN, forest, forest_table, rescue_panel, rescue_rows
from periomics.report.grids import Grid, grid
from periomics.report.sources import Sources
from periomics.report.words import interval, said, symbol

CONTRASTS_FILE, RESCUE_FILE = "statistics/contrasts.tsv", "statistics/rescue.tsv"
USUAL_METHOD = "group-wise variances, Satterthwaite"
CONTRAST_COLUMNS = (
    "outcome", "variant", "contrast", "kind", "estimate", "se", "df", "lower", "upper", "level", "p", "p_adj", "family", "scale",
    "n_animals", "method", "time", "time_unit", "unit", "sign", "hedges_g", "g_lower", "g_upper", "perm_p", "perm_floor", "n_per_arm",
    "confounded_with", "reason",
)  # fmt: skip
RESCUE_COLUMNS = (
    "outcome", "arm", "R", "lower", "upper", "bounded", "deficit_p", "scale", "variant", "set", "n_animals", "kind", "reason", "level",
)  # fmt: skip
KINDS = {
    "confirmatory": "Contrasts that claims rest on",
    "secondary": "Secondary contrasts, exploratory (BH)",
    "score": "Contrasts of scores (BH)",
}
SHOWN = 300


def claim_figures(verdicts: pd.DataFrame, declared: dict, sources: Sources, figures: Path) -> dict[str, object]:
    """Forests of the claims' outcomes and of all others, and the panel of rescue fractions."""
    contrasts = sources.table("contrasts", CONTRAST_COLUMNS)
    table = forest_table(contrasts, verdicts, declared, sources.dictionary)
    claimed = [o for o in dict.fromkeys(verdicts["outcome"]) if not str(o).startswith(ALL_OF)]
    drawn = []
    for how, part in table.groupby("standardised_by", sort=True):
        name = "forest" if how == BETWEEN else "forest-within-units"
        drawn.append(forest(part, claimed, figures, name, "Claims' outcomes in SD"))
    rest = table[~table["outcome"].isin(claimed)]
    further = [
        forest(part, list(dict.fromkeys(part["outcome"])), figures, f"forest-further-{i}", "Secondary outcomes in SD, exploratory")
        for i, (_, part) in enumerate(rest.groupby("standardised_by", sort=True), start=1)
    ]  # fmt: skip
    rescue = sources.table("rescue", RESCUE_COLUMNS)
    rows = rescue_rows(rescue, claimed, arm_order(sources.config, sorted(set(rescue["arm"]))))
    rows = rows[rows["outcome"].isin(claimed)] if claimed else rows
    panel = rescue_panel(rows, sources.dictionary, figures, "rescue")
    return {"forests": [d for d in drawn if d], "further_forests": [d for d in further if d], "rescue_figure": panel}


def statistics_grids(sources: Sources) -> list[Grid]:
    """Contrasts and rescue fractions, each row with the line of its file (the header is line 1)."""
    contrasts, rescue = sources.table("contrasts", CONTRAST_COLUMNS), sources.table("rescue", RESCUE_COLUMNS)
    if contrasts.empty and rescue.empty:
        return []
    out = []
    for kind, title in KINDS.items():
        part = contrasts[contrasts["kind"] == kind]
        if len(part) or kind == "confirmatory":
            out.append(_contrasts(part, title, sources))
    if len(rescue):
        claimed = set(sources.table("verdicts", ("outcome",))["outcome"])
        default = rescue["variant"].map(said) == ""
        first = default & rescue["outcome"].isin(claimed) & (rescue["kind"] == "natural scale")
        parts = ((first, "Rescue fractions of the claims' outcomes"), (default & ~first, "Further rescue fractions"))
        out += [_rescue(rescue[rows], title, sources) for rows, title in parts if rows.any()]
    return out


def _contrasts(whole: pd.DataFrame, title: str, sources: Sources) -> Grid:
    part = whole.head(SHOWN)
    remarks = [
        "; ".join(t for t in ("" if m == USUAL_METHOD else said(m), said(r)) if t)
        for m, r in zip(part["method"], part["reason"], strict=True)
    ]
    rows = part.assign(
        symbol=[symbol(sources.dictionary, o) for o in part["outcome"]],
        interval=[interval(a, b) for a, b in zip(part["lower"], part["upper"], strict=True)],
        remark=remarks,
        line=[str(i + 2) for i in part.index],
    )
    columns = {"symbol": "Outcome", "contrast": "Contrast", "estimate": "Estimate", "interval": "Interval", "scale": "Scale",
               "df": "df", "p": "p", "p_adj": "adjusted p", "perm_p": "permutation p", "hedges_g": "Hedges' g", "n_per_arm": "n",
               "remark": "Remarks", "line": "Line"}  # fmt: skip
    anchors = [anchor(CONTRASTS_FILE, i + 2) for i in part.index]
    reason = "No contrast was declared or could be formed."
    shown = grid(rows, columns, file=CONTRASTS_FILE, title=title, anchors=anchors, reason=reason, limit=SHOWN)
    return replace(shown, more=len(whole) - len(part))


def _rescue(rescue: pd.DataFrame, title: str, sources: Sources) -> Grid:
    names = [symbol(sources.dictionary, o) for o in rescue["outcome"]]
    rows = rescue.assign(symbol=names, line=[str(i + 2) for i in rescue.index])
    columns = {"symbol": "Outcome", "arm": "Arm", "R": "R", "set": "Fieller set", "deficit_p": "p of the deficit", "scale": "Scale",
               "kind": "Kind", "n_animals": "n", "reason": "Remarks", "line": "Line"}  # fmt: skip
    anchors = [anchor(RESCUE_FILE, i + 2) for i in rescue.index]
    return grid(rows, columns, file=RESCUE_FILE, title=title, anchors=anchors, limit=SHOWN)
