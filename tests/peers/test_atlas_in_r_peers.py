"""The h5ad of the atlas as R reads it: numbers, labels and map are those that anndata reads.

By hand from HDF5 (rhdf5, Matrix), as Bioconductor's and Seurat's readers do; those readers themselves were not at hand.
"""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from rscript import need, run_r

from periomics.singlecell.atlas import embed
from periomics.study.settings.singlecell import Atlas

READ = """
suppressMessages({library(rhdf5); library(Matrix)})
file <- d$file[1]
sparse <- function(name) {
  a <- h5readAttributes(file, name); g <- h5read(file, name)
  stopifnot(a[["encoding-type"]] == "csr_matrix")
  # csr of cells x genes is the dgCMatrix of genes x cells
  new("dgCMatrix", i = as.integer(g$indices), p = as.integer(g$indptr), x = as.numeric(g$data),
    Dim = rev(as.integer(a$shape)))
}
of <- function(table, column) {
  at <- h5read(file, paste0(table, "/", column))
  if (is.list(at)) factor(at$categories[at$codes + 1], levels = at$categories) else as.vector(at)
}
name <- function(table) as.vector(h5read(file, paste0(table, "/",
  h5readAttributes(file, table)[["_index"]])))
x <- sparse("X"); counts <- sparse("layers/counts"); umap <- h5read(file, "obsm/X_umap")
stopifnot(validObject(x), validObject(counts), ncol(x) == length(name("obs")), nrow(x) == length(name("var")))
write.table(name("obs"), d$cells[1], row.names = FALSE, col.names = FALSE, quote = FALSE)
write.table(name("var"), d$genes[1], row.names = FALSE, col.names = FALSE, quote = FALSE)
result <- list(x = as.matrix(x), counts = as.matrix(counts), umap = umap, dim = dim(x),
  label = match(as.character(of("obs", "label")), c("a type", "Zelle \\u03b1", "unknown")),
  library = as.integer(factor(of("obs", "specimen_id"))), confidence = of("obs", "confidence"))
"""


@pytest.fixture
def atlas(tmp_path):
    """An atlas as the job writes it, of 60 cells and 45 genes, with the labels given."""
    rng = np.random.default_rng(2)
    kind = np.arange(60) % 3
    level = rng.gamma(1, 1, (3, 45))[kind]
    obs = pd.DataFrame(
        {"specimen_id": np.where(np.arange(60) < 31, "L1", "L2"), "animal_id": "A", "batch": ""},
        index=[f"L:c{i}" for i in range(60)],
    )
    names = [f"Gene{i}" for i in range(45)]
    var = pd.DataFrame({"symbol": names}, index=names)
    cells = ad.AnnData(sp.csr_matrix(rng.poisson(9 * level).astype(np.float32)), obs=obs, var=var)
    embed(cells, Atlas(n_components=5), 1)
    cells.obs["label"] = np.array(["a type", "Zelle α", "unknown"])[kind]
    cells.obs["confidence"] = rng.random(60)
    path = tmp_path / "atlas.h5ad"
    cells.write_h5ad(path, compression="gzip", compression_opts=1)
    return path


def test_r_reads_what_anndata_reads(atlas, tmp_path):
    need("rhdf5", "r-bioc-rhdf5")
    need("Matrix", "r-cran-matrix")
    back = ad.read_h5ad(atlas)
    cells, genes = tmp_path / "cells", tmp_path / "genes"
    peer = run_r(READ, {"file": [str(atlas)], "cells": [str(cells)], "genes": [str(genes)]})
    assert peer["dim"].tolist() == [45, 60]
    for name, ours in (("x", back.X), ("counts", back.layers["counts"])):
        assert (peer[name].reshape(60, 45) == ours.toarray()).all()
    assert (peer["umap"].reshape(60, 2) == back.obsm["X_umap"]).all()
    assert (peer["label"] == np.arange(60) % 3 + 1).all()
    assert (peer["library"] == np.where(np.arange(60) < 31, 1, 2)).all()
    assert np.array_equal(peer["confidence"], back.obs["confidence"].to_numpy())
    assert cells.read_text(encoding="utf-8").split() == list(back.obs_names)
    assert genes.read_text(encoding="utf-8").split() == list(back.var_names)
