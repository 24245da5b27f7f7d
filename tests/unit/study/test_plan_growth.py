"""Planning walks each sheet once: rows found by an index are the rows that a walk finds, however often they are asked for."""

import importlib.util
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import yaml

from periomics.study import plan
from periomics.study import study as module
from periomics.study.study import load_study

ROOT = Path(__file__).resolve().parents[3]
spec = importlib.util.spec_from_file_location("growth", ROOT / "benchmarks/plan_growth.py")
growth = importlib.util.module_from_spec(spec)
spec.loader.exec_module(growth)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return growth.write_study(tmp_path_factory.mktemp("growth") / "study", 24)


def opened(config):
    return load_study(yaml.safe_load(config.read_text(encoding="utf-8")), config.parent)


def walked(study, sheet, where):
    df = study.rows(sheet)
    for column, value in where.items():
        df = df[df[column] == value] if column in df.columns else df
    return df


@pytest.mark.parametrize("name", ["config", "config/nano", "config/tiny"])
def test_rows_and_facts_are_those_of_a_walk(name):
    study = opened(ROOT / name / "config.yaml")
    asked = 0
    for sheet in ("scans", "sections", "cultures", "libraries", "imports"):
        assert len(study.rows(sheet)) == len(study.facts(sheet))
        for column in ("specimen_id", "animal_id", "section_id", "batch", "assay", "nothing"):
            for value in [*plan.ids(study, sheet, column), "absent"]:
                expected = walked(study, sheet, {column: value})
                pd.testing.assert_frame_equal(study.rows(sheet, **{column: value}), expected)
                facts = study.facts(sheet, **{column: value})
                assert [f["specimen_id"] for f in facts] == list(expected["specimen_id"])
                asked += len(facts)
        both = {"batch": "absent", "animal_id": "R01"}
        pd.testing.assert_frame_equal(study.rows(sheet, **both), walked(study, sheet, both))
    assert asked > 5


def test_what_a_caller_changes_stays_with_it(config):
    study = opened(config)
    study.facts("scans")[0]["voxel_um"] = -1
    study.rows("scans")["voxel_um"] = -1
    study.links()["x"] = "y"
    assert study.facts("scans")[0]["voxel_um"] == 18 and "x" not in study.links()
    assert (study.rows("scans")["voxel_um"] == 18).all()


def test_each_row_is_looked_at_once_however_many_jobs_ask(config, monkeypatch):
    study, looks = opened(config), []
    original = module.usable
    monkeypatch.setattr(module, "usable", lambda v: looks.append(v) or original(v))
    plan.targets(study), plan.job_counts(study)
    first = len(looks)
    for sheet, column in ((m.sheet, m.job) for m in plan.IMAGING):
        for name in plan.ids(study, sheet, column):
            study.facts(sheet, **{column: name})
            plan.batch_tables(study, **{column: name})
    plan.targets(study), plan.job_counts(study), plan.crate_files(study)
    assert len(looks) == first > 0


def test_plans_grow_in_proportion_to_the_study(tmp_path):
    seconds = []
    for n in (100, 400):
        config = growth.write_study(tmp_path / str(n), n)
        start = growth.time.process_time()
        assert growth.plan_everything(config) > 5 * n
        seconds.append(growth.time.process_time() - start)
    # Four times the animals: 16 times the seconds where every job walks the sheets.
    assert all(later < 8 * max(earlier, 0.05) for earlier, later in pairwise(seconds)), seconds
