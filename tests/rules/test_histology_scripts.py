"""The three scripts of the area, run as a rule would run them, on a small simulated study."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "histology"))

from histology_study import STAINS, facts_of, run_animal, run_batch, simulate

from periomics.core.errors import InputError, SpecimenError
from periomics.core.results import read_result
from periomics.imaging.rois import read_geojson
from periomics.simulate.layers import TRUTH_KEY
from periomics.study.measurements import COLUMNS, validate


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("histology")
    facts = facts_of(folder, ("R1", "R2"))
    truth = simulate(folder, facts)
    batch = run_batch(folder, facts)
    return (
        folder,
        facts,
        truth,
        batch,
        {a: run_animal(folder, facts, a, [batch]) for a in ("R1", "R2")},
    )


def test_truth_joins_the_measurements_one_to_one(study):
    _, _, truth, _, results = study
    found = pd.concat([read_result(r / "measurements.tsv") for r in results.values()])
    both = truth.merge(found, on=list(TRUTH_KEY), how="left", validate="one_to_one")
    assert len(both) == len(truth) == 2 * 6
    assert both["value"].notna().all()
    exact = both[both["outcome"].isin(["elac", "ln332"])]
    assert (
        exact["value"] - exact["truth"]
    ).abs().max() <= 6  # some 15 lacunae a section of this size


def test_measurements_keep_the_interface(study):
    _, _, _, _, results = study
    for animal, folder in results.items():
        table = read_result(folder / "measurements.tsv")
        assert tuple(table.columns) == COLUMNS
        validate(table)
        assert set(table["animal_id"]) == {animal}
        assert set(table["modality"]) == {"histology"}
        assert (table["time"] == 28).all()
        assert set(table["outcome"]) == {
            "mvd",
            "va",
            "vd",
            "neu",
            "neu_area",
            "elac",
            "elac_area",
            "necr",
            "necr_excess",
            "ln332",
            "ln332_gaps",
        }
        assert table["denominator"].notna().all()


def test_pictures_objects_and_geojson_stand(study):
    _, facts, _, _, results = study
    folder = results["R1"]
    objects = pd.read_parquet(folder / "objects.parquet")
    names = sorted(f["section_id"] for f in facts if f["animal_id"] == "R1")
    assert set(objects["section_id"]) <= set(names)
    assert sorted(p.name for p in (folder / "sections").iterdir()) == sorted(
        [f"{n}{s}" for n in names for s in (".geojson", ".html", ".png")]
        + [f"{n}.strip.png" for n in names if "LN332" in n]
    )
    assert np.asarray(Image.open(folder / "overlays.png")).std() > 10
    for name in names:
        features = json.loads(
            (folder / "sections" / f"{name}.geojson").read_text(encoding="utf-8")
        )["features"]
        assert len(features) == (objects["section_id"] == name).sum()
        assert (
            read_geojson(folder / "sections" / f"{name}.geojson") == []
        )  # detections, no annotations


def test_batch_table_has_a_row_a_stain(study):
    table = read_result(study[3])
    assert list(table.columns[:9]) == [
        "stain",
        "white_r",
        "white_g",
        "white_b",
        "vectors",
        "threshold",
        "rule",
        "n_sections",
        "source",
    ]
    assert sorted(table["stain"]) == sorted(STAINS)
    assert (table["n_sections"] == 2).all()


def test_two_processes_write_the_same_files(study, tmp_path):
    folder, facts, truth, _, _ = study
    moved = [
        {
            **f,
            "path": f["path"].replace(str(folder), str(tmp_path)),
            "rois": f["rois"].replace(str(folder), str(tmp_path)),
        }
        for f in facts
    ]
    again = simulate(tmp_path, moved, threads=2)
    pd.testing.assert_frame_equal(truth, again)
    for one, two in zip(facts, moved, strict=True):
        for column in ("path", "rois"):
            assert Path(one[column]).read_bytes() == Path(two[column]).read_bytes()


def test_a_second_run_is_equal(study, tmp_path):
    folder, facts, _, batch, results = study
    again = run_animal(tmp_path, facts, "R1", [batch])
    assert (again / "measurements.tsv").read_bytes() == (
        results["R1"] / "measurements.tsv"
    ).read_bytes()
    pd.testing.assert_frame_equal(
        pd.read_parquet(again / "objects.parquet"),
        pd.read_parquet(results["R1"] / "objects.parquet"),
    )
    assert folder != tmp_path


@pytest.fixture
def broken(study, tmp_path):
    """R1 with a cut-off image, regions without the bone, and a field without a pixel size."""
    _, facts, _, batch, _ = study
    mine = [dict(f) for f in facts if f["animal_id"] == "R1"]
    by = {f["stain"]: f for f in mine}
    path = tmp_path / "cut.ome.tif"
    path.write_bytes(Path(by["CD31"]["path"]).read_bytes()[:2000])
    by["CD31"]["path"] = str(path)
    rois = json.loads(Path(by["HE"]["rois"]).read_text(encoding="utf-8"))
    for feature in rois["features"]:
        feature["properties"]["classification"]["name"] = feature["properties"]["classification"][
            "name"
        ].replace("bone", "bones")
    by["HE"]["rois"] = str(tmp_path / "he.geojson")
    Path(by["HE"]["rois"]).write_text(json.dumps(rois), encoding="utf-8")
    png = tmp_path / "mpo.png"
    Image.fromarray(np.full((60, 60, 3), 200, np.uint8)).save(png)
    by["MPO"]["path"] = str(png)
    return mine, batch


def test_broken_sections_are_rows_with_a_reason_and_the_others_stand(broken, tmp_path):
    facts, batch = broken
    out = run_animal(tmp_path, facts, "R1", [batch])
    table = read_result(out / "measurements.tsv")
    failed = table[table["qc"] == "fail"].groupby("section_id")["qc_reason"].first()
    assert sorted(failed.index) == ["R1-CD31-1", "R1-HE-1", "R1-MPO-1"]
    assert "cut.ome.tif" in failed["R1-CD31-1"]
    assert "did you mean 'bones'" in failed["R1-HE-1"]
    assert "no pixel size in the file and none in the sheet" in failed["R1-MPO-1"]
    assert table.loc[table["section_id"] == "R1-LN332-1", "qc"].eq("pass").all()
    assert (out / "sections" / "R1-HE-1.png").exists()
    assert set(table.loc[table["section_id"] == "R1-CD31-1", "outcome"]) == {"mvd", "va", "vd"}


def test_stop_stops_and_leaves_nothing(broken, tmp_path):
    facts, batch = broken
    with pytest.raises((InputError, SpecimenError), match=r"cut\.ome\.tif"):
        run_animal(tmp_path, facts, "R1", [batch], on_broken="stop")
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").rglob("*.tsv"))


def test_a_batch_leaves_broken_sections_out_and_says_so(broken, study, tmp_path):
    facts = broken[0] + [f for f in study[1] if f["animal_id"] == "R2"]
    table = read_result(run_batch(tmp_path, facts)).set_index("stain")
    assert table["n_sections"].to_dict() == {"CD31": 1, "HE": 1, "LN332": 2, "MPO": 1}
    assert "left out of its batch" in (tmp_path / "stain_batch.log").read_text(encoding="utf-8")


def test_fields_of_a_section_are_rows_of_level_field(study, tmp_path):
    _, facts, _, batch, _ = study
    one = dict(next(f for f in facts if f["stain"] == "MPO"))
    rows = []
    for field in ("F1", "F2"):
        copy = tmp_path / f"{field}.ome.tif"
        shutil.copy(one["path"], copy)
        rows.append({**one, "field_id": field, "path": str(copy)})
    out = run_animal(tmp_path, rows, "R1", [batch])
    table = read_result(out / "measurements.tsv")
    assert set(table["level"]) == {"field"}
    assert set(table["field_id"]) == {"F1", "F2"}
    assert (out / "sections" / "R1-MPO-1_F2.geojson").exists()


def test_unknown_stain_or_batch_is_the_studys_mistake(study, tmp_path):
    _, facts, _, batch, _ = study
    fact = dict(facts[0])
    with pytest.raises(InputError, match="did you mean 'CD31'"):
        run_animal(tmp_path, [{**fact, "stain": "CD13"}], "R1", [batch])
    with pytest.raises(InputError, match="no row of its stain in a batch table"):
        run_animal(tmp_path, [{**fact, "batch": "B"}], "R1", [batch])


def test_a_specimen_without_a_target_is_named(tmp_path):
    facts = facts_of(tmp_path)
    from periomics.simulate.histology_files import section_jobs

    targets = pd.DataFrame(
        {"specimen_id": ["R1-tissue"], "animal_id": ["R1"], "target": ["mvd"], "value": [80.0]}
    )
    with pytest.raises(InputError, match="no target 'neu' for specimen R1-tissue"):
        section_jobs(facts, targets, {}, 1)


def test_a_large_slide_is_read_in_part_with_the_same_result(study, tmp_path, monkeypatch):
    """Memory follows the region: numbers and absolute coordinates are those of the whole image."""
    from periomics.histology import sections

    _, facts, _, batch, results = study
    monkeypatch.setattr(sections, "LARGE_PIXELS", 1000)
    monkeypatch.setattr(sections, "AROUND_UM", 12.0)
    seen = []
    cut = sections._part
    monkeypatch.setattr(sections, "_part", lambda *given: seen.append(cut(*given)) or seen[-1])
    out = run_animal(tmp_path, facts, "R1", [batch])
    assert len(seen) == 4
    assert all(
        width * height < 400 * 400 and left > 0 for left, _, width, height in seen[:1] + seen[3:]
    )
    whole, part = (pd.read_parquet(f / "objects.parquet") for f in (results["R1"], out))
    whole, part = (
        t[t["counted"]].reset_index(drop=True).drop(columns="object_id") for t in (whole, part)
    )
    pd.testing.assert_frame_equal(whole, part, rtol=1e-4, atol=1e-3)
    whole, part = (read_result(f / "measurements.tsv") for f in (results["R1"], out))
    pd.testing.assert_frame_equal(whole, part, rtol=1e-6)
