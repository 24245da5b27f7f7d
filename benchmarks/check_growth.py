"""Seconds and peak memory to check studies of 20, 200 and 2,000 animals with all modalities and four scans each.

Run: .venv/bin/python benchmarks/check_growth.py [--animals 20 200 2000] [--profile]

The studies are those of plan_growth.py, with small sound files; `sheets` is the same study with files that a
simulation will write, of which only sheets are looked at. Printed: CPU seconds and peak memory of the process
that the workflow starts for the check. `--profile` prints where the time goes.

Measured on two shared cores: 2,000 animals (8,000 scans, 8,000 sections, 4,000 libraries) 16 s and 227 MB with all
files opened, 5 s and 194 MB of sheets alone; 200 animals 2.8 s; 20 animals 1.9 s, most of it imports.
"""

import argparse
import cProfile
import importlib.util
import json
import os
import pstats
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from plan_growth import ROOT, write_study

from periomics.study.config import resolve_config

SCRIPT = ROOT / "workflow/scripts/study/check_study.py"


def request(config: Path, sheets_only: bool) -> dict:
    """What the workflow tells the check of a study."""
    folder = config.parent
    told = yaml.safe_load(config.read_text(encoding="utf-8"))
    if sheets_only:
        told["simulate"] = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))[
            "simulate"
        ]
        for sheet in told["sheets"].values():
            text = (folder / sheet).read_text(encoding="utf-8")
            (folder / sheet).write_text(text.replace("\traw/", "\t<results>/"), encoding="utf-8")
    return {
        "config": resolve_config(told),
        "folder": str(folder),
        "results": str(folder / ("sheets" if sheets_only else "files")),
        "dictionary": str(ROOT / "resources/outcomes.tsv"),
    }


def measure(told: dict) -> tuple[float, float]:
    """CPU seconds and peak MB of the check."""
    words = [sys.executable, str(SCRIPT)]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child.stdin.write(json.dumps(told))
    child.stdin.close()
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = status
    if status:
        raise SystemExit(said[:3000])
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def profile(told: dict) -> None:
    """The 25 functions that take most of the time of a check."""
    spec = importlib.util.spec_from_file_location("check_study", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with cProfile.Profile() as seen:
        module.main(told)
    pstats.Stats(seen).sort_stats("cumulative").print_stats(25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--animals", type=int, nargs="+", default=[20, 200, 2000])
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    print("animals\tlooked_at\tcheck_cpu_s\tcheck_mb")
    for n in asked.animals:
        with tempfile.TemporaryDirectory() as folder:
            config = write_study(Path(folder) / "study", n)
            for sheets_only in (False, True):
                told = request(config, sheets_only)
                row = (n, "sheets" if sheets_only else "sheets and files", *measure(told))
                print(
                    *(round(v, 1) if isinstance(v, float) else v for v in row), sep="\t", flush=True
                )
                if asked.profile:
                    profile({**told, "results": f"{told['results']}-again"})


if __name__ == "__main__":
    main()
