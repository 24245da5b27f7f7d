"""Calibration on the page: how often verdicts of this very design are wrong, counted on simulated studies of known truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.report.drawing import PAGE_WIDTH, Drawn, canvas, keep
from periomics.report.grids import Grid, grid
from periomics.report.sources import Sources
from periomics.report.words import MISSING, fixed, said, symbol
from periomics.study.claims import ALL_OF

FILE = "statistics/calibration.tsv"
COLUMNS = (
    "scenario",
    "n_per_arm",
    "quantity",
    "claim_id",
    "outcome",
    "truth",
    "count",
    "studies",
    "share",
    "lower",
    "upper",
    "bound_low",
    "bound_high",
    "within",
    "text",
)
NUMERIC = ("count", "studies", "share", "lower", "upper", "bound_low", "bound_high")
FALSE = {
    "false_supported": "falsely supported",
    "false_refuted": "falsely refuted",
    "false_improved": "falsely improved",
    "false_family": "any falsely supported in the family",
    "false_family_refuted": "any falsely refuted in the family",
    "false_family_improved": "any falsely improved in the family",
    "permutation_false": "permutation test falsely below α",
}
COVERAGE = ("coverage", "fieller coverage")
CONDITIONAL = ("coverage where the gate passed", "fieller coverage where the gate passed")
ALL_FAMILIES = "false_graph"
VERDICT = "verdict: "
SUPPORTED, REFUTED = ("supported", "supported, small"), ("refuted",)
PANELS = {"false": FALSE, "coverage": COVERAGE, "after the gate": CONDITIONAL}
FIGURE_COLUMNS = (
    "scenario",
    "panel",
    "quantity",
    "claim_id",
    "outcome",
    "studies",
    "share",
    "lower",
    "upper",
    "bound_low",
    "bound_high",
    "within",
)
MOST_BROKEN = 12
SIZED = r"_n(\d+)$"  # of a scenario with a set number of animals per arm


@dataclass(frozen=True)
class Calibrated:
    """The section: one line, how much was drawn, bounds that do not hold, the picture, a table of scenarios and one of verdicts."""

    line: str
    holds: bool
    drawn_text: str
    limits: str
    broken: Sequence[str]
    figure: Drawn | None
    scenarios: Grid
    mix: Grid


def calibrated(sources: Sources, figures: Path) -> Calibrated | None:
    """The section, None where nothing was simulated."""
    table = sources.table("calibration", COLUMNS)
    if table.empty:
        return None
    table[list(NUMERIC)] = table[list(NUMERIC)].apply(pd.to_numeric, errors="coerce")
    table = _by_size(table)
    line, holds = answer(table)

    def called(outcome: str) -> str:
        return (
            "all outcomes"
            if outcome.startswith(ALL_OF)
            else symbol(sources.dictionary, outcome)
            if outcome
            else ""
        )

    wrong = table[table["within"] == "no"]
    more = [f"and {len(wrong) - MOST_BROKEN} more in the table"] if len(wrong) > MOST_BROKEN else []
    broken = [*(_broken(r, called) for r in wrong.head(MOST_BROKEN).itertuples()), *more]
    return Calibrated(
        line=line,
        holds=holds,
        drawn_text=studies_drawn(table),
        limits=sharpness(table),
        broken=broken,
        figure=draw(table, figures),
        scenarios=scenario_grid(table, called),
        mix=verdict_grid(table),
    )


def _by_size(table: pd.DataFrame) -> pd.DataFrame:
    """Scenarios in their order, each in the study's own numbers first, then by animals per arm."""
    size = table["scenario"].str.extract(SIZED)[0].fillna("0").astype(int)
    base = table["scenario"].str.replace(SIZED, "", regex=True)
    order = {b: i for i, b in enumerate(dict.fromkeys(base))}
    return table.assign(base=base, size=size, order=base.map(order)).sort_values(
        ["order", "size"], kind="stable"
    )


