"""Run Snakemake under an OS lock: `python -m periomics.study.run [--configfile FILE] [snakemake arguments]`.

Two runs into the same results folder would write over each other, so each holds a lock that ends with its process, however
it ends; machines that share a file system may not see each other's, so the lock names its machine and process while the run
lasts. `--where FILE` prints the results folder of a study and runs nothing. Snakemake's own lock outlives a killed run; it is
removed here only where a run of this machine left it and no other works in this folder.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

from periomics.core.errors import InputError, nearest
from periomics.core.problems import Problem, listing
from periomics.core.yamls import read_mapping
from periomics.study.check.settings import check_results_folder
from periomics.study.closing import closing_line
from periomics.study.study import Study, load_study


def config_file(arguments: list[str]) -> Path:
    """Configuration of the study that the arguments choose."""
    file = "config/config.yaml"
    for word, following in itertools.pairwise([*arguments, ""]):
        if word == "--configfile":
            file = following
    return Path(file)


def chosen_study(arguments: list[str]) -> Study:
    """The study that the arguments choose, its configuration as written.

    Raises
    ------
    InputError
        If its configuration cannot be read, or its results may not go where they are to go.
    """
    file = config_file(arguments)
    if not file.exists():
        known = [str(f) for f in [*Path().glob("*/config.yaml"), *Path().glob("*/*/config.yaml")]]
        raise InputError(f"file does not exist{nearest(str(file), known)}", file=file)
    config, problems = read_mapping(file, str(file))
    for word in arguments:
        if word.startswith("results_dir="):
            config["results_dir"] = word.split("=", 1)[1]
    config.setdefault("results_dir", "results")
    study = load_study(config, file.parent)
    if not isinstance(config["results_dir"], str):
        problems.append(Problem(str(file), 0, "results_dir", "must be text"))
    lines = listing([*problems, *check_results_folder(study)], "error")
    if lines:
        raise InputError("nothing was run\n" + "\n".join(f"  {line}" for line in lines))
    return study


def results_folder(arguments: list[str]) -> Path:
    """Results folder of the study that the arguments choose."""
    return Path(chosen_study(arguments).results)


def another_snakemake_here() -> bool:
    """Whether another Snakemake process works in this folder."""
    import psutil

    own = {psutil.Process().pid, *(p.pid for p in psutil.Process().parents())}
    here = str(Path.cwd())
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = process.info["cmdline"] or []
        if process.info["pid"] in own or not any("snakemake" in w for w in words[:3]):
            continue
        try:
            if process.cwd() == here:
                return True
        except psutil.Error:
            continue
    return False


def main(arguments: list[str]) -> int:
    """Take the lock, remove a stale Snakemake lock, run Snakemake; the exit status is Snakemake's."""
    where = arguments[:1] == ["--where"]
    try:
        study = chosen_study(["--configfile", *arguments[1:]] if where else arguments)
    except InputError as error:
        print(f"periomics: {error}", file=sys.stderr)
        return 1
    results = Path(study.results)
    if where:
        print(results)
        return 0
    results.mkdir(parents=True, exist_ok=True)
    with (results / ".lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f"periomics: another run works in {results}/; wait for it, or stop it",
                file=sys.stderr,
            )
            return 1
        lock.seek(0)
        host, _, process = lock.read().strip().partition(" ")
        if host not in {"", socket.gethostname()}:
            print(
                f"periomics: a run on {host} (process {process}) works in {results}/, or was cut off there; "
                f"wait for it, or, if it is over, remove {results}/.lock and start again",
                file=sys.stderr,
            )
            return 1
        _write(lock, f"{socket.gethostname()} {os.getpid()}")
        try:
            return _run(arguments, results, cut_off=bool(host))
        finally:
            _write(lock, "")


def _write(lock: TextIO, text: str) -> None:
    """Leave nothing but this in the lock, for other machines to read at once."""
    lock.seek(0)
    lock.truncate()
    lock.write(text)
    lock.flush()
    os.fsync(lock.fileno())


def _run(arguments: list[str], results: Path, *, cut_off: bool) -> int:
    """Remove Snakemake's lock where the last run was cut off on this machine, then run Snakemake."""
    snakemake = [sys.executable, "-m", "snakemake"]
    locks = Path(".snakemake/locks")
    if locks.is_dir() and any(locks.iterdir()) and not another_snakemake_here():
        if cut_off:
            print(
                "periomics: the last run was interrupted; its lock is removed and its half-made files are made again"
            )
            subprocess.run(  # noqa: S603
                [*snakemake, *_config_only(arguments), "--unlock"], check=True, capture_output=True
            )
        else:
            print(
                "periomics: Snakemake's lock in this folder was not left by a run of `make` on this machine; where no run "
                "works here on any machine, `snakemake --unlock` removes it",
                file=sys.stderr,
            )
    started = time.time()
    command = [*snakemake, "--rerun-incomplete", *arguments]
    status = _wait(subprocess.Popen(command))  # noqa: S603
    # A run that had something to do has said so itself.
    report, whole = results / "report" / "report.html", not {"--", "--report"} & set(arguments)
    if status == 0 and whole and report.is_file() and report.stat().st_mtime < started:
        print(closing_line(str(results), ()), file=sys.stderr)
    return status


def _wait(child: subprocess.Popen) -> int:
    """Exit status of Snakemake, which an interrupt from the keyboard reaches too: it is given the time to cancel its jobs."""
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue


def _config_only(arguments: list[str]) -> list[str]:
    if "--configfile" in arguments:
        i = arguments.index("--configfile")
        return arguments[i : i + 2]
    return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
