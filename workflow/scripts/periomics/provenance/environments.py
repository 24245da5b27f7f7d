"""Environment files for conda users, one an area, generated from the pins of requirements.lock.

`python -m periomics.provenance.environments` writes envs/*.yaml; a test holds that they are in step with the lock. The conda
solve itself is untested (no channel is reachable where the tests run).
"""

from __future__ import annotations

import re
from pathlib import Path

from periomics.core.files import write_text

PYTHON = "3.11"
_TABLES = ("numpy", "pandas", "pydantic", "pandera", "pyyaml", "scipy")
_IMAGES = ("scikit-image", "tifffile", "imagecodecs", "matplotlib")
_OMICS = ("anndata", "scanpy", "pydeseq2", "gseapy", "statsmodels", "matplotlib", "pyarrow")
AREAS: dict[str, tuple[str, ...]] = {
    "study": (
        *_TABLES,
        "openpyxl",
        "SimpleITK",
        "tifffile",
        "tiffslide",
        "openslide-python",
        "imagecodecs",
    ),
    "simulate": (*_TABLES, "matplotlib"),
    "microct": (
        *_TABLES,
        *_IMAGES,
        "SimpleITK",
        "aimio-py",
        "pydicom",
        "numba",
        "edt",
        "connected-components-3d",
    ),
    "histology": (
        *_TABLES,
        *_IMAGES,
        "tiffslide",
        "openslide-python",
        "openslide-bin",
        "shapely",
        "pyarrow",
    ),
    "culture": (*_TABLES, *_IMAGES, "tiffslide", "openslide-python", "openpyxl"),
    "bulk": (*_TABLES, *_OMICS),
    "singlecell": (*_TABLES, *_OMICS, "igraph", "scikit-learn"),
    "outcomes": (*_TABLES, "openpyxl"),
    "statistics": (*_TABLES, "statsmodels", "pulp", "highspy", "matplotlib"),
    "linkage": (*_TABLES, "statsmodels", "pulp", "highspy", "networkx", "matplotlib"),
    "report": (*_TABLES, "matplotlib", "altair", "vl-convert-python", "jinja2"),
    "provenance": (*_TABLES, "rocrate"),
}
# Where conda-forge or bioconda use another name than the lock; what conda does not have is installed by pip inside the env.
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",
    "igraph": "python-igraph",
    "SimpleITK": "simpleitk",
    "pydeseq2": "bioconda::pydeseq2",
    "gseapy": "bioconda::gseapy",
}
PIP_ONLY = {"aimio-py", "openslide-bin", "edt", "tiffslide", "vl-convert-python", "highspy"}


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


def environment_yaml(area: str, versions: dict[str, str]) -> str:
    """Text of an area's environment file.

    Raises
    ------
    KeyError
        If the lock has no pin for a package of the area.
    """
    packages = list(dict.fromkeys(AREAS[area]))
    conda = [
        f"  - {CONDA_NAMES.get(p, p)} ={versions[_canonical(p)]}"
        for p in packages
        if p not in PIP_ONLY
    ]
    pip = [f"      - {p}=={versions[_canonical(p)]}" for p in packages if p in PIP_ONLY]
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
    for area in AREAS:
        write_text(environment_yaml(area, versions), root / "envs" / f"{area}.yaml")


if __name__ == "__main__":
    main()