def _lines(table: pd.DataFrame) -> pd.Series:
    """The line of the picture that a rate stands in: a scenario in the study's own numbers, or in all sizes together."""
    sizes = table.loc[table["size"] > 0, "size"]
    together = f", {sizes.min()} to {sizes.max()} an arm" if len(sizes) else ""
    return table["base"] + np.where(table["size"] > 0, together, "")


def answer(table: pd.DataFrame) -> tuple[str, bool]:
    """Whether every bound holds, in one sentence."""
    bounded = table["within"].isin(["yes", "no"])
    wrong = int((table["within"] == "no").sum())
    n = f"{int(bounded.sum()):,}"
    if not bounded.any():
        return "No bound applies to what was simulated.", True
    if wrong:
        return f"{wrong:,} of {n} bounds on error rates and coverage do not hold.", False
    return f"All {n} bounds on error rates and coverage hold.", True


def studies_drawn(table: pd.DataFrame) -> str:
    """`10,000 studies in each of 26 scenarios`."""
    each = table.groupby("scenario", sort=False)["studies"].max()
    low, high = f"{int(each.min()):,}", f"{int(each.max()):,}"
    return f"{low if low == high else f'{low} to {high}'} studies in each of {len(each)} scenarios"


def sharpness(table: pd.DataFrame) -> str:
    """How far the limits reach: what these numbers of studies could still have missed."""
    bounded = table[table["within"].isin(["yes", "no"])]
    false, coverage = (
        bounded[bounded["quantity"].isin(list(FALSE))],
        bounded[bounded["quantity"].isin(COVERAGE)],
    )
    parts = [f"up to {_rate(false['upper'].max())} for false verdicts"] if len(false) else []
    parts += [f"down to {_rate(coverage['lower'].min())} for coverage"] if len(coverage) else []
    return f"Limits reach {' and '.join(parts)}; more studies narrow them." if parts else ""


def _broken(row, called: Callable[[str], str]) -> str:
    place = " ".join(t for t in (said(row.claim_id), called(said(row.outcome))) if t)
    low = "" if np.isnan(row.bound_low) else f"{_rate(row.bound_low)} to "
    bound = f"{low}{_rate(row.bound_high)}" if low else f"at most {_rate(row.bound_high)}"
    what = FALSE.get(row.quantity, row.quantity)
    return f"{row.scenario}, {place}: {what} {_with_limits(row.share, row.lower, row.upper)}, bound {bound}"


def _rate(x: float) -> str:
    """A share with three places and without its zero."""
    return MISSING if np.isnan(x) else fixed(x, 3).removeprefix("0") if 0 <= x < 1 else fixed(x, 3)


def _with_limits(share: float, lower: float, upper: float) -> str:
    return f"{_rate(share)} [{_rate(lower)}, {_rate(upper)}]"


def _worst(part: pd.DataFrame) -> pd.Series | None:
    """The false rate whose lower limit lies highest; of equal ones the larger share."""
    part = part[part["share"].notna()]
    return (
        None
        if part.empty
        else part.sort_values(["lower", "share"], ascending=False, kind="stable").iloc[0]
    )


def scenario_grid(table: pd.DataFrame, called: Callable[[str], str]) -> Grid:
    """One row per scenario: worst false rate, coverage, and coverage after the gate, which has no bound."""
    rows = []
    for name, part in table.groupby("scenario", sort=False):
        n = _arms(said(part["n_per_arm"].iloc[0]))
        bounded = part["within"].isin(["yes", "no"])
        false = part[part["quantity"].isin(list(FALSE)) & (bounded | ~bounded.any())]
        worst, graph = _worst(false), part[part["quantity"] == ALL_FAMILIES]
        what = (
            ""
            if worst is None
            else " ".join(t for t in (said(worst["claim_id"]), called(said(worst["outcome"]))) if t)
        )
        rows.append(
            {
                "scenario": name,
                "text": said(part["text"].iloc[0]),
                "n": n,
                "worst": ""
                if worst is None
                else f"{_with_limits(worst['share'], worst['lower'], worst['upper'])} {what}",
                "graph": _rate(float(graph["share"].iloc[0])) if len(graph) else "",
                "coverage": _range(part, ["coverage"]),
                "fieller": _range(part, ["fieller coverage"]),
                "gate": _range(part, CONDITIONAL),
                "holds": "no bound"
                if not bounded.any()
                else "yes"
                if not (part["within"] == "no").any()
                else "no",
            }
        )
    columns = {
        "scenario": "Scenario",
        "text": "What is true",
        "n": "n an arm",
        "worst": "Worst false rate, with limits",
        "graph": "Any at all (no bound)",
        "coverage": "Coverage",
        "fieller": "of Fieller's sets",
        "gate": "after the gate (no bound)",
        "holds": "Bounds hold",
    }
    return grid(
        pd.DataFrame(rows), columns, file=FILE, title="Error rates and coverage by scenario"
    )


