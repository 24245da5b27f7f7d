"""The team's signed table: evidence of every edge against the tables at hand, orthologs, and what every axis reaches."""

import pandas as pd
import pytest

from periomics.genes.axes import SetTables, axes_of

# File of a third-party table, and its columns of source, target and sign.
TABLES = {
    "OmniPath": ("omnipath_carnival_signed_ppi_human", "source", "target", "sign"),
    "COSMOS": ("cosmos_protein_signed_ppi_human", "source", "target", "sign"),
    "CollecTRI": ("collectri_human", "source", "target", "weight"),
    "DoRothEA": ("dorothea_ABC_human", "tf", "target", "mor"),
}
DEPTH = 6
ASKED = (
    "COL17A1 DSP DSG1 DSG2 DSG3 DSC1 DSC2 DSC3 JUP TJP1 TJP2 KRT6A KRT6B KRT16 KRT19 ODAM AMTN PECAM1"
).split()


@pytest.fixture(scope="module")
def own(root):
    table = pd.read_csv(
        root / "resources/signalling.tsv", sep="\t", dtype=str, keep_default_na=False
    )
    return table.assign(sign=table["sign"].astype(int))


@pytest.fixture(scope="module")
def sets(root):
    folder = root / "resources"
    return SetTables.read(str(folder / "signatures.tsv"), str(folder / "responses.tsv"))


@pytest.fixture(scope="module")
def tables(data):
    """Table → set of (source, sign, target)."""
    found = {}
    for name, (file, source, target, sign) in TABLES.items():
        df = pd.read_csv(data / f"resources/{file}.tsv.gz", sep="\t")
        signs = (df[sign] > 0).map({True: 1, False: -1})
        found[name] = set(zip(df[source], signs, df[target], strict=True))
    return found


def edges_of(table):
    return list(zip(table["source"], table["sign"].astype(int), table["target"], strict=True))


def test_every_edge_says_where_its_sign_is_from(own):
    assert set(own["evidence"]) <= {"seen", "table", "memory"}
    assert ((own["citation"] == "") == (own["evidence"] == "memory")).all()
    assert (own["evidence"] == "memory").mean() < 0.15
    named = own.loc[own["evidence"] == "table", "citation"].str.split(", ")
    assert {n for names in named for n in names} <= set(TABLES)


def test_the_documented_counts_are_those_of_the_table(own, root):
    text = (root / "docs/signalling.md").read_text(encoding="utf-8")
    counts = own["evidence"].value_counts()
    assert f"table: {len(own)} edges" in text
    for kind in ("table", "memory"):
        assert f"| `{kind}` | {counts[kind]} (" in text
    alone = (own["citation"] == "CollecTRI") & (own["sign"] > 0)
    assert f"{alone.sum()} edges from factor to gene are activations" in text


@pytest.mark.data
def test_claims_of_a_table_are_true_and_none_is_kept_back(own, tables):
    for edge, kind, cited in zip(edges_of(own), own["evidence"], own["citation"], strict=True):
        having = [name for name, known in tables.items() if edge in known]
        assert (cited.split(", ") if kind == "table" else []) == having, edge


@pytest.mark.data
def test_edges_against_every_table_are_explained(own, tables, root):
    text = (root / "docs/signalling.md").read_text(encoding="utf-8")
    memory = own[own["evidence"] == "memory"]
    against = [
        (s, g, t) for s, g, t in edges_of(memory) if any((s, -g, t) in k for k in tables.values())
    ]
    assert len(against) < 10
    for source, sign, target in against:
        assert f"{source} {'→' if sign > 0 else '⊣'} {target}" in text


@pytest.mark.data
@pytest.mark.parametrize("species", ["mouse", "rat"])
def test_symbols_of_rodents_are_orthologs(own, sets, data, species):
    path = data / f"resources/orthologs_human_{species}.tsv.gz"
    pairs = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    known = set(zip(pairs["human_symbol"], pairs[f"{species}_symbol"], strict=True))
    listed = sets.signatures[["gene_human", f"gene_{species}"]].itertuples(index=False)
    known |= {(h, n) for h, names in listed for n in names.split("|")}
    for end in ("source", "target"):
        used = set(zip(own[end], own[f"{end}_{species}"], strict=True))
        missing = {h for h, o in used if o == "NA"}
        assert missing <= {"CXCL8", "IFNL1", "KRT6B"}
        assert {(h, o) for h, o in used - known if o != "NA"} <= {("GBP1", "Gbp1")}


def reached(own, starts):
    """Nodes within `DEPTH` steps."""
    found, front = set(starts), set(starts)
    for _ in range(DEPTH):
        front = set(own.loc[own["source"].isin(front), "target"]) - found
        found |= front
    return found - set(starts)


def test_genes_of_barrier_and_vessels_stand_in_the_table(own):
    assert set(ASKED) <= set(own.loc[own["layer"] == "transcription", "target"])


def test_every_axis_with_a_response_reaches_barrier_and_vessels(own, sets):
    targets = set(own.loc[own["layer"] == "transcription", "target"])
    genes = sets.signatures
    parts = [
        targets & set(genes.loc[genes["set"].str.startswith(p), "gene_human"])
        for p in ("EPI_", "ANG_")
    ]
    axes = [a for a in axes_of(genes, sets.responses, "human") if a.response]
    assert len(axes) == 24
    for axis in axes:
        for names in (axis.ligands, axis.receptors):
            near = reached(own, {n[0] for n in names})
            assert all(near & part for part in parts), axis.name
