"""From a differential test and the signed table to routes: inputs of the integer programme, its optima, and their null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from periomics.core.seeds import generator
from periomics.core.solver import version_of
from periomics.linkage.doubts import doubted
from periomics.linkage.inverse import ANY
from periomics.linkage.network import Pool, Solution, edge_frequencies, shuffled, solve_pool
from periomics.linkage.signed import goals_of
from periomics.study.interface.linkage import EDGE_COLUMNS
from periomics.study.settings.linkage import SignallingNetwork

SOLVER_COLUMNS = (
    "declared",
    "mode",
    "weights",
    "doubt",
    "against",
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
# A network of more edges takes up to half a minute for a programme: few optima, no null, no other costs, no ranks.
MOST_EDGES = 3000
MOST_OPTIMA = 5


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


def without_any(pool: Pool, beta: float) -> Pool:
    """Optima without the node behind all receptors and its cost, each once."""
    return replace(
        pool,
        solutions=tuple(_stripped(s, beta) for s in pool.solutions),
        bound=pool.bound - beta,
    )


def _stripped(solution: Solution, beta: float) -> Solution:
    return replace(
        solution,
        objective=solution.objective - beta,
        states={v: x for v, x in solution.states.items() if v != ANY},
        edges=tuple(e for e in solution.edges if e[0] != ANY),
    )


def optima(
    edges: pd.DataFrame,
    inputs: Mapping[str, int],
    settings: SignallingNetwork,
    measured: Mapping[str, float],
    beta: float,
    limit: int,
) -> Pool:
    """Optima of a network as its settings ask for them; where every receptor is free, without the node behind them."""
    pool = solve_pool(
        edges,
        inputs,
        measured,
        beta,
        depth=settings.depth,
        limit=limit,
        solver_name=settings.solver,
        weights=settings.weights,
        doubt=settings.price,
    )
    return without_any(pool, beta) if ANY in inputs else pool


def find_routes(
    edges: pd.DataFrame,
    inputs: Mapping[str, int],
    genes: Mapping[str, float],
    settings: SignallingNetwork,
    seed: int,
    name: str,
    programmes: Mapping[str, float] | None = None,
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
    programmes
        Programme → signed weight, to be explained beside the genes; not shuffled.

    Returns
    -------
    table
        linkage/network/<name>/edges.tsv. `null_frequency` is no p-value: it shows which edges the table alone favours.
    pool
        The optima.
    """
    solved, large = partial(optima, edges, inputs, settings), len(edges) > MOST_EDGES
    beside = dict(programmes or {})
    most = min(settings.pool, MOST_OPTIMA) if large else settings.pool
    pool = solved({**genes, **beside}, settings.beta, most)
    if large:
        said = f"more than {MOST_EDGES} edges: at most {most} optima, no null and no other beta"
        pool = replace(pool, notes=(*pool.notes, said))
    shuffles = 0 if large else settings.nulls
    table = edge_frequencies([pool]).rename("frequency").reset_index()
    if len(table):
        rng = generator(seed, "solve_network", name)
        nulls = [
            solved({**shuffled(genes, rng), **beside}, settings.beta, 5) for _ in range(shuffles)
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
    table["null_frequency"] = table["null_frequency"].fillna(0.0) if shuffles else np.nan
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
    programmes: Mapping[str, float] | None = None,
    said: Sequence[str] = (),
) -> pd.DataFrame:
    """What was solved and how far it is proven: a row for the declared beta, and for more and less of it.

    Parameters
    ----------
    pool, edges, inputs, genes, settings, programmes
        Of `find_routes`.
    said
        What was said of the network before: it stands beside the declared beta.

    Returns
    -------
    DataFrame
        SOLVER_COLUMNS by falling beta; `pool` and `pool_complete` of the declared beta only. Where the declared beta explains
        nothing, its note says from which one on something is.
    """
    measured, rows = {**genes, **(programmes or {})}, []
    rows_against = edges.loc[doubted(edges), ["source", "sign", "target"]]
    other = set(rows_against.itertuples(index=False, name=None))
    weights = ", ".join(f"{v} {w:g}" for v, w in sorted(settings.weights.items())) or "none"
    for factor in (1.0,) if len(edges) > MOST_EDGES else BETA_PATH:
        beta = settings.beta * factor
        own = factor == 1
        found = pool if own else optima(edges, inputs, settings, measured, beta, 1)
        best = found.solutions[0] if found.solutions else None
        rows.append(
            {
                "declared": "yes" if own else "no",
                "beta": beta,
                "mode": settings.mode,
                "weights": weights,
                "doubt": settings.price,
                "against": sum(e in other for e in best.edges) if best else 0,
                "depth": settings.depth - (ANY in inputs),
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
                "note": "; ".join([*said, *found.notes] if own else found.notes),
            }
        )
    table = pd.DataFrame(rows, columns=list(SOLVER_COLUMNS))
    filled = table.loc[table["genes_right"] > 0, "beta"]
    empty = (table["declared"] == "yes") & (table["genes_right"] == 0) & (table["nodes"] > 0)
    said = f"something is at {filled.max():g}" if len(filled) else "nor at an eighth of it"
    table.loc[empty, "note"] += f"; {said}"
    return table
