"""Whole numbers that are no counts, libraries that are too much alike, sexes and species: refused or said, and no false alarm."""

import numpy as np
import pandas as pd
import pytest
from count_files import GENES, fact, put

from periomics.bulk.collecting import collect
from periomics.bulk.doubts import doubts_about
from periomics.bulk.likeness import nearly_identical, sex_warnings, sexes
from periomics.bulk.plausible import calmest_noise, refuse_scaled
from periomics.bulk.qc import qc_table, refuse_duplicates
from periomics.bulk.readers import How, read_counts
from periomics.core.errors import InputError
from periomics.genes.kinds import refuse_other_species
from periomics.genes.normalise import size_factors
from periomics.study.settings.bulk import BulkCounts

N = 4000


def drawn(seed=1, libraries=4, dispersion=0.1, depth=1.0):
    """Negative binomial counts of libraries of several sizes, and the means they come from."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(2.5, 2.0, N))
    sizes = np.linspace(0.7, 1.4, libraries) * depth
    expression = mean[:, None] * sizes * rng.gamma(1 / dispersion, dispersion, (N, libraries))
    names = [f"L{i}" for i in range(libraries)]
    return pd.DataFrame(rng.poisson(expression), index=[f"g{i}" for i in range(N)], columns=names)


def per_kilobase(counts, lengths):
    return (counts.div(lengths, axis=0) / counts.sum() * 1e9).round().astype(int)


@pytest.mark.parametrize("dispersion", [1e-9, 0.02, 0.4])
def test_counts_are_no_false_alarm(dispersion):
    for seed in range(5):
        counts = drawn(seed, dispersion=dispersion)
        refuse_scaled(counts, "x")
        refuse_scaled(counts[["L0"]], "x")
        refuse_scaled(counts[counts.sum(axis=1) > 40], "x")
        for least in (1, 20, 100):
            refuse_scaled(counts[counts.mean(axis=1) > least], "x")
            refuse_scaled(counts[counts.min(axis=1) >= least], "x")
        assert nearly_identical(counts) == {}
        assert calmest_noise(counts.to_numpy(float)) > 0.9


def test_whole_numbers_that_were_scaled_are_refused_with_the_sign():
    counts = drawn()
    lengths = np.random.default_rng(3).uniform(300, 6000, N)
    million = (counts / counts.sum() * 1e6).round().astype(int)
    ten_thousand = (counts / counts.sum() * 1e4).round().astype(int)
    for table, total in ((million, r"(?:1,000,|999,9)"), (ten_thousand, "about 10,000")):
        with pytest.raises(InputError, match=rf"all 4 columns add up to {total}.*one total"):
            refuse_scaled(table, "x")
    tpm = counts.div(lengths, axis=0)
    with pytest.raises(InputError, match="one total"):
        refuse_scaled((tpm / tpm.sum() * 1e6).round().astype(int), "x")
    with pytest.raises(InputError, match="column L0: all values are multiples of 10"):
        refuse_scaled(counts * 10, "x")
    normalised = (counts / [0.55, 0.8, 1.3, 1.7]).round().astype(int)
    with pytest.raises(InputError, match=r"no gene has \d+ or \d+.*scaled and rounded"):
        refuse_scaled(normalised, "x")
    with pytest.raises(
        InputError, match=r"column L0: (?:no gene has|the smallest value above 0 is)"
    ):
        refuse_scaled((counts * 7.3).round().astype(int), "x")


def test_a_number_added_to_all_counts_is_refused():
    counts = drawn()
    counts.iloc[:800] = 0  # genes without reads
    for added in (1, 3):
        with pytest.raises(InputError, match=rf"have {added} in every library: {added} was added"):
            refuse_scaled(counts + added, "x")
    refuse_scaled(counts[(counts > 0).all(axis=1)], "x")


def test_libraries_of_one_size_are_told_and_not_refused(tmp_path):
    counts, path = drawn(7, libraries=6), tmp_path / "m.tsv"
    path.write_text("whole\n", encoding="utf-8")
    assert doubts_about(counts, path) == []
    normalised = (counts / size_factors(counts.to_numpy())).round().astype(int)
    (said,) = doubts_about(normalised, path)
    assert "all 6 libraries are of one size" in said
    assert doubts_about(normalised.iloc[:, :2], path) == []


def test_rounded_fpkm_is_calmer_than_reads_can_be():
    lengths = np.random.default_rng(3).uniform(300, 6000, N)
    for dispersion in (0.005, 0.02):
        deep = drawn(4, dispersion=dispersion, depth=60)
        deep.iloc[0] = [10**6, 2 * 10**6, 4 * 10**6, 9 * 10**6]
        fpkm = per_kilobase(deep, lengths)
        with pytest.raises(InputError, match="of the noise that reads have at least"):
            refuse_scaled(fpkm, "x")


def test_tables_on_disk_are_refused_for_the_same_reasons(tmp_path):
    counts = drawn() * 10
    rows = [
        ["gene_id", *counts.columns],
        *([g, *v] for g, v in zip(counts.index, counts.to_numpy(), strict=True)),
    ]
    with pytest.raises(InputError, match="multiples of 10"):
        read_counts(put(tmp_path / "m.tsv", rows))


@pytest.mark.parametrize(
    "value", ["inf", "-inf", "nan", "NA", "-3", "1e400", "99999999999999999999"]
)
def test_what_is_no_finite_number_from_0_is_named(tmp_path, value):
    rows = [["gene_id", "A1", "A2"], *([g, 5, 6] for g in GENES)]
    rows[7][2] = value
    with pytest.raises(InputError, match=r"row 8, column A2: is (?:no count|negative)"):
        read_counts(put(tmp_path / "m.tsv", rows))


@pytest.mark.parametrize("kind", ["one read", "a tenth of the genes", "thinned", "added reads"])
def test_libraries_that_share_their_reads_are_named_both(kind):
    counts, rng = drawn(), np.random.default_rng(9)
    twin = counts["L1"].to_numpy().copy()
    if kind == "one read":
        twin[np.argmax(twin)] += 1
    elif kind == "a tenth of the genes":
        twin[::10] = counts["L2"].to_numpy()[::10]
    elif kind == "thinned":
        twin = rng.binomial(twin, 0.6)
    else:
        twin = twin + rng.poisson(0.2 * twin)
    counts["L3"] = twin
    found = nearly_identical(counts)
    assert set(found) == {"L1", "L3"} and list(found["L1"]) == ["L3"]
    table = qc_table(counts, [fact(c, "x") for c in counts], 0, 0).set_index("specimen_id")
    assert list(table["qc"]) == ["pass", "fail", "pass", "fail"]
    assert "nearly the same counts as L3" in table.at["L1", "qc_reason"]
    assert table.at["L3", "same_as"] == "L1"
    with pytest.raises(InputError, match="nearly the same counts"):
        refuse_duplicates(table.reset_index(), "stop")


def test_small_tables_with_equal_counts_are_the_same_library():
    counts = pd.DataFrame({"A": range(20, 60), "B": range(20, 60), "C": range(60, 20, -1)})
    counts.loc[3, "B"] += 1
    assert "97.5 % of 40 genes" in nearly_identical(counts)["A"]["B"]


SEX = {
    "rat": ("Xist", "Ddx3y", "Kdm5d"),
    "mouse": ("ENSMUSG00000086503.8", "ENSMUSG00000069045", "ENSMUSG00000056673"),
    "human": ("XIST", "DDX3Y", "RPS4Y1"),
    "human ids": ("ENSG00000229807.13", "ENSG00000067048.17", "ENSG00000129824"),
}


@pytest.mark.parametrize("names", SEX.values(), ids=SEX)
def test_a_library_of_the_other_sex_is_named_with_its_animal(names):
    counts = pd.DataFrame(
        {"f": [900, 0, 1], "m": [2, 300, 250], "mixed": [500, 200, 200], "weak": [3, 1, 0]},
        index=list(names),
    )
    counts.loc["Actb"] = 2_000_000
    told = sexes(counts, {}, 5.0)
    assert {k: v[0] for k, v in told.items()} == {"f": "F", "m": "M", "mixed": "both", "weak": ""}
    facts = [fact(c, "x") for c in counts]
    animals = [{"animal_id": f"a-{c}", "sex": "M"} for c in counts]
    warnings = sex_warnings(counts, {}, facts, animals, least=5.0)
    assert set(warnings) == {"f", "mixed"}
    assert warnings["f"].startswith(
        "animal a-f is male in the sheet, the library's genes are female"
    )
    assert sex_warnings(counts, {}, facts, [{"animal_id": "a-f"}], least=5.0) == {}
    assert qc_table(counts, facts, 0, 0, warnings)["note"].str.contains("a-f").sum() == 1


def test_a_table_without_one_of_the_two_tells_one_sex_only():
    no_xist = pd.DataFrame({"f": [0, 10**6], "m": [90, 10**6]}, index=["Ddx3y", "Actb"])
    assert {k: v[0] for k, v in sexes(no_xist, {}, 5.0).items()} == {"f": "", "m": "M"}
    by_symbol = sexes(no_xist.set_axis(["id1", "id2"]), {"id1": "Uty"}, 5.0)
    assert by_symbol["m"][0] == "M"


@pytest.mark.parametrize(
    ("names", "species", "message"),
    [
        (
            ["LAMA3", "KRT14", "COL7A1", "C1orf112", "HLA-A"],
            "rat",
            "0 % of 5 .* 5 as those of human",
        ),
        (["Lama3", "Krt14", "Col7a1", "Nkx2-1", "Kdr"], "human", "5 as those of rat or mouse"),
        ([f"Gm{i}" for i in range(1000, 1040)] + ["Lama3"] * 9, "rat", "40 as those of mouse"),
        (["ENSDARG00000000001"] * 3, "rat", "3 as those of ENSDAR"),
        (["FBgn0000003"] * 3, "human", "3 as those of fly"),
        (["ENSG00000000003"] * 6 + ["ENSRNOG00000000001"] * 4, "rat", "40 % of 10"),
    ],
)
def test_names_of_another_species_are_refused(names, species, message):
    with pytest.raises(InputError, match=message):
        refuse_other_species(names, species, 0.5, "x")


@pytest.mark.parametrize(
    ("names", "species"),
    [
        (["Lama3", "Krt14", "RT1-A1", "LOC100912", "RGD1559", "Mt-nd1", "AABR07000.1"], "rat"),
        (["Lama3", "H2-K1", "Gm1234", "1700001C02Rik", "mt-Nd1"], "mouse"),
        (["LAMA3", "C1orf112", "HLA-DRB1", "MT-ND1", "LINC01128"], "human"),
        (["1234", "5678", "91011"], "human"),
        (["ENSMUSG00000000001.4", "ENSMUSG00000000003.15"], "mouse"),
    ],
)
def test_names_of_the_species_pass(names, species):
    refuse_other_species(names, species, 0.5, "x")


def test_symbols_beside_numbers_tell_the_species(tmp_path):
    rows = [["GeneID", "Symbol", "A1"], *([100 + i, f"LAM{i}A", i] for i in range(9))]
    with pytest.raises(InputError, match="9 as those of human"):
        collect([fact("A1", put(tmp_path / "m.tsv", rows))])


def test_files_that_share_too_few_genes_are_refused_with_the_share(tmp_path):
    one = put(tmp_path / "a.tsv", [["gene_id", "A1"], *([f"Gene{i}", 5 + i] for i in range(100))])
    two = put(
        tmp_path / "b.tsv", [["gene_id", "A2"], *([f"Gene{i}", 5 + i] for i in range(60, 160))]
    )
    facts = [fact("A1", one), fact("A2", two)]
    with pytest.raises(
        InputError, match=r"share 40 % of the genes of the largest, 40 of 100.*50 %"
    ):
        collect(facts)
    counts = collect(facts, How(BulkCounts(min_shared=0.4)))
    assert len(counts.data) == 40
    assert "120 genes that not every file has were left out, with 70 %" in counts.notes[-1]


def test_blank_lines_and_a_separator_at_the_end_shift_no_row_and_no_column(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("gene_id,A1,\n\nG1,3,\n\nG2,4,\n\n", encoding="utf-8")
    assert read_counts(path).data.to_dict() == {"A1": {"G1": 3, "G2": 4}}
    path.write_text("gene_id,A1\n\nG1,3\n\nG2,x\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 5, column A1: is no count"):
        read_counts(path)
