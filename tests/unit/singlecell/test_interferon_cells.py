"""Real cells (Kang 2018, two donors with and without interferon beta) beside the source's own labels, which were not seen."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from periomics.core.errors import InputError
from periomics.singlecell.atlas import embed, label
from periomics.singlecell.formats import refuse_scaled
from periomics.singlecell.integration import mixing
from periomics.singlecell.labels import UNKNOWN, call, type_scores
from periomics.singlecell.markers import read_markers
from periomics.singlecell.quality import good_cells, judge_cells
from periomics.singlecell.readers import read_cells
from periomics.study.settings.singlecell import Atlas

pytestmark = pytest.mark.data
# The source parts monocytes in two, which our table does not.
OURS = {
    "B cells": "b_cell",
    "CD4 T cells": "cd4_t_cell",
    "CD8 T cells": "cd8_t_cell",
    "CD14+ Monocytes": "monocyte",
    "FCGR3A+ Monocytes": "monocyte",
}
SETTINGS = Atlas(
    sample_column="sample_id",
    label_column="cluster_id",
    min_counts=100,
    min_genes=50,
    drop_doublets=False,
)


@pytest.fixture(scope="module")
def markers(root):
    return read_markers(root / "resources/cell_types.tsv", "human")


@pytest.fixture(scope="module")
def named(data, markers):
    path = data / "scrna" / "kang_ifnb_4samples_subset.h5ad"
    facts = [
        {"specimen_id": s, "animal_id": s[-3:], "sample": s, "species": "human", "path": str(path)}
        for s in ("ctrl101", "stim101", "ctrl107", "stim107")
    ]
    cells = read_cells(facts, SETTINGS)
    cells.obs["theirs"] = cells.obs.pop("given_label").map(OURS).astype(str)
    judge_cells(cells, SETTINGS, 7)
    cells = good_cells(cells)
    found = embed(cells, SETTINGS, 7)
    _, _, seen = label(cells, found, markers, SETTINGS)
    return cells, found, seen


def test_cells_rounded_to_their_median_are_told_and_as_they_are_not(named):
    counts = named[0].layers["counts"].tocsr()
    refuse_scaled(counts)
    totals = counts.sum(axis=1)
    scaled = np.rint(counts.toarray() * np.median(np.asarray(totals)) / np.asarray(totals))
    with pytest.raises(InputError, match=r"3\d % of cells lack|add up to"):
        refuse_scaled(sp.csr_matrix(scaled))
    scaled[::2] = counts.toarray()[::2]
    with pytest.raises(InputError, match="of cells lack a small number"):
        refuse_scaled(sp.csr_matrix(scaled))


def test_cells_keep_their_names(named):
    cells, _, _ = named
    theirs, ours = (cells.obs[c].to_numpy(str) for c in ("theirs", "label"))
    coarser = (ours == "t_cell") & np.char.endswith(theirs, "t_cell")
    assert ((ours == theirs) | coarser).mean() > 0.9
    assert adjusted_rand_score(theirs, ours) > 0.8
    assert (ours[theirs == "monocyte"] == "monocyte").mean() > 0.95
    assert (ours[theirs == "b_cell"] == "b_cell").mean() > 0.9


def test_clusters_hold_both_arms_and_libraries_mix_within_types(named):
    cells, found, _ = named
    stimulated = cells.obs["specimen_id"].astype(str).str.startswith("stim")
    share = stimulated.groupby(cells.obs["cluster"], observed=True).mean()
    size = cells.obs["cluster"].value_counts()
    assert share[size.loc[share.index] >= 15].between(0.2, 0.8).all()
    libraries = cells.obs["specimen_id"].to_numpy(str)
    mixed = mixing(found.neighbours, libraries, cells.obs["theirs"].to_numpy(str))
    assert (mixed > 0.8).all()


def test_confidence_means_what_it_says(named):
    cells, _, _ = named
    theirs, ours = (cells.obs[c].to_numpy(str) for c in ("theirs", "label"))
    right = (ours == theirs) | ((ours == "t_cell") & np.char.endswith(theirs, "t_cell"))
    said = cells.obs["confidence"].to_numpy(float)
    for low, high in ((0.5, 0.8), (0.8, 0.95), (0.95, 1.0)):
        hit = (said > low) & (said <= high)
        assert right[hit].mean() > said[hit].mean() - 0.08, (low, high)


@pytest.mark.parametrize("gone", ["b_cell", "monocyte", "t_cell"])
def test_cells_of_a_type_that_the_table_lacks_are_unknown(named, markers, gone):
    cells, _, seen = named
    fewer = markers[(markers["cell_type"] != gone) & (markers["parent"] != gone)]
    members = cells.obs["cluster"].astype(str).to_numpy()
    again = call(type_scores(seen, fewer, members), fewer, SETTINGS)["label"]
    own = cells.obs["theirs"].str.endswith(gone).to_numpy()
    assert (again[own] == UNKNOWN).mean() > 0.9, pd.Series(again[own]).value_counts()
