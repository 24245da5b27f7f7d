"""What was run, on what, with what: software, git state, checksums of inputs, seeds, the hash of the claims."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pandas as pd
import yaml

from periomics import __version__
from periomics.core.commit import git_state
from periomics.core.files import sha256
from periomics.core.seeds import derive_seed
from periomics.study.sheets import SPECIMEN_SHEETS
from periomics.study.study import RESULTS_TOKEN, Study


def software_versions() -> pd.DataFrame:
    """Name and version of Python, of periomics and of every installed package, sorted by name."""
    rows = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    rows = dict(sorted(rows.items(), key=lambda kv: kv[0].lower()))
    rows = {"python": platform.python_version(), "periomics": __version__} | {
        k: v for k, v in rows.items() if k != "periomics"
    }
    return pd.DataFrame({"name": list(rows), "version": list(rows.values())})


def input_checksums(study: Study) -> pd.DataFrame:
    """Digest of every sheet, of the claims, their lock and the key of coded groups, and of every raw file that the sheets name.

    Returns
    -------
    DataFrame
        Columns kind (sheet, claims, lock, key, raw), name, path, sha256, bytes; sorted, one row per file or folder.
    """
    rows = []
    for name in study.sheets:
        file = study.sheet_file(name)
        if file and Path(file).is_file():
            rows.append(("sheet", name, file))
    for kind, file in (
        ("claims", study.claims_file()),
        ("lock", study.lock_file()),
        ("key", study.key_file()),
    ):
        if file and Path(file).is_file():
            rows.append((kind, kind, file))
    seen = set()
    for sheet in SPECIMEN_SHEETS:
        for column in ("path", "rois", "mask", "earlier"):
            for cell in study.sheets[sheet].get(column, pd.Series(dtype=str)):
                path = study.resolve(sheet, cell) if cell else ""
                if path and path not in seen and Path(path).exists():
                    seen.add(path)
                    rows.append(("raw", cell.removeprefix(RESULTS_TOKEN), path))
    out = [
        (kind, name, Path(path).as_posix(), sha256(path), _size(Path(path)))
        for kind, name, path in rows
    ]
    return pd.DataFrame(out, columns=["kind", "name", "path", "sha256", "bytes"]).sort_values(
        ["kind", "name"], ignore_index=True
    )


def _size(path: Path) -> int:
    return (
        sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
        if path.is_dir()
        else path.stat().st_size
    )


def claims_digest(claims: Mapping[str, object]) -> str:
    """Digest of what the claims say, whatever their layout in the file."""
    return hashlib.sha256(json.dumps(claims, sort_keys=True, default=str).encode()).hexdigest()


def run_record(
    study: Study, root: Path, rules: list[str], resources: Mapping[str, str]
) -> dict[str, object]:
    """The run as one mapping: resolved config, git state, seeds by rule, hash of the claims, third-party tables.

    Parameters
    ----------
    study
        The study.
    root
        Folder of the checkout.
    rules
        Rules whose seeds are listed; the seed of a job is hash(config seed, rule, specimen).
    resources
        Name and path of the third-party tables that the config names.
    """
    seed = int(study.config.get("seed") or 0)
    tables = {
        n: {"path": p, "sha256": sha256(p)} for n, p in resources.items() if p and Path(p).exists()
    }
    return {
        "periomics": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "git": git_state(root),
        "seed": seed,
        "seeds_by_rule": {r: derive_seed(seed, r) for r in sorted(rules)},
        "claims_sha256": claims_digest(study.claims),
        "config": json.loads(json.dumps(study.config, default=str)),
        "third_party_tables": tables,
    }


def config_text(config: Mapping[str, object]) -> str:
    """The resolved configuration as YAML."""
    return yaml.safe_dump(
        json.loads(json.dumps(config, default=str)), sort_keys=True, allow_unicode=True
    )
