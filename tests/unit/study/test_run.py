"""The lock of a run names its machine; a lock that another machine may hold is left alone."""

import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from periomics.study import run

HERE = socket.gethostname()


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A folder in which a run starts nothing; what would have been started, and what its lock said then."""
    monkeypatch.chdir(tmp_path)
    calls: list[str] = []
    lock = tmp_path / "results/.lock"
    monkeypatch.setattr(run, "chosen_study", lambda words: SimpleNamespace(results="results"))
    monkeypatch.setattr(run, "another_snakemake_here", lambda: False)

    def note(command, **_):
        calls.append(" ".join(command))
        calls.append(lock.read_text(encoding="utf-8"))
        return SimpleNamespace(returncode=0, wait=lambda: 0)

    monkeypatch.setattr(run.subprocess, "run", note)
    monkeypatch.setattr(run.subprocess, "Popen", note)
    lock.parent.mkdir()
    return SimpleNamespace(lock=lock, calls=calls)


def snakemakes_lock():
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.input.lock").touch()


def test_a_run_names_its_machine_while_it_lasts(study):
    assert run.main(["--cores", "1"]) == 0
    assert study.calls[1] == f"{HERE} {os.getpid()}"
    assert study.lock.read_text(encoding="utf-8") == ""


def test_a_run_of_another_machine_is_left_alone(study, capsys):
    snakemakes_lock()
    study.lock.write_text("node17 4711", encoding="utf-8")
    assert run.main(["--cores", "1"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "a run on node17 (process 4711) works in results/, or was cut off there" in said
    assert "remove results/.lock and start again" in said
    assert study.calls == [] and study.lock.read_text(encoding="utf-8") == "node17 4711"


def test_the_lock_of_a_run_cut_off_here_is_removed(study, capsys):
    snakemakes_lock()
    study.lock.write_text(f"{HERE} 4711", encoding="utf-8")
    assert run.main(["--cores", "1"]) == 0
    assert "interrupted" in capsys.readouterr().out
    assert study.calls[0].endswith("--unlock")


def test_a_lock_that_no_run_of_ours_left_stays(study, capsys):
    snakemakes_lock()
    assert run.main(["--cores", "1"]) == 0
    assert "`snakemake --unlock` removes it" in capsys.readouterr().err
    assert not any(c.endswith("--unlock") for c in study.calls)
