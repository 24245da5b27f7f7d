"""Power and allocation of a study that has animals and claims and nothing else: made by name, before anything is measured."""

import shutil
from pathlib import Path

import pytest
import yaml
from outputs_page import missing_columns, undescribed
from running import ROOT, checkout, snakemake

from periomics.study.config import resolve_config
from periomics.study.plan import before_data, targets
from periomics.study.study import load_study


def test_power_and_allocation_are_no_part_of_a_full_run():
    config = resolve_config(
        yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    )
    found = targets(load_study(config, ROOT / "config"))
    assert not set(found["all"]) & set(found["power"] + found["allocate"])
    assert before_data(["power", "allocate"]) and before_data(["freeze"])
    assert not before_data([]) and not before_data(["power", "all"])


@pytest.mark.slow
def test_a_study_is_planned_before_it_has_data(tmp_path):
    folder = checkout(tmp_path / "w")
    mine = folder / "next"
    mine.mkdir()
    shutil.copy(ROOT / "config/claims.yaml", mine)
    rows = [
        f"R{i:02d}\tanimal\t\tday{i % 3}\t{'FM'[i % 2]}\t{170 + 3 * (i * 7 % 11)}"
        for i in range(24)
    ]
    (mine / "animals.tsv").write_text(
        "animal_id\tunit\tgroup\tblock\tsex\tweight_g\n" + "\n".join(rows) + "\n", encoding="utf-8"
    )
    config = {
        "study": {"name": "next"},
        "seed": 3,
        "results_dir": "results-next",
        "sheets": {"animals": "animals.tsv"},
        "claims": "claims.yaml",
        "roles": {"healthy": "CTRL", "disease": "DRUG", "treated": ["PRE", "POST"]},
        "planning": {
            "simulations": 100,
            "n": [3, 5],
            "n_limit": 8,
            "batches": [{"name": "scans", "capacity": 8}],
        },
    }
    (mine / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    snakemake(folder, "--cores", "1", "--configfile", "next/config.yaml", "--", "power", "allocate")
    results = folder / "results-next"
    page = Path(ROOT / "docs/outputs.md").read_text(encoding="utf-8")
    assert undescribed(results, page) == [] and missing_columns(results, page) == []
    assert {p.name for p in (results / "planning").iterdir()} == {
        "allocation.tsv",
        "layout.tsv",
        "layout_key.tsv",
        "balance.tsv",
    }
    assert (results / "statistics/power.tsv").stat().st_size > 0
