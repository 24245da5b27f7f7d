"""A small sound study on disk, which each golden test breaks in one way."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from periomics.openings import areas
from periomics.study.check.study import find_problems, report
from periomics.study.dictionary import load_dictionary
from periomics.study.plan import CHECK_TABLES
from periomics.study.study import load_study

ROOT = Path(__file__).resolve().parents[3]

CONFIG = {
    "study": {"name": "small", "title": "A sound study"},
    "seed": 1,
    "sheets": {"animals": "animals.tsv", "scans": "scans.tsv", "sections": "sections.tsv"},
    "claims": "claims.yaml",
    "roles": {"healthy": "CTRL", "disease": "DRUG", "treated": ["POST"]},
    "microct": {"bone_threshold": 100, "implant_threshold": 200},
    "histology": {"stains": {"CD31": {"detector": "vessels"}}},
}
CLAIMS = {
    "domains": {"bone": "bvtv", "vessels": "mvd"},
    "directions": {"bvtv": "+"},
    "contrasts": {
        "C0": {"weights": {"healthy": 1, "disease": -1}},
        "C2": {"weights": {"POST": 1, "disease": -1}},
    },
    "claims": [
        {"id": "C0", "kind": "gate", "contrast": "C0", "outcomes": "primary"},
        {"id": "C2", "kind": "superiority", "contrast": "C2", "outcomes": "primary"},
        {"id": "C3", "kind": "rescue", "arm": "POST", "outcomes": ["bvtv"]},
    ],
}
ARMS = ("CTRL", "DRUG", "POST")
REGION = {
    "type": "Feature",
    "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [8, 0], [8, 8], [0, 8], [0, 0]]]},
    "properties": {"objectType": "annotation", "classification": {"name": "peri_implant_ct"}},
}


@cache
def _areas():
    tables = {n: str(ROOT / "resources" / f) for n, f in CHECK_TABLES.items()}
    return areas(tables, load_dictionary(tables["outcomes"]))


@dataclass
class SmallStudy:
    """Folder, config and claims; `sheet` edits a table as text."""

    folder: Path
    config: dict
    claims: dict

    def sheet(self, name: str, old: str, new: str, count: int = -1) -> None:
        path = self.folder / f"{name}.tsv"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, count), encoding="utf-8")

    def check(self) -> tuple[str, bool]:
        (self.folder / "claims.yaml").write_text(yaml.safe_dump(self.claims), encoding="utf-8")
        study = load_study(self.config, self.folder)
        problems = find_problems(study, load_dictionary(ROOT / "resources/outcomes.tsv"), _areas())
        return report(study, problems)


@pytest.fixture
def small(tmp_path: Path) -> SmallStudy:
    rng = np.random.default_rng(0)
    (tmp_path / "raw").mkdir()
    animals, scans, sections = (
        ["animal_id\tunit\tgroup\tblock\tweight_g"],
        ["specimen_id\tanimal_id\tpath\tbatch\tvoxel_um"],
        [],
    )
    sections.append("section_id\tspecimen_id\tanimal_id\tpath\tstain\tbatch\tpixel_um\trois")
    for i in range(9):
        name = f"R{i + 1}"
        animals.append(f"{name}\tanimal\t{ARMS[i % 3]}\tday{i // 3 + 1}\t{180 + i}")
        scans.append(f"{name}-ct\t{name}\traw/{name}.tif\tday{i // 3 + 1}\t18")
        sections.append(
            f"{name}-s\t{name}-t\t{name}\traw/{name}.png.tif\tCD31\trun{i % 2}\t0.5\traw/{name}.geojson"
        )
        tifffile.imwrite(
            tmp_path / "raw" / f"{name}.tif",
            rng.integers(0, 255, (4, 5, 6)).astype(np.uint8),
            photometric="minisblack",
        )
        tifffile.imwrite(
            tmp_path / "raw" / f"{name}.png.tif",
            rng.integers(0, 255, (8, 8, 3)).astype(np.uint8),
            photometric="rgb",
        )
        (tmp_path / "raw" / f"{name}.geojson").write_text(
            json.dumps({"type": "FeatureCollection", "features": [REGION]}), encoding="utf-8"
        )
    for name, lines in (("animals", animals), ("scans", scans), ("sections", sections)):
        (tmp_path / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return SmallStudy(tmp_path, json.loads(json.dumps(CONFIG)), json.loads(json.dumps(CLAIMS)))
