"""The scripts of single cell on a small simulated study, from targets to tests per type; twice for identical tables."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score
from test_bulk_rules import ROOT, SETTINGS, job, load

from periomics.core.errors import InputError
from periomics.core.files import sha256
from periomics.core.results import read_result, write_result
from periomics.outcomes.scores import read_scores
from periomics.simulate.design import draw_targets
from periomics.simulate.sheets import draw_sheets
from periomics.study.sheets import ARM_COLUMNS

STUDY = {
    **SETTINGS,
    "arms": ["CTRL", "DRUG"],
    "n_singlecell_per_arm": 3,
    "singlecell": {"n_cells": 180, "n_genes": 1700},
}
SIGNATURES = str(ROOT / "resources/signatures.tsv")
RESPONSES = str(ROOT / "resources/responses.tsv")
TEAM = {n: str(ROOT / f"resources/{n}.tsv") for n in ("signatures", "responses", "signalling")}
TESTS = {"arm": "group", "contrasts": ["C0", "C2"], "min_cells": 20}
ROLES = {"healthy": "CTRL", "disease": "DRUG"}


def simulate(folder: Path):
    """Raw cells of the study with their truth; returns the facts a measuring job sees."""
    folder.mkdir(exist_ok=True)
    sheets = draw_sheets(STUDY, 5)
    for name in ("animals", "libraries"):
        write_result(sheets[name], folder / f"{name}.tsv")
    libraries = sheets["libraries"][sheets["libraries"]["assay"] == "singlecell"].copy()
    libraries["path"] = libraries["path"].str.replace("<results>", str(folder))
    facts = [
        {k: v for k, v in r.items() if k not in ARM_COLUMNS and v}
        for r in libraries.to_dict("records")
    ]
    write_result(draw_targets(STUDY, 5, sheets), folder / "targets.tsv")
    load("simulate/simulate_singlecell").main(
        job(
            "simulate_singlecell",
            folder,
            {
                "targets": str(folder / "targets.tsv"),
                "signatures": SIGNATURES,
                "responses": RESPONSES,
                "signalling": str(ROOT / "resources/signalling.tsv"),
            },
            {"truth": str(folder / "truth.tsv"), "cells": str(folder / "truth_cells.tsv")},
            facts=facts,
            settings=STUDY,
            seed=5,
        )
    )
    return facts


def build(folder: Path, facts, settings=None):
    names = {
        "atlas": "atlas.h5ad",
        "cells": "cells.tsv",
        "qc": "qc.tsv",
        "clusters": "clusters.tsv",
        "markers": "markers.tsv",
        "facts": "atlas.tsv",
        "quality": "qc.png",
        "map": "umap.png",
        "dots": "markers.png",
    }
    outputs = {n: str(folder / f) for n, f in names.items()}
    load("singlecell/build_atlas").main(
        job(
            "build_atlas",
            folder,
            {"files": [facts[0]["path"]], "markers": str(ROOT / "resources/cell_types.tsv")},
            outputs,
            facts=facts,
            settings=settings,
            seed=5,
        )
    )


def infer(folder: Path, facts, tests=TESTS):
    p = lambda name: str(folder / name)  # noqa: E731
    summed = {n: p(f"pseudobulk/{n}.tsv") for n in ("counts", "groups", "genes", "moments")}
    load("singlecell/score_singlecell").main(
        job(
            "score_singlecell",
            folder,
            {"atlas": p("atlas.h5ad")} | TEAM,
            summed | {"scores": p("scores.tsv")},
            facts=facts,
            min_cells=20,
            settings=None,
        )
    )
    design = {n: p(f"{n}.tsv") for n in ("animals", "libraries")} | {
        "claims": str(ROOT / "config/claims.yaml"),
        "exclusions": [],
    }
    load("singlecell/test_composition").main(
        job(
            "test_composition",
            folder,
            {"groups": summed["groups"], "cells": p("cells.tsv")} | design,
            {
                n: p(n + e)
                for n, e in (("composition", ".tsv"), ("arms", ".png"), ("shares", ".png"))
            },
            settings=tests,
            roles=ROLES,
        )
    )
    load("singlecell/fit_pseudobulk").main(
        job(
            "fit_pseudobulk",
            folder,
            summed | design,
            {"de": p("de"), "tests": p("tests.tsv")},
            settings=tests,
            roles=ROLES,
        )
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("singlecell")
    facts = simulate(folder)
    build(folder, facts)
    infer(folder, facts)
    return folder


def joined(study):
    truth = read_result(study / "truth_cells.tsv").set_index("cell")
    return (
        read_result(study / "cells.tsv").set_index("cell").join(truth[["type", "doublet", "dying"]])
    )


def test_types_are_found_and_bad_cells_are_dropped(study):
    cells, truth = joined(study), read_result(study / "truth_cells.tsv")
    single = cells[cells["doublet"] == "no"]
    assert adjusted_rand_score(single["type"], single["label"]) > 0.9
    assert (cells["dying"] == "no").mean() > 0.995
    good = truth[(truth["doublet"] == "no") & (truth["dying"] == "no")]
    assert good["cell"].isin(cells.index).mean() > 0.97
    assert (cells["doublet"] == "yes").sum() < 0.5 * (truth["doublet"] == "yes").sum()


def test_the_atlas_keeps_raw_counts_and_names_its_libraries(study):
    atlas = ad.read_h5ad(study / "atlas.h5ad")
    raw = ad.read_h5ad(study / "simulate/raw/singlecell/cells.h5ad")
    cell = atlas.obs_names[7]
    counts = np.asarray(atlas[cell].layers["counts"].todense()).ravel()
    barcode = cell.split(":")[1]
    assert np.array_equal(counts, np.asarray(raw[barcode, atlas.var_names].X.todense()).ravel())
    assert set(atlas.obs["specimen_id"]) == set(
        read_result(study / "libraries.tsv").query("assay == 'singlecell'")["specimen_id"]
    )
    assert "X_umap" in atlas.obsm


def test_pseudobulk_sums_exactly_the_cells(study):
    atlas, counts = (
        ad.read_h5ad(study / "atlas.h5ad"),
        read_result(study / "pseudobulk/counts.tsv").set_index("gene_id"),
    )
    assert counts.to_numpy().sum() == atlas.layers["counts"].sum()
    row = read_result(study / "pseudobulk/groups.tsv").iloc[0]
    hit = (
        (atlas.obs["specimen_id"] == row["specimen_id"]) & (atlas.obs["label"] == row["cell_type"])
    ).to_numpy()
    assert hit.sum() == row["n_cells"]
    assert np.array_equal(
        np.asarray(atlas.layers["counts"][hit].sum(axis=0)).ravel(),
        counts.loc[atlas.var_names, row["column"]],
    )


def test_shares_follow_the_truth_and_contrasts_have_animals_as_units(study):
    table, truth = read_result(study / "composition.tsv"), read_result(study / "truth.tsv")
    truth = truth[truth["outcome"] == "cell_share"].rename(columns={"roi": "cell_type"})
    units = table[table["row"] == "unit"].merge(
        truth[["animal_id", "cell_type", "truth"]], on=["animal_id", "cell_type"]
    )
    assert np.abs(100 * units["proportion"] - units["truth"]).max() < 4
    every = table[table["row"] == "unit"].groupby("animal_id")["clr"].sum()
    assert np.allclose(every, 0, atol=1e-6)
    contrasts = table[table["row"] == "contrast"]
    tested = contrasts[contrasts["contrast"] == "C0"]
    rare = tested["reason"].fillna("").str.startswith("fewer than 5 cells")
    assert (tested.loc[~rare, "status"] == "tested").all()
    assert set(tested.loc[rare, "cell_type"]) <= {"msc", "unknown"}, "4 % of 180 cells, and few"
    assert (tested.loc[~rare, "df"] <= 4 + 1e-9).all()
    assert (contrasts.loc[contrasts["contrast"] == "C2", "status"] == "refused").all()
    assert "POST" in contrasts.loc[contrasts["contrast"] == "C2", "reason"].iloc[0]


def test_every_type_and_contrast_has_a_table_or_a_reason(study):
    tests = read_result(study / "tests.tsv")
    assert {p.name.removesuffix(".tsv") for p in (study / "de").iterdir()} == set(tests["test"])
    basal = tests.set_index("test").loc["C0@basal"]
    assert basal["status"] == "tested"
    assert float(basal["n_naive"]) > float(basal["n_significant"]), "cells as units call more"
    de = read_result(study / "de/C0@basal.tsv")
    assert (
        list(de.columns)[:10]
        == "gene_id symbol baseMean log2FC lfcSE stat p padj log2FC_shrunk df".split()
    )
    other = tests[tests["status"] != "tested"]
    assert (other["reason"] != "").all()
    for row in other.itertuples():
        table = read_result(study / f"de/{row.test}.tsv")
        assert table.empty or table["p"].isna().all()


def test_scores_of_types_enter_the_outcomes(study):
    scores = read_scores(study / "scores.tsv")
    assert {"basal", "endothelial"} <= set(scores["cell_type"])
    assert (scores.loc[scores["value"].isna(), "reason"] != "").all()


def test_tables_are_identical_on_repeat(study, tmp_path):
    again = tmp_path / "again"
    build(again, simulate(again))
    for table in ("cells.tsv", "qc.tsv", "markers.tsv", "truth.tsv", "truth_cells.tsv"):
        assert sha256(study / table) == sha256(again / table), table


def test_a_wrong_sample_column_and_no_good_cells_are_named(study, tmp_path):
    facts = [
        {**f, "path": str(study / "simulate/raw/singlecell/cells.h5ad")} for f in _facts(study)
    ]
    with pytest.raises(InputError, match=r"no column samples - did you mean 'sample'"):
        build(tmp_path, facts, {"sample_column": "samples"})
    with pytest.raises(InputError, match="no cell passes"):
        build(tmp_path, facts, {"min_counts": 10**7})
    with pytest.raises(InputError, match="has no cells of library"):
        build(tmp_path, [{**facts[0], "sample": "R99-sc"}])
    assert not (tmp_path / "atlas.h5ad").exists()


def _facts(study):
    libraries = read_result(study / "libraries.tsv").query("assay == 'singlecell'")
    return [
        {k: v for k, v in r.items() if k not in ARM_COLUMNS and v == v and v != ""}
        for r in libraries.to_dict("records")
    ]


@pytest.mark.data
def test_interferon_comes_first_in_stimulated_blood_cells_and_two_donors_stay_descriptive(
    data, tmp_path
):
    raw = data / "scrna/kang_ifnb_4samples_subset.h5ad"
    rows = [
        {
            "specimen_id": f"{c}{d}",
            "animal_id": f"d{d}",
            "condition": c,
            "assay": "singlecell",
            "path": str(raw),
            "sample": f"{c}{d}",
            "species": "human",
        }
        for c in ("ctrl", "stim")
        for d in (101, 107)
    ]
    write_result(pd.DataFrame(rows), tmp_path / "libraries.tsv")
    write_result(
        pd.DataFrame({"animal_id": ["d101", "d107"], "unit": "donor", "group": ""}),
        tmp_path / "animals.tsv",
    )
    facts = [{k: v for k, v in r.items() if k != "condition"} for r in rows]
    build(
        tmp_path,
        facts,
        {
            "sample_column": "sample_id",
            "label_column": "cluster_id",
            "min_counts": 0,
            "min_genes": 0,
        },
    )
    (tmp_path / "claims.yaml").write_text(
        "contrasts: {IFN: {weights: {stim: 1, ctrl: -1}}}", encoding="utf-8"
    )
    p = lambda name: str(tmp_path / name)  # noqa: E731
    summed = {n: p(f"pseudobulk/{n}.tsv") for n in ("counts", "groups", "genes", "moments")}
    load("singlecell/score_singlecell").main(
        job(
            "score_singlecell",
            tmp_path,
            {"atlas": p("atlas.h5ad")} | TEAM,
            summed | {"scores": p("scores.tsv")},
            facts=facts,
            min_cells=20,
            settings=None,
        )
    )
    tests = {"arm": "condition", "block": "animal_id", "contrasts": ["IFN"]}
    design = {
        "animals": p("animals.tsv"),
        "libraries": p("libraries.tsv"),
        "claims": p("claims.yaml"),
        "exclusions": [],
    }
    load("singlecell/fit_pseudobulk").main(
        job(
            "fit_pseudobulk",
            tmp_path,
            summed | design,
            {"de": p("de"), "tests": p("tests.tsv")},
            settings=tests,
            roles={},
        )
    )
    overview = read_result(p("tests.tsv")).set_index("test")
    assert set(overview["status"]) == {"descriptive", "refused"}
    assert (
        overview["reason"][overview["status"] == "descriptive"]
        .str.contains("fewer than 3 units per arm")
        .all()
    )
    from periomics.genes.ranking import rank_sets, ranked
    from periomics.genes.signatures import read_gmt

    sets = [
        ("hallmark", s) for s in read_gmt(data / "resources/msigdb_hallmark_v7.0_symbols.gmt.gz")
    ]
    monocytes = read_result(
        p(
            "de/IFN@CD14__Monocytes.tsv"
            if (tmp_path / "de/IFN@CD14__Monocytes.tsv").exists()
            else "de/IFN@CD14+_Monocytes.tsv"
        )
    )
    assert monocytes["p"].isna().all()
    interferon = (
        "ISG15 IFIT1 IFIT2 IFIT3 ISG20 CXCL10 CXCL11 LY6E IFI6 IFI44L MX1 TNFSF10 CCL8 APOBEC3A "
        "IFITM2 IFITM3 PLSCR1"
    ).split()
    first = monocytes.sort_values("stat")["symbol"].tail(10).str.split("_").str[0]
    assert first.isin(interferon).sum() >= 6
    places = rank_sets(ranked(monocytes), sets, seed=1, permutations=100)
    assert places["set"].iloc[0].startswith("HALLMARK_INTERFERON")
