"""Genes of each response, gathered again with pandas alone from the two tables, for every species.

From the definition: all genes of the listed sets that respond (role `response` in sets LR_, every member of sets RESP_), signed
by the direction of the gene times that of the ligand of an LR_ set times the sign in the table; genes of unknown direction count
as they are. What two responses, or both signs, claim is in neither.
"""

import pandas as pd
import pytest

from periomics.genes.axes import read_responses, response_sets
from periomics.genes.signatures import read_signatures

SIGN = {"up": 1, "down": -1, "context": 1}


@pytest.fixture(scope="module")
def raw(root):
    """Both tables as text, read by pandas."""
    read = {"sep": "\t", "dtype": str, "keep_default_na": False}
    return tuple(
        pd.read_csv(root / "resources" / f"{n}.tsv", **read) for n in ("signatures", "responses")
    )


@pytest.fixture(scope="module")
def tables(root):
    """Both tables as the program reads them."""
    signatures = read_signatures(root / "resources/signatures.tsv")
    return signatures, read_responses(root / "resources/responses.tsv", signatures)


def by_hand(raw):
    """(response, human gene) → sign, of genes that one response claims with one sign."""
    signatures, responses = raw
    parts = []
    for row in responses.itertuples():
        own = signatures[signatures["set"] == row.set]
        ligand = 1
        if row.set.startswith("LR_"):
            (direction,) = set(own.loc[own["role"] == "ligand", "direction"])
            ligand = SIGN[direction]
            own = own[own["role"] == "response"]
        sign = own["direction"].map(SIGN) * int(row.sign)
        signed = own["direction"] != "context"
        sign = sign.where(~signed, sign * ligand)
        sign = sign.where(signed, 1)
        parts.append(pd.DataFrame({"gene": own["gene_human"], "r": row.response, "sign": sign}))
    every = pd.concat(parts).drop_duplicates()
    alone = every.groupby("gene").size() == 1
    return every[every["gene"].map(alone)].set_index(["r", "gene"])["sign"].to_dict()


@pytest.mark.parametrize("species", ["human", "mouse", "rat"])
def test_the_genes_of_each_response(raw, tables, species):
    signatures, _ = raw
    names = signatures.drop_duplicates("gene_human").set_index("gene_human", drop=False)[
        f"gene_{species}"
    ]
    truth = {}
    for (response, gene), sign in by_hand(raw).items():
        for name in names[gene].split("|"):
            if name not in ("NA", ""):
                truth.setdefault(response, {})[name] = sign
    found = {
        s.name: {n: m.sign for m in s.members for n in m.names}
        for s in response_sets(*tables, species)
    }
    assert found == truth
    # Other symbols of other human genes may meet in a rodent: no symbol speaks for two responses.
    every = [n for own in found.values() for n in own]
    assert len(every) == len(set(every))
