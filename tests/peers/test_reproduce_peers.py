"""The R script that stands beside the contrasts repeats them; R is base only."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from periomics.core.results import write_result
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.estimates import CONTRAST_COLUMNS, contrast_table
from periomics.statistics.claims.judging import verdict_table, with_family_levels
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.claims.reproduced import COLUMNS, SCRIPT, reproducible

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit/statistics"))
from studies import DICTIONARY, row, simulated

pytestmark = pytest.mark.skipif(
    shutil.which("Rscript") is None, reason="R is not installed (Debian: apt install r-base-core)"
)
CONTRASTS = {
    "C2": {"weights": {"POST": 1, "DRUG": -1}},
    "C1": {"weights": {"PRE": 1, "DRUG": -1}},
    "dose": {"weights": {"cells": 1, "none": -1}, "trend": "dose"},
    "CM": {"weights": {"medium": 1, "vehicle": -1}, "unit": "isolation"},
    "trend": {"weights": {"medium": 1, "vehicle": -1}, "trend": "dose", "unit": "isolation"},
}


def study(blocks, covariates):
    """Four arms with a missing animal, cultures with two doses, animals of four doses, an arm at 0 throughout."""
    rng = np.random.default_rng(8)
    table, sheet = simulated(seed=3)
    table = table[~((table["animal_id"] == "PRE2") & (table["outcome"] == "mvd"))]
    sheet["block"] = [f"d{int(a[-1]) % 3}" for a in sheet["animal_id"]] if blocks else ""
    sheet["weight_g"], sheet["sex"] = rng.normal(300, 20, len(sheet)).round(1), "F"
    sheet.loc[::2, "sex"] = "M"
    more, units = [], []
    for i in range(6):
        level = rng.normal(4, 0.3)
        for arm, dose, shift in (("vehicle", np.nan, 0), ("medium", 1, 0.2), ("medium", 3, 0.5)):
            value = float(np.exp(level + shift + rng.normal(0, 0.1)))
            more.append(row(f"I{i}", "scratch_rate", arm, value, dose=dose))
        units.append({"animal_id": f"I{i}", "group": "", "unit": "isolation", "block": ""})
    for i in range(16):
        dose = (np.nan, 1, 2, 4)[i % 4]
        arm = "none" if np.isnan(dose) else "cells"
        more.append(row(f"N{i}", "tbth", arm, float(np.exp(rng.normal(i % 4, 0.3))), dose=dose))
        units.append({"animal_id": f"N{i}", "group": arm, "unit": "animal", "block": ""})
    for name in ("POST", "DRUG"):
        zero = name == "POST"
        for i in range(6):
            value = 0.0 if zero else float(rng.uniform(5, 30))
            more.append(row(f"{name}{i}", "necr", name, value))
    table = pd.concat([table, pd.DataFrame(more)], ignore_index=True)
    sheet = pd.concat([sheet, pd.DataFrame(units)], ignore_index=True)
    design = {"blocks": blocks, "covariates": covariates}
    claims = [
        {
            "id": "A",
            "kind": "superiority",
            "contrast": "C2",
            "outcomes": ["bvtv", "mvd", "elac", "necr"],
            "correction": "holm",
        },
        {"id": "B", "kind": "superiority", "contrast": "C1", "outcomes": ["mvd", "neu"]},
        {"id": "D", "kind": "dose_trend", "contrast": "dose", "outcomes": ["tbth"]},
        {"id": "E", "kind": "superiority", "contrast": "CM", "outcomes": ["scratch_rate"]},
        {"id": "F", "kind": "dose_trend", "contrast": "trend", "outcomes": ["scratch_rate"]},
    ]
    plan = read_plan({"contrasts": CONTRASTS, "claims": claims, "design": design})
    return Analysis(plan, prepare(table, sheet, DICTIONARY), DICTIONARY)


def repeat(known, folder):
    """Contrasts, the values behind them, and what R says of them."""
    contrasts = with_family_levels(contrast_table(known, 1), verdict_table(known))
    values = reproducible(known, contrasts)
    write_result(contrasts, folder / "contrasts.tsv", CONTRAST_COLUMNS)
    write_result(values, folder / "reproduce.tsv", COLUMNS)
    (folder / "reproduce.R").write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(
        ["Rscript", "--vanilla", "reproduce.R"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return contrasts, values, done


ANSWERS = {"CTRL": "000000", "DRUG": "1111101", "PRE": "110110", "POST": "0010"}
GRADES = {"CTRL": "001000", "DRUG": "3443214", "PRE": "333212", "POST": "1120"}


@pytest.mark.parametrize(("blocks", "times"), [("", 1), ("ab", 1), ("", 8)])
def test_r_repeats_yes_or_no_and_grades(tmp_path, blocks, times):
    """Arms of unlike size, with and without blocks, a family by Holm, a sum of three arms; more
    than 40 animals an arm."""
    rows, sheet = [], []
    for outcome, arms in (("bone_exp", ANSWERS), ("grade", GRADES)):
        for arm, ys in arms.items():
            rows += [row(f"{arm}{i}", outcome, arm, float(y)) for i, y in enumerate(ys * times)]
    for animal in dict.fromkeys(r["animal_id"] for r in rows):
        number = int(animal.lstrip("CTRLDUGPEOS"))
        block = blocks[number % 3 // 2] if blocks else ""
        sheet.append({"animal_id": animal, "group": "", "unit": "animal", "block": block})
    grade = DICTIONARY.loc["bone_exp"].to_dict() | {
        "outcome": "grade",
        "kind": "ordinal",
        "most": 4,
    }
    dictionary = pd.concat([DICTIONARY, pd.DataFrame([grade], index=["grade"])])
    against = {
        "A": {"CTRL": 1, "DRUG": -1},
        "B": {"POST": 1, "DRUG": -1},
        "C": {"PRE": 1, "DRUG": -1},
        "D": {"PRE": 0.5, "POST": 0.5, "DRUG": -1},
    }
    claims = [
        {
            "id": name,
            "kind": "superiority",
            "contrast": name,
            "outcomes": ["bone_exp"] if name == "D" else ["bone_exp", "grade"],
            "margin": {"kind": "raw", "value": 0.3},
            "family": "f" if name != "A" else "A",
            "correction": "holm",
        }
        for name in against
    ]
    contrasts = {name: {"weights": w} for name, w in against.items()}
    plan = read_plan({"contrasts": contrasts, "claims": claims, "directions": {"grade": "-"}})
    known = Analysis(plan, prepare(pd.DataFrame(rows), pd.DataFrame(sheet), dictionary), dictionary)
    done = repeat(known, tmp_path)[2]
    assert "7 confirmatory rows" in done.stdout
    assert done.stdout.count("relabellings were drawn") == (3 if times > 1 else 0)


@pytest.mark.parametrize(
    ("blocks", "covariates"), [(False, []), (True, []), (True, ["weight_g", "sex"])]
)
def test_r_repeats_every_confirmatory_row(tmp_path, blocks, covariates):
    contrasts, values, done = repeat(study(blocks, covariates), tmp_path)
    wanted = contrasts[(contrasts["kind"] == "confirmatory") & contrasts["se"].notna()]
    assert f"{len(wanted)} confirmatory rows" in done.stdout and len(wanted) == 9
    if blocks:
        return
    # A changed value is noticed.
    values.loc[values["line"] == values["line"].iloc[0], "value"] *= 1.001
    write_result(values, tmp_path / "reproduce.tsv", COLUMNS)
    command = ["Rscript", "--vanilla", "reproduce.R"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode
