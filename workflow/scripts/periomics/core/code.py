"""Content digests of a script and of every library module it reaches.

Snakemake reruns a job when its script file changed, but not when a module that the script imports did. Rules therefore
carry `params: code=code_digest("microct/measure_scan")`. The digest is over what the code does: comments, docstrings and
the breaking of lines have no part in it.

Every start of Snakemake asks for all digests, on a cluster twice a job, so what was read from a file is kept under
`.snakemake`, by the file's content, for the next process.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from periomics.core.files import write_text

KEPT = 3000
_UNSAVED: list[str] = []


@cache
def scripts_folder() -> Path:
    """Folder that holds the scripts of the areas and the library `periomics`."""
    return Path(__file__).resolve().parents[2]


def _imports(tree: ast.Module) -> list[str]:
    """Dotted names of the periomics modules a file may import, at the top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{a.name}" for a in node.names)
    return sorted(n for n in names if n.split(".")[0] == "periomics")


def _substance(tree: ast.Module) -> str:
    """What of Python text can change a result: its syntax without docstrings."""
    for node in ast.walk(tree):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


@cache
def _store() -> Path:
    """Where read files are kept: under Snakemake's own folder, for this Python and this module as they are."""
    own = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode()).hexdigest()
    return Path(".snakemake").resolve() / f"code-{own[:16]}.json"


@cache
def _kept() -> dict[str, list]:
    with suppress(OSError, ValueError):
        kept = json.loads(_store().read_text(encoding="utf-8"))
        return kept if len(kept) < KEPT else {}
    return {}


@cache
def _read(path: Path) -> tuple[tuple[str, ...], str]:
    """The modules that a file may import, and the digest of what of it can change a result (of templates: every byte)."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if path.suffix != ".py":
        return (), digest
    if digest not in _kept():
        tree = ast.parse(content)
        imports = _imports(tree)
        _kept()[digest] = [imports, hashlib.sha256(_substance(tree).encode()).hexdigest()]
        _UNSAVED.append(digest)
    imports, substance = _kept()[digest]
    return tuple(imports), substance


def _keep() -> None:
    """Write what was read for the next process; where that cannot be, the next process reads for itself."""
    if _UNSAVED and _store().parent.is_dir():
        with suppress(OSError):
            write_text(json.dumps(_kept()), _store())
        _UNSAVED.clear()


@cache
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
        todo.extend(f for n in _read(path)[0] if (f := _module_file(n)) is not None)
    templates = {f for path in seen for f in (path.parent / "templates").glob("*") if f.is_file()}
    return tuple(sorted(seen | templates))


@cache
def script_digest(stem: str) -> str:
    """Digest of `<area>/<script>` and all it reaches; `code_digest` joins both for a rule's params."""
    digest = hashlib.sha256()
    script = scripts_folder() / f"{stem}.py"
    if not script.is_file():
        raise FileNotFoundError(f"no script {script}")
    for path in reached(script):
        digest.update(path.relative_to(scripts_folder()).as_posix().encode())
        digest.update(_read(path)[1].encode())
    _keep()
    return digest.hexdigest()[:16]


def code_digest(stem: str) -> str:
    """`<area>/<script>@<digest>`, the value of a rule's `params.code`."""
    return f"{stem}@{script_digest(stem)}"
