"""From a differential test and the signed table to routes: inputs of the integer programme, its optima, and their null."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.core.seeds import generator
from periomics.linkage.network import Pool, edge_frequencies, prune, shuffled, solve_pool
from periomics.study.settings.linkage import SignallingNetwork

EDGE_COLUMNS = (
    "source",
    "sign",
    "target",
    "frequency",
    "null_frequency",
    "pool_complete",
    "layer",
    "evidence",
    "source_state",
    "target_state",
)


def signalling_table(path: str, species: str) -> pd.DataFrame:
    """The team's signed table with symbols of a species in `source` and `target`; edges without an ortholog are left out."""
    df = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    df["sign"] = df["sign"].astype(int)
    if species != "human":
        df["source"], df["target"] = df[f"source_{species}"], df[f"target_{species}"]
    return df[(df["source"] != "NA") & (df["target"] != "NA")].reset_index(drop=True)


def changed_genes(de: pd.DataFrame, edges: pd.DataFrame, q: float, most: int) -> dict[str, float]:
    """Genes that transcription factors of the table reach and that changed (padj < q): symbol → signed weight.

    The weight is the test statistic over 5, at most 2 in size, so that a clear change is worth several nodes; of more than
    `most` genes those with the largest statistic stay.
    """
    reached = set(edges.loc[edges["layer"] == "transcription", "target"])
    hit = de[de["symbol"].isin(reached) & (de["padj"] < q)].copy()
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


def named_inputs(
    inputs: Mapping[str, int], edges_human: pd.DataFrame, edges: pd.DataFrame, species: str
) -> dict[str, int]:
    """Inputs given as human symbols, in the symbols of the species.

    Raises
    ------
    InputError
        If the table has no such node.
    """
    out = {}
    for name, sign in inputs.items():
        row = edges_human[edges_human["source"] == name].head(1)
        if row.empty:
            known = sorted(set(edges_human["source"]))
            raise InputError(
                f"the signalling table has no such input{nearest(name, known)}",
                column="linkage/networks",
                value=name,
            )
        out[str(row["source" if species == "human" else f"source_{species}"].iloc[0])] = int(sign)
    return {k: v for k, v in out.items() if k in set(edges["source"])}


def find_routes(
    edges: pd.DataFrame,
    inputs: Mapping[str, int],
    genes: Mapping[str, float],
    settings: SignallingNetwork,
    seed: int,
    name: str,
) -> tuple[pd.DataFrame, Pool, int]:
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
    n_edges
        Edges after pruning.
    """
    pruned = prune(edges, inputs, genes, settings.depth)
    beta, limit, solver = settings.beta, settings.pool, settings.solver
    pool = solve_pool(pruned, inputs, genes, beta, limit, solver)
    table = edge_frequencies([pool]).rename("frequency").reset_index()
    if len(table):
        rng = generator(seed, "solve_network", name)
        nulls = [
            solve_pool(pruned, inputs, shuffled(genes, rng), beta, 5, solver)
            for _ in range(settings.nulls)
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
    return table.reindex(columns=list(EDGE_COLUMNS)), pool, len(pruned)


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
