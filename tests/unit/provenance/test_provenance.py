"""Provenance: checksums, claims hash, RO-Crate entities, environments in step with the lock."""

import hashlib
import json
import re

import pandas as pd
import pytest

from periomics.core.commit import git_state
from periomics.provenance.crate import crate_metadata
from periomics.provenance.environments import (
    areas,
    environment_yaml,
    locked_versions,
    packages,
    packages_of,
)
from periomics.provenance.record import (
    claims_digest,
    input_checksums,
    run_record,
    software_versions,
)
from periomics.study.study import load_study


@pytest.fixture
def study(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.tif").write_bytes(b"pixels")
    (tmp_path / "animals.tsv").write_text(
        "animal_id\tunit\tgroup\nR1\tanimal\tA\n", encoding="utf-8"
    )
    (tmp_path / "scans.tsv").write_text(
        "specimen_id\tanimal_id\tpath\nR1-ct\tR1\traw/a.tif\n", encoding="utf-8"
    )
    config = {
        "study": {"name": "x"},
        "seed": 5,
        "sheets": {"animals": "animals.tsv", "scans": "scans.tsv"},
    }
    return load_study(config, tmp_path)


def test_checksums_are_of_the_contents(study):
    table = input_checksums(study)
    assert list(table["kind"]) == ["raw", "sheet", "sheet"]
    raw = table[table["kind"] == "raw"].iloc[0]
    assert raw["sha256"] == hashlib.sha256(b"pixels").hexdigest() and raw["bytes"] == 6


def test_lock_and_opened_key_are_inputs_too(study):
    for name, text in (("claims.lock.tsv", "x"), ("key.tsv", "code\tarm\nA\tCTRL\n")):
        (study.folder / name).write_text(text, encoding="utf-8")
    config = dict(study.config) | {"blinding": {"codes": ["A"], "key": "key.tsv"}}
    assert list(input_checksums(load_study(config, study.folder))["kind"]) == [
        "key",
        "lock",
        "raw",
        "sheet",
        "sheet",
    ]


def test_claims_digest_ignores_layout_but_not_content():
    assert claims_digest({"a": 1, "b": [1]}) == claims_digest({"b": [1], "a": 1})
    assert claims_digest({"a": 1}) != claims_digest({"a": 2})


def test_record_names_commit_and_seeds(study, root):
    record = run_record(study, root, ["simulate_design"], {})
    assert len(record["git"]["commit"]) in (18, 40)
    assert record["seeds_by_rule"]["simulate_design"] > 0
    assert git_state(study.folder)["commit"] == "not a git checkout"
    versions = software_versions().set_index("name")["version"]
    assert {"python", "periomics", "pandas", "snakemake"} <= set(versions.index)


def test_crate_describes_files_inputs_and_action(study, root, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report/report.html").write_text("<html></html>", encoding="utf-8")
    record = run_record(study, root, [], {})
    metadata = crate_metadata(
        tmp_path, ["report/report.html"], input_checksums(study), record, "A study"
    )
    entities = {e["@id"]: e for e in json.loads(json.dumps(metadata))["@graph"]}
    assert entities["report/report.html"]["encodingFormat"] == "text/html"
    assert entities["#run"]["result"] == [{"@id": "report/report.html"}]
    assert entities["#run"]["instrument"] == {"@id": "#periomics"}
    assert any(e.get("sha256") == hashlib.sha256(b"pixels").hexdigest() for e in entities.values())
    assert {"@id": "report/report.html"} in entities["./"]["hasPart"]


@pytest.mark.parametrize("area", areas())
def test_environment_is_in_step_with_the_lock(area, root):
    versions = locked_versions((root / "requirements.lock").read_text(encoding="utf-8"))
    assert (root / "envs" / f"{area}.yaml").read_text(encoding="utf-8") == environment_yaml(
        area, versions
    )


def test_lock_branches_by_python(root):
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    assert locked_versions(lock, "3.11")["scanpy"] == "1.11.5"
    assert pd.Series(locked_versions(lock, "3.12"))["scanpy"] != "1.11.5"
    assert "://" not in lock


def _declared(root) -> dict[str, str]:
    """Package → part of requirements.in that declares it."""
    part, out = "", {}
    for line in (root / "requirements.in").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            part = line
        elif line:
            out[re.split(r"[\[<>=]", line)[0].lower()] = part
    return out


def test_every_package_that_is_imported_is_declared(root):
    files = tuple((root / "workflow").rglob("*.py"))
    declared = _declared(root)
    assert [p for p in packages_of(files) if p.lower() not in declared] == []
    tests = {p for p, part in declared.items() if "tests only" in part}
    assert [p for p in packages_of(files) if p.lower() in tests] == []


def test_every_declared_package_is_used(root):
    files = (*(root / "workflow").rglob("*.py"), *(root / "tests").rglob("*.py"))
    used = {p.lower() for p in packages_of(files)}
    # Programs that are called, plugins that are found, and what another package asks for when it is used.
    called = {"snakemake", "snakemake-executor-plugin-slurm", "snakemake-logger-plugin-rich"}
    called |= {"statsmodels", "pytest-xdist", "ruff", "snakefmt", "shfmt-py", "pre-commit", "mypy"}
    called |= {"import-linter", "types-pyyaml"}
    assert set(_declared(root)) - used - called == set()


def test_formats_read_behind_a_call_are_part_of_an_environment():
    assert {"imagecodecs", "openslide-bin", "pyarrow"} <= set(packages("histology"))
    assert "igraph" in packages("singlecell")
    assert {"llvmlite", "zarr", "pillow", "edt"} <= set(packages("microct"))
