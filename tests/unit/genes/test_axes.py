import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.genes.axes import SetTables, axes_of, read_responses, response_sets
from periomics.genes.signatures import read_signatures


@pytest.fixture(scope="module")
def tables(root):
    return SetTables.read(root / "resources/signatures.tsv", root / "resources/responses.tsv")


def members(tables, species="human"):
    found = response_sets(tables.signatures, tables.responses, species)
    return {s.name: {m.names[0]: m.sign for m in s.members} for s in found}


def test_a_gene_speaks_for_one_response(tables):
    genes = [g for own in members(tables).values() for g in own]
    assert len(genes) == len(set(genes))


def test_a_high_response_is_an_active_pathway_whatever_is_good_for_the_animal(tables):
    own = members(tables)
    assert own["nfkb"]["TNFAIP3"] == own["nfkb"]["IL6"] == own["nfkb"]["NFKBIZ"] == 1
    assert own["pi3k"]["TXNIP"] == -1 and own["tgfb"]["SERPINE1"] == 1


def test_a_gene_that_two_responses_claim_is_in_neither(tables):
    assert not any("NR4A1" in own or "IER3" in own for own in members(tables).values())


def test_every_response_can_be_scored_in_every_species(tables):
    for species in ("human", "mouse", "rat"):
        for s in response_sets(tables.signatures, tables.responses, species):
            assert sum(bool(m.names) for m in s.members) >= 3, (species, s.name)


def test_axes_know_their_genes_by_species(tables):
    rat = {a.name: a for a in axes_of(tables.signatures, tables.responses, "rat")}
    assert rat["LR_VEGFA_KDR"].ligands == (("Vegfa",),)
    assert rat["LR_VEGFA_KDR"].receptors == (("Kdr",), ("Flt1",))
    assert (rat["LR_IL1RA_IL1R1"].response, rat["LR_IL1RA_IL1R1"].sign) == ("nfkb", -1)
    assert (rat["LR_SPP1_integrin"].response, rat["LR_SPP1_integrin"].sign) == ("", 0)
    assert (
        len(rat)
        == tables.signatures["set"]
        .str.startswith("LR_")
        .groupby(tables.signatures["set"])
        .first()
        .sum()
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("x\tRESP_mapkk\t1", "RESP_mapk"),
        ("x\tRESP_mapk\t2", "1, -1"),
        ("x\tRESP_ifng\t1\ny\tRESP_ifng\t1", "two responses"),
    ],
)
def test_a_wrong_row_is_named(root, tmp_path, row, said):
    file = tmp_path / "responses.tsv"
    file.write_text(f"response\tset\tsign\n{row}\n", encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_responses(file, read_signatures(root / "resources/signatures.tsv"))


def test_kinds_of_scores(tables):
    kinds = pd.Series({s.name: k for k, s in tables.scored("rat")})
    assert kinds["mapk"] == "response" and (kinds == "qc").any()
    assert kinds["ANG_sprouting"] == "signature"


def test_genes_of_sets_and_responses_are_human_symbols(tables):
    genes = tables.genes()
    assert genes["nfkb"] >= {"IL6", "TNFAIP3"} and "LAMA3" in genes["EPI_hemidesmosome"]
    assert {"VEGFA", "HGF"} <= set(tables.ligands())
