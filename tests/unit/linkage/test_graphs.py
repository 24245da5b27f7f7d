import networkx as nx
import numpy as np
import pandas as pd

from periomics.linkage.graphs import write_graphml
from periomics.study.interface.linkage import EDGE_COLUMNS

EDGES = [
    ("R", 1, "K", 1.0, 0.0, "yes", "signalling", "memory", 1, 1),
    ("K", -1, "T", 0.5, 0.0, "yes", "signalling", "table", 1, -1),
]
NODES = pd.DataFrame(
    [
        ("R", "receptor", 1, np.nan),
        ("K", "signalling", 1, np.nan),
        ("T", "effector", -1, -1.5),
        ("mvd", "outcome", 0, np.nan),
    ],
    columns=["node", "kind", "state", "weight"],
)


def test_a_graph_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "routes.graphml"
    write_graphml(pd.DataFrame(EDGES, columns=list(EDGE_COLUMNS)), NODES, path)
    graph = nx.read_graphml(path)
    assert graph.nodes["T"] == {"kind": "effector", "state": -1, "weight": -1.5}
    assert graph.nodes["R"] == {"kind": "receptor", "state": 1, "weight": 0.0}
    wanted = {"sign": -1, "frequency": 0.5, "layer": "signalling", "evidence": "table"}
    assert graph.edges["K", "T"].items() >= wanted.items()
    again = tmp_path / "again.graphml"
    write_graphml(pd.DataFrame(EDGES[::-1], columns=list(EDGE_COLUMNS)), NODES[::-1], again)
    assert again.read_bytes() == path.read_bytes()


def test_no_route_is_an_empty_graph(tmp_path):
    path = tmp_path / "routes.graphml"
    write_graphml(pd.DataFrame(columns=list(EDGE_COLUMNS)), NODES, path)
    assert len(nx.read_graphml(path)) == 0
