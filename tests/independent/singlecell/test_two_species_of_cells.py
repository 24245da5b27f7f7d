"""Cells of a rat and a human in one dish, counted against both references: what is whose was written by hand."""

import numpy as np
import pandas as pd
import pytest
from independent.singlecell.cells_as_written import (
    CELLS,
    both_refuse,
    checked,
    fact,
    folder,
    h5,
    h5ad,
)

from periomics.core.errors import InputError
from periomics.singlecell.quality import judge_cells
from periomics.singlecell.readers import libraries_of, read_cells
from periomics.study.settings.singlecell import Atlas

RAT = [f"ENSRNOG{13 * i:011d}" for i in range(1, 101)]
HUMAN = [f"ENSG{19 * i:011d}" for i in range(1, 81)]
RATS, HUMANS = [f"Gen{i}" for i in range(100)], [f"GEN{i}" for i in range(80)]
SETTINGS = Atlas(min_counts=100, min_genes=10)
# Cells 0 to 11 are of the rat, 12 to 23 human, 24 to 27 of both; the last two are empty droplets.
KINDS = ["rat"] * 12 + ["human"] * 12 + ["mixed"] * 4 + ["empty"] * 2


def written():
    """Cells × (rat genes, human genes, spikes); a rat cell has 6 % of foreign counts, a mixed one 40 or 60 %."""
    rng = np.random.default_rng(11)
    share = {"rat": 0.94, "human": 0.06, "empty": 0.5}
    out = np.zeros((30, 185), int)
    for i, kind in enumerate(KINDS):
        total = 20 if kind == "empty" else 1000
        rat = round(total * (share.get(kind) or (0.4 if i % 2 else 0.6)))
        out[i, :100] = rng.multinomial(rat, np.full(100, 0.01))
        out[i, 100:180] = rng.multinomial(total - rat, np.full(80, 1 / 80))
        out[i, 180:] = 50  # spikes of neither: they tell nothing
    return out


COUNTS = written()
SPIKES = [f"ERCC-{i:05d}" for i in range(1, 6)]


@pytest.fixture(params=["folder", "h5", "h5ad", "symbols behind prefixes"])
def both(request, tmp_path):
    """The file, and a row of the sheet for each species."""
    ids, symbols = [*RAT, *HUMAN, *SPIKES], [*RATS, *HUMANS, *SPIKES]
    if request.param == "symbols behind prefixes":
        ids = [f"mRatBN7_{s}" for s in RATS] + [f"GRCh38_{s}" for s in HUMANS] + SPIKES
        path = h5ad(tmp_path / "x.h5ad", COUNTS, ids, column="")
    elif request.param == "folder":
        ids = [f"mRatBN7_2_{i}" for i in RAT] + [f"GRCh38_{i}" for i in HUMAN] + SPIKES
        names = [f"mRatBN7_2_{s}" for s in RATS] + [f"GRCh38_{s}" for s in HUMANS] + SPIKES
        path = folder(tmp_path / "m", COUNTS, ids=ids, symbols=names)
    elif request.param == "h5":
        path = h5(tmp_path / "x.h5", COUNTS, ids=ids, symbols=symbols)
    else:
        path = h5ad(tmp_path / "x.h5ad", COUNTS, ids, symbols)
    rows = [fact(path, f"D1-{s}", species=s) | {"reference": "combined"} for s in ("human", "rat")]
    bare = (RATS, HUMANS) if request.param.startswith("symbols") else (RAT, HUMAN)
    return path, rows, bare


