"""Signed tables of third parties: each form, its signs and species, what is refused, and a network made of them."""

import gzip

import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.linkage.signed import (
    TRANSCRIPTION,
    configured_network,
    goals_of,
    read_signed,
    third_party,
    translated,
)

FORMS = {
    "omnipath": (
        "source\ttarget\tsource_genesymbol\ttarget_genesymbol\tis_stimulation\tis_inhibition\n"
        "P1\tP2\tEGFR\tGRB2\tTrue\tFalse\nP3\tP4\tPTEN\tAKT1\tFalse\tTrue\n"
        "P5\tP6\tSRC\tCDH1\tTrue\tTrue\nP7\tP8\tA\tB\tFalse\tFalse\n"
    ),
    "signor": (
        "ENTITYA\tTYPEA\tENTITYB\tEFFECT\n"
        "EGFR\tprotein\tGRB2\tup-regulates activity\nPTEN\tprotein\tAKT1\tdown-regulates\n"
        "SRC\tprotein\tCDH1\tup-regulates quantity by expression\n"
        "SRC\tprotein\tCDH1\tdown-regulates quantity by expression\nA\tprotein\tB\tform complex\n"
    ),
    "carnival": (
        "source\tinteraction\ttarget\n"
        "EGFR\t1\tGRB2\nPTEN\t-1\tAKT1\nSRC\t1\tCDH1\nSRC\t-1\tCDH1\nA\t0\tB\n"
    ),
    "cosmos": "source,target,sign\nEGFR,GRB2,1\nPTEN,AKT1,-1\nSRC,CDH1,1\nSRC,CDH1,-1\nA,B,NA\n",
    "dorothea": (
        "tf\tconfidence\ttarget\tmor\n"
        "EGFR\tA\tGRB2\t1\nPTEN\tB\tAKT1\t-1\nSRC\tA\tCDH1\t1.0\nSRC\tA\tCDH1\t-1.0\nA\tE\tB\t\n"
    ),
}
EDGES = {("EGFR", 1, "GRB2"), ("PTEN", -1, "AKT1"), ("SRC", 1, "CDH1"), ("SRC", -1, "CDH1")}


def edges_of(table):
    return set(table[["source", "sign", "target"]].itertuples(index=False, name=None))


def write(path, text):
    if path.suffix == ".gz":
        with gzip.open(path, "wt", encoding="utf-8") as handle:
            handle.write(text)
    else:
        path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("ending", ["tsv", "tsv.gz"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_edges(tmp_path, form, ending):
    edges, notes = read_signed(write(tmp_path / f"{form}.{ending}", FORMS[form]))
    assert edges_of(edges) == EDGES
    assert len(notes) == 1 and notes[0].startswith("1 edges of") and "no sign" in notes[0]
    assert set(edges["evidence"]) == {"configured"}


def test_the_consensus_of_omnipath_counts_where_it_stands(tmp_path):
    text = FORMS["omnipath"].replace(
        "is_inhibition\n", "is_inhibition\tconsensus_stimulation\tconsensus_inhibition\n"
    )
    rows = text.splitlines()
    told = [
        rows[0],
        *(f"{r}\t{c}" for r, c in zip(rows[1:], ("1\t0", "0\t1", "0\t1", "0\t0"), strict=True)),
    ]
    edges, _ = read_signed(write(tmp_path / "c.tsv", "\n".join(told) + "\n"))
    assert edges_of(edges) == EDGES - {("SRC", 1, "CDH1")}


def test_pairs_of_both_signs_are_named_and_kept(tmp_path, root):
    path = write(tmp_path / "both.tsv", FORMS["carnival"])
    own = str(root / "resources/signalling.tsv")
    network = configured_network(own, "human", table=path)
    assert edges_of(network.edges) == EDGES
    assert network.notes[-1] == "both signs, kept as two edges: SRC to CDH1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("from\tto\tsign\nA\tB\t1\n", "it has the columns from, to, sign"),
        ("source\ttarget\tsign\nA\tB\t1\nA\tC\tup\n", r"row 3, column sign: is no sign.*'up'"),
        ("source\ttarget\tsign\nA\tB\t0\n", "no edge has a sign"),
        ("source\ttarget\tsign\tlayer\nA\tB\t1\tblood\n", "no layer of a network.*'blood'"),
        (
            "source_genesymbol\ttarget_genesymbol\tis_stimulation\tis_inhibition\nA\tB\tmaybe\t0\n",
            "neither yes nor no.*'maybe'",
        ),
        ("", "cannot be read as a table"),
    ],
)
def test_what_is_no_signed_table_is_refused_in_one_line(tmp_path, text, said):
    path = write(tmp_path / "bad.tsv", text)
    with pytest.raises(InputError, match=said) as told:
        read_signed(path)
    assert "\n" not in str(told.value) and path in str(told.value)


