"""Routes as a graph file that other programs open (Cytoscape, Gephi, yEd)."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pandas as pd

from periomics.core.files import atomic


def write_graphml(
    table: pd.DataFrame, genes: Mapping[str, float], path: str | os.PathLike[str]
) -> None:
    """Write the edges of a network with their frequencies, and the nodes with their states, as GraphML.

    Parameters
    ----------
    table
        linkage/network/<name>/edges.tsv.
    genes
        Changed gene → signed weight; 0 is written for other nodes.
    path
        Where; whole or not at all.
    """
    import networkx as nx

    graph = nx.MultiDiGraph()
    state = dict(zip(table["source"], table["source_state"], strict=True)) | dict(
        zip(table["target"], table["target_state"], strict=True)
    )
    for node in sorted(state):
        graph.add_node(node, state=int(state[node]), weight=float(genes.get(node, 0.0)))
    ordered = table.sort_values(["source", "sign", "target"], kind="stable")
    for row in ordered.itertuples():
        graph.add_edge(
            row.source,
            row.target,
            sign=int(row.sign),
            frequency=float(row.frequency),
            layer=str(row.layer),
            evidence=str(row.evidence),
        )
    with atomic(path) as part:
        nx.write_graphml(graph, part)