def test_each_library_has_its_species_cells_and_genes(both):
    path, rows, (rat, human) = both
    assert checked(path, rows) == []
    for row, genes, symbols, columns in (
        (rows[0], human, HUMANS, slice(100, 180)),
        (rows[1], rat, RATS, slice(0, 100)),
    ):
        species = row["species"]
        atlas = SETTINGS.model_copy(update={"species": species})
        assert [r["specimen_id"] for r in libraries_of(rows, atlas)] == [f"D1-{species}"]
        cells = read_cells(libraries_of(rows, atlas), atlas)
        kept = [i for i, k in enumerate(KINDS) if k == species]
        names = [f"D1-{species}:{CELLS[i]}" for i in kept]
        assert set(names) <= set(cells.obs_names)
        # Besides only empty droplets, which quality drops.
        rest = set(cells.obs_names) - set(names)
        assert rest <= {f"D1-{species}:{c}" for c in CELLS[28:]}
        assert sorted(cells.var_names) == sorted(genes)
        assert (cells[names, list(genes)].X.toarray() == COUNTS[kept, columns]).all()
        assert cells[:, list(genes)].var["symbol"].tolist() == symbols
        quality = judge_cells(cells, atlas, 1).set_index("specimen_id").loc[f"D1-{species}"]
        assert quality["mixed_species"] == 4 and quality["kept"] == 12
        assert "4 with less than 90 % of one" in quality["note"]
        assert "reference: 12 human, 12 rat;" in quality["note"]


def test_the_declared_share_decides(both):
    _, rows, _ = both
    strict = SETTINGS.model_copy(update={"min_species_share": 0.95})
    with pytest.raises(InputError, match="reference: none; 28 with less than 95 %"):
        read_cells(rows[1:], strict)
    open_to = read_cells(rows[1:], SETTINGS.model_copy(update={"min_species_share": 0.55}))
    assert open_to.uns["mixed_species"] == {"D1-rat": 0}
    assert {f"D1-rat:{CELLS[i]}" for i in (24, 26)} <= set(open_to.obs_names)
    assert f"D1-rat:{CELLS[25]}" not in open_to.obs_names


def test_without_the_word_the_file_is_refused_with_what_to_write(both):
    path, rows, _ = both
    told, _ = both_refuse(path, "two species", [{**rows[1], "reference": ""}])
    assert "100" in told and "80" in told
    assert any("reference: combined" in str(p.allowed) for p in checked(path, [fact(path)]))


def test_a_species_that_is_not_there_is_refused(both):
    path, rows, _ = both
    both_refuse(path, "no gene of mouse", [{**rows[1], "species": "mouse"}])


def test_one_species_twice_needs_a_column_of_samples(both):
    path, rows, _ = both
    again = [*rows, {**rows[1], "specimen_id": "again"}]
    assert checked(path, again)


def test_no_cell_of_a_species_is_refused(tmp_path):
    rats = COUNTS[:12]
    path = h5(
        tmp_path / "x.h5", rats, ids=[*RAT, *HUMAN, *SPIKES], symbols=[*RATS, *HUMANS, *SPIKES]
    )
    row = fact(path, species="human") | {"reference": "combined"}
    with pytest.raises(InputError, match="no cell is of human"):
        read_cells([row])


def test_h5_of_cell_ranger_two_has_a_group_for_each_reference(tmp_path):
    """The same droplets in both groups, counts of one species in each."""
    import h5py

    one, two = h5(tmp_path / "a.h5", COUNTS[:, :100], ("rn6",), RAT, RATS), tmp_path / "b.h5"
    h5(two, COUNTS[:, 100:180], ("hg19",), HUMAN, HUMANS)
    with h5py.File(one, "a") as file, h5py.File(two) as other:
        other.copy("hg19", file)
    rows = [fact(one, s, species=s) | {"reference": "combined"} for s in ("human", "rat")]
    assert checked(one, rows) == []
    cells = read_cells(rows[1:], SETTINGS)
    names = [f"rat:{c}" for c in CELLS[:12]]
    assert (cells[names, RAT].X.toarray() == COUNTS[:12, :100]).all()
    assert cells.uns["mixed_species"] == {"rat": 4}


def test_an_atlas_of_two_species_is_refused_unless_one_is_named():
    rows = [fact("x", s, species=s) for s in ("human", "rat")]
    with pytest.raises(InputError, match="several species"):
        libraries_of(rows, Atlas())
    assert (
        pd.Series([r["species"] for r in libraries_of(rows, Atlas(species="human"))])
        .eq("human")
        .all()
    )
    with pytest.raises(InputError, match="no library is of"):
        libraries_of(rows, Atlas(species="mouse"))
