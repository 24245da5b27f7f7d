"""Three jobs through a real one-node SLURM (tests/slurm-one-node.sh): submitted, run, same numbers as without it."""

import os
import shlex
import shutil
import subprocess

import pytest
from running import ROOT, checkout, environment, snakemake

pytestmark = pytest.mark.slow
NANO = ("--configfile", "config/nano/config.yaml")
TARGET = "results-nano/microct/R01-ct/measurements.tsv"


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
    yield env
    subprocess.run([script, "stop", "--purge"], env=env, check=False, capture_output=True)


def test_jobs_run_through_slurm(cluster, tmp_path, monkeypatch):
    local = checkout(tmp_path / "local")
    snakemake(local, "--cores", "2", *NANO, "--", TARGET)
    for name, value in cluster.items():
        monkeypatch.setenv(name, value)
    remote = checkout(tmp_path / "remote")
    profile = remote / "profiles/slurm/config.v9+.yaml"
    text = (
        profile.read_text(encoding="utf-8")
        + "slurm-status-command: squeue\nslurm-init-seconds-before-status-checks: 2\n"
    )
    profile.write_text(text.replace("latency-wait: 30", "latency-wait: 10"), encoding="utf-8")
    done = snakemake(remote, "--workflow-profile", "profiles/slurm", *NANO, "--", TARGET)
    assert (done.stdout + done.stderr).count("submitted with SLURM jobid") == 3
    assert (remote / TARGET).read_bytes() == (local / TARGET).read_bytes()
