"""A small simulated study of sections on disk, and a stand-in for the object that Snakemake gives to scripts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ROOT / "workflow" / "scripts"
STAINS = {
    "CD31": {"detector": "vessels"},
    "MPO": {"detector": "neutrophils"},
    "HE": {"detector": "lacunae"},
    "LN332": {"detector": "laminin"},
}
TARGETS = {"mvd": 80.0, "neu": 150.0, "elac": 30.0, "ln332": 45.0}


class Named(list):
    """Inputs or outputs of a rule: a list with names."""

    def __init__(self, **named):
        super().__init__(
            [v for item in named.values() for v in (item if isinstance(item, list) else [item])]
        )
        self.__dict__.update(named)


def script(name: str):
    """A script's module, without running it."""
    spec = importlib.util.spec_from_file_location(
        f"script_{name.replace('/', '_')}", SCRIPTS / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def job(
    rule: str,
    folder: Path,
    inputs: dict,
    outputs: dict,
    params: dict,
    threads: int = 1,
    **wildcards,
):
    return SimpleNamespace(
        rule=rule,
        input=Named(**inputs),
        output=Named(**outputs),
        params=Params(**params),
        threads=threads,
        wildcards=wildcards,
        log=[str(folder / f"{rule}.log")],
    )


class Params(SimpleNamespace):
    def items(self):
        return self.__dict__.items()


def facts_of(folder: Path, animals=("R1",), stains=tuple(STAINS), sections: int = 1) -> list[dict]:
    """Rows of the sections sheet as a job sees them: text, no arm."""
    rows = []
    for number, animal in enumerate(animals):
        for stain in stains:
            for k in range(sections):
                section = f"{animal}-{stain}-{k + 1}"
                png = number % 2 == 1
                row = {
                    "specimen_id": f"{animal}-tissue",
                    "animal_id": animal,
                    "section_id": section,
                    "stain": stain,
                    "batch": "A",
                    "role": "sample",
                    "time": "28",
                    "time_unit": "d",
                    "path": str(folder / "raw" / f"{section}{'.png' if png else '.ome.tif'}"),
                    "rois": str(folder / "raw" / f"{section}.geojson"),
                }
                rows.append({**row, "pixel_um": "0.5"} if png else row)
    return rows


def simulate(
    folder: Path, facts: list[dict], size_px: int = 400, seed: int = 5, threads: int = 1
) -> pd.DataFrame:
    """Run the simulation script; returns its truth."""
    from periomics.core.results import read_result, write_result

    specimens = sorted({(f["specimen_id"], f["animal_id"]) for f in facts})
    targets = [(s, a, t, v) for s, a in specimens for t, v in TARGETS.items()]
    write_result(
        pd.DataFrame(targets, columns=["specimen_id", "animal_id", "target", "value"]),
        folder / "targets.tsv",
    )
    settings = {
        "histology": {"shape": [size_px, size_px], "pixel_um": 0.5, "sections_per_stain": 1}
    }
    outputs = {
        "raw": [f["path"] for f in facts],
        "rois": [f["rois"] for f in facts],
        "truth": str(folder / "truth.tsv"),
    }
    params = {"facts": facts, "settings": settings, "seed": seed}
    inputs = {"targets": str(folder / "targets.tsv")}
    script("simulate/simulate_histology").main(
        job("simulate_histology", folder, inputs, outputs, params, threads)
    )
    return read_result(folder / "truth.tsv")


def run_batch(
    folder: Path, facts: list[dict], batch: str = "A", histology: dict | None = None
) -> Path:
    path = folder / "batches" / f"{batch}.tsv"
    mine = [f for f in facts if f.get("batch") == batch]
    params = {"facts": mine, "settings": histology or {"stains": STAINS}}
    inputs = {"stains": str(ROOT / "resources" / "stains.yaml")}
    script("histology/stain_batch").main(
        job("stain_batch", folder, inputs, {"batch": str(path)}, params, batch=batch)
    )
    return path


def run_animal(
    folder: Path,
    facts: list[dict],
    animal: str,
    batches: list[Path],
    histology: dict | None = None,
    on_broken: str = "flag",
) -> Path:
    out = folder / "results" / animal
    mine = [f for f in facts if f["animal_id"] == animal]
    params = {"facts": mine, "settings": histology or {"stains": STAINS}, "on_broken": on_broken}
    inputs = {
        "batches": [str(b) for b in batches],
        "stains": str(ROOT / "resources" / "stains.yaml"),
        "network": str(ROOT / "resources" / "nuclei_brightfield.npz"),
    }
    outputs = {
        "measurements": str(out / "measurements.tsv"),
        "objects": str(out / "objects.parquet"),
        "quality": str(out / "quality.tsv"),
        "overlay": str(out / "overlays.png"),
        "sections": str(out / "sections"),
    }
    script("histology/measure_sections").main(
        job("measure_sections", folder, inputs, outputs, params, animal_id=animal)
    )
    return out
