"""Counts per million of ligands and receptors from files as a run writes them, by hand."""

import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.core.results import write_result
from periomics.genes.axes import SetTables
from periomics.linkage.evidence import Known, evidence
from periomics.linkage.expression import expressed, measured_expression, read_secretome
from periomics.linkage.mediation import mediation
from periomics.linkage.rungs import rungs
from periomics.study.interface.genes import SET_TEST_COLUMNS
from periomics.study.interface.linkage import ASSOCIATION_COLUMNS
from periomics.study.settings.linkage import Linkage


@pytest.fixture
def axes_of_team(root):
    return SetTables.read(
        root / "resources/signatures.tsv", root / "resources/responses.tsv"
    ).axes()


def cpm_of(found):
    return {(r.place, r.species, r.symbol): (r.cpm, r.n) for r in found.itertuples()}


def test_medians_by_place_and_species():
    counts = pd.DataFrame(
        {"a": [10, 0, 90], "b": [30, 0, 70], "c": [0, 5, 5], "d": [50, 50, 0], "empty": [0, 0, 0]},
        index=["g1", "g2", "g3"],
    )
    symbols = pd.Series({"g1": "VEGFA", "g2": "VEGFA", "g3": "ACTB"})
    places = {
        "a": {"msc", "donor cells"},
        "b": {"msc"},
        "c": {"msc"},
        "d": {"mucosa", ""},
        "empty": {"msc"},
    }
    species = {"a": "human", "b": "human", "c": "rat", "d": "rat", "empty": "human"}
    found = cpm_of(expressed(counts, symbols, places, species, ["VEGFA"], table="t"))
    assert found == {
        ("msc", "human", "VEGFA"): (pytest.approx(200_000), 2),
        ("msc", "rat", "VEGFA"): (pytest.approx(500_000), 1),
        ("donor cells", "human", "VEGFA"): (pytest.approx(100_000), 1),
        ("mucosa", "rat", "VEGFA"): (pytest.approx(1_000_000), 1),
    }


def test_a_gene_that_a_species_has_no_counts_of_is_not_counted_as_none():
    """counts.tsv is empty where a gene is of another species than the library; mouse and rat share symbols."""
    counts = pd.DataFrame(
        {"m": [40.0, 60.0, None, None], "r": [None, None, 100.0, 0.0]},
        index=["mouse:Il6", "mouse:Actb", "rat:Actb", "rat:Kdr"],
    )
    symbols = pd.Series(["Il6", "Actb", "Actb", "Kdr"], counts.index)
    places = {"m": {"msc"}, "r": {"mucosa"}}
    found = cpm_of(
        expressed(counts, symbols, places, {"m": "mouse", "r": "rat"}, ["Il6", "Kdr"], table="t")
    )
    assert found == {
        ("msc", "mouse", "Il6"): (pytest.approx(400_000), 1),
        ("mucosa", "rat", "Kdr"): (0.0, 1),
    }


def files_of(tmp_path):
    """Two bulk libraries of stem cells, one of which failed, and cells of rats, one type of which is called like these."""
    genes = pd.DataFrame({"gene_id": ["VEGFA", "Vegfa", "X", "x"]}).assign(
        symbol=lambda t: t.gene_id
    )
    tables = {
        "bulk_counts": pd.DataFrame(
            {
                "gene_id": ["VEGFA", "X"],
                "L1": [0, 100],
                "L2": [90, 10],
                "T1": [None, None],
            }
        ),
        "bulk_genes": genes,
        "bulk_qc": pd.DataFrame({"specimen_id": ["L1", "L2"], "qc": ["pass", "fail"]}),
        "singlecell_counts": pd.DataFrame(
            {"gene_id": ["Vegfa", "x"], "C1|msc": [50, 50], "C1|basal": [1, 99]}
        ),
        "singlecell_genes": genes,
        "singlecell_groups": pd.DataFrame(
            {
                "column": ["C1|msc", "C1|basal"],
                "specimen_id": ["C1", "C1"],
                "cell_type": ["msc", "basal"],
            }
        ),
    }
    paths = {}
    for name, table in tables.items():
        paths[name] = str(tmp_path / f"{name}.tsv")
        write_result(table, paths[name])
    return paths


