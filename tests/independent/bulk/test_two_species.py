"""Libraries of two species in one study, and reads counted against both references: each species is its own part.

The truth is what was written into the files; genes, arms and sizes are drawn here.
"""

import numpy as np
import pandas as pd
import pytest
from independent.bulk.files_as_written import fact, lines, refused, salmon, write

from periomics.bulk.collecting import How, collect
from periomics.bulk.designs import Libraries, designed
from periomics.bulk.opening import look_at_counts
from periomics.bulk.qc import qc_table
from periomics.bulk.tests import run_analysis
from periomics.study.check.opened import Named
from periomics.study.settings.bulk import Analysis, BulkTests

DISHES = [f"D{i}" for i in range(8)]
RAT = [f"ENSRNOG{31 * i:011d}" for i in range(1, 301)]
HUMAN = [f"ENSG{17 * i:011d}" for i in range(1, 201)]
SPIKES = [f"ERCC-{i:05d}" for i in range(1, 31)]
PREFIXED = [f"mRatBN7_Gen{i}" for i in range(300)] + [f"GRCh38_GEN{i}" for i in range(200)]


def drawn(seed=5):
    """Rat cells of one size, human cells that vary between a tenth and all of it; the spikes are in no part."""
    rng = np.random.default_rng(seed)
    size = np.r_[np.ones(8)] * rng.uniform(0.8, 1.2, 8)
    beside = np.geomspace(0.1, 1, 8)
    rat = rng.negative_binomial(9, 9 / (9 + rng.lognormal(4, 1, (300, 1)) * size))
    human = rng.negative_binomial(9, 9 / (9 + rng.lognormal(4, 1, (200, 1)) * beside))
    return rat, human, rng.poisson(40, (30, 8))


RATS, HUMANS, SPIKED = drawn()


def table(genes, counts, names=DISHES):
    rows = [[g, *row] for g, row in zip(genes, counts.tolist(), strict=True)]
    return lines([["gene_id", *names], *rows])


@pytest.fixture(params=["ids", "prefixes"])
def both(request, tmp_path):
    """One table of both species, and a row of the sheet for each of them in every dish."""
    genes = [*RAT, *HUMAN] if request.param == "ids" else PREFIXED
    path = write(tmp_path / "m.tsv", table([*genes, *SPIKES], np.vstack([RATS, HUMANS, SPIKED])))
    rows = [
        fact(f"{d}-{s}", path, "matrix", d, s) | {"reference": "combined", "animal_id": d}
        for s in ("rat", "human")
        for d in DISHES
    ]
    bare = [g.split("_")[-1] for g in genes]
    return rows, bare[:300], bare[300:]


def test_each_species_is_its_own_part(both):
    rows, rat, human = both
    found = collect(rows)
    for genes, counts, species in ((rat, RATS, "rat"), (human, HUMANS, "human")):
        part = found.data[[f"{d}-{species}" for d in DISHES]].dropna()
        assert sorted(part.index) == sorted(genes)
        assert (part.loc[genes].to_numpy(int) == counts).all()
    told = found.remarks["D0-rat"]
    share = RATS[:, 0].sum() / (RATS[:, 0].sum() + HUMANS[:, 0].sum() + SPIKED[:, 0].sum())
    assert f"{100 * share:.3g} % rat" in told and "human" in told and "of none" in told


def test_sizes_are_apart(both):
    rows, _, _ = both
    qc = qc_table(collect(rows).data, rows, 0, 0).set_index("specimen_id")
    assert list(qc.index) == [r["specimen_id"] for r in rows]
    for species, counts in (("rat", RATS), ("human", HUMANS)):
        own = qc.loc[[f"{d}-{species}" for d in DISHES]]
        assert own["library_size"].tolist() == counts.sum(axis=0).tolist()
        assert own["detected"].tolist() == (counts > 0).sum(axis=0).tolist()
    sizes = qc.loc[[f"{d}-human" for d in DISHES], "size_factor"].astype(float)
    assert sizes.iloc[-1] / sizes.iloc[0] == pytest.approx(10, rel=0.3)  # as drawn
    rats = qc.loc[[f"{d}-rat" for d in DISHES], "size_factor"].astype(float)
    assert rats.max() / rats.min() < 1.6


def of_arms(counts, symbols, species):
    names = [c for c in counts if str(c).endswith(species)]
    animals = [str(n).split("-")[0] for n in names]
    samples = pd.DataFrame({"specimen_id": names, "animal_id": animals, "species": species})
    samples = samples.assign(time=0.0, unit="isolation", condition=list("xyxyxyxy"))
    claims = {"contrasts": {"c": {"weights": {"y": 1, "x": -1}}}}
    known = Libraries(counts, None, symbols, samples, claims)
    analysis = Analysis(name="a", arm="condition", contrasts=("c",))
    return run_analysis(designed(analysis, known, None, 3), BulkTests())[0]["a.c"]


