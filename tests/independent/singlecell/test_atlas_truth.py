"""Doublets, ambient counts, libraries' own shifts and unknown types come back from cells drawn here, by what was drawn."""

import h5py
import numpy as np
import pandas as pd
import pytest
from drawn_cells import TYPES, annotated, poisson, type_levels
from scipy.sparse import csr_matrix, vstack
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from periomics.singlecell.ambient import ambient_shares, empty_profiles
from periomics.singlecell.atlas import atlas_facts, cell_table, embed, label
from periomics.singlecell.doublets import find_doublets
from periomics.singlecell.integration import mixing
from periomics.singlecell.labels import UNKNOWN
from periomics.singlecell.markers import read_markers
from periomics.singlecell.naive import naive_genes
from periomics.singlecell.pseudobulk import log_moments, pseudobulk
from periomics.singlecell.quality import add_ambient, add_metrics, flag_cells, judge_cells
from periomics.singlecell.tests import compare_type
from periomics.study.settings.singlecell import Atlas, PseudobulkTests

OPEN = Atlas(min_counts=0, min_genes=0, max_mito_percent=100, mads=50, mito_mads=50)


@pytest.fixture(scope="module")
def markers(root):
    return read_markers(root / "resources/cell_types.tsv", "rat")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_doublets_of_unlike_cells_are_found_and_few_others_are_dropped(seed):
    rng = np.random.default_rng(seed)
    level, names = type_levels(rng, exclusive=False)
    n, n_double = 1200, 80
    kind, second = rng.integers(0, 5, n), rng.integers(0, 5, n)
    double = np.arange(n) < n_double
    counts = poisson(rng, level[kind], 1500)
    counts[double] += poisson(rng, level[second[double]], 1500)
    cells = annotated(counts, ["l1"] * n, names)
    cells.obs["drop"] = ""
    find_doublets(cells, OPEN.but(doublet_rate=0.07), seed)
    dropped = (cells.obs["drop"] == "doublet").to_numpy()
    unlike = double & (kind != second)
    assert dropped[unlike].mean() > 0.9
    assert dropped[~double].mean() < 0.02
    assert np.median(cells.obs["doublet_score"][unlike]) > 5 * np.median(
        cells.obs["doublet_score"][~double]
    )


def test_a_library_without_doublets_loses_few_cells():
    rng = np.random.default_rng(4)
    level, names = type_levels(rng, exclusive=False)
    cells = annotated(poisson(rng, level[rng.integers(0, 5, 1000)], 1500), ["l1"] * 1000, names)
    cells.obs["drop"] = ""
    find_doublets(cells, OPEN, 1)
    assert (cells.obs["drop"] == "doublet").mean() < 0.03


def contaminated(rng, share, n=1500):
    """Counts of cells with a share of ambient counts, their types, names of genes, and the fluid."""
    level, names = type_levels(rng)
    kind = rng.choice(5, n, p=[0.35, 0.25, 0.2, 0.12, 0.08])
    fluid = level[kind].mean(axis=0)
    return poisson(rng, (1 - share) * level[kind] + share * fluid, 2000), kind, names, fluid


@pytest.mark.parametrize("share", [0.01, 0.05, 0.15, 0.30])
def test_the_share_of_ambient_counts_comes_back(share, markers):
    rng = np.random.default_rng(round(100 * share))
    counts, kind, names, _ = contaminated(rng, share)
    labels = np.array(TYPES)[kind]
    libraries = np.array(["l1"] * len(kind))
    found = ambient_shares(csr_matrix(counts), names, libraries, labels, markers)
    assert found.at["l1", "ambient_percent"] == pytest.approx(100 * share, rel=0.12)
    assert found.at["l1", "ambient_from"] == "cells"


def test_empty_droplets_stand_for_the_fluid_where_they_were_read(markers):
    rng = np.random.default_rng(6)
    counts, kind, names, fluid = contaminated(rng, 0.1)
    # The fluid holds twice as much of the genes of one type as the cells would let one think: they burst.
    fluid = (
        np.where(np.isin(names, ["Cd79a", "Cd79b", "Ms4a1", "Cd19", "Bank1", "Pax5"]), 2, 1) * fluid
    )
    fluid = fluid / fluid.sum()
    droplets = rng.poisson(fluid * 40, (2000, len(names)))
    both = vstack([csr_matrix(counts), csr_matrix(droplets)]).tocsr()
    profiles = empty_profiles(both, np.array(["l1"] * both.shape[0]))
    assert profiles["l1"] / profiles["l1"].sum() == pytest.approx(fluid, abs=0.002)
    libraries = np.array(["l1"] * len(kind))
    labels = np.array(TYPES)[kind]
    found = ambient_shares(csr_matrix(counts), names, libraries, labels, markers, profiles)
    assert found.at["l1", "ambient_from"] == "empty droplets"
    assert found.at["l1", "ambient_percent"] == pytest.approx(10, rel=0.25)


