"""The nano study, run for real: whole, resumable, deterministic, lazy."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from outputs_page import missing_columns, undescribed
from running import (
    ROOT,
    assert_nothing_to_do,
    assert_recovered,
    checkout,
    environment,
    planned,
    snakemake,
    tables,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nano")]
NANO = ("--configfile", "config/nano/config.yaml")
EDIT = "\nEDITED = True\n"


@pytest.fixture(scope="session")
def whole(nano) -> Path:
    """A folder in which the nano study was run on two cores."""
    return nano


def test_results_are_complete(whole):
    results = whole / "results-nano"
    for name in (
        "check/plan.txt",
        "outcomes/animals.tsv",
        "statistics/verdicts.tsv",
        "report/report.html",
        "recovery.tsv",
        "provenance/run.json",
        "ro-crate-metadata.json",
    ):
        assert (results / name).stat().st_size > 0, name
    logs = list((results / "logs").rglob("*.log"))
    assert logs and all(p.stat().st_size > 0 for p in logs)


def test_every_file_and_column_is_described(whole):
    page = (ROOT / "docs/outputs.md").read_text(encoding="utf-8")
    assert undescribed(whole / "results-nano", page) == []
    assert missing_columns(whole / "results-nano", page) == []


def test_everything_simulated_is_recovered(whole):
    assert_recovered(whole, "config/nano/config.yaml")


def test_a_second_run_plans_nothing(whole):
    assert_nothing_to_do(whole, *NANO)


def test_a_killed_run_resumes_on_one_core_to_the_same_tables(whole, tmp_path):
    folder = checkout(tmp_path / "killed")
    command = [sys.executable, "-m", "periomics.study.run", "--cores", "1", *NANO]
    env = environment() | {"PYTHONPATH": str(folder / "workflow/scripts")}
    running = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    done = folder / "results-nano/microct"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(list(done.glob("*/measurements.tsv"))) < 2:
        time.sleep(0.2)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (folder / "results-nano/report/report.html").exists()
    again = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert again.returncode == 0, again.stderr[-6000:]
    assert "interrupted" in again.stdout, "the stale lock was not noticed"
    assert tables(folder / "results-nano") == tables(whole / "results-nano")


def test_two_runs_into_one_folder_exclude_each_other(whole):
    import fcntl

    with (whole / "results-nano/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, "-m", "periomics.study.run", "--cores", "1", *NANO]
        env = environment() | {"PYTHONPATH": str(whole / "workflow/scripts")}
        done = subprocess.run(
            command,
            cwd=whole,
            env=env,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
    assert done.returncode == 1 and "another run works in results-nano/" in done.stderr


def dry(folder: Path) -> dict[str, int]:
    out = snakemake(folder, "--cores", "1", "--dry-run", *NANO)
    return {
        k: v for k, v in planned(out.stdout + out.stderr).items() if k not in ("all", "default")
    }


def test_editing_a_library_module_reruns_its_users_only(whole, tmp_path):
    folder = tmp_path / "edited"
    shutil.copytree(whole, folder, symlinks=True)
    module = folder / "workflow/scripts/periomics/microct/thickness.py"
    before = module.read_text(encoding="utf-8")
    module.write_text(before + EDIT, encoding="utf-8")
    rerun = dry(folder)
    assert rerun["measure_scan"] == 6
    assert "measure_sections" not in rerun and "stain_batch" not in rerun
    module.write_text(before, encoding="utf-8")
    graph = folder / "workflow/scripts/periomics/statistics/claims/verdicts.py"
    graph.write_text(graph.read_text(encoding="utf-8") + EDIT, encoding="utf-8")
    rerun = dry(folder)
    assert (
        rerun["judge_claims"] == 1
        and "measure_scan" not in rerun
        and "aggregate_animals" not in rerun
    )


def test_a_comment_or_a_docstring_reruns_nothing(whole, tmp_path):
    folder = tmp_path / "comment"
    shutil.copytree(whole, folder, symlinks=True)
    for name in ("microct/thickness.py", "statistics/claims/verdicts.py", "core/files.py"):
        module = folder / "workflow/scripts/periomics" / name
        text = module.read_text(encoding="utf-8").replace('"""', '"""Said otherwise. ', 1)
        module.write_text(text + "\n\n# A remark.\n", encoding="utf-8")
    assert_nothing_to_do(folder, *NANO)


def test_editing_a_setting_reruns_its_users_only(whole, tmp_path):
    folder = tmp_path / "setting"
    shutil.copytree(whole, folder, symlinks=True)
    config = folder / "config/nano/config.yaml"
    config.write_text(
        config.read_text(encoding="utf-8").replace(
            "bone_threshold: 17000", "bone_threshold: 17500"
        ),
        encoding="utf-8",
    )
    rerun = dry(folder)
    assert rerun["measure_scan"] == 6 and "measure_sections" not in rerun


def test_a_broken_scan_becomes_flagged_rows_and_the_rest_goes_on(whole, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(whole, folder, symlinks=True)
    scan = folder / "results-nano/simulate/raw/microct/R02-ct.nrrd"
    scan.write_bytes(scan.read_bytes()[:2000])
    snakemake(folder, "--cores", "2", *NANO, "--rerun-triggers", "mtime")
    rows = (folder / "results-nano/microct/R02-ct/measurements.tsv").read_text(encoding="utf-8")
    assert "\tfail\t" in rows
    assert "R02-ct" in (folder / "results-nano/report/report.html").read_text(encoding="utf-8")


def test_a_broken_sheet_stops_with_all_problems_and_breaks_no_unlock(whole, tmp_path):
    folder = tmp_path / "sheet"
    shutil.copytree(whole, folder, symlinks=True)
    sheet = folder / "config/nano/animals.tsv"
    sheet.write_text(
        sheet.read_text(encoding="utf-8").replace("\tDRUG\t", "\tDRUGG\t", 1).replace("\t", ";", 0),
        encoding="utf-8",
    )
    broken = snakemake(folder, "--cores", "1", *NANO, check=False)
    assert broken.returncode != 0
    assert "did you mean 'DRUG'?" in broken.stdout + broken.stderr
    assert snakemake(folder, "--unlock", *NANO).returncode == 0


def test_use_as_a_module_from_another_folder(tmp_path):
    source = checkout(tmp_path / "source")
    user = tmp_path / "user"
    user.mkdir()
    (user / "Snakefile").write_text(
        "module periomics:\n"
        f"    snakefile: {str(source / 'workflow/Snakefile')!r}\n"
        "    config: config\n\n"
        "use rule * from periomics as perio_*\n\n"
        "rule mine:\n    default_target: True\n    input: 'results-nano/microct/R01-ct/measurements.tsv'\n",
        encoding="utf-8",
    )
    text = (source / "config/nano/config.yaml").read_text(encoding="utf-8")
    (user / "config.yaml").write_text(
        text + f"study_dir: {source / 'config/nano'}\n", encoding="utf-8"
    )
    snakemake(user, "--cores", "1", "--configfile", "config.yaml")
    snakemake(user, "perio_check", "--cores", "1", "--configfile", "config.yaml")
    assert "Jobs of a full run" in (user / "results-nano/check/plan.txt").read_text(
        encoding="utf-8"
    )
    assert "bvtv" in (user / "results-nano/microct/R01-ct/measurements.tsv").read_text(
        encoding="utf-8"
    )


def test_slurm_like_entry_by_the_inner_snakefile(whole):
    done = snakemake(whole, "--cores", "1", "--dry-run", "-s", "workflow/Snakefile", *NANO)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_files_whose_path_names_an_arm_are_measured_under_coded_names(whole, tmp_path):
    import SimpleITK
    import tifffile

    folder = checkout(tmp_path / "named")
    (folder / "raw/DRUG/stack").mkdir(parents=True)
    scan = whole / "results-nano/simulate/raw/microct/R01-ct.nrrd"
    shutil.copy2(scan, folder / "raw/DRUG/R01.nrrd")
    for i, plane in enumerate(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(scan)))):
        tifffile.imwrite(folder / f"raw/DRUG/stack/slice{i:03d}.tif", plane)
    sheet = folder / "config/nano/scans.tsv"
    text = sheet.read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("R01-ct"))
    file_row = row.replace("<results>/simulate/raw/microct/R01-ct.nrrd", "../../raw/DRUG/R01.nrrd")
    folder_row = file_row.replace("R01-ct", "R01-copy").replace(
        "../../raw/DRUG/R01.nrrd", "../../raw/DRUG/stack"
    )
    head = text.splitlines()[0]
    sheet.write_text(
        "\n".join([head + "\tvoxel_um", file_row + "\t", folder_row + "\t18"]) + "\n",
        encoding="utf-8",
    )
    wanted = [f"results-nano/microct/{s}/measurements.tsv" for s in ("R01-ct", "R01-copy")]
    snakemake(folder, "--cores", "2", *NANO, "--", *wanted)
    links = sorted(p.name for p in (folder / "results-nano/study/links/scans").iterdir())
    assert len(links) == 2 and not any("DRUG" in name for name in links)
    values = [
        [r.split("\t")[10] for r in (folder / f).read_text(encoding="utf-8").splitlines()[1:]]
        for f in wanted
    ]
    assert values[0] == values[1]
