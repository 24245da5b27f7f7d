"""The scripts of power and allocation, on a study that has animals and claims and nothing else, and on a measured one."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from periomics.core.results import read_result, write_result
from periomics.outcomes.aggregate import COLUMNS
from periomics.study.settings.planning import Planning

ROOT = Path(__file__).resolve().parents[2]
ROLES = {"healthy": "CTRL", "disease": "DRUG", "treated": ["PRE", "POST"]}


class Names(dict):
    """Named inputs as Snakemake gives them."""

    __getattr__ = dict.__getitem__


def run(folder, stem, inputs, outputs, **settings):
    spec = importlib.util.spec_from_file_location(
        stem, ROOT / "workflow" / "scripts" / "statistics" / f"{stem}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(
        SimpleNamespace(
            input=Names(inputs),
            output=Names({k: str(folder / v) for k, v in outputs.items()}),
            rule=stem,
            wildcards=Names(),
            log=[str(folder / f"{stem}.log")],
            threads=1,
            config={},
            params=Names(
                roles=ROLES, seed=7, settings=Planning(**settings).model_dump(mode="json")
            ),
        )
    )


def animals(folder, groups):
    rng = np.random.default_rng(1)
    n = len(groups)
    table = pd.DataFrame(
        {
            "animal_id": [f"R{i:02d}" for i in range(n)],
            "unit": "animal",
            "group": groups,
            "block": [f"d{i % 2}" for i in range(n)],
            "sex": ["F", "M", "M", "F"] * (n // 4),
            "weight_g": np.round(rng.normal(180, 10, n), 1),
        }
    )
    table.to_csv(folder / "animals.tsv", sep="\t", index=False)
    return str(folder / "animals.tsv")


POWER = {"power": "power.tsv", "curves": "curves.tsv", "figure": "power.svg"}
FAST = {"simulations": 100, "n": (3, 4), "n_limit": 6}


def power(folder, sheet, measured=()):
    inputs = {
        "animals": sheet,
        "claims": str(ROOT / "config/claims.yaml"),
        "outcomes": measured,
        "dictionary": str(ROOT / "resources/outcomes.tsv"),
    }
    run(folder, "estimate_power", inputs, POWER, **FAST)
    return read_result(folder / "power.tsv")


def test_power_before_there_is_anything_to_measure(tmp_path):
    table = power(tmp_path, animals(tmp_path, [""] * 16))
    gate = table[(table["claim_id"] == "C0") & (table["outcome"] == "mvd")].iloc[0]
    assert (
        gate["n_needed"] != gate["n_needed"] and "fewer than 3 animals in an arm" in gate["reason"]
    )
    assert "coefficient of variation" in gate["sd_source"] and "<svg" in (
        tmp_path / "power.svg"
    ).read_text(encoding="utf-8")
    assert set(read_result(tmp_path / "curves.tsv")["n"]) == {3, 4}
    assert "nothing is measured yet" in (tmp_path / "estimate_power.log").read_text(
        encoding="utf-8"
    )


def test_power_of_a_measured_study(tmp_path):
    sheet = animals(tmp_path, ["CTRL", "DRUG", "PRE", "POST"] * 4)
    rng = np.random.default_rng(2)
    rows = [
        dict.fromkeys(COLUMNS, "")
        | {
            "animal_id": f"R{i:02d}",
            "outcome": "mvd",
            "condition": ["CTRL", "DRUG", "PRE", "POST"][i % 4],
            "value": v,
            "unit": "1/mm2",
            "time": 28.0,
            "time_unit": "d",
            "status": "measured",
            "numerator": np.nan,
            "denominator": np.nan,
            "dose": np.nan,
        }
        for i, v in enumerate(rng.normal(80, 9, 16))
    ]
    write_result(pd.DataFrame(rows), tmp_path / "outcomes.tsv", COLUMNS)
    gate = (
        power(tmp_path, sheet, str(tmp_path / "outcomes.tsv"))
        .set_index(["claim_id", "outcome"])
        .loc[("C0", "mvd")]
    )
    assert (
        gate["n_now"] == "CTRL 4, DRUG 4" and 4 < gate["sd"] < 18 and "12 df" in gate["sd_source"]
    )
    said = (tmp_path / "estimate_power.log").read_text(encoding="utf-8")
    assert "an arm claim C1-any can practically not be supported for all outcomes" in said


def test_power_without_claims_is_an_empty_table_and_a_word(tmp_path):
    inputs = {
        "animals": animals(tmp_path, [""] * 8),
        "claims": [],
        "outcomes": [],
        "dictionary": str(ROOT / "resources/outcomes.tsv"),
    }
    run(tmp_path, "estimate_power", inputs, POWER, **FAST)
    assert read_result(tmp_path / "power.tsv").empty and "No power curves" in (
        tmp_path / "power.svg"
    ).read_text(encoding="utf-8")


def test_allocation_writes_two_sheets_of_which_one_is_blind(tmp_path):
    inputs = {
        "animals": animals(tmp_path, [""] * 16),
        "scans": [],
        "sections": [],
        "cultures": [],
        "libraries": [],
    }
    outputs = {"allocation": "a.tsv", "layout": "l.tsv", "key": "k.tsv", "balance": "b.tsv"}
    run(tmp_path, "allocate_animals", inputs, outputs, batches=[{"name": "HE", "capacity": 6}])
    allocated, layout, key = (read_result(tmp_path / f) for f in ("a.tsv", "l.tsv", "k.tsv"))
    assert allocated.groupby(["arm", "block"]).size().tolist() == [2] * 8
    assert "arm" not in layout.columns and not layout.astype(str).isin(
        ["CTRL", "DRUG", "PRE", "POST"]
    ).any(axis=None)
    assert key.groupby("batch").size().max() <= 6 and set(key["label"]) == set(layout["label"])
    assert "largest difference of mean weights" in (tmp_path / "allocate_animals.log").read_text(
        encoding="utf-8"
    )
    first = (tmp_path / "a.tsv").read_bytes()
    run(tmp_path, "allocate_animals", inputs, outputs, batches=[{"name": "HE", "capacity": 6}])
    assert (tmp_path / "a.tsv").read_bytes() == first
