"""A run through SLURM: which command tells how its jobs stand, and in plain words why one of them did not end well."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

# What a cluster without a database of accounts says of its storage, by version.
NO_ACCOUNTS = frozenset({"", "(null)", "accounting_storage/none"})
SUBMITTED = re.compile(r"has been submitted with SLURM jobid (\d+) \(log: (.+)\)\.$", re.MULTILINE)
FAILED = re.compile(r"SLURM-job '(\d+)(?:_\d+)?' failed, SLURM status is: '(\w+)'")
STARTED = re.compile(r"^\s*Job \d+: (.+)$", re.MULTILINE)
FINISHED = re.compile(r"^\s*Finished jobid: ")
# The first that fits names the reason; the status alone says little where memory was watched by sampling.
REASONS = (
    (re.compile(r"DUE TO TIME LIMIT|TIMEOUT"), "its time limit was reached"),
    (
        re.compile(r"OUT_OF_MEMORY|oom.kill|exceeded memory limit|MemoryError", re.IGNORECASE),
        "it needed more memory than it had asked for",
    ),
    (re.compile(r"NODE_FAIL|BOOT_FAIL|DUE TO NODE FAILURE"), "its node failed"),
    (re.compile(r"Error in rule|Traceback|exit code"), "it ended with an error"),
    (re.compile(r"CANCELLED"), "it was cancelled"),
)


def cluster_settings() -> str:
    """What the cluster says of itself; nothing where it does not answer."""
    try:
        done = subprocess.run(
            ["scontrol", "show", "config"],  # noqa: S607
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def mind_accounts(workflow: Any, ask: Callable[[], str] = cluster_settings) -> str:
    """Have jobs followed by squeue where a cluster keeps no accounts, as sacct would be waited for without end.

    Parameters
    ----------
    workflow
        Snakemake's workflow, about to start; without the SLURM executor nothing is done.
    ask
        Gives the cluster's settings.

    Returns
    -------
    A line that says so, or nothing.
    """
    settings: Any = getattr(workflow, "executor_settings", None)
    if not hasattr(settings, "status_command"):
        return ""
    pairs = (line.partition("=") for line in ask().splitlines())
    facts = {name.strip(): value.strip() for name, _, value in pairs}
    if facts.get("AccountingStorageType", "unknown") not in NO_ACCOUNTS:
        return ""
    settings.status_command = "squeue"
    # The executor goes back to sacct where it thinks that ended jobs are forgotten before it has looked three times.
    remembered = re.match(r"\d+", facts.get("MinJobAge", ""))
    wait = settings.init_seconds_before_status_checks
    if remembered and int(remembered[0]) < 3 * wait:
        settings.init_seconds_before_status_checks = max(int(remembered[0]) // 3, 1)
    return "periomics: this cluster keeps no accounts of jobs, so squeue tells how they stand"


def failures(jobs: Iterable[Any], logs: str | Iterable[str]) -> Iterator[str]:
    """A line for each job of the workflow that a cluster's job did not make: rule, specimen, why, logs.

    Parameters
    ----------
    jobs
        Jobs as Snakemake planned them.
    logs
        Snakemake's own log of this run, or several.
    """
    files = [logs] if isinstance(logs, str) else list(logs)
    log = "\n".join(Path(f).read_text("utf-8", "replace") for f in files if Path(f).is_file())
    known = {str(job.message): job for job in jobs if job.message}
    # Snakemake tells the status of single jobs only; of groups, the log that SLURM keeps of what failed.
    statuses = dict(FAILED.findall(log))
    lines: dict[str, str] = {}
    for number, place in SUBMITTED.findall(log):
        file, status = Path(place), statuses.get(number, "")
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        reason = next((words for form, words in REASONS if form.search(status + "\n" + text)), "")
        if not (status or reason):
            continue  # ended well
        for message in unfinished(text) or [""]:
            job = known.get(message)
            if job is not None and all(Path(str(f)).exists() for f in job.output):
                continue  # made by a later attempt
            where = f"SLURM job {number}: {place}" if text else f"SLURM job {number} left no log"
            if not message and STARTED.search(text):
                continue  # all that it began was made
            what = _named(job) if job is not None else message or f"SLURM job {number}"
            own = f"log {job.log[0]}, " if job is not None and len(job.log) else ""
            lines[what] = f"periomics: {what} failed: {reason or status}; {own}{where}"
    yield from lines.values()


def unfinished(text: str) -> list[str]:
    """Messages of the jobs that the log of a cluster's job shows as started and not as finished.

    The jobs of a group follow each other, each told twice: by the Snakemake of the allocation and by the one of the step.
    """
    left: list[str] = []
    current = ""
    for line in text.splitlines():
        if started := STARTED.match(line):
            if current and current != started[1]:
                left.append(current)
            current = started[1]
        elif FINISHED.match(line):
            current = ""
    return [*left, current] if current else left


def _named(job: Any) -> str:
    """`rule of specimen`, by the wildcards that a job has."""
    of = ", ".join(str(v) for v in (job.wildcards or ()))
    return f"{job.rule.name} of {of}" if of else str(job.rule.name)