def test_one_type_alone_tells_no_ambient_share_and_says_why(markers):
    rng = np.random.default_rng(7)
    level, names = type_levels(rng)
    counts = csr_matrix(poisson(rng, level[np.zeros(200, int)], 1500))
    libraries, labels = np.array(["l1"] * 200), np.array(["b_cell"] * 200)
    found = ambient_shares(counts, names, libraries, labels, markers)
    assert np.isnan(found.at["l1", "ambient_percent"])
    assert "fewer than two types" in found.at["l1", "ambient_note"]


def shifted(seed, spread=0.4, n_each=300):
    """Four libraries with shifts of their own on every gene; the fifth type is in the last two only."""
    rng = np.random.default_rng(seed)
    level, names = type_levels(rng, exclusive=False)
    counts, kinds, libraries = [], [], []
    for i in range(4):
        shift = np.exp(rng.normal(0, spread, len(names)))
        kind = rng.choice(5 if i > 1 else 4, n_each)
        mean = level[kind] * shift
        counts.append(poisson(rng, mean / mean.sum(axis=1, keepdims=True), 1500))
        kinds.append(kind)
        libraries += [f"l{i}"] * n_each
    return annotated(np.vstack(counts), libraries, names), np.array(TYPES)[np.concatenate(kinds)]


def built(cells, markers, settings=OPEN, seed=1):
    found = embed(cells, settings, seed)
    return found, *label(cells, found, markers, settings)


@pytest.mark.parametrize("seed", [2])
def test_shifts_of_libraries_are_taken_out_and_types_are_kept(seed, markers):
    cells, kinds = shifted(seed)
    apart, *_ = built(cells.copy(), markers, OPEN.but(integrate=False))
    found, clusters, *_ = built(cells, markers)
    libraries = cells.obs["specimen_id"].to_numpy(str)
    assert found.facts["mixing_before"] < 0.3
    assert mixing(found.neighbours, libraries, kinds).min() > 0.8
    assert adjusted_rand_score(kinds, found.clusters.members) > 0.95
    assert adjusted_rand_score(kinds, apart.clusters.members) < 0.6
    assert adjusted_rand_score(kinds, cells.obs["label"]) > 0.95
    # The type that two libraries lack is no other one there.
    late = kinds == TYPES[4]
    assert (cells.obs["label"][late] == TYPES[4]).mean() > 0.95
    largest = clusters.loc[clusters["label"] != TYPES[4], "largest_library_percent"]
    assert (largest < 40).all()
    facts = atlas_facts(cells, found).set_index(["measure", "label"])["value"]
    assert facts["mixing_after", "b_cell"] > 0.8


def test_what_integration_keeps_and_stability_are_told(markers):
    cells, _ = shifted(3)
    found, clusters, *_ = built(cells, markers)
    assert found.facts["stability_seeds"] > 0.95
    assert (clusters["stability"] > 0.9).all()
    assert found.facts["neighbours_kept"] > 0.4
    rng = np.random.default_rng(5)
    level, names = type_levels(rng, exclusive=False, n_types=1)
    alike = annotated(poisson(rng, level[np.zeros(600, int)], 1500), ["l1"] * 600, names)
    noise, *_ = built(alike, markers)
    assert noise.facts["stability_seeds"] < 0.6, "clusters of one population are no clusters"


@pytest.fixture(scope="module")
def embedded():
    """Cells of four libraries, their types, and how they lie."""
    cells, kinds = shifted(4)
    return cells, kinds, embed(cells, OPEN, 1)


@pytest.mark.parametrize("gone", TYPES)
def test_cells_of_a_type_that_the_table_lacks_are_unknown(gone, markers, embedded):
    cells, kinds, found = embedded
    cells = cells.copy()
    label(cells, found, markers[markers["cell_type"] != gone], OPEN)
    named = cells.obs["label"].to_numpy(str)
    assert (named[kinds == gone] == UNKNOWN).mean() > 0.9
    assert (named[kinds != gone] == kinds[kinds != gone]).mean() > 0.95


def test_labels_of_ones_own_stand_and_the_others_are_named_by_markers(markers, embedded):
    cells, kinds, found = embedded
    cells = cells.copy()
    given = np.where(np.arange(len(kinds)) % 3 == 0, "my type", "")
    cells.obs["given_label"] = given
    label(cells, found, markers, OPEN)
    named = cells.obs["label"].to_numpy(str)
    assert (named[given != ""] == "my type").all()
    assert (named[given == ""] == kinds[given == ""]).mean() > 0.95


