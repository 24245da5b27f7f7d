"""The study on real files as it is checked before a run: whole with the data, clear without them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from periomics.study.config import check_config, resolve_config
from periomics.study.plan import CHECK_TABLES
from periomics.study.study import load_study

ROOT = Path(__file__).resolve().parents[2]
SHEETS = {"scans": 2, "sections": 4, "cultures": 3, "libraries": 52}
FILES = {"scans": 2, "sections": 4, "cultures": 3, "libraries": 2}


def check(
    tmp_path: Path, folder: Path, data: Path | str | None, study: str = "real", **changes
) -> tuple[int, str]:
    """Exit status and text of the check of config/real, with changed sections of the configuration."""
    config = yaml.safe_load((ROOT / f"config/{study}/config.yaml").read_text(encoding="utf-8"))
    config = resolve_config(config | changes)
    request = {
        "config": config,
        "folder": str(folder),
        "results": str(tmp_path),
        "tables": {n: str(ROOT / "resources" / f) for n, f in CHECK_TABLES.items()},
    }
    env = {k: v for k, v in os.environ.items() if k != "PERIOMICS_DATA"} | (
        {"PERIOMICS_DATA": str(data)} if data else {}
    )
    command = [sys.executable, str(ROOT / "workflow/scripts/study/check_study.py")]
    done = subprocess.run(
        command,
        input=json.dumps(request),
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    plan = tmp_path / "check/plan.txt"
    return done.returncode, done.stderr + (
        plan.read_text(encoding="utf-8") if plan.is_file() else ""
    )


@pytest.mark.data
def test_the_check_passes_and_hides_paths_that_name_an_arm(tmp_path, data):
    status, text = check(tmp_path, ROOT / "config/real", data)
    assert status == 0, text
    assert "48 paths name an arm" in text
    assert "measure_scan: 2" in text and "measure_culture: 2" in text and "fit_bulk: 1" in text


@pytest.mark.data
def test_the_donors_pass_the_check(tmp_path, data):
    status, text = check(tmp_path, ROOT / "config/airway", data, "airway")
    assert status == 0, text
    assert "fit_bulk: 1" in text and "test_sets: 1" in text


def test_without_the_data_every_missing_file_is_named(tmp_path):
    status, text = check(tmp_path, ROOT / "config/real", None)
    assert status == 1
    for sheet, files in FILES.items():
        named = [
            line
            for line in text.splitlines()
            if f"{sheet}.tsv" in line and "does not exist" in line
        ]
        assert len(named) == files, sheet
        assert all("the environment variable PERIOMICS_DATA is not set" in line for line in named)
    assert "$PERIOMICS_DATA/microct/lhdl_3155_D_4_bc" in text


@pytest.mark.data
def test_a_scratch_without_a_pixel_size_needs_the_word_of_the_config(tmp_path, data):
    status, text = check(tmp_path, ROOT / "config/real", data, culture={"closure_h": 24})
    assert status == 1
    lines = [line for line in text.splitlines() if "states no size" in line]
    assert len(lines) == 1 and "cultures.tsv, rows 2, 3, 4, column pixel_um" in lines[0]


def test_unknown_pixel_sizes_need_the_window_in_pixels():
    config = yaml.safe_load((ROOT / "config/real/config.yaml").read_text(encoding="utf-8"))
    assert check_config(config) == []
    problems = check_config(config | {"culture": {"pixel_size": "unknown"}})
    assert len(problems) == 1 and "window_px" in str(problems[0])


@pytest.mark.data
def test_a_scan_without_a_voxel_size_is_refused(tmp_path, data):
    folder = tmp_path / "real"
    shutil.copytree(ROOT / "config/real", folder)
    sheet = folder / "scans.tsv"
    sheet.write_text(sheet.read_text(encoding="utf-8").replace("\t19.5", "\t"), encoding="utf-8")
    status, text = check(tmp_path, folder, data)
    assert status == 1 and "scans.tsv" in text and "states no size" in text


def test_no_sheet_and_no_config_holds_a_path_of_one_machine():
    for file in sorted(f for n in ("real", "airway") for f in (ROOT / f"config/{n}").rglob("*")):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            assert "/work" not in text and "/root" not in text and "../shared" not in text, file
    study = load_study(
        yaml.safe_load((ROOT / "config/real/config.yaml").read_text(encoding="utf-8")),
        ROOT / "config/real",
    )
    for sheet in SHEETS:
        assert len(study.sheets[sheet]) == SHEETS[sheet]
        assert study.sheets[sheet]["path"].str.startswith("$PERIOMICS_DATA/").all()
