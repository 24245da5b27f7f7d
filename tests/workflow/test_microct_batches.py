"""A study of three scans whose threshold and calibration come from their batch, one of them a folder of slices as NRecon leaves it:
rules scan_batch and measure_scan, numbers beside the simulated truth, and the same again within little memory."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from running import checkout, planned, snakemake

from periomics.microct.formats.readers import read_volume
from periomics.microct.formats.writers import write_volume
from periomics.simulate.microct import ScanModel, build, image, truth
from periomics.study.settings.microct import Microct

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("batches"), pytest.mark.usefixtures("nano")]
MICROCT = {
    "threshold_rule": "otsu",
    "air_below": 31,
    "implant_threshold": 152,
    "calibration": "phantom",
    "phantom_rods_mgha": [100, 800],
    "voi": {"inner_um": 90, "outer_um": 300, "axial_um": [0, 500]},
    "shells_um": [[90, 200], [200, 300]],
    "thickness_variants": False,
    "da_noise_fields": 0,
}
BVTV = {"R01-ct": 25.0, "R02-ct": 45.0}
# Of the planted phantom: mg HA/cm³ = 10 x grey - 100, at which bone (grey 85.4) has 754.
SLOPE, INTERCEPT, BONE = 10.0, -100.0, 10 * (22000 / 256 - 0.5) - 100
TARGETS = [f"results-own/microct/{s}/measurements.tsv" for s in BVTV]
LOG = "[Acquisition]\nSource Voltage (kV)= 70\nImage Pixel Size (um)=9.0\n[Reconstruction]\nPixel Size (um)=18.0\n"


def scan_of_8_bits(specimen_id):
    """A simulated scan as 8 bit slices have it, and its truth."""
    model, settings = (
        ScanModel(shape=(72, 72, 72), voxel_um=18.0, wavelength_um=300.0),
        Microct.of(MICROCT),
    )
    rng = np.random.default_rng(len(specimen_id) + int(BVTV[specimen_id]))
    specimen = build(BVTV[specimen_id], model, settings, rng)
    rows = truth(specimen, settings, 1500)
    return (image(specimen, model, rng) >> 8).astype(np.uint8), {
        (r["outcome"], r["variant"]): r["truth"] for r in rows
    }


def phantom():
    """Two rods along z (grey 20 and 90) in resin (5)."""
    y, x = np.mgrid[:72, :72]
    plane = np.full((72, 72), 5.0)
    plane[(y - 20) ** 2 + (x - 20) ** 2 < 14**2] = 20
    plane[(y - 50) ** 2 + (x - 50) ** 2 < 14**2] = 90
    noise = np.random.default_rng(0).normal(0, 1, (10, 72, 72))
    return np.clip(np.rint(plane + noise), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = checkout(tmp_path_factory.mktemp("own"))
    own = folder / "config/own"
    (own / "scans/R02").mkdir(parents=True)
    first, first_truth = scan_of_8_bits("R01-ct")
    second, second_truth = scan_of_8_bits("R02-ct")
    write_volume(first, (18.0,) * 3, own / "scans/R01.nrrd")
    write_volume(phantom(), (18.0,) * 3, own / "scans/phantom.nrrd")
    for z, plane in enumerate(second):
        Image.fromarray(plane).save(own / f"scans/R02/R02__rec{z:08d}.bmp")
    (own / "scans/R02/R02__rec.log").write_text(LOG, encoding="utf-8")
    write(
        own / "animals.tsv",
        "animal_id unit group block sex weight_g species",
        ["R01 animal CTRL day1 F 200 rat", "R02 animal DRUG day1 F 201 rat"],
    )
    rows = [
        "R01-ct R01 28 d day1 sample scans/R01.nrrd",
        "R02-ct R02 28 d day1 sample scans/R02",
        "PH  28 d day1 phantom scans/phantom.nrrd",
    ]
    write(own / "scans.tsv", "specimen_id animal_id time time_unit batch role path", rows)
    (own / "claims.yaml").write_text(
        (folder / "config/nano/claims.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    configure(folder, 4000)
    return folder, {"R01-ct": first_truth, "R02-ct": second_truth}


def write(path, header, rows):
    """A sheet from words; two spaces stand for an empty cell."""
    lines = [header.split(" "), *(r.split(" ") for r in rows)]
    path.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")


def configure(folder, memory_mb):
    import yaml

    text = {
        "study": {"name": "own", "title": "Three scans", "description": "A batch with a phantom."},
        "seed": 1,
        "results_dir": "results-own",
        "sheets": {"animals": "animals.tsv", "scans": "scans.tsv"},
        "claims": "claims.yaml",
        "roles": {"healthy": "CTRL", "disease": "DRUG", "treated": []},
        "microct": {**MICROCT, "memory_mb": memory_mb},
    }
    (folder / "config/own/config.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")


def run(folder):
    done = snakemake(
        folder, "--cores", "1", "--configfile", "config/own/config.yaml", "--", *TARGETS
    )
    return planned(done.stdout + done.stderr)


def table(folder, specimen):
    rows = pd.read_csv(
        folder / f"results-own/microct/{specimen}/measurements.tsv", sep="\t", keep_default_na=False
    )
    return rows.set_index(["outcome", "variant"])


def value(rows, *key):
    return float(rows.loc[key, "value"])


def test_batch_and_scans_against_the_truth(study):
    folder, true = study
    assert run(folder) == {"scan_batch": 1, "measure_scan": 2}
    batch = pd.read_csv(folder / "results-own/microct/batches/day1.tsv", sep="\t").iloc[0]
    assert (batch["n_scans"], batch["phantom"]) == (2, "PH")
    assert batch["bone_threshold"] == pytest.approx(
        17000 / 256, abs=5
    )  # of 8 bits, midway from soft tissue to bone
    assert batch["slope"] == pytest.approx(SLOPE, rel=0.01)
    assert batch["intercept"] == pytest.approx(INTERCEPT, abs=5)
    for specimen, wanted in true.items():
        rows = table(folder, specimen)
        assert "Otsu, pooled over the batch" in rows.loc[("bvtv", ""), "method"]
        for key in (("bvtv", ""), ("ovtv", ""), ("bvtv", "shell=90-200um")):
            assert value(rows, *key) == pytest.approx(wanted[key], abs=2), (specimen, key)
        for key in (("tbth", ""), ("tbsp", "")):
            assert value(rows, *key) == pytest.approx(wanted[key], rel=0.06), (specimen, key)
        assert value(rows, "tmd", "") == pytest.approx(BONE, rel=0.03)
        assert "phantom of the batch" in rows.loc[("tmd", ""), "method"]
        assert not {"grey_bone", "grey_voi"} & set(rows.index.get_level_values(0))
    facts = pd.read_csv(folder / "results-own/microct/R02-ct/scan.tsv", sep="\t").set_index("fact")[
        "value"
    ]
    assert facts["format"] == "image-stack" and facts["log voltage kv"] == "70"
    assert facts["voxel, um (z x y x x)"] == "18 x 18 x 18"


def test_the_same_numbers_within_little_memory(study):
    """72³ voxels in 24 MB take several slabs."""
    folder, _ = study
    run(folder)
    before = {s: table(folder, s) for s in BVTV}
    configure(folder, 24)
    run(folder)
    for specimen, wanted in before.items():
        base = folder / f"results-own/microct/{specimen}"
        facts = pd.read_csv(base / "scan.tsv", sep="\t").set_index("fact")["value"]
        assert facts["memory, MB"] == "24"
        rows = table(folder, specimen)
        assert set(rows.index) == set(wanted.index)
        for key in wanted.index:
            assert value(rows, *key) == pytest.approx(value(wanted, *key), rel=1e-6), key
        labels = read_volume(base / "labels.nii.gz")
        assert labels.array.shape == (72, 72, 72) and {1, 2, 3, 4} <= set(np.unique(labels.array))
        log = (folder / f"results-own/logs/microct/measure_scan/{specimen}.log").read_text(
            encoding="utf-8"
        )
        assert "bone: 72 of 72 planes" in log
