"""Real files of eight sources from raw data to the report; what is known of them must come out."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from running import checkout, planned, snakemake

from periomics.core.results import read_result
from periomics.genes.ranking import rank_sets, ranked
from periomics.genes.signatures import read_gmt

pytestmark = [
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.xdist_group("real"),
    pytest.mark.usefixtures("nano"),
]
REAL = ("--configfile", "config/real/config.yaml")
TESTED = ("B_cells", "CD14+_Monocytes", "CD4_T_cells", "FCGR3A+_Monocytes")
INTERFERON = {"HALLMARK_INTERFERON_ALPHA_RESPONSE", "HALLMARK_INTERFERON_GAMMA_RESPONSE"}


@pytest.fixture(scope="module")
def results(tmp_path_factory, data) -> Path:
    """Results of one run of the real study on two cores."""
    folder = checkout(tmp_path_factory.mktemp("real"))
    os.environ["PERIOMICS_DATA"] = str(data.resolve())
    snakemake(folder, "--cores", "2", *REAL)
    return folder / "results-real"


def table(results: Path, name: str) -> pd.DataFrame:
    return read_result(results / name)


def measured(results: Path, specimen: str, outcome: str, variant: str = "") -> pd.Series:
    df = table(results, "outcomes/measurements.tsv")
    rows = df[
        (df["specimen_id"] == specimen)
        & (df["outcome"] == outcome)
        & (df["variant"].fillna("") == variant)
    ]
    assert len(rows) == 1, f"{specimen} {outcome} {variant}"
    return rows.iloc[0]


@pytest.mark.parametrize(
    ("specimen", "bvtv", "voxels", "voxel_um"),
    [("LHDL-3155-ct", 22.780, 12.235, 19.5), ("shrew-ct", 29.349, 14.978, 4.1)],
)
def test_bone_is_as_measured_by_other_programs(results, specimen, bvtv, voxels, voxel_um):
    assert measured(results, specimen, "bvtv")["value"] == pytest.approx(bvtv, abs=6e-4)
    assert measured(results, specimen, "tbth")["value"] == pytest.approx(
        voxels * voxel_um / 1000, rel=5e-5
    )


@pytest.mark.parametrize(
    ("crop", "truth", "reach"), [("22_2", 7.3, 5.0), ("799_2", 1.6, 3.0), ("Bladder1", 8.2, 6.0)]
)
def test_positive_nuclei_are_near_the_count_by_hand(results, crop, truth, reach):
    row = measured(results, f"deepliif-{crop}-tissue", "positive_nuclei")
    assert row["value"] == pytest.approx(truth, abs=reach)
    assert row["value"] == pytest.approx(100 * row["numerator"] / row["denominator"])


def test_the_slide_is_measured_at_its_own_scale(results):
    row = measured(results, "CMU-1-tissue", "stain_share")
    assert 8 < row["value"] < 18
    # By hand: the annotated tissue covers about a third of 2220 x 2967 pixels of 0.499 um.
    assert 0.25 < row["denominator"] / (2220 * 2967 * 0.499e-3**2) < 0.4


def test_scratches_close_and_nothing_needs_a_pixel_size(results):
    pair = measured(results, "scratch-B5-well", "scratch")
    assert 62 < pair["value"] < 79, "three texture segmenters give 62 to 79 %"
    df = table(results, "outcomes/measurements.tsv")
    series = df[(df["specimen_id"] == "scratch-seq-well") & (df["variant"] == "frame")].sort_values(
        "time"
    )
    # Every frame stands on its own: an area may grow by what two outlines of one gap differ.
    assert len(series) == 11 and np.all(np.diff(series["value"].to_numpy(float)) > -5)
    assert 3 < series["value"].iloc[-1] < 20, "the gap closes by some percent in ten hours"
    culture = df[df["modality"] == "culture"]
    assert set(culture.loc[culture["value"].notna(), "unit"]) == {"%", "h", "% h"}
    assert set(culture["denominator_unit"].dropna()) - {""} == {"px"}
    rate = culture[culture["outcome"] == "scratch_rate"]
    assert (
        rate["value"].isna().all()
        and rate["qc_reason"].str.contains("pixel size is not known").all()
    )


@pytest.mark.parametrize("contrast", ["IFNL-Mock", "both-Mock", "IL22-Mock"])
@pytest.mark.parametrize("hours", [3, 6, 12, 24])
def test_jak_stat_is_the_first_pathway_of_t84(results, contrast, hours):
    df = table(results, "statistics/contrasts.tsv")
    df = df[
        df["outcome"].str.startswith("score:footprint:")
        & (df["contrast"] == contrast)
        & (df["time"] == hours)
    ]
    assert len(df) == 14
    ordered = df.sort_values("estimate", ascending=False)
    assert ordered["outcome"].iloc[0] == "score:footprint:JAK-STAT"
    assert ordered["estimate"].iloc[0] > 1.5 * ordered["estimate"].iloc[1]
    assert df["p"].isna().all() and df["reason"].str.contains("technical").all()


@pytest.mark.parametrize("hours", [3, 6, 12, 24])
def test_the_factors_of_interferon_come_first_in_t84(results, hours):
    df = table(results, "statistics/contrasts.tsv")
    df = df[df["outcome"].str.startswith("score:tf:") & (df["time"] == hours)]
    df = df[~df["outcome"].str.contains("@") & df["estimate"].notna()]
    order = df.sort_values("estimate", ascending=False).groupby("contrast")["outcome"].agg(list)
    first = {c: [o.removeprefix("score:tf:") for o in names] for c, names in order.items()}
    assert len(first["IFNL-Mock"]) > 300
    assert {"STAT1", "STAT2", "IRF1", "IRF9"} <= set(first["IFNL-Mock"][:5])
    assert "STAT3" in first["IL22-Mock"][:2]


def test_the_authors_own_scores_order_the_libraries_alike(results, data):
    """A peer: PROGENy of the authors, per library."""
    own = table(results, "bulk/scores.tsv")
    own = own[own["score_id"] == "JAK-STAT"].set_index("library_id")["value"]
    libraries = pd.read_csv(results.parent / "config/real/libraries.tsv", sep="\t").set_index(
        "specimen_id"
    )
    theirs = pd.read_csv(data / "rnaseq/t84_il22_ifnl/published_progeny.csv", index_col=0)[
        "JAK.STAT"
    ].rename("theirs")
    samples = libraries["sample"].str.replace(".", "-", regex=False)
    both = own.rename(samples).to_frame("own").join(theirs, how="inner")
    assert len(both) == 48
    assert both.corr(method="spearman").iloc[0, 1] > 0.9


def test_interferon_sets_come_first_in_t84_without_p_values(results):
    for contrast in ("IFNL-Mock", "both-Mock"):
        sets = table(results, f"bulk/sets/T84-24h.{contrast}.tsv").sort_values("place")
        assert set(sets["set"].head(2)) == INTERFERON and (sets["NES"].head(2) > 0).all()
        de = table(results, f"bulk/de/T84-24h.{contrast}.tsv")
        assert (
            de["p"].isna().all() and de["padj"].isna().all() and de["log2FC"].notna().sum() > 10_000
        )
    tests = table(results, "bulk/tests.tsv")
    assert (tests["status"] == "descriptive").all() and tests["reason"].str.contains(
        "technical replicates"
    ).all()


@pytest.mark.parametrize("cell_type", TESTED)
def test_interferon_comes_first_in_stimulated_blood_cells(results, data, cell_type):
    gmt = data / "resources/msigdb_hallmark_v7.0_symbols.gmt.gz"
    de = table(results, f"singlecell/de/stim-ctrl@{cell_type}.tsv")
    sets = rank_sets(ranked(de), [(gmt.name, s) for s in read_gmt(gmt)], seed=1, permutations=100)
    assert set(sets["set"].head(2)) == INTERFERON and (sets["NES"].head(2) > 0).all()
    assert de.set_index("symbol").loc[["ISG15", "IFIT3"], "log2FC"].min() > 2
    scores = table(results, "statistics/contrasts.tsv")
    scores = scores[
        scores["outcome"].str.startswith("score:signature:")
        & scores["outcome"].str.endswith(f"@{cell_type}")
    ]
    first = scores.sort_values("estimate", ascending=False).iloc[0]
    assert first["outcome"] == f"score:signature:RESP_ifng@{cell_type}" and first["estimate"] > 0.5


def test_two_donors_are_described_and_not_tested(results):
    tests = table(results, "singlecell/tests.tsv").set_index("cell_type")
    assert set(tests["status"]) == {"descriptive", "refused"}
    assert (
        tests.loc[list(TESTED), "reason"] == "fewer than 3 units per arm (stim 2, ctrl 2)"
    ).all()
    scores = table(results, "statistics/contrasts.tsv")
    scores = scores[scores["contrast"] == "stim-ctrl"]
    assert (
        len(scores)
        and scores["p"].isna().all()
        and scores["reason"].str.contains("fewer than 3 units").all()
    )
    composition = table(results, "singlecell/composition.tsv")
    assert composition["p"].isna().all()


def test_the_claim_is_refused_with_the_reason(results):
    verdicts = table(results, "statistics/verdicts.tsv")
    assert verdicts["verdict"].tolist() == ["not judged"]
    assert "technical replicates: no inference" in verdicts["reason"].iloc[0]


def test_nothing_is_linked_where_no_unit_has_two_modalities(results):
    assert table(results, "linkage/associations.tsv").empty
    plan = (results / "check/plan.txt").read_text(encoding="utf-8")
    assert "microct + bulk: 0" in plan


def test_the_report_says_what_this_is_and_shows_pictures(results):
    page = (results / "report/report.html").read_text(encoding="utf-8")
    assert "This is not one experiment" in page and "technical replicates: no inference" in page
    assert page.count("data:image/") > 12
    for specimen in ("LHDL-3155-ct", "shrew-ct", "CMU-1", "deepliif-22_2", "scratch-B5"):
        assert specimen in page
    methods = (results / "report/methods.md").read_text(encoding="utf-8")
    assert (
        "The volume of interest was the whole scan: no implant." in methods
        and "from the implant" not in methods
    )
    assert "no lengths and no speeds" in methods


def test_a_second_run_plans_nothing(results):
    done = snakemake(results.parent, "--cores", "1", "--dry-run", *REAL)
    assert "Nothing to be done" in done.stdout + done.stderr, planned(done.stdout)


def test_paths_that_name_an_arm_reach_measuring_jobs_as_coded_links(results):
    links = list((results / "study/links/libraries").iterdir())
    assert len(links) == 1 and links[0].is_symlink() and "il22" not in links[0].name
    log = (results / "provenance/inputs.tsv").read_text(encoding="utf-8")
    assert "links/libraries" in log or "t84_il22_ifnl" in log


@pytest.fixture(scope="module")
def donors(results) -> Path:
    """Results of the donors under dexamethasone, from the same checkout."""
    snakemake(results.parent, "--cores", "2", "--configfile", "config/airway/config.yaml")
    return results.parent / "results-airway"


def test_donors_have_the_genes_that_other_programs_name(donors):
    """edgeR and limma-voom name 5,130 and 5,170, DESeq2 4,030; printed for who runs it."""
    row = table(donors, "bulk/tests.tsv").iloc[0]
    assert row["status"] == "tested" and row["n_units"] == 4
    assert abs(row["n_significant"] / 5150 - 1) < 0.05
    assert abs(row["n_significant_normal"] / 4030 - 1) < 0.02
    log = (donors / "logs/bulk/fit_bulk.log").read_text(encoding="utf-8")
    assert f"{row['n_significant']} of {row['n_genes']} genes significant" in log
    assert f"{row['n_significant_normal']} by the normal reference" in log


def test_donors_respond_as_to_a_glucocorticoid(donors):
    sets = table(donors, "bulk/set_tests.tsv")
    row = sets[(sets["set_id"] == "DRUG_glucocorticoid_response") & (sets["method"] == "rotation")]
    assert row["direction"].item() == "up" and row["p_adj"].item() < 0.05