def _arms(text: str) -> str:
    """`6` where every arm has 6, else the numbers by arm."""
    each = {a.rsplit(" ", 1)[-1] for a in text.split(", ")}
    return each.pop() if len(each) == 1 else text


def _range(part: pd.DataFrame, quantities: Sequence[str]) -> str:
    shares = part.loc[part["quantity"].isin(list(quantities)), "share"].dropna()
    if shares.empty:
        return ""
    low, high = _rate(shares.min()), _rate(shares.max())
    return low if low == high else f"{low} to {high}"


def verdict_grid(table: pd.DataFrame) -> Grid:
    """Percent supported / refuted: one row per scenario, one column per claim, mean over its outcomes."""
    mix = table[table["quantity"].str.startswith(VERDICT)].copy()
    whole = mix["outcome"].str.startswith(ALL_OF)
    mix = mix[whole | ~mix["claim_id"].isin(set(mix.loc[whole, "claim_id"]))]
    mix["word"] = mix["quantity"].str.removeprefix(VERDICT)
    claims = list(dict.fromkeys(mix["claim_id"]))
    rows = []
    for name, part in mix.groupby("scenario", sort=False):
        cells = {c: _shares(part[part["claim_id"] == c]) for c in claims}
        rows.append({"scenario": name} | cells)
    title = "Verdicts by claim: supported / refuted in percent of studies, mean over its outcomes; the rest is open or not tested"
    columns = {"scenario": "Scenario"} | {c: str(c) for c in claims}
    return grid(
        pd.DataFrame(rows, columns=list(columns)),
        columns,
        file=FILE,
        title=title,
        reason="No verdict was counted.",
    )


def _shares(part: pd.DataFrame) -> str:
    outcomes = part["outcome"].nunique()
    if not outcomes:
        return ""
    each = (
        100 * part.loc[part["word"].isin(words), "share"].sum() / outcomes
        for words in (SUPPORTED, REFUTED)
    )
    return " / ".join("0" if x == 0 else "<1" if x < 1 else f"{x:.0f}" for x in each)


def draw(table: pd.DataFrame, figures: Path) -> Drawn | None:
    """False rates with their limits against alpha, and coverage against its bounds, one line per scenario, its sizes in one line."""
    panel = table["quantity"].map({q: p for p, quantities in PANELS.items() for q in quantities})
    rows = table.assign(panel=panel)[panel.notna() & table["share"].notna()]
    if rows.empty:
        return None
    lines = _lines(rows)
    names = list(dict.fromkeys(lines))
    # Where no deficit is true, next to nothing is covered after the gate: such diamonds would flatten all else.
    edge = min(0.9, rows.loc[rows["panel"] == "coverage", "lower"].min()) - 0.015
    with canvas(PAGE_WIDTH, 1.1 + 0.26 * len(names), ncols=2, sharey=True) as (fig, (left, right)):
        for y, name in enumerate(names):
            part = rows[lines == name]
            _false(left, part[part["panel"] == "false"], y)
            _coverage(right, part, y, edge)
        _frame(left, rows[rows["panel"] == "false"], "share of studies with a false verdict")
        _frame(right, rows[rows["panel"] == "coverage"], "coverage of 95 % intervals")
        left.set_xlim(left=-0.003)
        right.set_xlim(edge, 1.005)
        left.set_yticks(range(len(names)), names, fontsize=9)
        left.set_ylim(len(names) - 0.4, -0.6)
        text = (
            "One dot per claim and outcome. Bars: Clopper–Pearson limits of the worst false rate, of the lowest and the highest coverage; "
            "limits of bounded rates hold together at .99. Grey line and band: bounds. Red: a bound that does not hold. Hollow: no bound; "
            "diamonds are coverage among studies that passed the gate, which is not bounded, "
            "since passing biases what follows (arrow: some lie outside)."
        )
        return keep(
            fig,
            figures,
            "calibration",
            rows[list(FIGURE_COLUMNS)],
            title="False verdicts and coverage by scenario",
            caption=text,
        )


