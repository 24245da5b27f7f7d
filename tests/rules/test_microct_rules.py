"""The scripts of the micro-CT rules, from simulated scans to measurements, and what a broken scan leaves behind."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from periomics.core.errors import SpecimenError
from periomics.core.results import read_result
from periomics.microct.formats.readers import read_volume
from periomics.simulate.layers import TRUTH_KEY

SETTINGS = {
    "bone_threshold": 17000,
    "implant_threshold": 39000,
    "prefilter_sigma_voxels": 0.6,
    "voi": {"inner_um": 90, "outer_um": 300, "axial_um": [0, 500]},
    "shells_um": [[90, 200], [200, 300]],
}
FACTS = [
    {
        "specimen_id": "R01-ct",
        "animal_id": "R01",
        "time": 28.0,
        "time_unit": "d",
        "role": "sample",
        "name": "R01.nrrd",
    },
    {"specimen_id": "R02-ct", "animal_id": "R02", "voxel_um": 18.0, "name": "R02.tif"},
    {"specimen_id": "R03-ct", "animal_id": "R03", "voxel_um": 18.0, "name": "R03"},
]


class Named(SimpleNamespace):
    def items(self):
        return vars(self).items()

    def get(self, name):
        return vars(self).get(name)


def script(root, name):
    spec = importlib.util.spec_from_file_location("script", root / "workflow/scripts" / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def job(tmp_path, rule, threads=1, **parts):
    return SimpleNamespace(
        rule=rule,
        wildcards={},
        log=[str(tmp_path / f"{rule}.log")],
        threads=threads,
        **{k: Named(**v) for k, v in parts.items()},
    )


def simulate(root, tmp_path, threads=1):
    facts = [{**f, "path": str(tmp_path / f["name"])} for f in FACTS]
    targets = tmp_path / "targets.tsv"
    rows = [
        {"specimen_id": f["specimen_id"], "target": "bvtv", "value": 30 + 10 * i}
        for i, f in enumerate(facts)
    ]
    pd.DataFrame([*rows, {"specimen_id": "R01-ct", "target": "tbth", "value": 0.1}]).to_csv(
        targets, sep="\t", index=False
    )
    script(root, "simulate/simulate_microct.py").main(
        job(
            tmp_path,
            "simulate_microct",
            threads,
            input={"targets": str(targets)},
            output={"raw": [f["path"] for f in facts], "truth": str(tmp_path / "truth.tsv")},
            params={
                "facts": [*facts, {"specimen_id": "own", "path": "elsewhere.nrrd"}],
                "settings": {
                    "microct": {"shape": [64, 64, 64], "voxel_um": 18.0, "truth_voxels": 500}
                },
                "definitions": SETTINGS,
                "seed": 5,
            },
        )
    )
    return facts, read_result(tmp_path / "truth.tsv")


def measure(root, tmp_path, facts, on_broken="flag", settings=SETTINGS, **inputs):
    out = tmp_path / "out" / facts["specimen_id"]
    names = {
        "measurements": "measurements.tsv",
        "curves": "curves.tsv",
        "facts": "scan.tsv",
        "overlay": "overlay.png",
        "labels": "labels.nii.gz",
        "thickness": "thickness.nii.gz",
        "separation": "separation.nii.gz",
    }
    paths = {k: str(out / v) for k, v in names.items()}
    script(root, "microct/measure_scan.py").main(
        job(
            tmp_path,
            "measure_scan",
            input={"scan": facts["path"], **inputs},
            output=paths,
            params={"facts": [facts], "settings": settings, "on_broken": on_broken},
        )
    )
    return paths


def part_of(path, whole):
    """A map and its first voxel in a label map, by the places that both files state."""
    image, labels = sitk.ReadImage(path), sitk.ReadImage(whole)
    at = labels.TransformPhysicalPointToIndex(image.GetOrigin())
    return sitk.GetArrayFromImage(image), list(at[::-1])


def test_from_targets_to_measurements(root, tmp_path):
    facts, truth = simulate(root, tmp_path)
    assert not (tmp_path / "elsewhere.nrrd").exists()
    assert truth.query("outcome == 'bvtv' and variant == ''")["truth"].tolist() == pytest.approx(
        [30, 40, 50], abs=0.01
    )
    for one in facts:
        first = one is facts[0]  # laid over itself, it has neither gained nor lost bone
        paths = measure(root, tmp_path, one, **({"earlier": one["path"]} if first else {}))
        table = read_result(paths["measurements"])
        change = table[table["outcome"].isin(("formed", "resorbed", "net_bone"))]["value"]
        assert len(change) == 6 * first and (change.abs() < 0.5).all()
        joined = truth[truth["specimen_id"] == one["specimen_id"]].merge(
            table, on=list(TRUTH_KEY), how="left"
        )
        assert joined["value"].notna().all()
        assert (joined["qc"] == "pass").all()
        assert (
            table["outcome"]
            .isin(pd.read_csv(root / "resources/outcomes.tsv", sep="\t")["outcome"])
            .all()
        )
        assert set(read_result(paths["curves"])["curve"]) == {
            "bic_by_offset",
            "band_sweep_bvtv",
            "band_sweep_ovtv",
            "bvtv_by_distance",
            "bic_by_height",
            "bic_by_octant",
            "loss_by_sector",
        }
        scan_facts = read_result(paths["facts"]).set_index("fact")["value"]
        assert scan_facts["medium"] == "not stated"
        assert scan_facts["processing"].startswith("Gaussian 0.6 voxels; bone >= 17000")
        bone = joined.query("outcome == 'bvtv'")
        assert (bone["value"] - bone["truth"]).abs().max() < 2
        labels = read_volume(paths["labels"])
        assert labels.spacing_um == pytest.approx((18.0,) * 3, rel=1e-5)
        assert set(np.unique(labels.array)) == {0, 1, 2, 3, 4, 5}
        thick, low = part_of(paths["thickness"], paths["labels"])
        in_voi = np.argwhere(np.isin(labels.array, (3, 4)))  # the map holds their box
        assert low == in_voi.min(0).tolist()
        assert thick.shape == tuple(np.ptp(in_voi, axis=0) + 1)
        part = labels.array[tuple(slice(a, a + n) for a, n in zip(low, thick.shape, strict=True))]
        mean = table.query("outcome == 'tbth' and variant == ''")["value"].item()
        assert thick[part == 3].mean(dtype=float) == pytest.approx(mean, rel=1e-5)
        assert not thick[part != 3].any()


def test_processes_do_not_change_the_data(root, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    a, truth_a = simulate(root, tmp_path / "one", threads=1)
    b, truth_b = simulate(root, tmp_path / "two", threads=2)
    assert truth_a.equals(truth_b)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(
            read_volume(x["path"], 18).array, read_volume(y["path"], 18).array
        )


def test_broken_scans_leave_rows_with_a_reason_and_valid_files(root, tmp_path):
    from periomics.microct.formats.writers import write_volume

    facts = {"specimen_id": "bad", "animal_id": "R09", "path": str(tmp_path / "bad.nrrd")}
    write_volume(np.full((20, 20, 20), 9000, np.uint16), (18.0,) * 3, facts["path"])
    paths = measure(root, tmp_path, facts)
    table = read_result(paths["measurements"])
    assert set(table["outcome"]) == {
        "bvtv",
        "bv",
        "tv",
        "tbth",
        "tbth_sd",
        "tbsp",
        "tbsp_sd",
        "bs",
        "bs_bv",
        "bs_tv",
        "tbn",
        "conn",
        "euler",
        "smi",
        "da",
        "grey_bone",
        "grey_voi",
        "ovtv",
        "bic_ct",
        "ridge",
        "insertion",
    }
    assert (table["qc"] == "fail").all()
    assert table["qc_reason"].str.contains("no implant found").all()
    assert table["value"].isna().all()
    labels = read_volume(paths["labels"])
    assert labels.array.shape == (20, 20, 20)
    assert not labels.array.any()
    with pytest.raises(SpecimenError, match="no implant"):
        measure(root, tmp_path, facts, on_broken="stop")
    (tmp_path / "bad.nrrd").write_bytes(b"NRRD0004\nrubbish")
    table = read_result(measure(root, tmp_path, facts)["measurements"])
    assert table["qc_reason"].str.contains("cannot be read as nrrd").all()
    assert "cannot be read" in (tmp_path / "measure_scan.log").read_text(encoding="utf-8")


def test_threshold_of_the_batch_and_a_corrected_mask(root, tmp_path):
    """Otsu over the pooled scans reaches the measurement; a label map put back as the mask leaves the numbers alone."""
    facts, truth = simulate(root, tmp_path)
    settings = {
        **SETTINGS,
        "bone_threshold": None,
        "threshold_rule": "otsu",
        "air_below": 8000,
        "anisotropy": False,
    }
    batch = str(tmp_path / "day.tsv")
    made = job(
        tmp_path,
        "scan_batch",
        output={"batch": batch},
        params={"facts": facts, "settings": settings},
    )
    made.wildcards = Named(batch="day")
    script(root, "microct/scan_batch.py").main(made)
    row = read_result(batch).iloc[0]
    assert row["n_scans"] == 3 and abs(row["bone_threshold"] - 17000) < 1500
    paths = measure(root, tmp_path, facts[0], settings=settings, batch=batch)
    table = read_result(paths["measurements"]).set_index(["outcome", "variant"])
    assert (table["qc"] == "pass").all()
    assert table["method"].str.contains("Otsu, pooled over the batch").all()
    wanted = truth.query("specimen_id == 'R01-ct' and outcome == 'bvtv' and variant == ''")[
        "truth"
    ].item()
    assert abs(table.loc[("bvtv", ""), "value"] - wanted) < 2
    drawn = {**facts[0], "mask_by": "AB", "mask_reason": "none"}
    mask = str(tmp_path / "mask.nii.gz")
    (tmp_path / "mask.nii.gz").write_bytes((tmp_path / "out/R01-ct/labels.nii.gz").read_bytes())
    again = read_result(
        measure(root, tmp_path, drawn, settings=settings, batch=batch, mask=mask)["measurements"]
    )
    again = again.set_index(["outcome", "variant"])
    for key in (("bvtv", ""), ("tbth", ""), ("ridge", ""), ("ovtv", "")):
        assert again.loc[key, "value"] == table.loc[key, "value"]
    assert "by AB" in again.loc[("bvtv", ""), "method"]
    assert again.loc[("bvtv", "mask=before"), "value"] == table.loc[("bvtv", ""), "value"]


def test_a_phantom_is_not_measured(root, tmp_path):
    from periomics.microct.formats.writers import write_volume

    facts = {"specimen_id": "ph", "role": "phantom", "path": str(tmp_path / "ph.nrrd")}
    write_volume(np.zeros((6, 7, 8), np.uint16), (18.0,) * 3, facts["path"])
    paths = measure(root, tmp_path, facts)
    assert read_result(paths["measurements"]).empty
    assert "phantom" in read_result(paths["facts"])["value"].item()
