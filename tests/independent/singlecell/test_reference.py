"""Cells named by a reference: what it knows by its names, what it lacks not at all; drawn apart
from the simulator."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from independent.singlecell.drawn_cells import TYPES, annotated, poisson, type_levels

from periomics.core.errors import InputError
from periomics.singlecell.atlas import embed, label
from periomics.singlecell.labels import UNKNOWN
from periomics.singlecell.learned import OR, learn, levels_of, markers_of
from periomics.singlecell.markers import read_markers
from periomics.study.settings.singlecell import Atlas

OURS = dict(zip(TYPES, ("Lymphocytes B", "stroma", "vessel", "mast", "glia"), strict=True))
SETTINGS = Atlas()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, root):
    """A reference of 60 cells a type at 4,000 counts in an h5ad, and 2 x 60 cells a type at 1,500
    with levels of genes of their own."""
    rng = np.random.default_rng(20_261_201)
    level, names = type_levels(rng, exclusive=False)
    kinds = np.repeat(np.arange(5), 60)
    counts = poisson(rng, level[kinds], 4000)
    path = tmp_path_factory.mktemp("reference") / "reference.h5ad"
    obs = pd.DataFrame(
        {"cell_type": [OURS[TYPES[k]] for k in kinds]}, index=[f"r{i}" for i in range(300)]
    )
    var = pd.DataFrame({"symbol": names}, index=names)
    ad.AnnData(sp.csr_matrix(counts.astype(np.float32)), obs=obs, var=var).write_h5ad(path)
    other = level * np.exp(rng.normal(0, 0.3, level.shape[1]))
    twice = np.tile(kinds, 2)
    query = poisson(rng, (other / other.sum(axis=1, keepdims=True))[twice], 1500)
    cells = annotated(query, np.repeat(["L1", "L2"], 300), names)
    found = embed(cells, SETTINGS, 5)
    table = read_markers(root / "resources/cell_types.tsv", "rat")
    return path, cells, found, table, np.array([TYPES[k] for k in twice])


def test_cells_get_the_reference_s_names(drawn):
    path, cells, found, table, truth = drawn
    learned = learn(path, table, SETTINGS, "", list(cells.var["symbol"]))
    label(cells, found, table, SETTINGS, learned)
    ours = cells.obs["label"].to_numpy(str)
    assert (ours == [OURS[t] for t in truth]).mean() > 0.97
    assert all(learned.kin[OURS[t]] in (t, UNKNOWN) for t in TYPES)
    assert list(learned.kin.values()).count(UNKNOWN) < 2


@pytest.mark.parametrize("gone", ["fibroblast", "mast_cell"])
def test_a_type_that_the_reference_lacks_stays_unknown(drawn, tmp_path, gone):
    path, cells, found, table, truth = drawn
    whole = ad.read_h5ad(path)
    fewer = tmp_path / "fewer.h5ad"
    whole[whole.obs["cell_type"] != OURS[gone]].copy().write_h5ad(fewer)
    learned = learn(fewer, table, SETTINGS, "", list(cells.var["symbol"]))
    label(cells, found, table, SETTINGS, learned)
    ours = cells.obs["label"].to_numpy(str)
    assert (ours[truth == gone] == UNKNOWN).mean() > 0.9
    assert (ours[truth != gone] != UNKNOWN).mean() > 0.95


def test_markers_are_the_genes_that_were_raised_and_like_types_are_joined():
    """Each of three types has genes of its own; two that share most of theirs have a parent by
    those."""
    rng = np.random.default_rng(3)
    level = np.ones((3, 60))
    level[0, :12] = level[1, :12] = 0.02
    level[1, 8:12] = 6
    level[0, 4:8] = 6
    level[:2, :4] = 6
    level[2, 30:45] = 6
    level[:2, 30:45] = 0.02
    level[2, :12] = 0.02
    kinds = np.repeat([0, 1, 2], 80)
    counts = rng.poisson(20 * level[kinds])
    logs = sp.csr_matrix(np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True)))
    names = np.array([f"g{i}" for i in range(60)])
    found = markers_of(*levels_of(logs, np.array(["a", "b", "c"])[kinds]), names)
    of = found.groupby("cell_type")["gene"].agg(set)
    assert of["c"] == set(names[30:45])
    assert of["a"] == set(names[4:8]) and of["b"] == set(names[8:12])
    assert f"a{OR}b" not in of
    levels = np.zeros((3, 60))
    levels[:2, :6] = levels[0, 6:9] = levels[1, 9:12] = levels[2, 30:45] = 2.0
    joined = markers_of(np.array(["a", "b", "c"]), levels, names)
    of = joined.groupby("cell_type")["gene"].agg(set)
    assert of[f"a{OR}b"] == set(names[:6]) and of["c"] == set(names[30:45])
    assert of["a"] == set(names[6:9]) and of["b"] == set(names[9:12])
    assert set(joined.loc[joined["cell_type"].isin(["a", "b"]), "parent"]) == {f"a{OR}b"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.obs.rename(columns={"cell_type": "cell_typ"}), "no such column.*cell_typ"),
        (lambda c: c.obs.assign(cell_type="one"), "1 types of the reference have 20 cells"),
        (lambda c: c.obs.assign(cell_type="unknown"), "0 types of the reference have 20 cells"),
    ],
)
def test_a_reference_that_tells_nothing_is_refused(drawn, tmp_path, change, words):
    path, cells, _, table, _ = drawn
    other = ad.read_h5ad(path)
    other.obs = change(other)
    other.write_h5ad(tmp_path / "r.h5ad")
    with pytest.raises(InputError, match=words):
        learn(tmp_path / "r.h5ad", table, SETTINGS, "", list(cells.var["symbol"]))


def test_other_genes_and_another_species_are_refused(drawn):
    path, cells, _, table, _ = drawn
    with pytest.raises(InputError, match="share 0 genes"):
        learn(path, table, SETTINGS, "", [f"other{i}" for i in range(900)])
    with pytest.raises(InputError, match="genes are not of human"):
        learn(path, table, SETTINGS, "human", list(cells.var["symbol"]))