def test_limits_follow_the_librarys_own_median():
    rng = np.random.default_rng(8)
    level, names = type_levels(rng)
    deep, flat = (poisson(rng, level[rng.integers(0, 5, 300)], d) for d in (8000, 1000))
    deep[0] = poisson(rng, level[:1], 700)[0]
    flat[0] = poisson(rng, level[:1], 700)[0]
    cells = annotated(np.vstack([deep, flat]), ["deep"] * 300 + ["flat"] * 300, names)
    add_metrics(cells)
    limits = flag_cells(cells, Atlas(min_counts=100, min_genes=10))
    drop = cells.obs["drop"].to_numpy(str)
    assert drop[0] == "low_counts" and drop[300] == ""
    logs = np.log(deep.sum(axis=1))
    middle = np.median(logs)
    expected = np.exp(middle - 5 * 1.4826 * np.median(np.abs(logs - middle)))
    assert limits.at["deep", "counts_limit"] == pytest.approx(expected)
    assert (drop[1:300] == "").mean() > 0.99


def test_the_file_has_the_slots_that_scanpy_and_readers_of_h5_look_for(tmp_path, markers):
    import scanpy as sc

    cells, _ = shifted(4, n_each=80)
    raw = cells.X.copy()
    quality = judge_cells(cells, OPEN, 1)
    cells.obs["drop"] = ""
    built(cells, markers)
    quality = add_ambient(quality, cells, markers, {})
    assert (quality["ambient_percent"].notna() | (quality["note"] != "")).all()
    path = tmp_path / "atlas.h5ad"
    cells.write_h5ad(path, compression="gzip", compression_opts=1)
    back = sc.read_h5ad(path)
    assert (back.layers["counts"] != raw).nnz == 0
    assert np.allclose(np.expm1(back.X.toarray()).sum(axis=1), 1e4, rtol=1e-4)
    assert list(back.obs_names) == list(cells.obs_names)
    assert back.obsm["X_umap"].shape == (320, 2) and np.isfinite(back.obsm["X_umap"]).all()
    sc.tl.rank_genes_groups(back, "label", method="t-test")
    with h5py.File(path) as file:
        assert file.attrs["encoding-type"] == "anndata"
        for name in ("X", "layers/counts"):
            assert file[name].attrs["encoding-type"] == "csr_matrix"
            assert list(file[name].attrs["shape"]) == list(back.shape)
        assert file["obs/label"].attrs["encoding-type"] == "categorical"
        assert {"categories", "codes"} <= set(file["obs/label"])
        assert (
            file["obs"].attrs["_index"] in file["obs"]
            and file["var"].attrs["_index"] in file["var"]
        )
        assert {"X_pca", "X_integrated", "X_umap"} <= set(file["obsm"])


def test_tables_are_the_same_on_one_and_two_threads(markers):
    tables = []
    for threads in (1, 2):
        cells, _ = shifted(6, n_each=150)
        with threadpool_limits(threads):
            _, clusters, scores, _ = built(cells, markers)
        tables.append((cell_table(cells), clusters, scores))
    for one, two in zip(*tables, strict=True):
        pd.testing.assert_frame_equal(one, two)


def test_cells_as_units_call_genes_where_animals_do_not_differ_by_arm():
    rng = np.random.default_rng(9)
    level, names = type_levels(rng, n_types=1)
    counts, libraries = [], []
    for i in range(8):
        own = level[0] * np.exp(rng.normal(0, 0.3, len(names)))
        counts.append(poisson(rng, np.tile(own / own.sum(), (150, 1)), 1500))
        libraries += [f"l{i}"] * 150
    cells = annotated(np.vstack(counts), libraries, names)
    cells.obs["label"] = "b_cell"
    cells.layers["counts"] = cells.X.copy()
    totals = np.asarray(cells.X.sum(axis=1)).ravel()
    cells.X = csr_matrix(np.log1p(cells.X.toarray() / totals[:, None] * 1e4))
    sums, groups = pseudobulk(cells)
    moments = log_moments(cells).set_index("gene_id")
    samples = pd.DataFrame(
        {
            "specimen_id": [f"l{i}" for i in range(8)],
            "animal_id": [f"l{i}" for i in range(8)],
            "group": ["A"] * 4 + ["B"] * 4,
            "condition": "",
            "block": "",
            "batch": "",
            "time": 28.0,
            "unit": "animal",
        }
    )
    settings = PseudobulkTests.of({"arm": "group", "contrasts": ["x"]})
    weights = {"x": {"B": 1.0, "A": -1.0}}
    _, overview = compare_type(sums, groups, samples, {}, weights, settings, moments=moments)
    row = overview.iloc[0]
    assert row["n_significant"] <= 2
    assert row["n_naive"] > 100
    logs = cells.X.toarray()
    order = cells.var_names.get_indexer(moments.index)
    from scipy import stats

    p = stats.ttest_ind(logs[600:, order], logs[:600, order], equal_var=False).pvalue
    p = np.sort(p[np.isfinite(p)])
    called = np.flatnonzero(p <= 0.05 * np.arange(1, len(p) + 1) / len(p))
    arms = samples.set_index("specimen_id")["group"]
    naive = naive_genes(moments, groups, arms, weights["x"], 0.05)
    assert naive == row["n_naive"] == pytest.approx(called.max() + 1, abs=2)