def test_tests_are_those_of_each_species_alone(both):
    rows, rat, human = both
    found = collect(rows)
    symbols = pd.Series(dtype=str)
    for genes, counts, species in ((rat, RATS, "rat"), (human, HUMANS, "human")):
        names = [f"{d}-{species}" for d in DISHES]
        alone = pd.DataFrame(counts, index=pd.Index(genes, name="gene_id"), columns=names)
        one, two = of_arms(found.data, symbols, species), of_arms(alone, symbols, species)
        pd.testing.assert_frame_equal(one, two)
        assert len(one) > 100


def test_two_species_without_a_word_are_refused_with_what_to_write(both):
    rows, _, _ = both
    for species in ("rat", "human"):
        own = [r | {"reference": ""} for r in rows if r["species"] == species]
        message = refused(own)
        assert "two species" in message and "reference: combined" in message
        assert "300" in message and "200" in message


@pytest.mark.parametrize("number", [3, 40])
def test_single_foreign_genes_are_no_second_species(tmp_path, number):
    """A transgene or a few names are none; forty of 300 are."""
    genes, counts = [*RAT, *HUMAN[:number]], np.vstack([RATS, HUMANS[:number]])
    path = write(tmp_path / "m.tsv", table(genes, counts))
    rows = [fact(d, path, species="rat") for d in DISHES]
    if number == 3:
        assert len(collect(rows).data) == 303
    else:
        assert "40 of human" in refused(rows)


def test_symbols_of_two_species_cannot_be_taken_apart(tmp_path):
    names = [f"Gen{i}" for i in range(300)] + [f"GEN{i}" for i in range(200)]
    path = write(tmp_path / "m.tsv", table(names, np.vstack([RATS, HUMANS])))
    rows = [fact(d, path, species="rat") for d in DISHES]
    assert "two species" in refused(rows)
    assert "prefix" in refused([r | {"reference": "combined"} for r in rows])


def test_files_of_two_species_stand_beside_each_other(tmp_path):
    one = write(tmp_path / "rat.tsv", table(RAT, RATS))
    other = write(tmp_path / "human.tsv", table(HUMAN, HUMANS, [f"H{i}" for i in range(8)]))
    rows = [fact(d, one, species="rat") for d in DISHES]
    rows += [fact(f"H{i}", other, species="human") for i in range(8)]
    found = collect(rows[::-1])
    assert list(found.data.columns) == [r["specimen_id"] for r in rows[::-1]]
    assert (found.data.loc[RAT, DISHES].to_numpy(int) == RATS).all()
    assert found.data.loc[RAT, "H0"].isna().all() and found.data.loc[HUMAN, "D0"].isna().all()
    assert found.data["H3"].sum() == HUMANS[:, 3].sum()


def test_files_of_one_library_hold_both_species(tmp_path):
    """Salmon against both transcriptomes: genes of each species with their own lengths."""
    genes = RAT[:60] + HUMAN[:50]
    rows, truth = [], {}
    for j, d in enumerate(DISHES[:3]):
        reads = np.r_[RATS[:60, j], HUMANS[:50, j]]
        names = [g.replace("ENSRNOG", "ENSRNOT").replace("ENSG", "ENST") for g in genes]
        path = write(tmp_path / d / "quant.sf", salmon(dict(zip(names, reads, strict=True))))
        for s, part in (("rat", reads[:60]), ("human", reads[60:])):
            rows.append(fact(f"{d}-{s}", path, species=s) | {"reference": "combined"})
            truth[f"{d}-{s}"] = int(part.sum())
    pairs = lines(zip(names, genes, strict=True))
    found = collect(rows, How(tx2gene=str(write(tmp_path / "tx2gene.tsv", pairs))))
    assert {c: int(found.data[c].sum()) for c in found.data} == truth
    assert found.lengths.loc[RAT[3], "D0-human":"D0-human"].isna().all()
    assert found.lengths["D0-rat"].dropna().index.tolist() == sorted(RAT[:60])


def test_check_says_what_the_job_says(both):
    rows, _, _ = both
    from pathlib import Path

    path = Path(rows[0]["path"])

    def told(rows):
        numbered = dict(enumerate(rows, 2))
        return look_at_counts(
            Named(path, path.name, "libraries.tsv", "path", numbered, {})
        ).problems

    assert told(rows) == []
    undeclared = told([{k: v for k, v in r.items() if k != "reference"} for r in rows])
    assert undeclared and "two species" in undeclared[0].message
    twice = told([*rows, rows[0] | {"specimen_id": "again"}])
    assert any("library of row 2 already" in p.message for p in twice)
