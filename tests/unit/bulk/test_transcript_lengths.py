"""Mean transcript lengths of genes: the definition by hand, through every counter's files, and summed libraries."""

import count_files as files
import numpy as np
import pandas as pd
import pytest

from periomics.bulk.collecting import collect
from periomics.bulk.designs import Libraries, designed
from periomics.bulk.readers import How
from periomics.bulk.set_tests import analysis_sets
from periomics.bulk.tests import run_analysis
from periomics.bulk.transcripts import mean_lengths
from periomics.genes.design import collapse_lengths
from periomics.genes.signatures import GeneSet, Member
from periomics.study.settings.bulk import Analysis, BulkCounts, BulkSets, BulkTests

# Two transcripts of one gene, of 1,000 and 3,000 bases, in library A as 3 to 1 molecules, in B as 1 to 3; a gene of one.
ROWS = {
    "A": [("t1", 1000, 30.0, 300), ("t2", 3000, 10.0, 300), ("t3", 500, 60.0, 200)],
    "B": [("t1", 1000, 10.0, 100), ("t2", 3000, 30.0, 900), ("t3", 500, 0.0, 0)],
}
GENE = {"t1": "ENSRNOG00000000001", "t2": "ENSRNOG00000000001", "t3": "ENSRNOG00000000002"}
TRUTH = {"A": 1500.0, "B": 2500.0}


def written(folder, kind):
    heads = {
        "salmon": (["Name", "Length", "EffectiveLength", "TPM", "NumReads"], "quant.sf"),
        "kallisto": (["target_id", "length", "eff_length", "est_counts", "tpm"], "abundance.tsv"),
        "rsem": (
            ["transcript_id", "gene_id", "effective_length", "TPM", "expected_count"],
            "x.isoforms.results",
        ),
    }
    head, name = heads[kind]
    out = []
    for library, rows in ROWS.items():
        cells = [head]
        for t, length, tpm, reads in rows:
            known = {"length": length, "reads": reads, "tpm": tpm, "t": t, "gene": GENE[t]}
            order = {
                "salmon": ("t", "length", "length", "tpm", "reads"),
                "kallisto": ("t", "length", "length", "reads", "tpm"),
                "rsem": ("t", "gene", "length", "tpm", "reads"),
            }[kind]
            cells.append([known[o] for o in order])
        out.append(files.fact(library, files.put(folder / library / name, cells)))
    table = files.put(folder / "tx2gene.tsv", [["transcript_id", "gene_id"], *GENE.items()])
    return out, table


@pytest.mark.parametrize("kind", ["salmon", "kallisto", "rsem"])
def test_lengths_are_weighted_by_molecules_in_every_counters_files(tmp_path, kind):
    facts, table = written(tmp_path, kind)
    counts = collect(facts, How(tx2gene=table if kind != "rsem" else ""))
    assert counts.data.loc["ENSRNOG00000000001"].to_dict() == {"A": 600, "B": 1000}
    assert counts.lengths.loc["ENSRNOG00000000001"].to_dict() == pytest.approx(TRUTH)
    # The other gene has no reads in B: there it has the length of A.
    assert counts.lengths.loc["ENSRNOG00000000002"].to_dict() == pytest.approx({"A": 500, "B": 500})
    assert any("offsets" in n for n in counts.notes)


def test_lengths_are_left_out_where_settings_say_so_or_a_file_has_none(tmp_path):
    facts, table = written(tmp_path, "salmon")
    how = How(BulkCounts(lengths="ignored"), tx2gene=table)
    counts = collect(facts, how)
    assert counts.lengths is None
    assert any("as bulk/counts/lengths says" in n for n in counts.notes)
    rows = [["Name", "NumReads"], ["t1", 10], ["t2", 20], ["t3", 5]]
    bare = files.fact("C", files.put(tmp_path / "C" / "quant.sf", rows))
    counts = collect([*facts, bare], How(tx2gene=table))
    assert counts.lengths is None
    assert any("not used: C have none" in n for n in counts.notes)


def test_a_gene_without_molecules_has_no_length():
    index = pd.Index(["t1", "t2", "t3", "t4"])
    out = mean_lengths(
        pd.Series([1000.0, 2000, 700, 900], index),
        pd.Series([1.0, 1, 0, 9], index),
        ["a", "a", "b", None],
    )
    assert out["a"] == 1500
    assert np.isnan(out["b"])
    assert list(out.index) == ["a", "b"]


def test_summed_libraries_have_the_length_at_which_reads_and_molecules_fit():
    lengths = pd.DataFrame({"l1": [1000.0, 400], "l2": [2000.0, 400], "l3": [700.0, 400]})
    counts = pd.DataFrame({"l1": [100, 0], "l2": [400, 0], "l3": [50, 8]})
    samples = pd.DataFrame(
        {"specimen_id": ["l1", "l2", "l3"], "animal_id": ["a", "a", "b"], "arm": ["x", "x", "x"]}
    )
    out = collapse_lengths(lengths, counts, samples)
    assert out["l1"].tolist() == pytest.approx([500 / (0.1 + 0.2), 400])
    assert out["l3"].tolist() == pytest.approx([700, 400])


def test_tests_of_genes_and_of_sets_stand_on_the_same_molecules():
    """In arm B genes of one set are read from transcripts four times as long: reads rise, molecules do not."""
    rng = np.random.default_rng(4)
    ids = [f"s{i}" for i in range(8)]
    names = [f"g{i:03d}" for i in range(300)]
    arms = np.repeat(["A", "B"], 4)
    long = np.full((300, 8), 1000.0)
    long[:20, arms == "B"] = 4000
    molecules = np.exp(rng.normal(4, 1, (300, 1))) * rng.gamma(10, 0.1, (300, 8))
    samples = pd.DataFrame(
        {"specimen_id": ids, "animal_id": ids, "group": arms, "time": 0.0, "unit": "animal"}
    )
    table = pd.DataFrame(rng.poisson(molecules * long / 1000), names, ids)
    found = {}
    for kind, lengths in (("known", pd.DataFrame(long, names, ids)), ("none", None)):
        known = Libraries(
            counts=table,
            lengths=lengths,
            symbols=pd.Series(names, names),
            samples=samples,
            claims={"contrasts": {"c": {"weights": {"B": 1, "A": -1}}}},
        )
        of = designed(Analysis(name="x", arm="group", contrasts=("c",)), known, {}, 3)
        genes = run_analysis(of, BulkTests())[0]["x.c"].set_index("gene_id")
        gene_set = GeneSet("longer", tuple(Member((n,), 1) for n in names[:20]))
        sets = analysis_sets(of, BulkTests(), BulkSets(), [("own", gene_set)])
        found[kind] = genes["log2FC"][names[:20]].mean(), sets["p"].to_numpy()
    assert abs(found["known"][0]) < 0.3 and (found["known"][1] > 0.05).all()
    assert found["none"][0] > 1.5 and (found["none"][1] < 0.01).all()
