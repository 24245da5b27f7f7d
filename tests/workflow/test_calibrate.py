"""The quick form of the calibration: the toy study's own claims and animals, 200 studies per scenario, every bound held."""

import shutil

import pandas as pd
import pytest
import yaml
from outputs_page import missing_columns, undescribed
from running import ROOT, assert_nothing_to_do, checkout, snakemake


@pytest.mark.slow
def test_the_default_claims_hold_their_bounds(tmp_path):
    folder = checkout(tmp_path / "w")
    mine = folder / "quick"
    mine.mkdir()
    for name in ("claims.yaml", "animals.tsv"):
        shutil.copy(ROOT / "config" / name, mine)
    toy = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    config = {k: toy[k] for k in ("study", "seed", "claims", "roles", "planning")} | {
        "results_dir": "results-quick",
        "sheets": {"animals": "animals.tsv"},
        "calibration": {"studies": 200, "sizes": [3, 10]},
    }
    (mine / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    wanted = ("--configfile", "quick/config.yaml", "--", "calibrate")
    done = snakemake(folder, "--cores", "2", *wanted)
    assert "of 14 steps" in done.stdout + done.stderr
    table = pd.read_csv(
        folder / "results-quick/statistics/calibration.tsv", sep="\t", keep_default_na=False
    )
    bounded = table[table["within"] != ""]
    assert len(bounded) > 1500 and bounded["within"].eq("yes").all(), bounded[
        bounded["within"] == "no"
    ]
    assert {
        "as_planned",
        "null_all",
        "boundary_0.8",
        "cv",
        "counts",
        "toward_control",
        "null_treatment_n10",
    } <= set(table["scenario"])
    assert (table.loc[table["quantity"] == "coverage", "studies"].astype(float) <= 200).all()
    page = (ROOT / "docs/outputs.md").read_text(encoding="utf-8")
    assert (
        undescribed(folder / "results-quick", page) == []
        and missing_columns(folder / "results-quick", page) == []
    )
    assert_nothing_to_do(folder, *wanted)
