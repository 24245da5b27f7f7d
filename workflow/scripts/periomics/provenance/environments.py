"""Environment files for conda users, one an area: what its scripts reach, at the pins of requirements.lock.

`python -m periomics.provenance.environments` writes envs/*.yaml; a test holds that they are in step with scripts and lock. The
conda solve itself is untested (no channel is reachable where the tests run).
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from periomics.core.code import reached, scripts_folder
from periomics.core.files import write_text

PYTHON = "3.11"
# Packages whose modules have another name.
PACKAGE_OF = {
    "PIL": "pillow",
    "cc3d": "connected-components-3d",
    "openslide": "openslide-python",
    "py_aimio": "aimio-py",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "vl_convert": "vl-convert-python",
    "yaml": "pyyaml",
}
# What a package or a call needs and imports only when it is asked to: compressed TIFF, the library behind the slide reader,
# clusters, tables in other formats.
NEEDED_BY_PACKAGE = {"tifffile": "imagecodecs", "openslide-python": "openslide-bin"}
NEEDED_BY_CALL = {
    "to_parquet": "pyarrow",
    "read_parquet": "pyarrow",
    "read_excel": "openpyxl",
    "leiden": "igraph",
}
# Where conda-forge or bioconda use another name than the lock; what conda does not have is installed by pip inside the env.
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",
    "igraph": "python-igraph",
    "SimpleITK": "simpleitk",
    "pydeseq2": "bioconda::pydeseq2",
    "gseapy": "bioconda::gseapy",
}
PIP_ONLY = {
    "harmonypy",
    "aimio-py",
    "openslide-bin",
    "edt",
    "tiffslide",
    "vl-convert-python",
    "highspy",
}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions(lock: str, python: str = PYTHON) -> dict[str, str]:
    """Package → version of the lock's branch for one Python version."""
    from packaging.markers import Marker

    environment = {
        "python_version": python,
        "python_full_version": f"{python}.2",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "extra": "",
    }
    out = {}
    for line in lock.splitlines():
        match = re.match(
            r"^([A-Za-z0-9_.\-]+)(?:\[[^\]]*\])?==([^ ;\\]+)(?:\s*;\s*([^\\]+))?", line
        )
        if match and (match[3] is None or Marker(match[3].strip()).evaluate(environment)):
            out[_canonical(match[1])] = match[2]
    return out


def packages_of(files: tuple[Path, ...]) -> tuple[str, ...]:
    """Packages that some Python files import or need behind a call, sorted."""
    found: set[str] = set()
    for path in files:
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(a.name.split(".")[0] for a in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.split(".")[0])
            elif isinstance(node, ast.Attribute) and node.attr in NEEDED_BY_CALL:
                found.add(NEEDED_BY_CALL[node.attr])
    packages = {PACKAGE_OF.get(m, m) for m in found - sys.stdlib_module_names - {"periomics"}}
    packages |= {NEEDED_BY_PACKAGE[p] for p in packages if p in NEEDED_BY_PACKAGE}
    return tuple(sorted(packages, key=str.lower))


def areas() -> tuple[str, ...]:
    """Areas that have scripts, and so an environment."""
    return tuple(sorted({p.parent.name for p in _scripts()}))


def packages(area: str) -> tuple[str, ...]:
    """Packages that the scripts of an area reach."""
    scripts = [p for p in _scripts() if p.parent.name == area]
    return packages_of(tuple(sorted({f for s in scripts for f in reached(s)})))


def _scripts() -> list[Path]:
    return sorted(p for p in scripts_folder().glob("*/*.py") if p.parent.name != "periomics")


def environment_yaml(area: str, versions: dict[str, str]) -> str:
    """Text of an area's environment file.

    Raises
    ------
    KeyError
        If the lock has no pin for a package of the area.
    """
    needed = packages(area)
    conda = [
        f"  - {CONDA_NAMES.get(p, p)} ={versions[_canonical(p)]}"
        for p in needed
        if p not in PIP_ONLY
    ]
    pip = [f"      - {p}=={versions[_canonical(p)]}" for p in needed if p in PIP_ONLY]
    lines = [
        "# Generated from requirements.lock by `make envs`; the conda solve is untested.",
        f"name: periomics-{area}",
        "channels:",
        "  - conda-forge",
        "  - bioconda",
        "  - nodefaults",
        "dependencies:",
        f"  - python ={PYTHON}",
        *sorted(conda, key=str.lower),
    ]
    if pip:
        lines += ["  - pip", "  - pip:", *sorted(pip)]
    return "\n".join(lines) + "\n"


def main() -> None:
    root = Path(__file__).resolve().parents[4]
    versions = locked_versions((root / "requirements.lock").read_text(encoding="utf-8"))
    for area in areas():
        write_text(environment_yaml(area, versions), root / "envs" / f"{area}.yaml")


if __name__ == "__main__":
    main()
