"""Linkage on the page: which scores track outcomes, what could not be linked, signed routes and the evidence behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from periomics.core.multiplicity import Q
from periomics.report.claims import ASSOCIATIONS_FILE, anchor
from periomics.report.grids import Grid, grid
from periomics.report.paracrine import Axes, paracrine
from periomics.report.pictures import svg_address
from periomics.report.sources import Sources, complete
from periomics.report.views import Views, views
from periomics.report.words import interval, number, p_value, symbol
from periomics.study.interface.linkage import (
    ASSOCIATION_COLUMNS,
    EDGE_COLUMNS,
    NODE_COLUMNS,
    REFIT_COLUMNS,
    ROUTE_COLUMNS,
    SCREEN_COLUMNS,
)


@dataclass(frozen=True)
class Network:
    """Routes of one network: picture, receptors with p-values, edges, share of edges known from memory only."""

    name: str
    picture: str
    routes: Grid
    edges: Grid
    ends: Grid
    facts: str


@dataclass(frozen=True)
class Linked:
    """Linkage on the page."""

    axes: Axes | None
    associations: Grid | None
    screen: Grid | None
    overlap: Grid | None
    picture: str
    views: Views | None
    networks: Sequence[Network]
    memory: str


def linkage(sources: Sources) -> Linked | None:
    """The linkage page, None where the study has neither associations nor networks."""
    names = ("associations", "overlap", "networks")
    if not any(sources.files.get(n) for n in names):
        return None
    overlap = sources.table("overlap")
    shared = grid(
        overlap,
        {c: c.replace("_", " ") for c in overlap.columns} or {"animal_id": "Unit"},
        file="linkage/overlap.tsv",
        title="Outcomes and scores of each unit",
        reason="No unit has both scores and outcomes.",
    )
    files = sources.files
    return Linked(
        axes=paracrine(sources) if files.get("axes") else None,
        associations=associations(sources) if files.get("associations") else None,
        screen=screened(sources) if files.get("outcome_sets") else None,
        overlap=shared if files.get("overlap") else None,
        picture=svg_address(sources.results / "linkage" / "associations.svg"),
        views=views(sources) if files.get("views") else None,
        networks=[network(p, t, sources) for p, t in sources.tables("networks").items()],
        memory=memory_share(sources),
    )


def associations(sources: Sources) -> Grid:
    """Declared pairs with r, interval, adjusted p and the reason where there is no test."""
    df = sources.table("associations", ASSOCIATION_COLUMNS)
    df = df.sort_values(["family", "p_adj", "outcome"], kind="stable") if len(df) else df
    rows = pd.DataFrame(
        {
            "family": df["family"],
            "score": [symbol(sources.dictionary, s) for s in df["score_id"]],
            "outcome": [symbol(sources.dictionary, o) for o in df["outcome"]],
            "r": df["r"].map(number),
            "interval": [interval(a, b) for a, b in zip(df["lower"], df["upper"], strict=True)],
            "p": df["p_adj"].map(p_value) if len(df) else df["p_adj"],
            "change": [_with_one_sd(row) for row in df.itertuples()],
            "n": df["n"].map(number),
            "beyond": [_beyond(row) for row in df.itertuples()],
            "without": [interval(a, b) for a, b in zip(df["r_least"], df["r_most"], strict=True)],
            "arms": df["r_by_arm"],
            "pooled": df["r_pooled"].map(number),
            "reason": df["reason"],
        }
    )
    columns = {
        "family": "Family",
        "score": "Score",
        "outcome": "Outcome",
        "r": "r beyond the design",
        "interval": "95 % interval",
        "p": "adjusted p",
        "change": "Outcome with one SD more of the score",
        "n": "n",
        "beyond": "r beyond covariates too (p)",
        "without": "r without any one unit",
        "arms": "r by arm (description)",
        "pooled": "r pooled (description)",
        "reason": "Reason or remark",
    }
    return grid(
        rows,
        columns,
        file=ASSOCIATIONS_FILE,
        title="Pairs declared before data",
        anchors=[anchor(ASSOCIATIONS_FILE, i + 2) for i in df.index],
        reason="No pair was declared.",
    )


def _with_one_sd(row: Any) -> str:
    """What goes with one SD of a score beyond the design, in the outcome's own unit."""
    if pd.isna(row.per_sd) or row.per_sd == "":
        return ""
    ends = interval(row.per_sd_lower, row.per_sd_upper)
    return " ".join(
        x for x in (number(row.per_sd), str(row.per_sd_unit), ends and f"({ends})") if x
    )


def _beyond(row: Any) -> str:
    """The association beyond covariates, or why there is none."""
    known = pd.notna(row.r_covariates) and row.r_covariates != ""
    said = f"{number(row.r_covariates)} ({p_value(row.p_covariates)}; {row.covariates})"
    return said if known else str(row.covariates)


