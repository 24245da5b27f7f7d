"""Real libraries: counts of significant genes as published and measured, and pathways that must come first."""

import numpy as np
import pandas as pd
import pytest

from periomics.bulk.likeness import nearly_identical, sexes
from periomics.bulk.plausible import calmest_noise, refuse_scaled
from periomics.bulk.readers import read_counts
from periomics.core.errors import InputError
from periomics.genes.design import model_matrix, with_design
from periomics.genes.footprints import footprint_scores, read_footprints
from periomics.genes.kinds import refuse_other_species
from periomics.genes.model import fit_contrasts
from periomics.genes.normalise import log_cpm, size_factors
from periomics.genes.orthologs import inverted, read_orthologs
from periomics.genes.ranking import rank_sets, ranked
from periomics.genes.regulons import factor_scores, read_regulons
from periomics.genes.signatures import read_gmt
from periomics.study.settings.genes import GeneTests

pytestmark = pytest.mark.data


def table(specimens, arm, block):
    df = pd.DataFrame(
        {
            "specimen_id": specimens,
            "animal_id": specimens,
            "group": arm,
            "time": 0.0,
            "block": block,
            "unit": "animal",
        }
    )
    return with_design(df, "group", ["block"], "x")


def libraries(data, name):
    """Counts and model matrix of the real sets, with the kind of library or the cell line as block."""
    if name == "pasilla":
        counts = read_counts(data / "rnaseq/pasilla/counts.tsv.gz").data
        notes = pd.read_csv(data / "rnaseq/pasilla/sample_annotation.csv")
        notes = notes.set_index(notes["file"].str.removesuffix("fb")).loc[list(counts.columns)]
        arm, block = notes["condition"], notes["type"]
    else:
        counts = read_counts(data / "rnaseq/airway/counts.csv.gz").data
        notes = pd.read_csv(data / "rnaseq/airway/metadata.csv", index_col=0)
        notes = notes.loc[list(counts.columns)]
        arm, block = notes["dex"], notes["celltype"]
    return counts, model_matrix(table(list(counts.columns), list(arm), list(block)))


@pytest.mark.slow
def test_pasilla_gives_the_genes_that_were_measured(data):
    counts, model = libraries(data, "pasilla")
    settings = GeneTests(min_total=1, reference="normal", alpha=0.1)
    contrast = {"c": {"treated": 1, "untreated": -1}}
    out = fit_contrasts(counts, model, contrast, {}, settings)["c"]
    # DESeq2 1.38.3 in R, filtered for .1, finds 1,068 at .05 (shared specification of omics, section 4)
    assert abs((out["padj"] < 0.05).sum() - 1068) <= 5


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fewest"), [("pasilla", 1000), ("airway", 4500)])
def test_a_significant_gene_has_the_sign_of_its_change(data, name, fewest):
    """stat is of log counts, log2FC of the negative binomial model: two estimates of one change."""
    counts, model = libraries(data, name)
    low, high = model.arms
    out = fit_contrasts(counts, model, {"c": {high: 1, low: -1}}, {})["c"].query("padj < 0.05")
    assert len(out) > fewest
    assert (np.sign(out["stat"]) == np.sign(out["log2FC"])).all()


def t84(data):
    counts = read_counts(data / "rnaseq/t84_il22_ifnl/counts.csv.gz").data
    notes = (
        pd.read_csv(data / "rnaseq/t84_il22_ifnl/metadata.csv")
        .set_index("sample")
        .loc[list(counts.columns)]
    )
    keep = notes["time"] == "24h"
    return counts.loc[:, keep.to_numpy()], notes[keep]


def test_interferon_arms_raise_jak_stat_above_all_other_pathways(data):
    counts, notes = t84(data)
    human = inverted(read_orthologs(data / "resources/orthologs_human_mouse.tsv.gz", "mouse"))
    weights = read_footprints(str(data / "resources/progeny_mouse_full.tsv.gz"), 500, human)
    expressed = counts[counts.sum(axis=1) >= 10]
    scores = footprint_scores(log_cpm(expressed.to_numpy()), list(expressed.index), weights)
    wide = scores.pivot_table(index="score_id", columns="column", values="value")
    arm = notes["treat"].to_numpy()
    control = next(a for a in set(arm) if a.casefold() in ("mock", "untreated", "ctrl"))
    for treated in sorted(a for a in set(arm) if "IFNL" in a):
        gain = wide.loc[:, arm == treated].mean(axis=1) - wide.loc[:, arm == control].mean(axis=1)
        assert gain.idxmax() == "JAK-STAT", (treated, gain.sort_values().tail(3))


FACTORS = {"STAT1", "STAT2", "IRF1", "IRF9"}


