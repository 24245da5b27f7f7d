"""Which arguments of Snakemake ask for a dry run, and names that would be read as patterns."""

import pytest

from periomics.study.start import dry_run
from periomics.study.study import load_study


@pytest.mark.parametrize(
    "words", ["-n", "-np", "-pn", "--dry-run", "--dryrun -c 2", "-c1 -n report", "all -nq"]
)
def test_a_dry_run_is_known(words):
    assert dry_run(words.split())


@pytest.mark.parametrize(
    "words", ["", "-c 1", "--nolock", "--notemp", "-n freeze", "report", "--unlock"]
)
def test_nothing_else_is_taken_for_one(words):
    assert not dry_run(words.split())


def test_what_has_braces_has_no_place_in_the_plan(small):
    (small.folder / "raw/{R5}.tif").write_bytes(b"x")
    (small.folder / "raw/{R6}.geojson").write_bytes(b"x")
    small.sheet("scans", "raw/R5.tif", "raw/{R5}.tif")
    small.sheet("sections", "raw/R6.geojson", "raw/{R6}.geojson")
    small.config["sheets"]["clinical"] = "cl{a}.tsv"
    small.config["results_dir"] = "results/{x}"
    study = load_study(small.config, small.folder)
    assert [len(study.rows(s)) for s in ("scans", "sections")] == [8, 8]
    assert study.sheet_file("clinical") is None and study.results == "results"


def test_a_mistyped_arm_is_named_with_the_nearest(small):
    small.claims["contrasts"]["C2"]["weights"] = {"PSOT": 1, "disease": -1}
    small.config["roles"]["treated"] = ["POTS"]
    text, usable = small.check()
    assert not usable
    assert "config, column roles/treated: no animal is in arm POTS - did you mean 'POST'?" in text
    assert "column contrasts/C2: unknown arm - did you mean 'POST'? (found 'PSOT')" in text
