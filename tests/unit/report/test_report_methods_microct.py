"""The methods text of micro-CT: each setting has its sentence, and a setting that a study does not use has none."""

import json

import pandas as pd
import pytest
import yaml
from report_study import DICTIONARY

from periomics.report.methods_microct import microct_sentences
from periomics.report.sources import sources

SCANS = [
    {"specimen_id": "s1", "animal_id": "a1", "path": "s1.nrrd", "batch": "day1"},
    {"specimen_id": "s2", "animal_id": "a2", "path": "s2.nrrd", "batch": "day2"},
]


@pytest.fixture
def text(tmp_path, root):
    """Sentences for the default study's settings with some of them changed; scans' rows, facts by scan, table of batches."""
    default = yaml.safe_load((root / "config/config.yaml").read_text(encoding="utf-8"))["microct"]

    def write(changed=None, scans=SCANS, facts=None, batches=None):
        config = {"microct": {**default, **(changed or {})}}
        (tmp_path / "run.json").write_text(json.dumps({"config": config}), encoding="utf-8")
        pd.DataFrame(scans).to_csv(tmp_path / "scans.tsv", sep="\t", index=False)
        for name, rows in (facts or {}).items():
            (tmp_path / "microct" / name).mkdir(parents=True, exist_ok=True)
            table = pd.DataFrame(rows, columns=["fact", "value", "source"])
            table.to_csv(tmp_path / "microct" / name / "scan.tsv", sep="\t", index=False)
        for row in batches or []:
            (tmp_path / "microct/batches").mkdir(parents=True, exist_ok=True)
            pd.DataFrame([row]).to_csv(
                tmp_path / f"microct/batches/{row['batch']}.tsv", sep="\t", index=False
            )
        files = {
            "dictionary": str(DICTIONARY),
            "record": str(tmp_path / "run.json"),
            "scans": str(tmp_path / "scans.tsv"),
        }
        return " ".join(microct_sentences(sources(files, tmp_path), {})).replace("\u202f", "")

    return write


def test_the_default_study(text):
    found = text()
    for words in (
        "2 micro-CT scans were measured",
        "Voxel size: not reported",
        "a grey value of 17000",
        "the same for every scan of the study",
        "at or above 39000 in the raw scan",
        "no density is given",
        "ring between 90 µm and 500 µm",
        "from 0 to 1000 µm from the apex",
        "shells of 90 to 200, 200 to 350, 350 to 500 µm",
        "swept from 0 to 8 voxels",
        "a surrogate and never primary",
        "read in 8 sectors",
        "54 µm wide",
        "fills 0.1 of",
        "ImageJ's plugin",
        "81 directions",
        "the largest of 1 isotropic random field",
        "varied by ±10 %",
    ):
        assert words in found, words
    for words in (
        "Otsu",
        "resample",
        "brought to",
        "by hand",
        "own files",
        "TMD",
        "connected to such",
        "None",
        "nan",
    ):
        assert words not in found, words


@pytest.mark.parametrize(
    ("changed", "words", "gone"),
    [
        (
            {"segmentation": "two_level", "bone_threshold_low": 14000},
            "every voxel from 14000 up that is connected",
            "Gaussian mean",
        ),
        (
            {"segmentation": "adaptive", "bone_threshold_low": 14000},
            "mean of its surroundings (sigma 150 µm",
            "connected to such",
        ),
        (
            {"threshold_unit": "mgHA/cm3", "bone_threshold": 450, "calibration": "header"},
            "a density of 450 mg HA/cm³",
            "grey value of",
        ),
        (
            {"calibration": "header"},
            "by the line in each scan's header. TMD is the mean",
            "no density",
        ),
        (
            {"calibration": "line", "calibration_slope": 0.05, "calibration_intercept": -200},
            "line 0.05 × grey value − 200",
            "phantom",
        ),
        (
            {"calibration": "header", "low_density_cut": 600},
            "Low-density bone lies below 600",
            "no density",
        ),
        ({"thickness_variants": False}, "are exact local thickness", "ImageJ"),
        ({"anisotropy": False}, "Connectivity", "anisotropy"),
        ({"da_noise_fields": 0}, "tDA are given beside it.", "noise floor"),
        ({"da_noise_fields": 3}, "the largest of 3 isotropic random fields", "1 isotropic"),
        ({"compartments": "dual_threshold"}, "pores up to 60 µm", "no such"),
        ({"voxels": "resample"}, "brought to cubes of their shortest edge", "no such"),
        ({"band_sweep_voxels": 4}, "swept from 0 to 4 voxels", "8 voxels"),
        ({"sectors": 12, "level_share": 0.2}, "12 sectors about the implant's axis", "8 sectors"),
        ({"implant": "none"}, "the whole scan: no implant", "artefact band of"),
    ],
)
def test_a_setting_has_its_sentence(text, changed, words, gone):
    found = text(changed)
    assert words in found
    assert gone not in found
    assert found != text()


def test_thresholds_and_lines_of_batches_are_told(text):
    rows = [
        {
            "batch": "day1",
            "bone_threshold": 16900.5,
            "slope": 0.2,
            "intercept": -190,
            "phantom": "p1",
        },
        {"batch": "day2", "bone_threshold": None, "slope": None, "intercept": None, "phantom": ""},
    ]
    found = text(
        {"threshold_rule": "otsu", "bone_threshold": None, "air_below": 9000}, batches=rows
    )
    assert "artefact band and values below 9000 (16900.5 (day1))" in found
    assert "the same for every scan of a batch" in found and "of the study" not in found
    found = text({"calibration": "phantom", "phantom_rods_mgha": [200, 800]}, batches=rows)
    assert "rods of 200, 800 mg HA/cm³: 0.2 × grey value − 190 (day1, p1)." in found


def test_what_files_say_of_the_scanner_and_not_of_storage(text):
    told = [
        ("voxel, um (z x y x x)", "18 x 18 x 18", "file"),
        ("log voltage kv", "70", "file"),
        ("log filter", "Al 0.5 mm", "file"),
        ("format", "tiff stack", "file"),
        ("medium", "not stated", "sheet"),
        ("processing", "x", "config"),
    ]
    found = text(
        facts={
            "s1": told,
            "s2": [*told[:1], ("log voltage kv", "80", "file")],
            "other": [("log scanner", "no", "file")],
        }
    )
    assert "Voxel size: 18 x 18 x 18 µm" in found
    assert "files state: voltage kv 70, 80; filter Al 0.5 mm." in found
    assert "tiff stack" not in found and "scanner no" not in found


def test_corrected_masks_name_who_and_why(text):
    scans = [SCANS[0] | {"mask": "m.nii", "mask_by": "AB", "mask_reason": "metal streak"}, SCANS[1]]
    assert "Masks of 1 of 2 scans were corrected by hand (by AB; reasons: metal streak)" in text(
        scans=scans
    )
