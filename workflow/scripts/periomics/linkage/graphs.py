"""Routes as a graph file that other programs open (Cytoscape, Gephi, yEd)."""

from __future__ import annotations

import os

import pandas as pd

from periomics.core.files import atomic


def write_graphml(table: pd.DataFrame, nodes: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write the edges of a network with their frequencies, and the nodes with their states, as GraphML.

    Parameters
    ----------
    table
        linkage/network/<name>/edges.tsv.
    nodes
        nodes.tsv of the network: kind, state and weight of each; no weight is written as 0.
    path
        Where; whole or not at all.
    """
    import networkx as nx

    graph = nx.MultiDiGraph()
    shown = set(table["source"]) | set(table["target"])
    for node in nodes[nodes["node"].isin(shown)].sort_values("node").itertuples():
        weight = 0.0 if pd.isna(node.weight) else float(node.weight)
        graph.add_node(node.node, kind=str(node.kind), state=int(node.state), weight=weight)
    ordered = table.sort_values(["source", "sign", "target"], kind="stable")
    for row in ordered.itertuples():
        graph.add_edge(
            row.source,
            row.target,
            sign=int(row.sign),
            frequency=0.0 if pd.isna(row.frequency) else float(row.frequency),
            layer=str(row.layer),
            evidence=str(row.evidence),
        )
    with atomic(path) as part:
        nx.write_graphml(graph, part)
