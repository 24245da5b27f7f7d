"""The scripts of outcomes and statistics from sheets and measurements to verdicts, on a small study in a folder."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.core.files import sha256
from periomics.core.results import read_result, write_result
from periomics.study.measurements import COLUMNS, failed, tidy

ROOT = Path(__file__).resolve().parents[2]


def load(stem):
    spec = importlib.util.spec_from_file_location(
        stem.replace("/", "_"), ROOT / "workflow" / "scripts" / f"{stem}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


collect_measurements, aggregate_animals = (
    load("outcomes/collect_measurements"),
    load("outcomes/aggregate_animals"),
)
estimate_contrasts, judge_claims = (
    load("statistics/estimate_contrasts"),
    load("statistics/judge_claims"),
)
MEANS = {"CTRL": 95, "DRUG": 55, "PRE": 58, "POST": 85}


class Names(dict):
    """Named inputs as Snakemake gives them: attributes, items and .get."""

    __getattr__ = dict.__getitem__


def job(tmp_path, rule, inputs, outputs, **params):
    return SimpleNamespace(
        input=Names(inputs),
        output=Names({k: str(tmp_path / v) for k, v in outputs.items()}),
        params=Names(params),
        log=[str(tmp_path / f"{rule}.log")],
        rule=rule,
        wildcards=Names(),
        threads=1,
        config={},
    )


def write_study(folder: Path):
    rng = np.random.default_rng(3)
    animals, sections, tables = [], [], []
    for arm, mean in MEANS.items():
        for i in range(5):
            a = f"{arm}{i}"
            animals.append({"animal_id": a, "unit": "animal", "group": arm, "block": f"day{i % 2}"})
            sections.append(
                {
                    "specimen_id": f"{a}-t",
                    "animal_id": a,
                    "section_id": f"{a}-s",
                    "path": "x.png",
                    "stain": "CD31",
                    "time": 28,
                    "time_unit": "d",
                    "batch": f"b{i % 2}",
                }
            )
            common = {
                "specimen_id": f"{a}-t",
                "animal_id": a,
                "modality": "histology",
                "section_id": f"{a}-s",
                "level": "field",
            }
            if a == "PRE0":
                tables.append(failed(["mvd"], "section is empty", **common))
                continue
            level = mean * np.exp(rng.normal(0, 0.12))
            counts = rng.poisson(level * 0.25, 4)
            tables.append(
                tidy(
                    [
                        {
                            "field_id": f"f{k}",
                            "outcome": "mvd",
                            "value": c / 0.25,
                            "unit": "1/mm2",
                            "numerator": c,
                            "denominator": 0.25,
                            "denominator_unit": "mm2",
                        }
                        for k, c in enumerate(counts)
                    ],
                    **common,
                )
            )
    paths = []
    for i, table in enumerate(tables):
        paths.append(str(folder / f"m{i}.tsv"))
        write_result(table, paths[-1], COLUMNS)
    files = {"animals": animals, "sections": sections}
    files["exclusions"] = [
        {
            "level": "animal",
            "id": "CTRL1",
            "modality": "",
            "reason": "wound infection",
            "date": "2026-02-03",
            "by": "x",
            "blind": "yes",
        }
    ]
    for name, rows in files.items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    return paths, {n: str(folder / f"{n}.tsv") for n in files}


def run(tmp_path, paths, sheets):
    dictionary = str(ROOT / "resources" / "outcomes.tsv")
    collect_measurements.main(
        job(
            tmp_path,
            "collect_measurements",
            {"tables": paths, "dictionary": dictionary},
            {"measurements": "measurements.tsv"},
        )
    )
    absent = {n: [] for n in ("scans", "cultures", "libraries", "imports", "bulk", "singlecell")}
    inputs = {
        "measurements": str(tmp_path / "measurements.tsv"),
        "dictionary": dictionary,
        **absent,
        **sheets,
    }
    aggregate_animals.main(
        job(
            tmp_path,
            "aggregate_animals",
            inputs,
            {
                "animals": "animals_out.tsv",
                "everyone": "animals_all.tsv",
                "variance": "variance.tsv",
                "sampling": "sampling.tsv",
            },
            settings={"min_sections": 1},
        )
    )
    inputs = {
        "outcomes": str(tmp_path / "animals_out.tsv"),
        "everyone": str(tmp_path / "animals_all.tsv"),
        "animals": sheets["animals"],
        "dictionary": dictionary,
        "claims": str(ROOT / "config" / "claims.yaml"),
    }
    roles = {"healthy": "CTRL", "disease": "DRUG", "treated": ["PRE", "POST"]}
    outputs = {
        "contrasts": "contrasts.tsv",
        "animals": "reproduce.tsv",
        "script": "reproduce.R",
        "rescue": "rescue.tsv",
        "losses": "losses.tsv",
        "batches": "batches.tsv",
    }
    estimate_contrasts.main(
        job(tmp_path, "estimate_contrasts", inputs, outputs, roles=roles, seed=7)
    )
    judge_claims.main(
        job(
            tmp_path,
            "judge_claims",
            inputs,
            {"verdicts": "verdicts.tsv", "arms": "arms.tsv"},
            roles=roles,
        )
    )


def test_from_measurements_to_verdicts(tmp_path):
    paths, sheets = write_study(tmp_path)
    run(tmp_path, paths, sheets)
    animals = read_result(tmp_path / "animals_out.tsv").set_index("animal_id")
    assert len(animals) == 20 and animals["status"].value_counts().to_dict() == {
        "measured": 18,
        "excluded": 1,
        "failed": 1,
    }
    assert animals.at["CTRL1", "reason"] == "animal CTRL1: wound infection" and np.isnan(
        animals.at["CTRL1", "value"]
    )
    contrasts = read_result(tmp_path / "contrasts.tsv")
    main = contrasts[contrasts["kind"] == "confirmatory"].set_index("contrast")
    assert main.at["C0", "n_animals"] == 9 and main.at["C1", "n_animals"] == 9
    verdicts = read_result(tmp_path / "verdicts.tsv").set_index(["claim_id", "outcome"])
    assert verdicts.at[("C0", "mvd"), "verdict"].startswith("supported")
    assert verdicts.at[("C0", "bvtv"), "reason"] == "not measured in this study"
    assert verdicts.at[("C0", "mvd"), "n_animals"] == 9
    assert verdicts.at[("C0", "mvd"), "n_animals_all"] == 10
    assert verdicts.at[("C0", "mvd"), "verdict_all"].startswith("supported")
    everyone = read_result(tmp_path / "animals_all.tsv").set_index("animal_id")
    assert everyone.at["CTRL1", "status"] == "measured" and len(everyone) == 20
    assert verdicts.at[("C4", "mvd"), "confounded_with"].startswith("time from cells")
    batches = read_result(tmp_path / "batches.tsv")
    assert batches["n_animals"].sum() == 18 and set(batches["batch"]) == {"b0", "b1"}
    assert (tmp_path / "judge_claims.log").read_text(encoding="utf-8")


def test_tables_do_not_depend_on_the_order_of_jobs(tmp_path):
    digests = []
    for turn in (1, -1):
        folder = tmp_path / str(turn)
        folder.mkdir()
        paths, sheets = write_study(folder)
        run(folder, paths[::turn], sheets)
        digests.append(
            [
                sha256(folder / f)
                for f in (
                    "measurements.tsv",
                    "animals_out.tsv",
                    "contrasts.tsv",
                    "rescue.tsv",
                    "verdicts.tsv",
                )
            ]
        )
    assert digests[0] == digests[1]


def test_a_study_without_measurements_gives_tables_with_headers(tmp_path):
    _, sheets = write_study(tmp_path)
    sheets["sections"] = []
    run(tmp_path, [], sheets)
    assert read_result(tmp_path / "animals_out.tsv").empty
    assert set(read_result(tmp_path / "verdicts.tsv")["verdict"]) == {"not judged"}


def test_an_unknown_outcome_stops_with_file_and_hint_and_writes_nothing(tmp_path):
    paths, sheets = write_study(tmp_path)
    bad = read_result(paths[0])
    bad["outcome"] = "mdv"
    bad.to_csv(paths[0], sep="\t", index=False)
    with pytest.raises(InputError, match=r"m0\.tsv.*unknown outcome 'mdv'"):
        run(tmp_path, paths, sheets)
    assert not (tmp_path / "measurements.tsv").exists()
