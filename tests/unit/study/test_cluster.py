"""A run through SLURM: the command that tells how jobs stand, and the words for those that failed."""

from types import SimpleNamespace

import pytest

from periomics.study.cluster import failures, mind_accounts, unfinished

NONE = "AccountingStorageType   = accounting_storage/none\nMinJobAge               = 300 sec\n"


def workflow(status="sacct", wait=5):
    settings = SimpleNamespace(status_command=status, init_seconds_before_status_checks=wait)
    return SimpleNamespace(executor_settings=settings)


@pytest.mark.parametrize(
    ("config", "command"),
    [
        (NONE, "squeue"),
        (NONE.replace("accounting_storage/none", "(null)"), "squeue"),
        (NONE.replace("/none", "/slurmdbd"), "sacct"),
        ("", "sacct"),
    ],
)
def test_squeue_where_there_are_no_accounts_and_sacct_where_there_are(config, command):
    run = workflow()
    told = mind_accounts(run, lambda: config)
    assert run.executor_settings.status_command == command
    assert ("keeps no accounts" in told) == (command == "squeue")


def test_jobs_are_looked_at_before_the_cluster_forgets_them():
    run = workflow(wait=40)
    mind_accounts(run, lambda: NONE.replace("300", "60"))
    assert run.executor_settings.init_seconds_before_status_checks == 20


def test_without_slurm_the_cluster_is_not_asked():
    assert mind_accounts(SimpleNamespace(), lambda: pytest.fail("asked")) == ""
    assert (
        mind_accounts(SimpleNamespace(executor_settings=None), lambda: pytest.fail("asked")) == ""
    )


def told(number, specimen):
    """What a Snakemake says as it starts and as it ends a job."""
    return f"Job {number}: Measuring scan {specimen}\n", f"Finished jobid: {number} (Rule: scan)\n"


def test_unfinished_jobs_of_a_group():
    (outer, end), (inner, ended) = told(7, "a"), told(0, "a")
    whole = outer + inner + ended + end
    assert unfinished(whole) == []
    (outer, end), (inner, _) = told(8, "b"), told(0, "b")
    assert unfinished(whole + outer + inner) == ["Measuring scan b"]
    later = told(9, "c")
    assert unfinished(whole + outer + inner + "".join(later)) == ["Measuring scan b"]


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        ("TIMEOUT", "*** JOB 4 CANCELLED AT x DUE TO TIME LIMIT ***", "its time limit was reached"),
        ("FAILED", "Step 4.0 exceeded memory limit (900 > 500), being killed", "more memory"),
        ("OUT_OF_MEMORY", "", "more memory"),
        ("FAILED", "Error in rule scan:", "ended with an error"),
        ("NODE_FAIL", "", "its node failed"),
        ("CANCELLED", "", "it was cancelled"),
        ("DEADLINE", "", "DEADLINE"),
    ],
)
def test_a_failed_job_is_named_with_reason_and_logs(tmp_path, status, text, reason):
    slurm = tmp_path / "4.log"
    slurm.write_text("".join(told(0, "b")[:1]) + text + "\n", encoding="utf-8")
    log = tmp_path / "run.log"
    log.write_text(
        f"Job x has been submitted with SLURM jobid 4 (log: {slurm}).\n"
        f"SLURM-job '4' failed, SLURM status is: '{status}'. Detailed failure reason unavailable\n",
        encoding="utf-8",
    )
    made = tmp_path / "b.tsv"
    job = SimpleNamespace(
        message="Measuring scan b",
        rule=SimpleNamespace(name="scan"),
        wildcards=["b"],
        log=["logs/b.log"],
        output=[made],
    )
    (line,) = failures([job], str(log))
    assert line.startswith("periomics: scan of b failed: ") and reason in line
    assert line.endswith(f"; log logs/b.log, SLURM job 4: {slurm}")
    made.touch()
    assert list(failures([job], [str(log)])) == []


def test_a_job_that_never_began_is_named_by_its_number(tmp_path):
    log = tmp_path / "run.log"
    log.write_text(
        f"Job x has been submitted with SLURM jobid 5 (log: {tmp_path / '5.log'}).\n"
        "SLURM-job '5' failed, SLURM status is: 'BOOT_FAIL'.\n",
        encoding="utf-8",
    )
    (line,) = failures([], str(log))
    assert line == "periomics: SLURM job 5 failed: its node failed; SLURM job 5 left no log"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("".join(told(0, "b")), []),
        ("CANCELLED AT x DUE TO TIME LIMIT", ["SLURM job 6 failed: its time limit was reached"]),
        (told(0, "b")[0] + "oom_kill event", ["Measuring scan b failed: it needed more memory"]),
    ],
)
def test_of_a_group_snakemake_tells_no_status(tmp_path, text, words):
    slurm, log = tmp_path / "6.log", tmp_path / "run.log"
    slurm.write_text(text + "\n", encoding="utf-8")
    log.write_text(
        f"Job x has been submitted with SLURM jobid 6 (log: {slurm}).\n", encoding="utf-8"
    )
    lines = list(failures([], str(log)))
    assert len(lines) == len(words)
    assert all(word in line for word, line in zip(words, lines, strict=True))
