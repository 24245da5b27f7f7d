"""Files of cells of every usual kind are read as they were written; damaged or doubtful ones are refused by check and job alike."""

import anndata as ad
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
    h5ad,
    is_read,
    named,
    put,
)

from periomics.core.errors import InputError
from periomics.singlecell.readers import read_cells

COUNTS = drawn()


@pytest.mark.parametrize("features", ["features.tsv", "genes.tsv"])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("prefix", ["", "GSM1_liver_"])
def test_folders_of_every_name(tmp_path, features, zipped, prefix):
    """Cell Ranger 2 and 3, STARsolo (not compressed), and GEO's prefixes."""
    is_read(folder(tmp_path / "m", COUNTS, prefix, features, zipped), COUNTS)


def test_a_folder_of_several_prefixes_gives_each_library_its_matrix(tmp_path):
    other = drawn(4)
    folder(tmp_path, COUNTS, "GSM1_S1_")
    folder(tmp_path, other, "GSM2_S10_")
    rows = [fact(tmp_path, "a", sample="S1"), fact(tmp_path, "b", sample="S10")]
    assert checked(tmp_path, rows) == []
    found = read_cells(rows)[:, IDS]
    assert (found.X[:30].toarray() == COUNTS).all() and (found.X[30:].toarray() == other).all()
    both_refuse(tmp_path, "2 matrices", [fact(tmp_path, "a", sample="S2")])
    twice = [fact(tmp_path, "a", sample="S1"), fact(tmp_path, "b", sample="GSM1_S1")]
    assert any("library of row 2" in p.message for p in checked(tmp_path, twice))


def test_forms_of_text_that_mean_the_same(tmp_path):
    """CRLF, byte order mark, quotes, a header of R's, entries of zero, cells in rows, real numbers, one column of symbols."""
    at = tmp_path / "m"
    put(at / "matrix.mtx", entries(COUNTS, zeros=True), crlf=True)
    put(at / "features.tsv", named([[f'"{i}"' for i in IDS], SYMBOLS]), bom=True, crlf=True)
    put(at / "barcodes.tsv", "x\n" + named([CELLS]))
    is_read(at, COUNTS)
    put(at / "matrix.mtx", entries(COUNTS.astype(float), turned=True, kind="real"))
    is_read(at, COUNTS)
    put(at / "features.tsv", named([SYMBOLS]))
    is_read(at, COUNTS, ids=SYMBOLS)


def test_antibodies_are_left_out(tmp_path):
    folder(tmp_path, COUNTS, zipped=False)
    kinds = ["Gene Expression"] * 37 + ["Antibody Capture"] * 3
    put(tmp_path / "features.tsv", named([IDS, SYMBOLS, kinds]))
    is_read(tmp_path, COUNTS[:, :37], ids=IDS[:37], symbols=SYMBOLS[:37])
    put(tmp_path / "features.tsv", named([IDS, SYMBOLS, ["Antibody Capture"] * 40]))
    both_refuse(tmp_path, "holds no genes")


@pytest.mark.parametrize(
    ("file", "change", "word"),
    [
        ("matrix.mtx", lambda t: "", "Matrix Market"),
        ("matrix.mtx", lambda t: "\n".join(t.splitlines()[:3]) + "\n", "cut off"),
        ("matrix.mtx", lambda t: t[: len(t) // 2].rpartition("\n")[0] + "\n", "cut off"),
        ("matrix.mtx", lambda t: t.replace("integer", "pattern"), "no counts"),
        ("matrix.mtx", lambda t: t.replace(" 2\n", " 2,5\n"), "comma"),
        ("matrix.mtx", lambda t: t.replace("integer", "real").replace(" 2\n", " 2.5\n"), "whole"),
        ("matrix.mtx", lambda t: t.replace(" 2\n", " -2\n"), "whole"),
        ("matrix.mtx", lambda t: t.replace("integer", "real").replace(" 2\n", " 1e9\n"), "whole"),
        ("matrix.mtx", lambda t: t.replace("integer", "real").replace(" 2\n", " nan\n"), "whole"),
        ("features.tsv", lambda t: "", "0 names"),
        ("features.tsv", lambda t: "\n".join(t.splitlines()[:30]), "30 names"),
        ("features.tsv", lambda t: named([map(str, range(1, 41))]), "numbers"),
        ("features.tsv", lambda t: t.replace(SYMBOLS[4], "1-Mar"), "spreadsheet"),
        ("barcodes.tsv", lambda t: t.replace(CELLS[1], CELLS[0]), "stands twice"),
        ("barcodes.tsv", lambda t: t + "AAA-1\n", "31 names"),
        ("barcodes.tsv", lambda t: t.replace(CELLS[4], ""), "no name"),
    ],
)
def test_damaged_folders_are_refused(tmp_path, file, change, word):
    folder(tmp_path, COUNTS, zipped=False)
    path = tmp_path / file
    put(path, change(path.read_text(encoding="utf-8")))
    both_refuse(tmp_path, word)


def test_cut_streams_and_missing_files_are_refused(tmp_path):
    folder(tmp_path, COUNTS)
    path = tmp_path / "matrix.mtx.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    both_refuse(tmp_path, "cut off or damaged")
    path.write_bytes(whole)
    names = tmp_path / "features.tsv.gz"
    names.write_bytes(names.read_bytes()[:-20])
    both_refuse(tmp_path, "cut off or damaged")
    names.unlink()
    both_refuse(tmp_path, "lacks features.tsv or genes.tsv")
    path.unlink()
    both_refuse(tmp_path, "lacks matrix.mtx")


def test_entries_that_stand_twice_are_refused(tmp_path):
    """The job tells it: the check reads the first entries only."""
    folder(tmp_path, COUNTS, zipped=False)
    lines = entries(COUNTS).splitlines()
    lines[-1] = lines[-2]
    put(tmp_path / "matrix.mtx", "\n".join(lines) + "\n")
    with pytest.raises(InputError, match="twice"):
        read_cells([fact(tmp_path)])


@pytest.mark.parametrize("groups", [("matrix",), ("mRatBN7",)])
def test_h5_of_both_versions(tmp_path, groups):
    is_read(h5(tmp_path / "x.h5", COUNTS, groups), COUNTS)


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix, np.asarray])
@pytest.mark.parametrize("column", ["symbol", "anything at all"])
def test_h5ad_of_every_form(tmp_path, form, column):
    is_read(h5ad(tmp_path / "x.h5ad", COUNTS, form=form, column=column), COUNTS)


