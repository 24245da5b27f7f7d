"""The tiny study end to end: every modality, every page, everything simulated recovered."""

import re
from pathlib import Path

import pytest
import yaml
from outputs_page import missing_columns, undescribed
from running import (
    ROOT,
    assert_nothing_to_do,
    assert_recovered,
    badly_declared,
    checkout,
    snakemake,
)

from periomics.core.results import read_result

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tiny"), pytest.mark.usefixtures("nano")]
TINY = ("--configfile", "config/tiny/config.yaml")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = checkout(tmp_path_factory.mktemp("tiny"))
    snakemake(folder, "--cores", "2", *TINY)
    return folder


def test_every_file_and_column_is_described(tiny):
    page = (ROOT / "docs/outputs.md").read_text(encoding="utf-8")
    assert undescribed(tiny / "results-tiny", page) == []
    assert missing_columns(tiny / "results-tiny", page) == []


def test_everything_simulated_is_recovered(tiny):
    assert_recovered(tiny, "config/tiny/config.yaml")


def test_every_claim_has_a_verdict_in_words(tiny):
    verdicts = read_result(tiny / "results-tiny/statistics/verdicts.tsv")
    declared = yaml.safe_load((ROOT / "config/claims.yaml").read_text(encoding="utf-8"))["claims"]
    assert {c["id"] for c in declared} == set(verdicts["claim_id"])
    assert (verdicts["verdict"] != "").all() and not verdicts["verdict"].str.contains(
        "nan", case=False
    ).any()


def test_report_has_a_page_for_every_modality(tiny):
    html = (tiny / "results-tiny/report/report.html").read_text(encoding="utf-8")
    for word in (
        "Micro-CT",
        "Histology",
        "Cell culture",
        "Bulk RNA-seq",
        "Single-cell",
        "Linkage",
        "Recovery",
        "simulated",
    ):
        assert word in html, word
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//[^"']+""", html), (
        "the page refers to the network"
    )


def test_a_second_run_plans_nothing(tiny):
    assert_nothing_to_do(tiny, *TINY)


def test_snakemakes_own_report_works(tiny):
    snakemake(tiny, *TINY, "--report", "results-tiny/report/snakemake.html")
    assert (tiny / "results-tiny/report/snakemake.html").stat().st_size > 100_000


def test_the_confounded_scenario_is_refused_by_name(tmp_path):
    folder = checkout(tmp_path / "confounded")
    done = snakemake(
        folder,
        "--cores",
        "1",
        "--configfile",
        "config/scenarios/confounded/config.yaml",
        check=False,
    )
    assert done.returncode != 0
    assert "batch and group are confounded" in done.stdout + done.stderr
    assert not (folder / "results-confounded/simulate/truth").exists()


def test_declared_memory_and_time_cover_what_was_measured(tiny):
    assert badly_declared(tiny, TINY[1]) == []
