"""The nano study through a real one-node SLURM (tests/slurm-one-node.sh), and what is told and done when jobs do not end well.

One cluster without accounts serves all tests, one folder too: what a test needs measured again, it removes first.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import ROOT, badly_declared, checkout, environment, snakemake, tables

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("nano")]
NANO = ("--configfile", "config/nano/config.yaml")
PROFILE = (
    *("--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "3"),
    *("--latency-wait", "10"),
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Environment of a client of a private SLURM; skipped where it is not installed or cannot be started."""
    if shutil.which("slurmctld") is None or shutil.which("munged") is None:
        pytest.skip("SLURM is not installed: tests/slurm-one-node.sh install")
    if os.geteuid() != 0:
        pytest.skip("slurmd needs root")
    script = str(ROOT / "tests/slurm-one-node.sh")
    env = environment() | {"SLURM_TEST_STATE": str(tmp_path_factory.mktemp("slurm"))}
    subprocess.run(
        [script, "start"],
        env=env,
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    exports = subprocess.run(
        [script, "env"], env=env, check=True, capture_output=True, text=True, encoding="utf-8"
    ).stdout
    for word in shlex.split(exports)[1:]:
        name, _, value = word.partition("=")
        env[name] = value.replace("$PATH", env["PATH"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        yield env
    subprocess.run([script, "stop", "--purge"], env=env, check=False, capture_output=True)


@pytest.fixture(scope="module")
def remote(cluster, tmp_path_factory) -> tuple[Path, str, float]:
    """The nano study through the cluster, what was said, and the seconds that it took."""
    folder = checkout(tmp_path_factory.mktemp("remote"))
    started = time.monotonic()
    done = snakemake(folder, *PROFILE, *NANO)
    return folder, done.stdout + done.stderr, time.monotonic() - started


def again(folder: Path, *scans: str) -> list[str]:
    """Have these scans measured again; the files to ask for."""
    files = [f"results-nano/microct/{scan}/measurements.tsv" for scan in scans]
    for file in files:
        (folder / file).unlink(missing_ok=True)
    return files


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def queue() -> list[str]:
    """Jobs that wait or run."""
    return subprocess.run(
        ["squeue", "-h", "-o", "%i %T"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    ).stdout.splitlines()


def test_nano_through_slurm_is_nano(nano, remote):
    folder, _, seconds = remote
    assert tables(folder / "results-nano") == tables(nano / "results-nano")
    # Three minutes on two cores that nothing else uses; so much longer as more wants to run than there are cores.
    crowd = max(1.0, os.getloadavg()[1] / (os.cpu_count() or 1))
    print(f"nano through SLURM: {seconds:.0f} s, {crowd:.1f} processes a core")
    assert seconds < 180 * crowd


def test_small_jobs_share_jobs_of_the_cluster(remote):
    _, said, _ = remote
    assert said.count("submitted with SLURM jobid") == 8


def test_a_cluster_without_accounts_is_noticed(remote):
    _, said, _ = remote
    assert "periomics: this cluster keeps no accounts of jobs, so squeue tells" in said


def test_declared_memory_and_time_cover_what_was_measured(remote):
    assert badly_declared(remote[0], NANO[1]) == []


def test_a_job_killed_for_memory_is_sent_again_with_twice_as_much(remote):
    folder, _, _ = remote
    rule = folder / "workflow/rules/microct.smk"
    script = folder / "workflow/scripts/microct/measure_scan.py"
    start = "    log = start_log(snakemake)\n"
    # With its programs 550 MB, 193 more for the Snakemake of its step, and for longer than the
    # cluster looks away; a scan takes 412 to 566.
    holding = (
        f'{start}    import time\n    kept = b"1" * 400_000_000\n    time.sleep(20)\n    del kept\n'
    )
    edit(rule, "memory_for(1200, 100", "memory_for(450, 1")
    edit(script, start, holding)
    files = again(folder, "R01-ct")
    done = snakemake(folder, *PROFILE, *NANO, "--", *files)
    edit(script, holding, start)
    edit(rule, "memory_for(450, 1", "memory_for(1200, 100")
    said = done.stdout + done.stderr
    assert said.count("submitted with SLURM jobid") == 2
    assert "Trying to restart" in said
    assert (folder / files[0]).is_file()


def test_jobs_that_fail_are_named_with_reason_and_log(remote):
    folder, _, _ = remote
    script = folder / "workflow/scripts/microct/measure_scan.py"
    start = "    log = start_log(snakemake)\n"
    broken = (
        f"{start}    import time\n    name = str(snakemake.wildcards.specimen_id)\n"
        '    if name == "R01-ct":\n        time.sleep(600)\n'
        '    if name == "R02-ct":\n        raise ValueError("broken on purpose")\n'
        '    if name == "R03-ct":\n        kept = b"1" * 2_000_000_000\n        time.sleep(30)\n'
    )
    edit(script, start, broken)
    files = again(folder, "R01-ct", "R02-ct", "R03-ct")
    alone = ("--group-components", "scans=1", "--retries", "0")
    short = ("--set-resources", "measure_scan:runtime=1")
    done = snakemake(folder, *PROFILE, *alone, *short, *NANO, "--", *files, check=False)
    edit(script, broken, start)
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if line.startswith("periomics: measure_scan")]
    reasons = {
        "R01-ct": "its time limit was reached",
        "R02-ct": "it ended with an error",
        "R03-ct": "it needed more memory than it had asked for",
    }
    for scan, reason in reasons.items():
        (line,) = [x for x in told if x.startswith(f"periomics: measure_scan of {scan} failed: ")]
        assert reason in line, line
        assert f"log results-nano/logs/microct/measure_scan/{scan}.log" in line
        assert Path(line.rpartition(": ")[2]).is_file()
    assert "broken on purpose" in done.stdout + done.stderr
    assert len(told) == 3


def test_an_interrupt_cancels_what_was_submitted(remote):
    folder, _, _ = remote
    script = folder / "workflow/scripts/microct/measure_scan.py"
    start = "    log = start_log(snakemake)\n"
    slow = f"{start}    import time\n    time.sleep(600)\n"
    edit(script, start, slow)
    files = again(folder, "R01-ct")
    command = [sys.executable, "-m", "periomics.study.run", *PROFILE, *NANO, "--", *files]
    env = environment() | {"PYTHONPATH": str(folder / "workflow/scripts")}
    run = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        start_new_session=True,
        # What a shell put behind ignores the interrupt, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 120
        while not any("RUNNING" in job for job in queue()) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert queue(), "nothing was submitted"
        os.killpg(run.pid, signal.SIGINT)
        run.communicate(timeout=90)
        deadline = time.monotonic() + 30
        while queue() and time.monotonic() < deadline:
            time.sleep(0.5)
        assert queue() == []
        assert run.returncode != 0
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        edit(script, slow, start)
    assert (folder / "results-nano/.lock").read_text(encoding="utf-8") == ""
