"""The nano study frozen, changed, unblinded, and run with coded groups."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from outputs_page import missing_columns, undescribed
from running import ROOT, checkout, planned, snakemake, tables

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("frozen")]
NANO = ("--configfile", "config/nano/config.yaml")
LOCK, CLAIMS, ANIMALS = (
    Path("config/nano") / f for f in ("claims.lock.tsv", "claims.yaml", "animals.tsv")
)
STATISTICS = Path("results-nano/statistics")
# Areas of which no job knows a claim.
MEASURED = ("simulate", "microct", "histology")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def rows(path: Path) -> list[dict[str, str]]:
    header, *lines = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return [dict(zip(header, line, strict=True)) for line in lines]


@pytest.fixture(scope="module")
def whole(nano, tmp_path_factory) -> Path:
    """The nano study with one claim that has a margin: frozen before there was any file, then measured as ever, and run."""
    folder = checkout(tmp_path_factory.mktemp("frozen"))
    claims = yaml.safe_load((folder / CLAIMS).read_text(encoding="utf-8"))
    claims["claims"].append(
        {"id": "C1", "kind": "superiority", "contrast": "C0", "outcomes": ["bvtv"]}
    )
    (folder / CLAIMS).write_text(yaml.safe_dump(claims, sort_keys=False), encoding="utf-8")
    snakemake(folder, "freeze", "--cores", "1", *NANO)
    assert not [p for a in MEASURED for p in (folder / "results-nano" / a).rglob("*.*")]
    for area in MEASURED:
        shutil.copytree(nano / "results-nano" / area, folder / "results-nano" / area)
    shutil.copytree(nano / ".snakemake", folder / ".snakemake", dirs_exist_ok=True)
    done = snakemake(folder, "--cores", "2", *NANO)
    jobs = planned(done.stdout + done.stderr)
    assert jobs["judge_claims"] == jobs["write_report"] == 1 and "measure_scan" not in jobs
    return folder


def copied(whole: Path, folder: Path) -> Path:
    shutil.copytree(whole, folder, symlinks=True)
    return folder


def test_a_run_never_writes_the_lock(whole):
    lock = (whole / LOCK).read_bytes()
    assert {r["event"] for r in rows(whole / LOCK)} == {"frozen"}
    done = snakemake(whole, "freeze", "--cores", "1", *NANO)
    assert "nothing changed since the claims were last frozen" in done.stdout + done.stderr
    assert (whole / LOCK).read_bytes() == lock
    assert rows(whole / STATISTICS / "deviations.tsv") == []
    page = (whole / "results-nano/report/report.html").read_text(encoding="utf-8")
    assert "Claims frozen" in page and "before there was any verdict in the results folder" in page


def test_a_changed_margin_is_listed_with_its_effect(whole, tmp_path):
    folder = copied(whole, tmp_path / "margin")
    edit(folder / CLAIMS, "value: 0.8", "value: 80")
    snakemake(folder, "--cores", "2", *NANO)
    found = rows(folder / STATISTICS / "deviations.tsv")
    assert [(r["item"], r["change"], r["claim_id"], r["outcome"], r["effect"]) for r in found] == [
        ("margin", "value changed from 0.8 to 80", "C1", "bvtv", "the verdict differs")
    ]
    page = (folder / "results-nano/report/report.html").read_text(encoding="utf-8")
    assert "value changed from 0.8 to 80" in page and "the verdict differs" in page


def test_inputs_that_change_after_the_unblinding_are_listed(whole, tmp_path):
    folder = copied(whole, tmp_path / "unblinded")
    snakemake(folder, "unblind", "--cores", "1", *NANO)
    exclusions = (
        "level\tid\tmodality\treason\tdate\tby\tblind\nanimal\tR01\t\tlost\t2026-01-01\tx\tno\n"
    )
    (folder / "config/nano/exclusions.tsv").write_text(exclusions, encoding="utf-8")
    edit(
        folder / "config/nano/config.yaml",
        "  clinical: clinical.tsv",
        "  clinical: clinical.tsv\n  exclusions: exclusions.tsv",
    )
    snakemake(folder, "statistics", "--cores", "2", *NANO)
    found = rows(folder / STATISTICS / "deviations.tsv")
    assert {"sheets/exclusions", "config/sheets", "all together"} == {r["item"] for r in found}
    differs = [r for r in found if r["item"] == "all together"]
    assert differs and {r["verdict_now"] for r in differs} == {"not judged"}, (
        "two animals per arm are too few for a verdict"
    )


def test_a_coded_study_is_judged_when_its_key_is_opened_and_not_measured_again(whole, tmp_path):
    folder = copied(whole, tmp_path / "coded")
    (folder / LOCK).unlink()
    edit(folder / ANIMALS, "\tCTRL\t", "\tB\t")
    edit(folder / ANIMALS, "\tDRUG\t", "\tA\t")
    with (folder / "config/nano/config.yaml").open("a", encoding="utf-8") as config:
        config.write("blinding: {codes: [A, B], key: key.tsv}\n")
    snakemake(folder, "freeze", "--cores", "1", *NANO)
    snakemake(folder, "--cores", "2", *NANO)
    closed = rows(folder / STATISTICS / "verdicts.tsv")
    assert {(r["verdict"], r["reason"]) for r in closed} == {
        ("not judged", "groups are coded; the key has not been opened")
    }
    assert (
        rows(folder / STATISTICS / "contrasts.tsv") == []
        and rows(folder / STATISTICS / "rescue.tsv") == []
    )
    assert {r["condition"] for r in rows(folder / "results-nano/outcomes/animals.tsv")} == {
        "A",
        "B",
    }
    page = (folder / "results-nano/report/report.html").read_text(encoding="utf-8")
    assert "Key not opened: groups are coded (A, B) and no claim is judged" in page
    refused = snakemake(folder, "unblind", "--cores", "1", *NANO, check=False)
    assert refused.returncode and "the key has not been opened" in refused.stdout + refused.stderr

    (folder / "config/nano/key.tsv").write_text("code\tarm\nA\tDRUG\nB\tCTRL\n", encoding="utf-8")
    out = snakemake(folder, "--cores", "1", "--dry-run", *NANO)
    jobs = planned(out.stdout + out.stderr)
    assert jobs["decode_groups"] == 1 and not [
        j for j in jobs if j.startswith(("measure_", "simulate_", "stain_"))
    ], jobs
    snakemake(folder, "unblind", "--cores", "2", *NANO)
    snakemake(folder, "--cores", "2", *NANO)
    for area in ("statistics", "outcomes", "microct", "histology"):
        assert tables(folder / "results-nano" / area) == tables(whole / "results-nano" / area), area
    page = (folder / "results-nano/report/report.html").read_text(encoding="utf-8")
    assert "before the key was opened; key opened" in page.replace("Claims", "claims").replace(
        "Key opened", "key opened"
    )
    described = (ROOT / "docs/outputs.md").read_text(encoding="utf-8")
    assert (
        undescribed(folder / "results-nano", described)
        == []
        == missing_columns(folder / "results-nano", described)
    )


def test_an_edited_lock_stops_the_run_with_its_row(whole, tmp_path):
    folder = copied(whole, tmp_path / "edited")
    edit(folder / LOCK, '{"kind":"sd","value":0.8}', '{"kind":"sd","value":80}')
    os.utime(folder / LOCK)
    done = snakemake(folder, "--cores", "1", *NANO, check=False)
    assert (
        done.returncode
        and "claims.lock.tsv, row 3, column sha256: the content does not fit its digest"
        in done.stdout + done.stderr
    )
