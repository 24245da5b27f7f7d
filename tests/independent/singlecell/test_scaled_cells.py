"""Cells whose whole numbers were scaled are refused in every kind of file; counts of any depth are not."""

import numpy as np
import pytest
import scipy.sparse as sp
from independent.singlecell import cells_as_written as written
from independent.singlecell.cells_as_written import (
    both_refuse,
    folder,
    h5,
    h5ad,
    is_read,
)

from periomics.core.errors import InputError
from periomics.singlecell import annotated
from periomics.singlecell.formats import refuse_scaled
from periomics.singlecell.readers import read_cells

N_CELLS, N_GENES = 80, 400
IDS = [f"ENSRNOG{31 * i:011d}" for i in range(1, N_GENES + 1)]
SYMBOLS = [f"Gen{chr(97 + i % 26)}{i}" for i in range(N_GENES)]
NAMES = {"ids": IDS, "symbols": SYMBOLS}


@pytest.fixture(autouse=True)
def barcodes(monkeypatch):
    monkeypatch.setattr(written, "CELLS", [f"ACGTTTG{i:03d}-1" for i in range(N_CELLS)])


def raw(depth=2500, spread=0.4, seed=2):
    """Counts whose cells differ in depth as cells do."""
    rng = np.random.default_rng(seed)
    level = rng.gamma(0.6, 1, N_GENES)
    size = depth * np.exp(rng.normal(0, spread, (N_CELLS, 1)))
    return rng.poisson(level / level.sum() * size)


def per_10_000(counts):
    return np.rint(1e4 * counts / counts.sum(axis=1, keepdims=True)).astype(int)


def to_the_median(counts):
    totals = counts.sum(axis=1, keepdims=True)
    return np.rint(counts * np.median(totals) / totals).astype(int)


FORMS = {
    "h5": lambda at, table: h5(at / "a.h5", table, **NAMES),
    "old h5": lambda at, table: h5(at / "a.h5", table, groups=("rn6",), **NAMES),
    "csr": lambda at, table: h5ad(at / "a.h5ad", table, **NAMES),
    "csc": lambda at, table: h5ad(at / "a.h5ad", table, form=sp.csc_matrix, **NAMES),
    "dense": lambda at, table: h5ad(at / "a.h5ad", table, form=np.asarray, **NAMES),
}
SCALED = {
    "per 10,000": (per_10_000, "scaled or thinned to one total"),
    "to the median": (to_the_median, "scaled or thinned to one total"),
    "ten times": (lambda c: 10 * c, "no gene with a count of 1"),
    "times a factor of each cell": (
        lambda c: np.rint(c * np.linspace(2, 4, N_CELLS)[:, None]).astype(int),
        "no gene with a count of 1",
    ),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("kind", SCALED)
def test_scaled_cells_are_refused_by_check_and_job(tmp_path, form, kind):
    scale, told = SCALED[kind]
    both_refuse(form(tmp_path, scale(raw())), told)


def test_folders_that_stand_cell_by_cell_are_refused_by_the_check_too(tmp_path):
    table = per_10_000(raw())
    at = folder(tmp_path / "m", table, zipped=False, **NAMES)
    lines = [f"{g + 1} {c + 1} {table[c, g]}" for c, g in zip(*np.nonzero(table), strict=True)]
    head = f"%%MatrixMarket matrix coordinate integer general\n{N_GENES} {N_CELLS} {len(lines)}\n"
    (at / "matrix.mtx").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    both_refuse(at, "scaled or thinned to one total")


@pytest.mark.parametrize(
    "table",
    [raw(), raw(400), raw(20_000, 0.2), raw(2500, 0.1), np.minimum(raw(), 9)],
    ids=["usual", "shallow", "deep", "alike in depth", "cut at nine"],
)
@pytest.mark.parametrize("form", [*FORMS.values(), lambda at, t: folder(at / "m", t, **NAMES)])
def test_counts_are_read(tmp_path, table, form):
    is_read(form(tmp_path, table), table, **NAMES)


SHALLOW = {
    "400 counts": lambda: raw(400),
    "800 counts": lambda: raw(800, 0.6),
    "deeper, alike in depth": lambda: raw(5000, 0.25),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("table", SHALLOW.values(), ids=SHALLOW)
def test_rounding_to_the_median_of_half_the_cells_is_told(tmp_path, form, table):
    """Cells of which every second one was left as it is, so that totals differ."""
    counts = table()
    counts[::2] = to_the_median(counts)[::2]
    assert np.ptp(counts.sum(axis=1)) > 0.1 * np.median(counts.sum(axis=1))
    both_refuse(form(tmp_path, counts), "lack a small number between others")


def test_numbers_left_out_are_those_of_the_factor():
    """Times 1.3 and rounded: 1, 3, 4, 5, 7 of 1 to 5; no 2. Times 1.2: 1, 2, 4, 5, 6; no 3."""
    for factor, lacking in ((1.3, 2), (1.2, 3)):
        numbers = np.rint(factor * np.repeat([1, 2, 3, 4, 5], 12))
        assert lacking not in numbers
        with pytest.raises(InputError, match="lack a small number") as told:
            refuse_scaled(sp.csr_matrix(np.tile(numbers, (60, 1))))
        assert told.value.value == f"no {lacking} beside {lacking + 1} and {lacking + 2}"
    refuse_scaled(sp.csr_matrix(np.tile(np.repeat([1, 2, 3, 4, 5], 12), (60, 1))))


def test_of_a_large_matrix_by_genes_blocks_are_read(tmp_path, monkeypatch):
    """Totals of a part of the genes say nothing; small numbers that are lacking do."""
    monkeypatch.setattr(annotated, "BY_GENE", 8000)
    half = raw()
    half[::2] = to_the_median(half)[::2]
    assert np.count_nonzero(half) > 2 * 8000
    both_refuse(FORMS["csc"](tmp_path, half), "lack a small number")
    is_read(FORMS["csc"](tmp_path, raw()), raw(), **NAMES)


def test_cells_of_nearly_one_depth_are_told_by_the_job(tmp_path):
    """Whole numbers that a model of depth corrected differ in their totals by less than cells
    do."""
    for spread, told in ((0.07, True), (0.25, False), (0.6, False)):
        path = h5ad(tmp_path / f"{spread}.h5ad", raw(spread=spread), **NAMES)
        said = read_cells([written.fact(path)]).uns["notes"].get("L1", "")
        assert ("totals within" in said) == told, spread


def test_a_number_that_was_added_to_every_count(tmp_path):
    path = h5ad(tmp_path / "a.h5ad", raw() + 1, **NAMES)
    both_refuse(path, "every cell has every gene: a number was added")