def test_a_column_of_words_is_no_column_of_symbols(tmp_path):
    words = ["protein_coding"] * 40
    path = h5ad(tmp_path / "x.h5ad", COUNTS, symbols=words, column="biotype")
    is_read(path, COUNTS, symbols=IDS)


@pytest.mark.parametrize("where", ["counts", "Counts", "raw", "raw_counts"])
def test_counts_in_layers_and_raw(tmp_path, where):
    """X holds logs; raw may hold more genes than X."""
    obs, var = pd.DataFrame(index=CELLS), pd.DataFrame({"feature_name": SYMBOLS}, index=IDS)
    table = ad.AnnData(sp.csr_matrix(COUNTS.astype(np.float32)), obs=obs, var=var)
    logs = np.log1p(COUNTS).astype(np.float32)
    if where == "raw":
        table.raw = table
        table = table[:, :25].copy()
        table.X = logs[:, :25]
    else:
        table.layers[where] = table.X.copy()
        table.X = logs
    table.write_h5ad(tmp_path / "x.h5ad")
    is_read(tmp_path / "x.h5ad", COUNTS)


def test_logs_alone_and_logs_called_counts_are_refused(tmp_path):
    logs = np.log1p(COUNTS)
    both_refuse(h5ad(tmp_path / "x.h5ad", logs), "whole counts")
    table = ad.read_h5ad(tmp_path / "x.h5ad")
    table.layers["counts"] = table.X
    table.X = COUNTS.astype(np.float32)
    table.write_h5ad(tmp_path / "y.h5ad")
    both_refuse(tmp_path / "y.h5ad", "whole counts")


def test_other_files_are_refused(tmp_path):
    for name in ("x.rds", "x.loom", "x.csv"):
        put(tmp_path / name, "nothing")
        both_refuse(tmp_path / name, "no file of cells")
    for name in ("x.h5", "x.h5ad"):
        put(tmp_path / name, "")
        assert checked(tmp_path / name, [fact(tmp_path / name)])


def test_versions_of_ids_are_matched_and_few_common_genes_stop(tmp_path):
    """The same genes as .1 in one file and .2 or .1 in the other: none is lost; half of them missing in one is told."""
    one = folder(tmp_path / "a", COUNTS, ids=[f"{i}.1" for i in IDS])
    other = drawn(8)
    two = folder(tmp_path / "b", other, ids=[f"{i}.{1 + k % 2}" for k, i in enumerate(IDS)])
    found = read_cells([fact(one, "a"), fact(two, "b")])[:, IDS]
    assert (found.X.toarray() == np.vstack([COUNTS, other])).all()
    part = h5ad(tmp_path / "c.h5ad", COUNTS[:, :30], ids=IDS[:30], symbols=SYMBOLS[:30])
    rows = [fact(folder(tmp_path / "d", other), "d"), fact(part, "c")]
    found = read_cells(rows)
    share = 100 * other[:, 30:].sum() / other.sum()
    assert found.n_vars == 30
    assert (
        f"10 genes that not every file has were left out, with {share:.2g} %"
        in (found.uns["notes"]["d"])
    )
    few = h5ad(tmp_path / "e.h5ad", COUNTS[:, :10], ids=IDS[:10], symbols=SYMBOLS[:10])
    with pytest.raises(InputError, match="10 genes in common, of 40"):
        read_cells([rows[0], fact(few, "e")])
