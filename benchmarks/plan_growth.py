"""Seconds to plan studies of 20, 200 and 2,000 animals with all modalities and four scans each.

Run: .venv/bin/python benchmarks/plan_growth.py [--animals 20 200 2000] [--dry-run-up-to 200]

The sheets come from a pure function; the files that they name are small but sound. Printed for each size:
jobs, CPU seconds of reading the study and of every call that planning makes in it, and CPU seconds and peak
memory of `snakemake -n -q` on it, the check of all files included.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import tifffile
import yaml
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "workflow/scripts"))

from periomics.study import plan  # noqa: E402
from periomics.study.config import resolve_config  # noqa: E402
from periomics.study.study import load_study  # noqa: E402

ARMS = ("CTRL", "DRUG", "PRE", "POST")
DAYS = (0, 7, 14, 28)
STAINS = ("CD31", "MPO", "HE", "LN332")
BATCH = 20  # specimens of a batch
FRAMES = np.zeros((2, 8, 8), np.uint8)


def draw_study(n: int) -> dict[str, pd.DataFrame]:
    """Sheets of a study of `n` animals: four scans, four sections and two libraries each, an isolation in ten."""
    ids = [f"R{i:05d}" for i in range(n)]
    batch = [f"b{i // BATCH}" for i in range(n)]
    animals = [(a, "animal", ARMS[i % 4], f"k{i // 4 % 5}") for i, a in enumerate(ids)]
    isolations = [f"ISO{i:05d}" for i in range(max(1, n // 10))]
    animals += [(i, "isolation", "", "") for i in isolations]
    scans = [
        (f"{a}-d{d}", a, d, "d", b, "sample", f"raw/{a}-d{d}.tif", 18)
        for a, b in zip(ids, batch, strict=True)
        for d in DAYS
    ]
    sections = [
        (
            f"{a}-tissue",
            a,
            28,
            "d",
            f"s{b}",
            "sample",
            f"{a}-{s}",
            f"raw/{a}-{s}.png",
            s,
            0.5,
            f"raw/{s}.geojson",
        )
        for a, b in zip(ids, batch, strict=True)
        for s in STAINS
    ]
    cultures = [
        (f"{i}-{c}", i, c, "h", i, "sample", "scratch", "scratch", f"raw/{i}-{c}.tif", 1.6, 3)
        for i in isolations
        for c in ("vehicle", "medium", "vehicle_cue", "medium_cue")
    ]
    libraries = [
        (f"{a}-{s}", a, 28, "d", f"l{b}", s, f"raw/{s}.{e}", f"{a}-{s}", "mucosa", "tissue", "rat")
        for a, b in zip(ids, batch, strict=True)
        for s, e in (("bulk", "tsv"), ("singlecell", "h5ad"))
    ]
    first = "specimen_id animal_id"
    columns = {
        "animals": "animal_id unit group block",
        "scans": f"{first} time time_unit batch role path voxel_um",
        "sections": f"{first} time time_unit batch role section_id path stain pixel_um rois",
        "cultures": f"{first} condition time_unit batch role assay readout path pixel_um interval_h",
        "libraries": f"{first} time time_unit batch assay path sample compartment cell_source species",
    }
    rows = {"animals": animals, "scans": scans, "sections": sections}
    rows |= {"cultures": cultures, "libraries": libraries}
    return {n: pd.DataFrame(rows[n], columns=columns[n].split()) for n in columns}


def write_files(folder: Path, sheets: dict[str, pd.DataFrame]) -> None:
    """A small sound file for every path of the sheets; no two of scans, sections and cultures are alike."""
    for sheet, pixels in (("scans", np.zeros((4, 5, 6), np.uint16)), ("cultures", FRAMES)):
        stack = io.BytesIO()
        tifffile.imwrite(stack, pixels, photometric="minisblack")
        for path in sheets[sheet]["path"]:
            (folder / path).write_bytes(stack.getvalue() + path.encode())
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 150, 100)).save(picture, "PNG")
    for path in sheets["sections"]["path"]:
        (folder / path).write_bytes(picture.getvalue() + path.encode())
    for stain in STAINS:
        (folder / f"raw/{stain}.geojson").write_text(json.dumps(_region(stain)), encoding="utf-8")
    libraries = sheets["libraries"]
    samples = list(libraries.loc[libraries["assay"] == "bulk", "sample"])
    genes = pd.Index([f"Gene{i}" for i in range(200)], name="gene_id")
    counts = pd.DataFrame(np.full((len(genes), len(samples)), 7), index=genes, columns=samples)
    counts.to_csv(folder / "raw/bulk.tsv", sep="\t")
    _write_cells(folder / "raw/singlecell.h5ad", list(libraries["sample"]))


def _region(stain: str) -> dict:
    name = {"HE": "bone", "LN332": "interface"}.get(stain, "peri_implant_ct")
    square = {"type": "Polygon", "coordinates": [[[0, 0], [8, 0], [8, 8], [0, 8], [0, 0]]]}
    line = {"type": "LineString", "coordinates": [[0, 0], [8, 8]]}
    properties = {"objectType": "annotation", "classification": {"name": name}}
    geometry = line if stain == "LN332" else square
    feature = {"type": "Feature", "geometry": geometry, "properties": properties}
    return {"type": "FeatureCollection", "features": [feature]}


def _write_cells(path: Path, samples: list[str]) -> None:
    """A cell a library."""
    with h5py.File(path, "w") as file:
        file["X"] = np.ones((len(samples), 5), np.float32)
        for name, number in (("obs", len(samples)), ("var", 5)):
            file.create_group(name)["_index"] = [f"{name}{i}" for i in range(number)]
            file[name].attrs["_index"] = "_index"
        file["obs/sample"] = samples


def write_study(folder: Path, n: int) -> Path:
    """The study as files; returns its configuration."""
    sheets = draw_study(n)
    (folder / "raw").mkdir(parents=True)
    for name, table in sheets.items():
        table.to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    write_files(folder, sheets)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    config |= {"results_dir": str(folder / "results"), "sheets": {n: f"{n}.tsv" for n in sheets}}
    config |= {"simulate": None, "claims": "claims.yaml"}
    config["bulk"]["analyses"] = config["bulk"]["analyses"][:1]
    (folder / "claims.yaml").write_bytes((ROOT / "config/claims.yaml").read_bytes())
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder / "config.yaml"


def plan_everything(config: Path) -> int:
    """Read the study and make every call that planning makes, once a job and wildcard; jobs of a full run."""
    settings = resolve_config(yaml.safe_load(config.read_text(encoding="utf-8")))
    study = load_study(settings, config.parent)
    plan.targets(study), plan.report_inputs(study), plan.crate_files(study)
    for sheet, column in ((m.sheet, m.job) for m in plan.IMAGING):
        for name in plan.ids(study, sheet, column):
            study.facts(sheet, **{column: name})
            study.facts(sheet, **{column: name})
            plan.batch_tables(study, **{column: name})
            plan.scan_batch_tables(study, **{column: name})
    for name in plan.ids(study, "sections", "batch"):
        study.facts("sections", batch=name)
    for link in study.links():
        study.links()[link]
    return sum(plan.job_counts(study).values())


def dry_run(config: Path) -> tuple[float, float]:
    """CPU seconds and peak MB of a dry run."""
    snakemake = Path(sys.executable).with_name("snakemake")
    command = [snakemake, "-s", ROOT / "workflow/Snakefile", "-n", "-q", "all"]
    command += ["--configfile", config, "--cores", "1", "--directory", config.parent]
    command = [str(c) for c in command]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = status
    if status:
        raise SystemExit(said[-2000:])
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--animals", type=int, nargs="+", default=[20, 200, 2000])
    parser.add_argument("--dry-run-up-to", type=int, default=200)
    asked = parser.parse_args()
    print("animals\tjobs\tplan_cpu_s\tdry_run_cpu_s\tdry_run_mb")
    for n in asked.animals:
        with tempfile.TemporaryDirectory() as folder:
            config = write_study(Path(folder) / "study", n)
            start = time.process_time()
            jobs = plan_everything(config)
            row = [n, jobs, round(time.process_time() - start, 2)]
            row += [round(v, 1) for v in dry_run(config)] if n <= asked.dry_run_up_to else ["", ""]
            print(*row, sep="\t", flush=True)


if __name__ == "__main__":
    main()
