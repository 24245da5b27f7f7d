"""Linkage on the page: which scores track outcomes, what could not be linked, signed routes and the evidence behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from periomics.report.claims import ASSOCIATIONS_FILE, anchor
from periomics.report.grids import Grid, grid
from periomics.report.pictures import Picture, embedded
from periomics.report.sources import Sources, complete
from periomics.report.words import interval, number, p_value, symbol

ASSOCIATION_COLUMNS = (
    "outcome",
    "score_id",
    "r",
    "lower",
    "upper",
    "p",
    "p_adj",
    "n",
    "family",
    "method",
    "adjusted_for",
    "p_floor",
    "r_pooled",
    "reason",
)
EDGE_COLUMNS = (
    "source",
    "sign",
    "target",
    "frequency",
    "null_frequency",
    "pool_complete",
    "evidence",
)


@dataclass(frozen=True)
class Network:
    """Routes of one network: picture, edges, share of edges known from memory only."""

    name: str
    picture: Picture | None
    edges: Grid
    facts: str


@dataclass(frozen=True)
class Linked:
    """Linkage on the page."""

    associations: Grid | None
    overlap: Grid | None
    picture: str
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
    return Linked(
        associations(sources) if sources.files.get("associations") else None,
        shared if sources.files.get("overlap") else None,
        figure(sources.results / "linkage" / "associations.svg"),
        [network(p, t, sources.results) for p, t in sources.tables("networks").items()],
        memory_share(sources),
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
            "n": df["n"].map(number),
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
        "n": "n",
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


def figure(path: Path | None) -> str:
    """A drawn SVG file as a data address, '' where there is none."""
    import base64

    if path is None or not path.is_file():
        return ""
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"


def network(path: Path, table: pd.DataFrame, results: Path) -> Network:
    """One network from its edge table and the picture beside it."""
    table = complete(table, EDGE_COLUMNS)
    name = path.parent.name
    image = path.parent / "routes.png"
    found = embedded([(name, "", image)], results, 1)[0] if image.is_file() else []
    facts = "No route: no gene that the table reaches changed." if table.empty else _facts(table)
    columns = {
        "source": "From",
        "sign": "Sign",
        "target": "To",
        "frequency": "Share of optima",
        "null_frequency": "Share in the null",
        "evidence": "Evidence",
    }
    ordered = (
        table.assign(sign=table["sign"].map(lambda s: "+" if str(s) in ("1", "1.0") else "−"))
        if len(table)
        else table
    )
    ordered = ordered.sort_values(
        ["frequency", "source", "target"], ascending=[False, True, True], kind="stable"
    )
    edges = grid(
        ordered,
        columns,
        file=f"linkage/network/{name}/edges.tsv",
        title="Edges",
        reason="No edge.",
        limit=60,
    )
    return Network(name, found[0] if found else None, edges, facts)


def _facts(table: pd.DataFrame) -> str:
    whole = table["pool_complete"].astype(str).str.lower().isin(["true", "1", "yes", "1.0"]).all()
    memory = (table["evidence"] == "memory").mean()
    pool = "all optima were listed" if whole else "not all optima were listed"
    share = f"{100 * memory:.0f} % of the edges are known from memory only"
    return f"{len(table)} edges; {pool}; {share}. Consistent with the data, which is no proof of cause."


def memory_share(sources: Sources) -> str:
    """How much of the team's signed table has no source that was read."""
    path = sources.path("signalling")
    if path is None:
        return ""
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if table.empty or "evidence" not in table.columns:
        return ""
    share = (table["evidence"] == "memory").mean()
    whole = f"Of the {len(table)} edges of the team's signed table"
    rest = ", the rest from a source that was read" if share < 1 else "; no source was read for any"
    return f"{whole} {100 * share:.0f} % are known from memory{rest}."
