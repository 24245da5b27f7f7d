"""Reading counts in their formats, and refusing what is no count."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from periomics.bulk.collecting import collect
from periomics.bulk.qc import identical, principal_components, qc_table, refuse_duplicates
from periomics.bulk.readers import file_format, read_counts
from periomics.bulk.scoring import score_libraries
from periomics.core.errors import InputError
from periomics.genes.scoring import Models
from periomics.genes.signatures import read_signatures
from periomics.study.settings.bulk import Analysis, BulkScores


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def fact(path, specimen, **more):
    return {
        "specimen_id": specimen,
        "animal_id": f"a-{specimen}",
        "path": str(path),
        "species": "human",
        **more,
    }


def test_matrices_read_the_same_in_every_separator(tmp_path):
    for i, sep in enumerate("\t,;"):
        file = write(
            tmp_path / f"m{i}.csv", f"gene_id{sep}s1{sep}s2\ng1{sep}1{sep}2\ng2{sep}0{sep}7\n"
        )
        counts = read_counts(file)
        assert counts.data.to_dict() == {"s1": {"g1": 1, "g2": 0}, "s2": {"g1": 2, "g2": 7}}


def test_a_header_without_a_name_for_the_genes_as_r_writes_it(tmp_path):
    file = write(tmp_path / "r.tsv", "s1\ts2\ng1\t1\t2\n")
    assert read_counts(file).data.loc["g1", "s2"] == 2


def test_featurecounts_columns_are_named_by_the_sample_and_symbols_are_kept(tmp_path):
    header = "Geneid\tChr\tStart\tEnd\tStrand\tLength\tgene_name\t/data/x/rat1.bam\n"
    text = "# Program:featureCounts\n" + header + "ENSRNOG00000000001\t1\t1\t9\t+\t9\tKdr\t5\n"
    file = write(tmp_path / "fc.txt", text)
    assert file_format(file) == "featurecounts"
    counts = read_counts(file)
    assert counts.data.loc["ENSRNOG00000000001", "rat1"] == 5
    assert counts.symbols == {"ENSRNOG00000000001": "Kdr"}


def test_salmon_is_rounded_with_a_note(tmp_path):
    folder = tmp_path / "s1"
    folder.mkdir()
    write(
        folder / "quant.genes.sf",
        "Name\tLength\tEffectiveLength\tTPM\tNumReads\ng1\t9\t9\t1.5\t10.6\ng2\t9\t9\t0\t0\n",
    )
    counts = collect([fact(folder, "lib1")])
    assert counts.data["lib1"].to_dict() == {"g1": 11, "g2": 0}
    assert "rounded" in counts.notes[0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("g1\t1.5\t2\n", r"row 2, column s1.*not whole.*FPKM"),
        ("g1\t1\t2\ng2\t1\t-0.3\n", r"row 3, column s2.*negative"),
        ("g1\t1\tx\n", r"row 2, column s2.*no count.*'x'"),
        ("g1\t1\t\n", r"row 2, column s2.*no count"),
        ("g1\t1\t2\ng1\t1\t2\n", r"row 3.*gene stands twice.*'g1'"),
    ],
)
def test_what_is_no_count_is_named_with_row_and_column(tmp_path, body, message):
    with pytest.raises(InputError, match=message):
        read_counts(write(tmp_path / "m.tsv", "gene\ts1\ts2\n" + body))


def test_a_missing_sample_names_the_nearest(tmp_path):
    file = write(tmp_path / "m.tsv", "gene\trat01\trat02\ng1\t1\t2\n")
    with pytest.raises(InputError, match="did you mean 'rat01'"):
        collect([fact(file, "lib1", sample="rat1")])


def test_files_of_other_genes_are_refused_and_partly_other_ones_said(tmp_path):
    a = write(tmp_path / "a.tsv", "gene\ts\ng1\t1\ng2\t2\n")
    b = write(tmp_path / "b.tsv", "gene\ts\ng2\t5\ng3\t2\n")
    c = write(tmp_path / "c.tsv", "gene\ts\nh1\t5\n")
    both = collect([fact(a, "l1"), fact(b, "l2")])
    assert both.data.to_dict() == {"l1": {"g2": 2}, "l2": {"g2": 5}}
    assert "2 genes" in both.notes[0]
    with pytest.raises(InputError, match="no gene in common"):
        collect([fact(a, "l1"), fact(c, "l2")])


def counts_frame(seed=1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        rng.poisson(50, (800, 4)),
        index=[f"g{i}" for i in range(800)],
        columns=["l1", "l2", "l3", "l4"],
    )


def test_libraries_that_are_the_same_fail_and_can_stop_the_study():
    counts = counts_frame()
    counts["l4"] = counts["l2"]
    facts = [fact("x", c) for c in counts]
    assert identical(counts) == {"l2": ["l4"], "l4": ["l2"]}
    table = qc_table(counts, facts, 100, 100).set_index("specimen_id")
    assert list(table["qc"]) == ["pass", "fail", "pass", "fail"]
    assert "same counts as l4" in table.at["l2", "qc_reason"]
    with pytest.raises(InputError, match="exactly the same counts"):
        refuse_duplicates(table.reset_index(), "stop")
    refuse_duplicates(table.reset_index(), "flag")


def test_an_empty_library_fails_and_the_others_go_on():
    counts = counts_frame()
    counts["l3"] = 0
    table = qc_table(counts, [fact("x", c) for c in counts], 100, 100).set_index("specimen_id")
    assert table.at["l3", "qc"] == "fail"
    assert np.isnan(table.at["l3", "size_factor"])
    assert table.drop("l3")["size_factor"].notna().all()


def test_components_find_the_strongest_difference():
    counts = counts_frame()
    counts.iloc[:100, 2:] *= 8
    points, share = principal_components(counts)
    assert (points["PC1"].iloc[:2].max() < points["PC1"].iloc[2:].min()) or (
        points["PC1"].iloc[2:].max() < points["PC1"].iloc[:2].min()
    )
    assert share[0] > 0.8


def scored_with(root):
    files = {n: str(root / f"resources/{n}.tsv") for n in ("signatures", "responses", "signalling")}
    return partial(Models.read, files, BulkScores())


def test_libraries_are_scored_within_their_compartment_only(root):
    signatures = read_signatures(root / "resources/signatures.tsv")
    genes = sorted({g.split("|")[0] for g in signatures["gene_human"]} - {"NA"})
    rng = np.random.default_rng(2)
    names = [f"l{i}" for i in range(8)]
    counts = pd.DataFrame(rng.poisson(80, (len(genes), 8)), index=genes, columns=names)
    facts = [
        fact("x", n, compartment="mucosa" if i < 4 else "epithelium") for i, n in enumerate(names)
    ]
    symbols = pd.Series(genes, index=genes)
    models = scored_with(root)
    table, notes = score_libraries(counts, symbols, facts, models)
    alone, _ = score_libraries(counts[names[:4]], symbols, facts[:4], models)
    own = table[table["library_id"].isin(names[:4])].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, alone)
    z = own[own["method"] == "mean_z"].dropna(subset="value")
    mean = z.groupby("score_id")["value"].mean()
    assert np.allclose(mean, 0, atol=1e-9)
    assert set(own["kind"]) == {"signature", "qc", "response", "tf"}
    assert not [n for n in notes if ": tf " not in n]


def test_low_mapping_is_said(root):
    signatures = read_signatures(root / "resources/signatures.tsv")
    part = sorted(set(signatures["gene_human"][signatures["set"] == "ANG_sprouting"]))[:6]
    counts = pd.DataFrame(
        np.random.default_rng(1).poisson(50, (6, 4)), index=part, columns=list("abcd")
    )
    table, notes = score_libraries(
        counts,
        pd.Series(part, index=part),
        [fact("x", c) for c in "abcd"],
        scored_with(root),
    )
    assert any("signature ANG_sprouting" in n and "no value" in n for n in notes)
    assert table[table["score_id"] == "ANG_sprouting"]["value"].isna().all()


def test_analyses_take_one_block_or_several_and_name_unknown_keys():
    several = {"name": "m", "arm": "group", "block": ["block", "batch"], "contrasts": ["C0"]}
    assert Analysis.of(several).blocks == ("block", "batch")
    one = {"name": "i", "arm": "condition", "contrasts": [], "block": "animal_id"}
    assert Analysis.of(one).blocks == ("animal_id",)
    with pytest.raises(InputError, match=r"bulk/analyses/0/contrast: .*did you mean 'contrasts'"):
        Analysis.of({"name": "m", "contrast": ["C0"]}, "bulk/analyses/0")
    with pytest.raises(InputError, match="column name: this key is needed"):
        Analysis.of({"arm": "group"})