def orthologs(tmp_path, pairs):
    rows = [f"{h}\t{r}\t9" for h, r in pairs]
    text = "human_symbol\trat_symbol\tsupport_n\n" + "\n".join(rows) + "\n"
    return {"rat": write(tmp_path / "rat.tsv", text)}


def test_symbols_are_brought_to_the_species_of_the_libraries(tmp_path, root):
    path = write(tmp_path / "c.tsv", FORMS["carnival"])
    known = orthologs(tmp_path, [("EGFR", "Egfr"), ("GRB2", "Grb2"), ("SRC", "Src")])
    network = third_party(path, "human", "rat", known)
    assert edges_of(network.edges) == {("Egfr", 1, "Grb2")}
    assert network.symbols["PTEN"] == "" and network.symbols["EGFR"] == "Egfr"
    assert "3 of the 6 nodes" in network.notes[-1] and "no ortholog in rat" in network.notes[-1]
    with pytest.raises(InputError, match="resources/orthologs_rat"):
        third_party(path, "human", "rat", {})
    assert edges_of(third_party(path, "rat", "rat").edges) == EDGES


def test_a_complex_goes_by_its_members():
    known = {"ITGA5": "Itga5", "ITGB1": "Itgb1", "NKX2_X": "Nkx2x"}
    assert translated("ITGA5_ITGB1", known) == "Itga5_Itgb1"
    assert translated("ITGA5:ITGBX", known) == "" and translated("NKX2_X", known) == "Nkx2x"


def test_regulons_are_the_layer_of_transcription(tmp_path, root):
    table = write(tmp_path / "c.tsv", FORMS["carnival"])
    regulons = write(tmp_path / "r.tsv", "source\ttarget\tweight\nJUN\tMMP1\t1\nJUN\tCDH1\t-1\n")
    own = str(root / "resources/signalling.tsv")
    network = configured_network(own, "human", table=table, regulons=regulons)
    assert goals_of(network.edges) == {"MMP1", "CDH1"}
    alone = configured_network(own, "human", table=table)
    assert goals_of(alone.edges) == {"GRB2", "AKT1", "CDH1"}
    signor = write(tmp_path / "s.tsv", FORMS["signor"])
    assert goals_of(configured_network(own, "human", table=signor).edges) == {"CDH1"}
    with_own = configured_network(own, "human", regulons=regulons).edges
    factors = with_own[with_own["layer"] == TRANSCRIPTION]
    assert set(factors["source"]) == {"JUN"} and len(with_own) > 400


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "edges"),
    [("omnipath_carnival_signed_ppi_human", 19_807), ("cosmos_protein_signed_ppi_human", 19_830)],
)
def test_real_tables_are_read_and_brought_to_the_rat(data, root, file, edges):
    folder = data / "resources"
    path, own = str(folder / f"{file}.tsv.gz"), str(root / "resources/signalling.tsv")
    whole, _ = read_signed(path)
    raw = pd.read_csv(path, sep="\t")
    assert len(whole) == len(raw.drop_duplicates(["source", "sign", "target"])) <= edges == len(raw)
    network = configured_network(
        own,
        "rat",
        table=path,
        regulons=str(folder / "collectri_human.tsv.gz"),
        orthologs={"rat": str(folder / "orthologs_human_rat.tsv.gz")},
    )
    found = edges_of(network.edges)
    assert {("Jak1", 1, "Stat3"), ("Stat3", 1, "Socs3"), ("Egfr", 1, "Grb2")} <= found
    signalling = (network.edges["layer"] != TRANSCRIPTION).sum()
    assert signalling > 0.9 * edges and len(goals_of(network.edges)) > 5000
    assert network.notes[-1].startswith("both signs, kept as two edges: ")