def _frame(ax, rows: pd.DataFrame, label: str) -> None:
    for bound in {*rows["bound_high"].dropna(), *rows["bound_low"].dropna()}:
        ax.axvline(bound, color="#9aa5b1", lw=0.9, zorder=1)
    if rows["bound_low"].notna().any():
        ax.axvspan(
            rows["bound_low"].min(), rows["bound_high"].max(), color="#eef1f4", lw=0, zorder=0
        )
    ax.set_xlabel(label, fontsize=9)
    ax.tick_params(axis="x", labelsize=9)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _style(row: pd.Series) -> dict[str, object]:
    if row["within"] == "no":
        return {"color": "#b3261e", "mfc": "#b3261e"}
    bounded = row["within"] == "yes"
    return {"color": "#33414f", "mfc": "#33414f" if bounded else "white"}


def _dots(ax, rows: pd.DataFrame, y: float, **style: object) -> None:
    shares = sorted(set(rows["share"].round(3)))
    ax.plot(shares, [y] * len(shares), ls="", zorder=2, **style)


def _bar(ax, row: pd.Series, y: float) -> None:
    style = _style(row)
    ax.plot([row["lower"], row["upper"]], [y, y], color=style["color"], lw=1.3, zorder=3)
    ax.plot([row["share"]], [y], "o", ms=4.5, mew=1, zorder=4, **style)


def _false(ax, rows: pd.DataFrame, y: int) -> None:
    bounded = rows[rows["within"] != ""] if (rows["within"] != "").any() else rows
    worst = _worst(bounded)
    if worst is None:
        return
    _dots(ax, bounded, y, marker=".", ms=3, color="#a9b3bd")
    for _, row in bounded[bounded["within"] == "no"].iterrows():
        _bar(ax, row, y)
    _bar(ax, worst, y)


def _coverage(ax, rows: pd.DataFrame, y: int, edge: float) -> None:
    own, after = rows[rows["panel"] == "coverage"], rows[rows["panel"] == "after the gate"]
    if (after["share"] < edge).any():
        ax.plot(
            [edge],
            [y + 0.25],
            "<",
            ms=4,
            color="#8a93a0",
            mfc="white",
            mew=0.6,
            clip_on=False,
            zorder=3,
        )
    after = after[after["share"] >= edge]
    _dots(
        ax,
        rows[rows["panel"] == "after the gate"],
        y + 0.25,
        marker="d",
        ms=3.2,
        color="#8a93a0",
        mfc="white",
        mew=0.6,
    )
    _dots(ax, own, y, marker=".", ms=3, color="#a9b3bd")
    if len(own):
        for place in dict.fromkeys(
            (own["share"].idxmin(), own["share"].idxmax(), *own.index[own["within"] == "no"])
        ):
            _bar(ax, own.loc[place], y)


def methods_sentence(table: pd.DataFrame) -> str:
    """One sentence for the methods text, whether or not anything was simulated."""
    if table.empty:
        return "Error rates of this design were not simulated."
    table = table.assign(studies=pd.to_numeric(table["studies"], errors="coerce"))
    return f"Error rates were counted on {studies_drawn(table)} of this design and these claims. {answer(table)[0]}"
