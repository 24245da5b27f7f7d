"""Every study in config/, planned but not run: arithmetic, blinding, stages, logs."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from running import ROOT, environment

from periomics.study.config import resolve_config
from periomics.study.plan import job_counts
from periomics.study.sheets import SPECIMEN_SHEETS
from periomics.study.stages import STAGES, stage
from periomics.study.study import Study, load_study

STUDIES = sorted((ROOT / "config").rglob("config.yaml"))
NAMES = [p.parent.relative_to(ROOT).as_posix() for p in STUDIES]
TARGETS = {"all", "default"}


def study_of(config: Path) -> Study:
    text = config.read_text(encoding="utf-8")
    return load_study(resolve_config(yaml.safe_load(text)), config.parent)


@cache
def jobs_of(config: Path) -> list[dict]:
    """Planned jobs of a study from scratch (results of the checkout do not matter: everything is forced)."""
    found, said = planned()
    assert config in found, said
    return [j for j in found[config] if j["rule"] not in TARGETS]


@cache
def planned() -> tuple[dict[Path, list[dict]], str]:
    """Jobs of every study that can be planned, and what was said."""
    command = [sys.executable, str(ROOT / "tests/workflow/dag_jobs.py")]
    done = subprocess.run(
        command + [str(p.relative_to(ROOT)) for p in STUDIES],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    lines = [x.removeprefix("JOBS") for x in done.stdout.splitlines() if x.startswith("JOBS")]
    plans = (json.loads(line) for line in lines)
    return {Path(name): jobs for name, jobs in plans}, done.stdout + done.stderr


def leaves(value: object) -> list[str]:
    if isinstance(value, dict):
        return [x for k, v in value.items() for x in [str(k), *leaves(v)]]
    if isinstance(value, list | tuple):
        return [x for v in value for x in leaves(v)]
    return [str(value)]


@pytest.fixture(params=STUDIES, ids=NAMES)
def config(request) -> Path:
    path = request.param
    study = study_of(path)
    if not any(len(study.sheets[s]) for s in SPECIMEN_SHEETS):
        pytest.skip("a template without specimens")
    if study.missing_files:
        pytest.skip("real files of this study are absent: set PERIOMICS_DATA")
    return path


def test_the_plan_counts_what_a_dry_run_counts(config):
    planned: dict[str, int] = {}
    for job in jobs_of(config):
        planned[job["rule"]] = planned.get(job["rule"], 0) + 1
    assert planned == {k: v for k, v in job_counts(study_of(config)).items() if v}


def test_measuring_jobs_cannot_know_arms(config):
    study = study_of(config)
    arms = {a.casefold() for a in study.arms}
    hidden = {str(study.sheet_file("animals")), str(study.claims_file())}
    seen = 0
    for job in jobs_of(config):
        if stage(job["rule"]) != "measure":
            continue
        seen += 1
        assert not {Path(f).as_posix() for f in job["input"]} & {
            str(Path(h).relative_to(ROOT)) for h in hidden if h != "None"
        }, job["rule"]
        assert not [f for f in job["input"] if "/statistics/" in f or "contrasts" in f], job["rule"]
        told = [
            x for x in [*leaves(job["params"]), *leaves(job["wildcards"])] if x.casefold() in arms
        ]
        assert not told, (job["rule"], told)
    assert seen > 0


def test_every_rule_has_stage_log_message_and_environment(config):
    for job in jobs_of(config):
        assert job["rule"] in STAGES
        assert job["log"], f"{job['rule']} has no log"
        assert job["message"], f"{job['rule']} has no message"
        assert job["conda"], f"{job['rule']} has no conda environment"


def test_measure_scripts_do_not_read_the_configuration():
    for rule, kind in STAGES.items():
        if kind != "measure":
            continue
        found = list((ROOT / "workflow/scripts").glob(f"*/{rule}.py"))
        assert len(found) <= 1, rule
        for script in found:
            assert "snakemake.config" not in script.read_text(encoding="utf-8"), rule


def test_script_and_rule_share_their_name():
    for job in (j for path in STUDIES[:1] for j in jobs_of(path)):
        if job["script"]:
            assert Path(job["script"]).stem == job["rule"]


def test_checkout_lists_every_file_of_the_library():
    from periomics.core.listing import library_files

    folder = ROOT / "workflow/scripts"
    listed = (folder / "periomics/files.txt").read_text(encoding="utf-8").split()
    assert listed == library_files(folder), "run `make files`"
