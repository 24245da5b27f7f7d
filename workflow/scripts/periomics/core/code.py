"""Content digests of a script and of every library module it reaches.

Snakemake reruns a job when its script file changed, but not when a module that the script imports did. Rules therefore
carry `params: code=code_digest("microct/measure_scan")`. The digest is over what the code does: comments, docstrings and
the breaking of lines have no part in it.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path


def scripts_folder() -> Path:
    """Folder that holds the scripts of the areas and the library `periomics`."""
    return Path(__file__).resolve().parents[2]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Dotted names of the periomics modules a file may import, at the top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names.update(a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{a.name}" for a in node.names)
    return tuple(sorted(n for n in names if n.split(".")[0] == "periomics"))


def _module_file(name: str) -> Path | None:
    base = scripts_folder().joinpath(*name.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def reached(script: Path) -> tuple[Path, ...]:
    """Files of the library that a script reaches: itself, modules through imports, templates beside them; sorted."""
    seen: set[Path] = set()
    todo = [script]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        todo.extend(f for n in _imports(path) if (f := _module_file(n)) is not None)
    templates = {f for path in seen for f in (path.parent / "templates").glob("*") if f.is_file()}
    return tuple(sorted(seen | templates))


@cache
def _substance(path: Path) -> bytes:
    """What of a file can change a result: of Python its syntax without docstrings, of anything else every byte."""
    if path.suffix != ".py":
        return path.read_bytes()
    tree = _tree(path)
    for node in ast.walk(tree):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            node.body[0] = ast.Pass()
    return ast.unparse(tree).encode()


@cache
def script_digest(stem: str) -> str:
    """Digest of `<area>/<script>` and all it reaches; `code_digest` joins both for a rule's params."""
    digest = hashlib.sha256()
    script = scripts_folder() / f"{stem}.py"
    if not script.is_file():
        raise FileNotFoundError(f"no script {script}")
    for path in reached(script):
        digest.update(path.relative_to(scripts_folder()).as_posix().encode())
        digest.update(_substance(path))
    return digest.hexdigest()[:16]


def code_digest(stem: str) -> str:
    """`<area>/<script>@<digest>`, the value of a rule's `params.code`."""
    return f"{stem}@{script_digest(stem)}"