@pytest.mark.parametrize("table", ["collectri_human", "dorothea_ABC_human"])
def test_interferon_lambda_raises_its_factors_above_all_others_and_il22_stat3(data, table):
    counts = read_counts(data / "rnaseq/t84_il22_ifnl/counts.csv.gz").data
    notes = pd.read_csv(data / "rnaseq/t84_il22_ifnl/metadata.csv").set_index("sample")
    notes = notes.loc[list(counts.columns)]
    regulons = read_regulons(str(data / f"resources/{table}.tsv.gz"), 5)
    scores = factor_scores(log_cpm(counts.to_numpy()), list(counts.index), regulons, 5)
    wide = scores.pivot_table(index="score_id", columns="column", values="value")
    mean = wide.T.groupby([notes["time"].to_numpy(), notes["treat"].to_numpy()]).mean().T
    for hours in ("3h", "6h", "12h", "24h"):
        gain = mean[hours].sub(mean[hours]["Mock"], axis=0)
        order = {arm: list(gain[arm].sort_values(ascending=False).index) for arm in gain}
        assert set(order["IFNL"][:5]) >= FACTORS, (hours, order["IFNL"][:7])
        # IL-22 signals through STAT3, so that with it the four share the first places with STAT3 and NF-kB.
        assert "STAT3" in order["IL22"][:2], (hours, order["IL22"][:5])
        assert {"STAT1", "IRF1"} <= set(order["IL22_IFNL"][:7]), (hours, order["IL22_IFNL"][:7])


def test_interferon_sets_come_first_in_the_ranked_test(data):
    counts, notes = t84(data)
    arm = notes["treat"].to_numpy()
    control = next(a for a in set(arm) if a.casefold() in ("mock", "untreated", "ctrl"))
    keep = np.isin(arm, [control, "IFNL"])
    small = counts.loc[(counts.sum(axis=1) >= 12000).to_numpy(), keep]
    samples = table(list(small.columns), list(arm[keep]), ["x"] * keep.sum())
    out = fit_contrasts(
        small,
        model_matrix(samples),
        {"c": {"IFNL": 1, control: -1}},
        dict(zip(small.index, small.index, strict=True)),
    )["c"]
    sets = [
        ("hallmark", s) for s in read_gmt(data / "resources/msigdb_hallmark_v7.0_symbols.gmt.gz")
    ]
    places = rank_sets(ranked(out), sets, seed=1, permutations=100, min_size=10)
    assert set(places["set"][:2]) == {
        "HALLMARK_INTERFERON_ALPHA_RESPONSE",
        "HALLMARK_INTERFERON_GAMMA_RESPONSE",
    }
    assert (places["NES"][:2] > 0).all()


@pytest.mark.parametrize(
    "name", ["pasilla/counts.tsv.gz", "airway/counts.csv.gz", "t84_il22_ifnl/counts.csv.gz"]
)
def test_real_counts_are_no_false_alarm(data, name):
    counts = read_counts(data / "rnaseq" / name)
    assert calmest_noise(counts.data.to_numpy(float)) > 1.2
    assert nearly_identical(counts.data) == {}
    assert counts.doubts == []
    for least in (10, 50, 500):
        refuse_scaled(counts.data[counts.data.mean(axis=1) > least], "x")


@pytest.mark.parametrize("name", ["pasilla/counts.tsv.gz", "airway/counts.csv.gz"])
def test_normalised_counts_without_their_small_numbers_are_told(data, tmp_path, name):
    """Filtered by their means they pass as counts; that all libraries are of one size tells it."""
    counts = read_counts(data / "rnaseq" / name).data
    normalised = (counts / size_factors(counts.to_numpy())).round().astype(int)
    path = tmp_path / "m.tsv"
    normalised[counts.mean(axis=1) > 200].to_csv(path, sep="\t")
    found = read_counts(path)
    assert len(found.doubts) == 1 and "are of one size" in found.doubts[0]
    assert set(found.remarks) == set(counts.columns)


def test_real_counts_written_otherwise_are_refused(data):
    counts = read_counts(data / "rnaseq/airway/counts.csv.gz").data
    million = counts / counts.sum() * 1e6
    normalised = counts / size_factors(counts.to_numpy())
    for table in (million, normalised, counts * 3):
        with pytest.raises(InputError, match="scaled"):
            refuse_scaled(table.round().astype(int), "x")
    with pytest.raises(InputError, match="no gene has 0, and 48 % have 1 in every library: 1 was"):
        refuse_scaled(counts + 1, "x")


def test_donors_of_airway_have_their_sex_and_are_humans(data):
    counts = read_counts(data / "rnaseq/airway/counts.csv.gz").data
    told = {k: v[0] for k, v in sexes(counts, {}, 5.0).items()}
    assert list(told.values()) == ["M"] * 6 + ["F"] * 2  # donors in pairs, the last a woman
    with pytest.raises(InputError, match=r"0 % of .* as those of human"):
        refuse_other_species(list(counts.index), "mouse", 0.5, "x")
    refuse_other_species(list(counts.index), "human", 0.5, "x")
