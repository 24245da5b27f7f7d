"""The drawing of routes: letters that can be read, columns in order, and signs that do not rest on colour."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from periomics.core.figures import save
from periomics.linkage.doubts import AGAINST
from periomics.linkage.layers import placed
from periomics.linkage.route_figure import PAGE, POINTS, route_figure

KINDS = ("receptor", "signalling", "factor", "effector", "programme", "outcome")
REFITS = pd.DataFrame(columns=["source", "sign", "target", "frequency", "refits"])


def drawn(rng, sizes):
    """A network of so many nodes of each kind, every node behind one or two of the kind before, and some edges back."""
    layers, rows, edges = [], [], []
    for kind, n in zip(KINDS, sizes, strict=True):
        word = {"programme": "angiogenesis programme "}.get(kind, "GENE")
        names = [f"{word}{kind[:2].upper()}{i}" for i in range(n)]
        rows += [(v, kind, int(rng.choice([-1, 0, 1]))) for v in names]
        for v in names if layers else ():
            for s in rng.choice(layers[-1], min(2, len(layers[-1])), replace=False):
                layer = kind if kind in ("programme", "outcome") else "signalling"
                edges.append((str(s), int(rng.choice([-1, 1])), v, layer, rng.random()))
        layers.append(names)
    edges.append((layers[3][0], 1, layers[1][0], "signalling", 1.0))
    edges.append((layers[2][0], -1, layers[2][-1], "transcription", 1.0))
    table = pd.DataFrame(edges, columns=["source", "sign", "target", "layer", "frequency"])
    return table, pd.DataFrame(rows, columns=["node", "kind", "state"])


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1, 1), (2, 6, 5, 14, 2, 3), (4, 12, 12, 40, 2, 6)])
def test_no_text_lies_on_another_or_beyond_the_page(sizes):
    edges, nodes = drawn(np.random.default_rng(sum(sizes)), sizes)
    ligands = {"GENERE0": ["EGF", "AREG", "HBEGF", "TGFA", "BTC", "EREG"]}
    fig = route_figure(edges, nodes, REFITS, "a long title, " * 12, ligands)
    renderer = fig.canvas.get_renderer()
    texts = [t for t in fig.axes[0].texts if t.get_text()]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts]
    for (a, one), (b, other) in combinations(boxes, 2):
        assert not one.overlaps(other), (a, b)
    page = fig.bbox
    for text, box in boxes:
        assert box.x0 >= page.x0 and box.x1 <= page.x1, text
        assert box.y0 >= page.y0 and box.y1 <= page.y1, text
    shrink = min(1.0, PAGE / fig.get_figwidth())
    assert min(t.get_fontsize() for t in texts) * shrink >= 0.93 * POINTS


def test_signs_are_told_by_the_head_and_widths_by_the_refits(tmp_path):
    nodes = pd.DataFrame(
        [("R", "receptor", 1), ("A", "effector", 1), ("B", "effector", -1)],
        columns=["node", "kind", "state"],
    )
    edges = pd.DataFrame(
        [("R", 1, "A", "transcription", 1.0), ("R", -1, "B", "transcription", 1.0)],
        columns=["source", "sign", "target", "layer", "frequency"],
    )
    refits = pd.DataFrame(
        [("R", 1, "A", 1.0, 6)], columns=["source", "sign", "target", "frequency", "refits"]
    )
    fig = route_figure(edges, nodes, refits, "t", {})
    arrows = [p for p in fig.axes[0].patches if hasattr(p, "get_arrowstyle")][:2]
    assert type(arrows[0].get_arrowstyle()) is not type(arrows[1].get_arrowstyle())
    assert arrows[0].get_linewidth() > 2 * arrows[1].get_linewidth()
    save(fig, tmp_path / "one.svg")
    save(route_figure(edges, nodes, refits, "t", {}), tmp_path / "two.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_an_edge_against_its_sign_is_broken_and_the_legend_says_so():
    edges, nodes = drawn(np.random.default_rng(3), (1, 2, 1, 2, 1, 1))
    told = []
    for evidence in ("memory", AGAINST):
        own = edges.assign(evidence=["seen"] * (len(edges) - 1) + [evidence])
        ax = route_figure(own, nodes, REFITS, "t", {}).axes[0]
        styles = {str(p.get_linestyle()) for p in ax.patches}
        told.append((len(styles), any(AGAINST in t.get_text() for t in ax.texts)))
    assert told[0][1] is False and told[1] == (told[0][0] + 1, True)


def test_nodes_of_a_column_keep_their_distance_and_lines_do_not_cross():
    column = {"a": 0, "b": 0, "x": 1, "y": 1, "z": 2}
    at = placed(column, [("a", "y"), ("b", "x"), ("a", "z")], dict.fromkeys(column, 0.3))
    assert (at.y["a"] < at.y["b"]) == (at.y["y"] < at.y["x"])
    for one, other in (("a", "b"), ("x", "y")):
        assert abs(at.y[one] - at.y[other]) >= 0.3 - 1e-9
    assert [k for k, _ in at.by["a", "z"]] == [1]
