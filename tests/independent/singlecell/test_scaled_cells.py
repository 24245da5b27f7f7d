"""Cells whose whole numbers were scaled are refused in every kind of file; counts of any depth are not."""

import numpy as np
import pytest
import scipy.sparse as sp
from independent.singlecell import cells_as_written as written
from independent.singlecell.cells_as_written import (
    both_refuse,
    checked,
    fact,
    folder,
    h5,
    h5ad,
    is_read,
)

from periomics.core.errors import InputError
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


def test_a_csc_matrix_is_refused_by_the_job(tmp_path):
    file = h5ad(tmp_path / "a.h5ad", per_10_000(raw()), form=sp.csc_matrix, **NAMES)
    assert checked(file, [fact(file)]) == []
    with pytest.raises(InputError, match="scaled or thinned to one total"):
        read_cells([fact(file)])
