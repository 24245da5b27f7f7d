"""Names of cells: the table of markers, what is on, what is called, what stays unknown."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from periomics.core.errors import InputError
from periomics.singlecell.labels import UNKNOWN, call, evidence, type_scores
from periomics.singlecell.markers import plain_symbol, read_markers, share_seen
from periomics.study.settings.singlecell import Atlas

SETTINGS = Atlas()


def table(**types):
    """Markers of types: 'A B -C' is two that are on and one that is off; 'x/y' a subtype y of x."""
    rows = []
    for name, genes in types.items():
        parent, _, own = name.rpartition("__")
        rows += [
            (own, parent, "down" if g[0] == "-" else "up", g.strip("-")) for g in genes.split()
        ]
    return pd.DataFrame(rows, columns=["cell_type", "parent", "direction", "gene"])


def labelled(levels, markers, extra=()):
    """Label of each of 40 cells a cluster, whose log levels of genes are given, with a little noise."""
    genes = sorted(set(markers["gene"]) | set(extra))
    rng = np.random.default_rng(1)
    rows = [[level.get(g, 0.0) for g in genes] for level in levels for _ in range(40)]
    logs = np.maximum(np.array(rows) + rng.normal(0, 0.05, (len(rows), len(genes))), 0)
    clusters = np.repeat([str(i) for i in range(len(levels))], 40)
    near = np.array([np.arange(40) + 40 * (i // 40) for i in range(len(rows))])
    near = np.array([np.roll(row, -(i % 40))[:10] for i, row in enumerate(near)])
    found = evidence(sp.csr_matrix(logs), genes, clusters, near, markers)
    called = call(type_scores(found, markers, clusters), markers, SETTINGS)
    return [set(called["label"][clusters == str(i)]) for i in range(len(levels))], called


@pytest.mark.parametrize("species", ["human", "mouse", "rat"])
def test_every_type_has_markers_in_every_species(root, species):
    markers = read_markers(root / "resources/cell_types.tsv", species)
    up = markers[(markers["direction"] == "up") & (markers["parent"] == "")]
    assert (up.groupby("cell_type").size() >= 4).all()
    assert not markers.duplicated(["cell_type", "direction", "gene"]).any()
    assert {"monocyte", "macrophage", "neutrophil", "nk_cell", "plasma_cell", "osteoclast"} <= set(
        markers["cell_type"]
    )


def test_every_marker_says_where_it_is_from_and_the_documented_counts_are_those(root):
    path = root / "resources/cell_types.tsv"
    evidence_of = pd.read_csv(path, sep="\t", keep_default_na=False)["evidence"]
    # A place that can be looked up, and the row or passage of it.
    assert evidence_of.str.fullmatch(r"seen: [a-z0-9-]+(\.[a-z-]+)+\S* .*\(.+\)").all()
    assert share_seen(path) == 1
    text = (root / "docs/omics.md").read_text(encoding="utf-8")
    number = len(evidence_of)
    assert f"Of the team's {number} markers" in text and f"{number} have a\nsource" in text


def test_a_table_of_ones_own_without_evidence_has_no_share(tmp_path):
    path = tmp_path / "own.tsv"
    path.write_text("cell_type\tgene_rat\nx\tAbc\n", encoding="utf-8")
    assert np.isnan(share_seen(path))


def test_rodents_write_symbols_as_rodents_do(root):
    for species in ("mouse", "rat"):
        genes = read_markers(root / "resources/cell_types.tsv", species)["gene"]
        assert [g for g in genes if g.isupper() and not g.startswith(("H2-", "RT1-"))] == []


def test_clusters_with_their_markers_on_are_named_and_one_without_is_unknown():
    markers = table(x="A B C", y="D E F")
    names, called = labelled(
        [{"A": 2, "B": 2, "C": 2}, {"D": 2, "E": 2, "F": 2}, {}, {"A": 2}], markers
    )
    assert names == [{"x"}, {"y"}, {UNKNOWN}, {UNKNOWN}]
    assert (called["confidence"] > 0.8).all()


def test_genes_that_are_high_everywhere_name_nothing():
    markers = table(x="A B C", y="D E F")
    every = {"D": 3, "E": 3, "F": 3}
    names, _ = labelled([{"A": 2, "B": 2, "C": 2} | every, every, every], markers)
    assert names == [{"x"}, {UNKNOWN}, {UNKNOWN}]


def test_two_types_whose_markers_are_on_alike_are_unknown():
    markers = table(x="A B C", y="D E F")
    both = dict.fromkeys("ABCDEF", 2)
    names, _ = labelled([both, {"A": 2, "B": 2, "C": 2}, {"D": 2, "E": 2, "F": 2}], markers)
    assert names == [{UNKNOWN}, {"x"}, {"y"}]


def test_markers_of_absence_keep_a_name_away():
    markers = table(x="A B -N", y="D E")
    names, _ = labelled([{"A": 2, "B": 2}, {"A": 2, "B": 2, "N": 2}, {"D": 2, "E": 2}], markers)
    assert names == [{"x"}, {UNKNOWN}, {"y"}]


def test_subtypes_are_told_within_their_parent_only_and_the_parent_stays_where_they_are_not():
    markers = table(x="A B", x__one="P Q", x__two="R S", y="D E")
    names, _ = labelled(
        [
            {"A": 2, "B": 2, "P": 2, "Q": 2},
            {"A": 2, "B": 2, "R": 2, "S": 2},
            {"A": 2, "B": 2},
            {"D": 2, "E": 2, "P": 2, "Q": 2},
        ],
        markers,
    )
    assert names == [{"one"}, {"two"}, {"x"}, {"y"}]


def test_no_marker_in_the_table_makes_every_cell_unknown():
    names, _ = labelled([{}, {}], table(x="A B")[:0], extra=("Z", "Y"))
    assert names == [{UNKNOWN}, {UNKNOWN}]


@pytest.mark.parametrize(
    ("symbol", "plain"),
    [
        ("CD79A_ENSG00000105369", "CD79A"),
        ("Cd8a.ENSRNOG00000006899", "Cd8a"),
        ("HLA-DRA", "HLA-DRA"),
        ("RP11-290F20.3", "RP11-290F20.3"),
    ],
)
def test_ids_appended_to_symbols_are_left_out(symbol, plain):
    assert plain_symbol(symbol) == plain


def test_own_tables_need_two_columns_and_wrong_words_are_refused_by_row(tmp_path):
    path = tmp_path / "own.tsv"
    path.write_text("cell_type\tgene_rat\nx\tA\nx\tNA\n", encoding="utf-8")
    own = read_markers(path, "rat")
    assert own.to_numpy().tolist() == [["x", "", "up", "A"]]
    with pytest.raises(InputError, match="gene_mouse"):
        read_markers(path, "mouse")
    path.write_text("cell_type\tdirection\tgene_rat\nx\tabove\tA\n", encoding="utf-8")
    with pytest.raises(InputError, match="no direction"):
        read_markers(path, "rat")
    path.write_text("cell_type\tparent\tgene_rat\nxes\t\tB\ny\txess\tA\n", encoding="utf-8")
    with pytest.raises(InputError, match="did you mean 'xes'"):
        read_markers(path, "rat")
