"""Compares a results folder with docs/outputs.md: every file is described, every column that the page names is there."""

from __future__ import annotations

import re
from pathlib import Path


def described(page: str) -> list[tuple[re.Pattern[str], list[str]]]:
    """(pattern, columns) of every file of the page; columns only where the description is a list of names."""
    out = []
    for line in page.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if len(cells) != 2 or not cells[0].startswith("`"):
            continue
        names = cells[1].split(":")[0].split(";")[0].split()
        columns = (
            names
            if len(names) > 2
            and all(re.fullmatch(r"[A-Za-z0-9_]+", n) for n in names)
            and "_" in cells[1]
            else []
        )
        for name in re.findall(r"`([^`]+)`", cells[0]):
            parts = re.split(r"(<[a-z_]+>|\*)", name)
            pattern = "".join(
                ".+" if p == "*" else "[^/]+" if p.startswith("<") else re.escape(p) for p in parts
            )
            out.append((re.compile(pattern), columns))
    return out


def undescribed(results: Path, page: str) -> list[str]:
    """Files that no line of the page describes."""
    patterns = [p for p, _ in described(page)]
    files = (p.relative_to(results).as_posix() for p in sorted(results.rglob("*")) if p.is_file())
    kept = (f for f in files if not f.endswith((".snakemake_timestamp", ".lock")))
    return [f for f in kept if not any(p.fullmatch(f) for p in patterns)]


def missing_columns(results: Path, page: str) -> list[str]:
    """`file: column` for columns that the page names and a table lacks."""
    out = []
    for path in sorted(results.rglob("*.tsv")):
        name = path.relative_to(results).as_posix()
        header = path.read_text(encoding="utf-8").split("\n", 1)[0].split("\t")
        for pattern, columns in described(page):
            if pattern.fullmatch(name):
                out += [f"{name}: {c}" for c in columns if c not in header]
    return out
