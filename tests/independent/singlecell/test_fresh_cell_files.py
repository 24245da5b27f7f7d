"""More files of cells as labs have them: names that are numbers of rows, symbols before ids, joined
libraries, matrices of other programs.
"""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from independent.singlecell.cells_as_written import (
    CELLS,
    IDS,
    SYMBOLS,
    both_refuse,
    checked,
    drawn,
    entries,
    fact,
    folder,
    h5,
    is_read,
    named,
    put,
)

from periomics.singlecell.readers import read_cells

COUNTS = drawn(12)
JOINED = [f"{c[:-2]}-{1 + i % 3}" for i, c in enumerate(CELLS)]


def numbered(path, order, **columns):
    """An h5ad whose genes are called by the numbers of its rows."""
    var = pd.DataFrame({k: np.array(v)[order] for k, v in columns.items()})
    var.index = var.index.astype(str)
    obs = pd.DataFrame(index=CELLS)
    ad.AnnData(sp.csr_matrix(COUNTS[:, order].astype(np.float32)), obs, var).write_h5ad(path)
    return path


@pytest.mark.parametrize("columns", [{"ensembl": IDS, "feature_name": SYMBOLS}, {"ensembl": IDS}])
def test_numbers_of_rows_are_no_names_of_genes(tmp_path, columns):
    """Two files with their genes in another order would be joined by the numbers."""
    one = numbered(tmp_path / "a.h5ad", np.arange(40), **columns)
    two = numbered(tmp_path / "b.h5ad", np.arange(40)[::-1], **columns)
    is_read(one, COUNTS, symbols=columns.get("feature_name", IDS))
    found = read_cells([fact(one), fact(two, "L2")])[:, IDS].X.toarray()
    assert (found[:30] == COUNTS).all() and (found[30:] == COUNTS).all()


def test_numbers_beside_symbols_alone_and_beside_nothing(tmp_path):
    path = numbered(tmp_path / "a.h5ad", np.arange(40)[::-1], gene_symbols=SYMBOLS)
    is_read(path, COUNTS, ids=SYMBOLS)
    path = numbered(tmp_path / "b.h5ad", np.arange(40), length=range(40))
    both_refuse(path, "names of genes are numbers")


@pytest.mark.parametrize("kinds", [[], [["Gene Expression"] * 40]])
def test_symbols_before_ids(tmp_path, kinds):
    at = folder(tmp_path / "m", COUNTS, zipped=False)
    put(at / "features.tsv", named([SYMBOLS, IDS, *kinds]))
    is_read(at, COUNTS)


def test_libraries_that_aggr_joined_are_told(tmp_path, monkeypatch):
    """By check as a warning and in the notes of the job; one number, or none, says nothing."""
    at = folder(tmp_path / "m", COUNTS, zipped=False)
    put(at / "barcodes.tsv", named([JOINED]))
    table = h5(tmp_path / "a.h5", COUNTS)
    with h5py.File(table, "a") as file:
        del file["matrix/barcodes"]
        file["matrix/barcodes"] = JOINED
    obs = pd.DataFrame(index=JOINED)
    var = pd.DataFrame({"symbol": SYMBOLS}, index=IDS)
    ad.AnnData(sp.csr_matrix(COUNTS), obs, var).write_h5ad(tmp_path / "a.h5ad")
    for path in (at, table, tmp_path / "a.h5ad"):
        (problem,) = checked(path, [fact(path)])
        assert problem.level == "warning" and "end in -1 to -3: 3 libraries" in problem.message
        found = read_cells([fact(path)])
        assert problem.message == found.uns["notes"]["L1"] and found.n_obs == 30
    for names in ([c[:-2] for c in CELLS], [f"{c[:-2]}-7" for c in CELLS]):
        put(at / "barcodes.tsv", named([names]))
        assert checked(at, [fact(at)]) == [] and read_cells([fact(at)]).uns["notes"] == {}


def test_joined_libraries_that_cells_name_are_taken_apart(tmp_path):
    obs = pd.DataFrame({"sample": [n[-1] for n in JOINED]}, index=JOINED)
    var = pd.DataFrame({"symbol": SYMBOLS}, index=IDS)
    ad.AnnData(sp.csr_matrix(COUNTS), obs, var).write_h5ad(tmp_path / "a.h5ad")
    own = [n.endswith("-2") for n in JOINED]
    found = is_read(tmp_path / "a.h5ad", COUNTS[own], [fact(tmp_path / "a.h5ad", sample="2")])
    assert found.uns["notes"] == {}


@pytest.mark.parametrize(
    "files",
    [
        ("cells_x_genes.mtx", "cells_x_genes.barcodes.txt", "cells_x_genes.genes.txt"),
        ("quants_mat.mtx", "quants_mat_rows.txt", "quants_mat_cols.txt"),
        ("DGE.mtx", "cell_metadata.csv", "all_genes.csv"),
        ("spliced.mtx", "barcodes.tsv", "features.tsv"),
    ],
    ids=["kb-python", "alevin-fry", "Parse", "velocity of STARsolo"],
)
def test_folders_of_other_programs_name_what_is_there(tmp_path, files):
    at = tmp_path / "m"
    for name, text in zip(
        files, (entries(COUNTS, turned=True), named([CELLS]), named([IDS])), strict=True
    ):
        put(at / name, text)
    told, _ = both_refuse(at, "the folder lacks matrix.mtx")
    assert files[0] in told


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.replace("coordinate", "array"), "Matrix Market"),
        (lambda t: t.replace("general", "symmetric"), "holds no counts"),
        (lambda t: t.replace("integer", "complex"), "holds no counts"),
        (lambda t: t.rsplit("\n", 4)[0] + "\n", "cut off"),
    ],
    ids=["dense", "symmetric", "complex", "three entries less"],
)
def test_matrices_that_are_none_of_counts(tmp_path, change, word):
    at = folder(tmp_path / "m", COUNTS, zipped=False)
    put(at / "matrix.mtx", change(entries(COUNTS)))
    both_refuse(at, word)


def test_what_other_programs_put_into_an_h5(tmp_path):
    """Peaks beside genes, and latent variables of CellBender beside the matrix."""
    peaks = [f"chr1:{900 * i}-{900 * i + 400}" for i in range(40)]
    both = np.hstack([COUNTS, COUNTS + 1])
    path = h5(tmp_path / "a.h5", both, ids=[*IDS, *peaks], symbols=[*SYMBOLS, *peaks])
    with h5py.File(path, "a") as file:
        del file["matrix/features/feature_type"]
        file["matrix/features/feature_type"] = ["Gene Expression"] * 40 + ["Peaks"] * 40
        file["droplet_latents/cell_size"], file["global_latents/bias"] = np.ones(30), [0.1]
    is_read(path, COUNTS)


def test_one_symbol_of_two_ids_keeps_both_genes(tmp_path):
    symbols = [*SYMBOLS[:3], SYMBOLS[2], *SYMBOLS[4:]]
    is_read(folder(tmp_path / "m", COUNTS, symbols=symbols), COUNTS, symbols=symbols)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_matrix_cut_within_its_last_number_is_told(tmp_path, zipped):
    counts = COUNTS.copy()
    counts[-1, -1] = 12
    at = folder(tmp_path / "m", counts, zipped=zipped)
    assert checked(at, [fact(at)]) == []
    put(at / "matrix.mtx", entries(counts)[:-2], zipped)
    (problem,) = checked(at, [fact(at)])
    assert problem.level == "warning" and "within its last number" in problem.message
