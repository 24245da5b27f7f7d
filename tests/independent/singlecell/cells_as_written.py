"""Files of cells as programs write them, put together by hand from a dense table of counts (cells × genes)."""

import gzip

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

from periomics.core.errors import InputError
from periomics.singlecell.opening import look_at_cells
from periomics.singlecell.readers import read_cells
from periomics.study.check.opened import Named
from periomics.study.settings.singlecell import Atlas

IDS = [f"ENSRNOG{17 * i:011d}" for i in range(1, 41)]
SYMBOLS = [f"Gen{chr(97 + i % 26)}{i}" for i in range(40)]
CELLS = [f"{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}TTG{i:03d}-1" for i in range(30)]


def drawn(seed=3, n_cells=30, n_genes=40):
    return np.random.default_rng(seed).poisson(2.0, (n_cells, n_genes))


def put(path, text, zipped=False, bom=False, crlf=False):
    raw = text.replace("\n", "\r\n").encode() if crlf else text.encode()
    raw = b"\xef\xbb\xbf" + raw if bom else raw
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.with_name(path.name + ".gz") if zipped else path).write_bytes(
        gzip.compress(raw) if zipped else raw
    )


def entries(counts, turned=False, kind="integer", zeros=False):
    """A Matrix Market text, genes in rows unless turned; with the zeros too where wanted."""
    table = counts if turned else counts.T
    lines = [
        f"{i + 1} {j + 1} {v}"
        for i, row in enumerate(table.tolist())
        for j, v in enumerate(row)
        if v or zeros
    ]
    head = f"%%MatrixMarket matrix coordinate {kind} general\n%\n"
    return head + f"{table.shape[0]} {table.shape[1]} {len(lines)}\n" + "\n".join(lines) + "\n"


def named(columns):
    return "".join("\t".join(row) + "\n" for row in zip(*columns, strict=True))


def folder(at, counts, prefix="", features="features.tsv", zipped=True, ids=IDS, symbols=SYMBOLS):
    """A folder as Cell Ranger 3 writes it, with other names where told."""
    kinds = ["Gene Expression"] * len(ids)
    columns = [ids, symbols] + ([kinds] if features == "features.tsv" else [])
    put(at / f"{prefix}matrix.mtx", entries(counts), zipped)
    put(at / f"{prefix}{features}", named(columns), zipped)
    put(at / f"{prefix}barcodes.tsv", named([CELLS[: len(counts)]]), zipped)
    return at


def h5(path, counts, groups=("matrix",), ids=IDS, symbols=SYMBOLS):
    """Cell Ranger 3's h5, or with other groups Cell Ranger 2's, all of them with the same cells."""
    with h5py.File(path, "w") as file:
        for group in groups:
            matrix = sp.csc_matrix(counts.T)
            for name in ("data", "indices", "indptr"):
                file[f"{group}/{name}"] = getattr(matrix, name)
            file[f"{group}/shape"] = np.array(matrix.shape)
            file[f"{group}/barcodes"] = CELLS[: len(counts)]
            if group == "matrix":
                file["matrix/features/id"], file["matrix/features/name"] = ids, symbols
                file["matrix/features/feature_type"] = ["Gene Expression"] * len(ids)
            else:
                file[f"{group}/genes"], file[f"{group}/gene_names"] = ids, symbols
    return path


def h5ad(path, counts, ids=IDS, symbols=SYMBOLS, column="symbol", obs=None, form=sp.csr_matrix):
    obs = pd.DataFrame(obs or {}, index=CELLS[: len(counts)])
    var = pd.DataFrame({column: symbols} if column else {}, index=ids)
    ad.AnnData(form(counts.astype(np.float32)), obs=obs, var=var).write_h5ad(path)
    return path


def fact(path, specimen="L1", **more):
    row = {"specimen_id": specimen, "animal_id": "A1", "path": str(path), "species": "rat"}
    return row | more


def checked(path, rows, config=None):
    """What the check says: messages of all rows, with their places."""
    numbered = dict(enumerate(rows, 2))
    one = Named(path, path.name, "libraries.tsv", "path", numbered, config or {})
    try:
        return look_at_cells(one).problems
    except InputError as error:
        return one.refused(error)
    except (OSError, KeyError, ValueError) as error:
        return one.refused(error)


def both_refuse(path, word, rows=None):
    """Check and job refuse a file, both with the word; what each says."""
    rows = rows or [fact(path)]
    problems = checked(path, rows)
    assert problems, "the check says nothing"
    told = " ".join(f"{p.message} {p.value} {p.inside}" for p in problems)
    assert word in told, told
    try:
        read_cells(rows, Atlas())
    except InputError as error:
        assert word in str(error), str(error)
        return told, str(error)
    raise AssertionError("the job reads it")


def is_read(path, counts, rows=None, ids=IDS, symbols=SYMBOLS):
    """Check and job take a file, and the job reads these counts (cells × genes in the order of ids)."""
    rows = rows or [fact(path)]
    assert [p.message for p in checked(path, rows)] == []
    found = read_cells(rows, Atlas())
    assert sorted(found.var_names) == sorted(ids)
    assert (found[:, list(ids)].X.toarray() == counts).all()
    assert found[:, list(ids)].var["symbol"].tolist() == list(symbols)
    return found
