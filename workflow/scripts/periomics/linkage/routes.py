"""From a differential test and the signed table to routes: inputs of the integer programme, its optima, and their null."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from periomics.core.seeds import generator
from periomics.core.solver import version_of
from periomics.linkage.network import Pool, edge_frequencies, shuffled, solve_pool
from periomics.linkage.signed import goals_of
from periomics.study.interface.linkage import EDGE_COLUMNS
from periomics.study.settings.linkage import SignallingNetwork

SOLVER_COLUMNS = (
    "declared",
    "beta",
    "depth",
    "solver",
    "version",
    "status",
    "objective",
    "bound",
    "gap",
    "edges",
    "genes",
    "genes_right",
    "nodes",
    "pool",
    "pool_complete",
    "note",
)
# Multiples of the declared cost of a node for which the network is solved too.
BETA_PATH = (2.0, 1.0, 0.5, 0.25, 0.125)


def changed_genes(de: pd.DataFrame, edges: pd.DataFrame, q: float, most: int) -> dict[str, float]:
    """Genes of the network that changed (padj < q), `goals_of`: symbol → signed weight.

    The weight is the test statistic over 5, at most 2 in size, so that a clear change is worth several nodes; of more than
    `most` genes those with the largest statistic stay.
    """
    hit = de[de["symbol"].isin(goals_of(edges)) & (de["padj"] < q)].copy()
    hit["size"] = hit["stat"].abs()
    hit = (
        hit.sort_values(["size", "symbol"], ascending=[False, True])
        .drop_duplicates("symbol")
        .head(most)
    )
    return {
        s: float(np.sign(t) * min(abs(t) / 5, 2.0))
        for s, t in zip(hit["symbol"], hit["stat"], strict=True)
    }


def find_routes(
    edges: pd.DataFrame,
    inputs: Mapping[str, int],
    genes: Mapping[str, float],
    settings: SignallingNetwork,
    seed: int,
    name: str,
) -> tuple[pd.DataFrame, Pool]:
    """Optimal routes with their frequency in the pool of optima and in a null where the genes' changes are dealt anew.

    Parameters
    ----------
    edges
        The signed table in the study's species.
    inputs
        Receptor → +1 or −1.
    genes
        Of `changed_genes`.
    settings
        depth (steps), beta (cost of a node), pool (most optima), nulls (shuffles), solver.
    seed, name
        For the shuffles.

    Returns
    -------
    table
        linkage/network/<name>/edges.tsv. `null_frequency` is no p-value: it shows which edges the table alone favours.
    pool
        The optima.
    """
    solved = partial(solve_pool, edges, inputs, depth=settings.depth, solver_name=settings.solver)
    pool = solved(genes, settings.beta, limit=settings.pool)
    table = edge_frequencies([pool]).rename("frequency").reset_index()
    if len(table):
        rng = generator(seed, "solve_network", name)
        nulls = [
            solved(shuffled(genes, rng), settings.beta, limit=5) for _ in range(settings.nulls)
        ]
        null = (
            edge_frequencies(nulls).rename("null_frequency")
            if nulls
            else pd.Series(dtype=float, name="null_frequency")
        )
        table = (
            table.merge(null.reset_index(), on=["source", "sign", "target"], how="left")
            if len(null)
            else table
        )
    table = table.reindex(columns=["source", "sign", "target", "frequency", "null_frequency"])
    table["null_frequency"] = table["null_frequency"].fillna(0.0) if settings.nulls else np.nan
    table["pool_complete"] = "yes" if pool.complete else "no"
    facts = edges.drop_duplicates(["source", "sign", "target"])[
        ["source", "sign", "target", "layer", "evidence"]
    ]
    table = table.merge(facts, on=["source", "sign", "target"], how="left")
    states = pool.solutions[0].states if pool.solutions else {}
    table["source_state"] = [states.get(s, 0) for s in table["source"]]
    table["target_state"] = [states.get(t, 0) for t in table["target"]]
    return table.reindex(columns=list(EDGE_COLUMNS)), pool


def solver_table(
    pool: Pool,
    edges: pd.DataFrame,
    inputs: Mapping[str, int],
    genes: Mapping[str, float],
    settings: SignallingNetwork,
) -> pd.DataFrame:
    """What was solved and how far it is proven: a row for the declared beta, and for more and less of it.

    Returns
    -------
    DataFrame
        SOLVER_COLUMNS by falling beta; `pool` and `pool_complete` of the declared beta only. Where the declared beta explains
        nothing, its note says from which one on something is.
    """
    solved = partial(solve_pool, edges, inputs, depth=settings.depth, solver_name=settings.solver)
    rows = []
    for factor in BETA_PATH:
        beta = settings.beta * factor
        own = factor == 1
        found = pool if own else solved(genes, beta, limit=1)
        best = found.solutions[0] if found.solutions else None
        rows.append(
            {
                "declared": "yes" if own else "no",
                "beta": beta,
                "depth": settings.depth,
                "solver": found.solver,
                "version": version_of(found.solver),
                "status": best.status if best else "no path",
                "objective": best.objective if best else np.nan,
                "bound": found.bound,
                "gap": max(0.0, best.objective - found.bound) if best else np.nan,
                "edges": found.edges,
                "genes": len(genes),
                "genes_right": sum(best.states.get(g, 0) * w > 0 for g, w in genes.items())
                if best
                else 0,
                "nodes": len(best.states) if best else 0,
                "pool": len(found.solutions) if own else np.nan,
                "pool_complete": ("yes" if found.complete else "no") if own else "",
                "note": "; ".join(found.notes),
            }
        )
    table = pd.DataFrame(rows, columns=list(SOLVER_COLUMNS))
    filled = table.loc[table["genes_right"] > 0, "beta"]
    empty = (table["declared"] == "yes") & (table["genes_right"] == 0) & (table["nodes"] > 0)
    said = f"something is at {filled.max():g}" if len(filled) else "nor at an eighth of it"
    table.loc[empty, "note"] += f"; {said}"
    return table


def route_figure(table: pd.DataFrame, genes: Mapping[str, float], title: str):
    """The routes as a layered graph: receptor on top, genes at the bottom; width is frequency, colour is the state."""
    import networkx as nx

    from periomics.core.figures import PALETTE, new_figure

    fig, ax = new_figure(8, 6)
    ax.axis("off")
    ax.set_title(title, fontsize=9)
    graph = nx.DiGraph()
    for row in table.itertuples():
        graph.add_edge(row.source, row.target, width=0.5 + 2.5 * row.frequency, sign=row.sign)
    state = dict(zip(table["source"], table["source_state"], strict=True)) | dict(
        zip(table["target"], table["target_state"], strict=True)
    )
    roots = [n for n in graph if graph.in_degree(n) == 0]
    depth: dict[str, int] = {}
    for root in sorted(roots):
        for node, d in nx.single_source_shortest_path_length(graph, root).items():
            depth[node] = min(depth.get(node, 10**6), d)
    layers: dict[int, list[str]] = {}
    for node in sorted(graph):
        layers.setdefault(depth.get(node, 0), []).append(node)
    place = {
        n: ((i + 1) / (len(names) + 1), -d)
        for d, names in layers.items()
        for i, n in enumerate(names)
    }
    for a, b, data in graph.edges(data=True):
        style = "-|>" if data["sign"] > 0 else "-["
        ax.annotate(
            "",
            place[b],
            place[a],
            arrowprops={
                "arrowstyle": style,
                "lw": data["width"],
                "color": "0.4",
                "shrinkA": 9,
                "shrinkB": 9,
            },
        )
    for node, (x, y) in place.items():
        colour = (
            PALETTE[2]
            if state.get(node, 0) > 0
            else PALETTE[1]
            if state.get(node, 0) < 0
            else "0.8"
        )
        shape = "square,pad=0.25" if node in genes else "round,pad=0.25"
        ax.text(
            x,
            y,
            node,
            ha="center",
            va="center",
            fontsize=6,
            bbox={"boxstyle": shape, "fc": colour, "ec": "none", "alpha": 0.85},
        )
    if place:
        ax.set(xlim=(0, 1), ylim=(min(y for _, y in place.values()) - 0.5, 0.5))
    return fig