FACTS = [
    {"specimen_id": "L1", "species": "human", "assay": "bulk", "compartment": "msc"},
    {"specimen_id": "L2", "species": "human", "assay": "bulk", "compartment": "msc"},
    {"specimen_id": "C1", "species": "rat", "assay": "singlecell", "compartment": "mucosa"},
]


def test_libraries_that_failed_do_not_count_and_a_cell_type_is_no_compartment(tmp_path):
    found = cpm_of(measured_expression(files_of(tmp_path), FACTS, ["VEGFA", "Vegfa"]))
    assert found == {
        ("msc", "human", "VEGFA"): (0.0, 1),
        ("basal", "rat", "Vegfa"): (pytest.approx(10_000), 1),
    }
    alone = FACTS[2:]
    files = {k: v for k, v in files_of(tmp_path).items() if k.startswith("single")}
    found = cpm_of(measured_expression(files, alone, ["VEGFA", "Vegfa"]))
    assert found["msc", "rat", "Vegfa"] == (pytest.approx(500_000), 1)


def test_a_ligand_that_an_assay_did_not_find_and_pairs_that_were_not_measured(axes_of_team):
    """Neither ends the job: the step is not shown, and there is nothing to pass on."""
    pair = {
        "outcome": "mvd",
        "score_id": "score:response:vegf",
        "family": "declared pairs (animals)",
        "reason": "mvd was not measured in any unit",
        "covariates": "",
    }
    associations = pd.DataFrame([pair]).reindex(columns=list(ASSOCIATION_COLUMNS))
    columns = ["outcome", "variant", "contrast", "estimate", "p", "p_adj", "n_animals", "scale"]
    contrasts = pd.DataFrame(columns=columns)
    known = Known(
        axes=axes_of_team,
        expression=pd.DataFrame(columns=["place", "species", "symbol", "cpm", "n", "table"]),
        secretome=pd.DataFrame({"ligand": ["VEGFA"], "detected": [False]}),
        set_tests=pd.DataFrame(columns=list(SET_TEST_COLUMNS)),
        associations=associations,
        contrasts=contrasts,
    )
    question = {"name": "vessels", "outcomes": ["mvd"], "receivers": ["mucosa"]}
    table = rungs(evidence(known, Linkage.of({"questions": [question]}, "linkage")))
    row = table[table["axis"] == "LR_VEGFA_KDR"].iloc[0]
    assert row["rung"] == "none" and "VEGFA in the medium" in row["missing"]
    assert not (table["missing"] + table["sentence"]).str.contains(r"\bnan\b").any()
    assert mediation(associations, contrasts, ["C2"])["p"].isna().all()


@pytest.mark.parametrize("written", ["vegfa", "VEGF-A", " VEGFA", "Vegfa"])
def test_a_ligand_of_the_medium_written_otherwise_is_refused_by_name(tmp_path, written):
    """It would be left out, and the axis judged as if nobody had looked."""
    path = tmp_path / "secretome.tsv"
    path.write_text(f"ligand\tdetected\nALB\tyes\nHGF\tno\n{written}\tyes\n", encoding="utf-8")
    with pytest.raises(InputError, match="VEGFA") as error:
        read_secretome(path, ["HGF", "VEGFA", "IL6"])
    assert (error.value.row, error.value.column, error.value.allowed) == (4, "ligand", "VEGFA")
    path.write_text("ligand\tdetected\nALB\tyes\nHGF\tno\n", encoding="utf-8")
    assert list(read_secretome(path, ["HGF", "VEGFA"])["detected"]) == [True, False]
