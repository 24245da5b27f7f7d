"""The scripts of bulk on a small simulated study, from targets to ranked sets; twice for identical tables."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

from periomics.core.errors import InputError
from periomics.core.files import sha256
from periomics.core.results import read_result, write_result
from periomics.genes.design import one_species, sample_table, select, with_design
from periomics.outcomes.scores import read_scores
from periomics.simulate.design import draw_targets
from periomics.simulate.sheets import draw_sheets
from periomics.study.sheets import ARM_COLUMNS, read_sheet

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "scenario": "source_study",
    "arms": ["CTRL", "DRUG", "POST"],
    "n_per_arm": 4,
    "n_blocks": 2,
    "n_isolations": 3,
    "n_sequenced_per_arm": 4,
    "deficit_d": 2.5,
    "correlation": 0.4,
    "block_share": 0.1,
    "loss_intercept": -9.0,
    "bulk": {"n_genes": 1700},
}
ANALYSES = [
    {
        "name": "mucosa",
        "select": {"compartment": "mucosa"},
        "arm": "group",
        "block": "block",
        "contrasts": ["C0", "C4"],
    },
    {
        "name": "isolation",
        "select": {"compartment": "epithelium"},
        "arm": "condition",
        "block": "animal_id",
        "contrasts": ["CM", "CMxcue"],
    },
]


def load(stem):
    spec = importlib.util.spec_from_file_location(
        stem.replace("/", "_"), ROOT / "workflow" / "scripts" / f"{stem}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Names(dict):
    """Named values as Snakemake gives them."""

    __getattr__ = dict.__getitem__


def job(rule, folder, inputs, outputs, **params):
    return SimpleNamespace(
        input=Names(inputs),
        output=Names(outputs),
        params=Names(params),
        log=[str(folder / f"{rule}.log")],
        rule=rule,
        wildcards=Names(),
        threads=1,
        config={},
    )


def run_study(folder: Path):
    folder.mkdir(exist_ok=True)
    sheets = draw_sheets(SETTINGS, 5)
    for name in ("animals", "libraries"):
        write_result(sheets[name], folder / f"{name}.tsv")
    libraries = sheets["libraries"]
    libraries["path"] = libraries["path"].str.replace("<results>", str(folder))
    facts = [
        {k: v for k, v in r.items() if k not in ARM_COLUMNS and v}
        for r in libraries.to_dict("records")
    ]
    write_result(draw_targets(SETTINGS, 5, sheets), folder / "targets.tsv")
    p = lambda name: str(folder / name)  # noqa: E731
    signatures = str(ROOT / "resources/signatures.tsv")
    responses = str(ROOT / "resources/responses.tsv")
    load("simulate/simulate_bulk").main(
        job(
            "simulate_bulk",
            folder,
            {
                "targets": p("targets.tsv"),
                "signatures": signatures,
                "responses": responses,
                "signalling": str(ROOT / "resources/signalling.tsv"),
            },
            {"truth": p("truth.tsv"), "genes": p("truth_genes.tsv"), "routes": p("routes.tsv")},
            facts=facts,
            settings=SETTINGS,
            seed=5,
        )
    )
    load("bulk/collect_counts").main(
        job(
            "collect_counts",
            folder,
            {"files": [facts[0]["path"]]},
            {
                "counts": p("counts.tsv"),
                "lengths": p("lengths.tsv"),
                "genes": p("genes.tsv"),
                "qc": p("qc.tsv"),
                "planes": p("planes.tsv"),
                "distances": p("distances.tsv"),
                "figure": p("qc.png"),
            },
            facts=facts,
            settings=None,
        )
    )
    measured = {n: p(f"{n}.tsv") for n in ("counts", "lengths", "genes", "qc")}
    load("bulk/score_bulk").main(
        job(
            "score_bulk",
            folder,
            measured
            | {"signatures": signatures, "responses": responses}
            | {"signalling": str(ROOT / "resources/signalling.tsv")},
            {"scores": p("scores.tsv")},
            facts=facts,
            settings=None,
        )
    )
    tests = [f"{a['name']}.{c}" for a in ANALYSES for c in a["contrasts"]]
    de, sets = ([p(f"{kind}/{t}.tsv") for t in tests] for kind in ("de", "sets"))
    design = {n: p(f"{n}.tsv") for n in ("animals", "libraries")} | {
        "claims": str(ROOT / "config/claims.yaml"),
        "exclusions": [],
    }
    load("bulk/fit_bulk").main(
        job(
            "fit_bulk",
            folder,
            measured | design,
            {
                "de": de,
                "tests": p("tests.tsv"),
                "dispersion": p("dispersion.tsv"),
                "figure": p("tests.png"),
            },
            analyses=ANALYSES,
            settings=None,
            roles={"healthy": "CTRL", "disease": "DRUG"},
        )
    )
    load("bulk/rank_sets").main(
        job(
            "rank_sets",
            folder,
            {"de": de, "tests": p("tests.tsv"), "signatures": signatures},
            {"sets": sets},
            settings={"permutations": 200},
            seed=5,
        )
    )
    load("bulk/test_sets").main(
        job(
            "test_sets",
            folder,
            measured
            | design
            | {"tests": p("tests.tsv"), "signatures": signatures, "responses": responses},
            {"sets": p("set_tests.tsv")},
            analyses=ANALYSES,
            tests=None,
            settings=None,
            roles={"healthy": "CTRL", "disease": "DRUG"},
        )
    )
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return run_study(tmp_path_factory.mktemp("bulk"))


def test_tables_have_the_columns_of_the_interface(study):
    counts = read_result(study / "counts.tsv")
    assert counts.shape == (1700, 1 + 12 + 12)
    assert counts.drop(columns="gene_id").dtypes.eq("int64").all()
    assert (read_result(study / "qc.tsv")["qc"] == "pass").all()
    de = read_result(study / "de/mucosa.C0.tsv")
    assert (
        list(de.columns)[:10]
        == "gene_id symbol baseMean log2FC lfcSE stat p padj log2FC_shrunk df".split()
    )
    assert (de["log2FC_shrunk"].abs() <= de["log2FC"].abs() + 1e-9).all()
    sets = read_result(study / "sets/mucosa.C0.tsv")
    assert set(sets["evidence"]) == {"descriptive"}
    assert not {"p", "padj", "fdr"} & set(sets.columns)


def test_sets_are_tested_where_genes_are(study):
    sets, tests = read_result(study / "set_tests.tsv"), read_result(study / "tests.tsv")
    assert set(sets["test"]) == set(tests.loc[tests["status"] == "tested", "test"])
    assert (sets.groupby(["test", "set_id"])["method"].nunique() == 3).all()
    assert sets["p_adj"].between(0, 1).all() and (sets["p_adj"] >= sets["p"] - 1e-12).all()


def test_a_contrast_without_its_arm_is_refused_with_a_reason_and_the_others_are_tested(study):
    tests = read_result(study / "tests.tsv").set_index("test")
    assert tests.at["mucosa.C0", "status"] == "tested"
    assert tests.at["mucosa.C4", "status"] == "refused"
    assert "PRE" in tests.at["mucosa.C4", "reason"]
    assert read_result(study / "de/mucosa.C4.tsv").empty
    assert tests.at["isolation.CM", "status"] == "tested"


def test_planted_sets_stand_where_they_were_planted(study):
    sets = read_result(study / "sets/mucosa.C0.tsv").set_index("set")["NES"]
    assert sets["ANG_sprouting"] > 1
    assert sets["IMM_neutrophil"] < -1


def test_scores_follow_the_planted_activity_and_enter_the_outcomes(study):
    scores, truth = read_scores(study / "scores.tsv"), read_result(study / "truth.tsv")
    joined = scores.assign(outcome="score:" + scores["kind"] + ":" + scores["score_id"]).merge(
        truth[["specimen_id", "outcome", "truth"]],
        left_on=["library_id", "outcome"],
        right_on=["specimen_id", "outcome"],
    )
    joined = joined[joined["library_id"].str.match(r"R\d+-rna")]
    planted = set(read_result(study / "truth_genes.tsv")["set"])
    joined = joined[joined["score_id"].isin(planted)]  # others move by what they share with these
    r = {
        o: part["value"].corr(part["truth"])
        for o, part in joined.groupby("outcome")
        if part["truth"].std() > 0.1
    }
    assert len(r) >= 8
    assert pd.Series(r).median() > 0.9, r
    assert "score:signature:ANG_sprouting" in r


def test_tables_are_identical_on_repeat(study, tmp_path):
    again = run_study(tmp_path / "again")
    tables = sorted(
        p.relative_to(study) for p in study.rglob("*.tsv") if p.name not in ("libraries.tsv",)
    )
    assert len(tables) > 12
    for table in tables:
        assert sha256(study / table) == sha256(again / table), table


def test_settings_are_checked_by_name(study):
    from periomics.core.errors import InputError
    from periomics.study.settings.bulk import BulkQuality

    with pytest.raises(InputError, match="min_reads"):
        BulkQuality.of({"min_read": 5}, "bulk/quality")


def test_the_planned_analyses_are_those_of_the_contrast_names():
    claims = yaml.safe_load((ROOT / "config/claims.yaml").read_text(encoding="utf-8"))
    assert {c for a in ANALYSES for c in a["contrasts"]} <= set(claims["contrasts"])


def test_every_test_says_the_species_of_its_own_libraries(study, tmp_path):
    tests = read_result(study / "tests.tsv")
    assert set(tests["species"]) == {"rat"}
    # Human cells in the dish beside rat mucosa: their symbols are upper case, and found as such.
    tests.loc[tests["analysis"] == "isolation", "species"] = "human"
    write_result(tests, tmp_path / "tests.tsv")
    human = read_result(study / "de/isolation.CM.tsv")
    write_result(human.assign(symbol=human["symbol"].str.upper()), tmp_path / "isolation.CM.tsv")
    sources = [str(study / "de/mucosa.C0.tsv"), str(tmp_path / "isolation.CM.tsv")]
    targets = [str(tmp_path / f"sets/{t}.tsv") for t in ("mucosa.C0", "isolation.CM")]
    inputs = {"de": sources, "tests": str(tmp_path / "tests.tsv")}
    inputs["signatures"] = str(ROOT / "resources/signatures.tsv")
    load("bulk/rank_sets").main(
        job(
            "rank_sets",
            tmp_path,
            inputs,
            {"sets": targets},
            settings={"permutations": 20},
            seed=5,
        )
    )
    rat, people = (set(read_result(t)["set"]) for t in targets)
    assert len(rat) > 20 and len(people) > 20
    assert rat == set(read_result(study / "sets/mucosa.C0.tsv")["set"])


@pytest.mark.parametrize("stem", ["bulk", "singlecell"])
def test_two_species_in_one_analysis_are_refused_by_name(study, stem):
    libraries = read_sheet("libraries", study / "libraries.tsv").assign(assay=stem)
    libraries.loc[libraries["specimen_id"] == libraries["specimen_id"].iloc[1], "species"] = "human"
    animals = read_sheet("animals", study / "animals.tsv")
    samples = sample_table(libraries, animals, read_sheet("exclusions", None), stem)
    with pytest.raises(InputError, match=r"(?s)mucosa mixes libraries of several species.*human"):
        with_design(select(samples, {"compartment": "mucosa"}, "mucosa"), "group", [], "mucosa")
    alone = select(samples, {"compartment": "mucosa", "species": "rat"}, "mucosa")
    assert one_species(with_design(alone, "group", [], "mucosa"), "mucosa") == "rat"