def screened(sources: Sources) -> Grid:
    """Sets that track an outcome among all that are scored: a screen at 5 % false discoveries."""
    df = sources.table("outcome_sets", SCREEN_COLUMNS)
    df = df.assign(p_adj=pd.to_numeric(df["p_adj"], errors="coerce"))
    df = df[df["p_adj"] <= Q].sort_values(["outcome", "p_adj", "score_id"], kind="stable")
    rows = pd.DataFrame(
        {
            "outcome": [symbol(sources.dictionary, o) for o in df["outcome"]],
            "score": [symbol(sources.dictionary, s) for s in df["score_id"]],
            "r": df["r"].map(number),
            "p": df["p_adj"].map(p_value) if len(df) else df["p_adj"],
            "n": df["n"].map(number),
            "units": df["units"],
        }
    )
    columns = {
        "outcome": "Outcome",
        "score": "Score",
        "r": "r beyond the design",
        "p": "adjusted p",
        "n": "n",
        "units": "Units",
    }
    return grid(
        rows,
        columns,
        file="linkage/sets.tsv",
        title="Screen: all scores against these outcomes (Benjamini-Hochberg per outcome; exploratory)",
        reason="No score tracks an outcome at 5 % false discoveries.",
    )


def network(path: Path, table: pd.DataFrame, sources: Sources) -> Network:
    """One network from its edge table and the picture beside it."""
    table = complete(table, EDGE_COLUMNS)
    name = path.parent.name
    facts = "No route: no gene that the table reaches changed." if table.empty else _facts(table)
    columns = {
        "source": "From",
        "sign": "Sign",
        "target": "To",
        "frequency": "Share of optima",
        "null_frequency": "Share in the null",
        "refitted": "Share without one unit",
        "evidence": "Evidence",
    }
    ordered = table.assign(sign=table["sign"].map(_sign)) if len(table) else table
    ordered = ordered.sort_values(
        ["frequency", "source", "target"], ascending=[False, True, True], kind="stable"
    )
    refits = _beside(sources, "refits", path, REFIT_COLUMNS)
    key = ["source", "sign", "target"]
    refits = refits[[*key, "frequency"]].rename(columns={"frequency": "refitted"})
    ordered = ordered.merge(refits.assign(sign=refits["sign"].map(_sign)), on=key, how="left")
    edges = grid(
        ordered,
        columns,
        file=f"linkage/network/{name}/edges.tsv",
        title="Edges",
        reason="No edge.",
        limit=60,
    )
    routes = _routes(_beside(sources, "routes", path, ROUTE_COLUMNS), name)
    nodes = _beside(sources, "nodes", path, NODE_COLUMNS)
    picture = svg_address(path.parent / "routes.svg")
    return Network(name, picture, routes, edges, _ends(nodes, name, sources), facts)


def _ends(nodes: pd.DataFrame, name: str, sources: Sources) -> Grid:
    """Programmes and outcomes of a network, and why any of them hangs on nothing."""
    own = nodes[nodes["kind"].isin(["programme", "outcome"])]
    names = [symbol(sources.dictionary, v) for v in own["node"]]
    columns = {
        "node": "Programme or outcome",
        "of": "Behind",
        "weight": "Weight, r beyond the design",
        "p_adj": "adjusted p",
        "n": "n",
        "reason": "Reason or remark",
    }
    return grid(
        own.assign(node=names),
        columns,
        file=f"linkage/network/{name}/nodes.tsv",
        title="Programmes and the outcomes that track them",
        reason="No programme was asked about.",
    )


def _beside(sources: Sources, name: str, path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The table of the same network that stands beside its edges."""
    own = [t for p, t in sources.tables(name).items() if p.parent == path.parent]
    return complete(own[0] if own else pd.DataFrame(), columns)


def _sign(value: object) -> str:
    return "+" if str(value) in ("1", "1.0") else "−"


def _routes(table: pd.DataFrame, name: str) -> Grid:
    columns = {
        "receptor": "Receptor",
        "gain": "Gain",
        "genes_right": "Genes explained",
        "genes": "of genes changed",
        "rank": "Rank by gain",
        "of": "of receptors",
        "one_signed": "Share of genes in reach with one sign",
        "p_adj": "adjusted p, arms dealt anew",
        "p_floor": "smallest p possible",
        "topology_share": "Share of rewired networks that do as well",
        "reason": "Reason or remark",
    }
    return grid(
        table.sort_values(["p_adj", "receptor"], kind="stable") if len(table) else table,
        columns,
        file=f"linkage/network/{name}/routes.tsv",
        title="Receptors on their own",
        reason="No receptor was asked for.",
    )


def _facts(table: pd.DataFrame) -> str:
    whole = table["pool_complete"].astype(str).str.lower().isin(["true", "1", "yes", "1.0"]).all()
    known = table[~table["layer"].isin(["programme", "outcome"])]
    memory = (known["evidence"] == "memory").mean()
    pool = "all optima were listed" if whole else "not all optima were listed"
    share = f"{100 * memory:.0f} % of the edges are known from memory only"
    return f"{len(known)} edges; {pool}; {share}. Consistent with the data, which is no proof of cause."


def memory_share(sources: Sources) -> str:
    """What stands behind the edges of the team's signed table."""
    path = sources.path("signalling")
    if path is None:
        return ""
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if table.empty or "evidence" not in table.columns:
        return ""
    kinds = table["evidence"]
    said = (("memory", "are known from memory"), ("table", "have their sign from a named table"))
    parts = [(kind, f"{100 * (kinds == kind).mean():.0f} % {text}") for kind, text in said]
    told = [text for kind, text in parts if (kinds == kind).any()]
    told.append(f"for {100 * (kinds == 'seen').mean():.0f} % a source was read")
    return f"Of the {len(table)} edges of the team's signed table {', '.join(told)}."
