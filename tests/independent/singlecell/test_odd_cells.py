"""Files of cells as other programs leave them: read, or refused by check and job with what they
are."""

import gzip

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

COUNTS = drawn(9)
LOGS = np.log1p(COUNTS).astype(np.float32)


def saved(path, x, cells=CELLS, raw=None, **layers):
    var = pd.DataFrame({"symbol": SYMBOLS}, index=IDS)
    made = ad.AnnData(x, obs=pd.DataFrame(index=list(cells)), var=var, layers=layers)
    if raw is not None:
        made.raw = ad.AnnData(raw, obs=made.obs, var=var)
    made.write_h5ad(path)
    return path


def test_features_of_two_columns_and_cells_of_two(tmp_path):
    at = tmp_path / "m"
    put(at / "matrix.mtx", entries(COUNTS).replace(" ", "\t"), True)
    put(at / "features.tsv", named([IDS, SYMBOLS]), True)
    put(at / "barcodes.tsv", named([CELLS, ["1"] * len(CELLS)]), True)
    is_read(at, COUNTS)


@pytest.mark.parametrize(
    "parts",
    [
        {"x": sp.csr_matrix(LOGS), "counts": COUNTS.astype(float), "raw": sp.csc_matrix(LOGS)},
        {"x": LOGS, "raw": sp.csc_matrix(COUNTS.astype(np.float32))},
        {"x": COUNTS.astype(np.uint16), "raw": sp.csr_matrix(LOGS)},
        {"x": None, "counts": sp.csr_matrix(COUNTS.astype(np.float32))},
    ],
    ids=["layer dense of doubles", "raw by genes", "small whole numbers", "no X"],
)
def test_places_and_kinds_of_numbers(tmp_path, parts):
    is_read(saved(tmp_path / "a.h5ad", **parts), COUNTS)


@pytest.mark.parametrize(
    "parts",
    [
        {"x": LOGS, "counts": COUNTS + 0.5},
        {"x": LOGS, "counts": np.where(COUNTS == 3, np.nan, COUNTS)},
        {"x": LOGS - 1, "raw": sp.csr_matrix(LOGS), "spliced": COUNTS.astype(float)},
    ],
    ids=["halves", "nan", "only spliced"],
)
def test_numbers_that_are_no_counts(tmp_path, parts):
    path = saved(tmp_path / "a.h5ad", **parts)
    _, job = both_refuse(path, "whole counts")
    assert "a.h5ad" in job


@pytest.mark.filterwarnings("ignore:Observation names")
def test_cells_of_one_name_are_told_by_check_too(tmp_path):
    both_refuse(saved(tmp_path / "a.h5ad", COUNTS, ["c"] * len(COUNTS)), "two cells have")


def test_marks_of_genes_that_were_seen_are_no_counts(tmp_path):
    many = (np.random.default_rng(1).random((60, 300)) < 0.5).astype(np.float32)
    var = pd.DataFrame(index=[f"ENSRNOG{i:011d}" for i in range(300)])
    ad.AnnData(many, obs=pd.DataFrame(index=[f"c{i}" for i in range(60)]), var=var).write_h5ad(
        tmp_path / "a.h5ad"
    )
    both_refuse(tmp_path / "a.h5ad", "has a gene with more than 1")


def test_an_h5_of_two_references(tmp_path):
    """Cell Ranger 2: a group each, of different genes; genes that both name cannot be told
    apart."""
    both_refuse(h5(tmp_path / "a.h5", COUNTS, ("one", "two")), "genes stand in several references")
    path = h5(tmp_path / "b.h5", COUNTS, ("mRatBN7",))
    with h5py.File(path, "a") as file:
        file.copy("mRatBN7", "GRCh38")
        del file["GRCh38/genes"]
        file["GRCh38/genes"] = [f"ENSG{i:011d}" for i in range(len(IDS))]
    both_refuse(path, "genes of two species: 40 are of rat, 40 of human")


def test_folders_that_are_not_the_one_with_the_matrix(tmp_path):
    folder(tmp_path / "outs" / "filtered_feature_bc_matrix", COUNTS)
    both_refuse(tmp_path / "outs", "which its folder filtered_feature_bc_matrix holds")
    alone = tmp_path / "outs" / "filtered_feature_bc_matrix" / "matrix.mtx.gz"
    told = " ".join(p.message + str(p.allowed) for p in checked(alone, [fact(alone)]))
    assert "without the names of its genes" in told and "its folder, filtered_feature" in told
    both_refuse(alone, "without the names of its genes")


def test_packed_under_another_name_and_other_letters(tmp_path):
    at = folder(tmp_path / "m", COUNTS, zipped=False)
    (at / "matrix.mtx").write_bytes(gzip.compress(entries(COUNTS).encode()))
    both_refuse(at, "not called .gz")
    at = folder(tmp_path / "n", COUNTS, zipped=False)
    (at / "features.tsv").write_bytes(named([IDS, [f"é{s}" for s in SYMBOLS]]).encode("cp1252"))
    both_refuse(at, "Windows-1252")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.replace("general", "symmetric"), "no counts"),
        (lambda t: t.replace("coordinate", "array"), "no matrix of Matrix Market"),
        (lambda t: t.split("\n", 2)[2], "no matrix of Matrix Market"),
        (lambda t: t.replace(" 3\n", " -3\n"), "whole counts"),
    ],
)
def test_matrices_of_another_kind(tmp_path, change, word):
    at = folder(tmp_path / "m", COUNTS, zipped=False)
    put(at / "matrix.mtx", change(entries(COUNTS)))
    both_refuse(at, word)


def test_tables_of_other_programs_are_called_by_their_files(tmp_path):
    at = tmp_path / "kb"
    put(at / "cells_x_genes.mtx", entries(COUNTS, turned=True))
    put(at / "cells_x_genes.genes.txt", named([IDS]))
    both_refuse(at, "lacks matrix.mtx")
