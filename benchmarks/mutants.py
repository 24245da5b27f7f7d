"""Changes the library on purpose, one place at a time, and looks whether a unit test of the area notices.

    python benchmarks/mutants.py [--areas statistics outcomes linkage histology] [--count 40] [--seed 1] [--seconds 900]

Comparisons, arithmetic, numbers, `and`/`or`, `not` and what is returned are changed, in a copy of the checkout. Tests that name
the changed module come first. Prints a table of Markdown; docs/mutants.md holds one with what survived and why.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = "workflow/scripts/periomics"
PARTS = ("workflow", "tests", "config", "resources", "envs", "docs", "pyproject.toml", "Snakefile")
COMPARE = "Lt:<=,LtE:<,Gt:>=,GtE:>,Eq:!=,NotEq:==,In:not in,NotIn:in,Is:is not,IsNot:is"
ARITHMETIC = "Add:-,Sub:+,Mult:/,Div:*,FloorDiv:/,Mod:*,Pow:*,BitAnd:|,BitOr:&"
OTHER = {
    getattr(ast, name): sign
    for name, sign in (x.split(":") for x in f"{COMPARE},{ARITHMETIC}".split(","))
}


class Mutant(NamedTuple):
    """A place in a file of the library, what stands there and what is put in its place."""

    file: str
    line: int
    start: int
    end: int
    kind: str
    before: str
    after: str


def offsets(text: bytes) -> list[int]:
    """Byte at which every line begins."""
    out = [0]
    for line in text.splitlines(keepends=True):
        out.append(out[-1] + len(line))
    return out


def changes(node: ast.AST, said: str) -> Iterator[tuple[str, str]]:
    """(kind, new source) of a node whose source is `said`."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
        yield "comparison", f"(({left}) {OTHER[type(node.ops[0])]} ({right}))"
    elif isinstance(node, ast.BinOp) and type(node.op) in OTHER:
        left, right = ast.unparse(node.left), ast.unparse(node.right)
        yield "arithmetic", f"(({left}) {OTHER[type(node.op)]} ({right}))"
    elif isinstance(node, ast.BoolOp):
        word = " or " if isinstance(node.op, ast.And) else " and "
        yield "boolean", "(" + word.join(f"({ast.unparse(v)})" for v in node.values) + ")"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "boolean", f"bool({ast.unparse(node.operand)})"
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield (
            "constant",
            f"({said} + 1)" if isinstance(node.value, int) else f"({said} * 1.5 + 0.01)",
        )
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant", str(not node.value)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield "return", "return None"


def unread(tree: ast.AST) -> set[int]:
    """Nodes that no run evaluates: annotations."""
    out = set()
    for node in ast.walk(tree):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(part, ast.AST):
                out |= {id(n) for n in ast.walk(part)}
    return out


def stands_there(node: ast.AST, said: str) -> bool:
    """Whether `said` is the source of the node: places inside f-strings are wrong before Python 3.12."""
    try:
        return isinstance(node, ast.Return) or ast.unparse(node) == ast.unparse(
            ast.parse(said.strip(), mode="eval")
        )
    except SyntaxError:
        # An expression over several lines, inside brackets that are not its own.
        return "\n" in said


def mutants(file: Path) -> list[Mutant]:
    """All mutants of a file."""
    text = file.read_bytes()
    tree, begin = ast.parse(text), offsets(text)
    hidden, out = unread(tree), []
    for node in ast.walk(tree):
        if id(node) in hidden or not hasattr(node, "end_lineno"):
            continue
        start = begin[node.lineno - 1] + node.col_offset
        end = begin[node.end_lineno - 1] + node.end_col_offset
        said = text[start:end].decode()
        if not stands_there(node, said):
            continue
        for kind, after in changes(node, said):
            name = file.relative_to(ROOT / LIBRARY).as_posix()
            out.append(Mutant(name, node.lineno, start, end, kind, said, after))
    return out


def ordered_tests(area: str, module: str) -> list[str]:
    """Test files of an area, those first that name the module."""
    files = sorted((ROOT / "tests/unit" / area).glob("test_*.py"))
    return [
        f.relative_to(ROOT).as_posix()
        for f in sorted(files, key=lambda f: module not in f.read_text(encoding="utf-8"))
    ]


def run(copy: Path, tests: list[str], seconds: float) -> str:
    """`killed`, `survived` or `too slow`."""
    env = os.environ | {"PYTHONPATH": str(copy / "workflow/scripts"), "PYTHONUTF8": "1"}
    env |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    # Skipped where real data are needed: unit tests must notice by themselves.
    env |= {"PERIOMICS_DATA": str(copy / "no data")}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow and not data", *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, env=env, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return "too slow"
    return "survived" if done.returncode == 0 else "killed"


def short(text: str) -> str:
    """Source on one line of a table."""
    words = " ".join(text.split()).replace("|", "\\|")
    return f"`{words[:60]}…`" if len(words) > 60 else f"`{words}`"


def main() -> None:
    """Sample, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--areas", nargs="+", default=["statistics", "outcomes", "linkage", "histology"]
    )
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=900, help="longest run of the tests")
    options = parser.parse_args()
    files = [f for a in options.areas for f in sorted((ROOT / LIBRARY / a).rglob("*.py"))]
    every = [m for f in files for m in mutants(f)]
    chosen = random.Random(options.seed).sample(every, min(options.count, len(every)))
    print(
        f"{len(chosen)} of {len(every)} mutants of {', '.join(options.areas)}, seed {options.seed}\n"
    )
    print("| place | kind | before | after | tests | s |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in PARTS:
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, copy / part)
        count = dict.fromkeys(("killed", "survived", "too slow"), 0)
        for m in chosen:
            target = copy / LIBRARY / m.file
            text = target.read_bytes()
            target.write_bytes(text[: m.start] + m.after.encode() + text[m.end :])
            started = time.monotonic()
            area, module = m.file.split("/")[0], Path(m.file).stem
            found = run(copy, ordered_tests(area, module), options.seconds)
            target.write_bytes(text)
            count[found] += 1
            cells = (f"{m.file}:{m.line}", m.kind, short(m.before), short(m.after), found)
            print("| " + " | ".join(cells) + f" | {time.monotonic() - started:.0f} |", flush=True)
    print("\n" + ", ".join(f"{k} {n}" for k, n in count.items()))


if __name__ == "__main__":
    main()
