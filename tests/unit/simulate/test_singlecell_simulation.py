"""Simulated cells: shares, doublets, dying cells and programmes are what the truth says."""

import numpy as np
import pytest

from periomics.simulate.singlecell import (
    DEPTH,
    DOUBLETS,
    DYING,
    PROGRAMMES,
    TYPES,
    draw_library,
    draw_tissue,
    truth_table,
    type_markers,
)
from periomics.singlecell.markers import read_markers

H0 = {"h_barrier": 0.0, "h_vessels": 0.0, "h_inflammation": 0.0}
FACT = {"specimen_id": "R01-sc", "animal_id": "R01", "sample": "R01-sc"}


@pytest.fixture(scope="module")
def tissue(tables, signalling):
    return draw_tissue(tables, signalling, "rat", 1800, 3)


def test_every_simulated_type_has_markers_that_the_teams_table_knows(root):
    for species in ("human", "mouse", "rat"):
        named, drawn = (
            read_markers(root / "resources/cell_types.tsv", species),
            type_markers(species),
        )
        for name in TYPES:
            known = named.loc[named["cell_type"] == name, "gene"]
            assert len(set(known) & set(drawn[name])) >= 4, (species, name)


def test_cells_are_what_they_are_said_to_be(tissue):
    counts, cells = draw_library(tissue, FACT, H0, 4000, 5)
    assert (cells["doublet"] == "yes").mean() == pytest.approx(DOUBLETS, abs=0.012)
    assert (cells["dying"] == "yes").mean() == pytest.approx(DYING, abs=0.01)
    mito = 100 * counts[:, tissue.mito].sum(axis=1) / counts.sum(axis=1)
    dying = (cells["dying"] == "yes").to_numpy()
    assert np.median(mito[dying]) > 30 > 10 > np.median(mito[~dying])
    good = ((cells["dying"] == "no") & (cells["doublet"] == "no")).to_numpy()
    assert np.median(counts[good].sum(axis=1)) == pytest.approx(DEPTH, rel=0.05)
    doublet = (cells["doublet"] == "yes").to_numpy() & ~dying
    assert np.median(counts[doublet].sum(axis=1)) > 1.5 * np.median(counts[good].sum(axis=1))


def test_healing_moves_shares_and_programmes_as_said(tissue):
    ill, well = (draw_library(tissue, FACT, dict.fromkeys(H0, h), 6000, 5) for h in (0.0, 1.0))
    share = [r[1]["type"].value_counts(normalize=True) for r in (ill, well)]
    assert share[1]["neutrophil"] < 0.7 * share[0]["neutrophil"]
    assert share[1]["endothelial"] > 1.2 * share[0]["endothelial"]
    planted = (
        tissue.planted[tissue.planted["component"] == "h_vessels"].groupby("gene_id")["lfc"].sum()
    )
    sums = []
    for counts, cells in (ill, well):
        hit = ((cells["type"] == "endothelial") & (cells["doublet"] == "no")).to_numpy()
        sums.append(counts[hit].sum(axis=0) / counts[hit].sum())
    change = np.log2((sums[1] + 1e-7) / (sums[0] + 1e-7))
    rows = [i for i, g in enumerate(tissue.genes) if g in planted.index and sums[0][i] > 2e-4]
    truth = planted[[tissue.genes[i] for i in rows]].to_numpy()
    assert np.polyfit(truth, change[rows], 1)[0] == pytest.approx(1, abs=0.15)
    # a type without a programme stays as it is
    other = ((well[1]["type"] == "t_cell") & (well[1]["doublet"] == "no")).to_numpy()
    base = ((ill[1]["type"] == "t_cell") & (ill[1]["doublet"] == "no")).to_numpy()
    a, b = well[0][other].sum(axis=0), ill[0][base].sum(axis=0)
    rows = [i for i, g in enumerate(tissue.genes) if g in planted.index and min(a[i], b[i]) > 100]
    assert np.abs(np.median(np.log2(a[rows] / a.sum() / (b[rows] / b.sum())))) < 0.15


def test_truth_names_the_share_of_every_type_among_intact_cells(tissue):
    _, cells = draw_library(tissue, FACT, H0, 500, 5)
    truth = truth_table(tissue, [FACT], cells, {"R01-sc": H0})
    share = truth[truth["outcome"] == "cell_share"].set_index("roi")["truth"]
    assert share.sum() == pytest.approx(100)
    good = cells[(cells["doublet"] == "no") & (cells["dying"] == "no")]
    assert share["basal"] == pytest.approx(100 * (good["type"] == "basal").mean())
    assert set(truth.loc[truth["outcome"] == "programme", "roi"]) == set(PROGRAMMES)


def test_a_library_is_the_same_whatever_else_is_drawn_and_too_few_genes_are_refused(
    tissue, tables, signalling
):
    a, _ = draw_library(tissue, FACT, H0, 50, 5)
    b, _ = draw_library(tissue, FACT, H0, 50, 5)
    assert np.array_equal(a, b)
    with pytest.raises(ValueError, match="too few"):
        draw_tissue(tables, signalling, "rat", 700, 3)
