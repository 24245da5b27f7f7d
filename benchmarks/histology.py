"""CPU time and peak memory of drawing and measuring a section, per readout, at 1 and 4 megapixels.

Run: `python benchmarks/histology.py [--table docs/…]` from the root of the checkout. Each case runs in a process of its own,
so that peak memory is that of the case; imports are counted apart.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAINS = {
    "CD31": ("vessels", 80.0),
    "MPO": ("neutrophils", 150.0),
    "HE": ("lacunae", 30.0),
    "LN332": ("laminin", 45.0),
}


def case(stain: str, side: int) -> dict[str, object]:
    """Draw, write, pool and measure one section of side × side pixels; seconds of this process and its peak memory."""
    sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
    import tempfile

    from periomics.histology.animal import measure_animal
    from periomics.histology.batch import batch_rows
    from periomics.histology.settings import stain_settings
    from periomics.histology.stain_batch import batch_table
    from periomics.imaging.stains import load_stains
    from periomics.simulate.histology_files import SectionJob, write_section

    detector, target = STAINS[stain]
    pairs = load_stains(ROOT / "resources" / "stains.yaml")
    settings = stain_settings({"stains": {stain: {"detector": detector}}}, pairs)
    with tempfile.TemporaryDirectory() as folder:
        fact = {
            "specimen_id": "s",
            "animal_id": "a",
            "section_id": "S1",
            "stain": stain,
            "batch": "A",
            "path": f"{folder}/s.ome.tif",
            "rois": f"{folder}/s.geojson",
        }
        layer = {"histology": {"shape": [side, side], "pixel_um": 0.5}}
        write_section(
            SectionJob(fact, target, {"histology": {"shape": [200, 200], "pixel_um": 0.5}}, 1)
        )  # imports
        spent = {}
        start = time.process_time()
        write_section(SectionJob(fact, target, layer, 1))
        spent["draw_s"], start = time.process_time() - start, time.process_time()
        rows = {"A": batch_rows(batch_table([fact], settings, print))}
        spent["batch_s"] = time.process_time() - start
        measure_animal([fact], settings, rows, True, print)  # imports
        start = time.process_time()
        animal = measure_animal([fact], settings, rows, True, print)
        spent["measure_s"] = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "stain": stain,
        "detector": detector,
        "megapixels": side * side / 1e6,
        **spent,
        "peak_mb": peak,
        "objects": len(animal.objects),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs=2, metavar=("STAIN", "SIDE"))
    parser.add_argument("--table", type=Path, help="write the table as TSV here")
    given = parser.parse_args()
    if given.case:
        print(json.dumps(case(given.case[0], int(given.case[1]))))
        return
    rows = []
    for stain in STAINS:
        for side in (1000, 2000):
            command = [sys.executable, __file__, "--case", stain, str(side)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    header = list(rows[0])
    lines = ["\t".join(header)]
    lines += [
        "\t".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values())
        for row in rows
    ]
    print("\n".join(lines))
    if given.table:
        given.table.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
