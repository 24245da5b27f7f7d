"""Pictures of two reports' first screens for docs: the toy study's, and that of a study of three doses.

Run: make toy, then .venv/bin/python benchmarks/report_pictures.py results/report/report.html
Writes docs/report.png and docs/report-doses.png (8 bit palette); each says in its text chunk `Source` from which commit. The study
of doses is drawn here as sheets (clinical observations of 50 simulated animals) and runs through the workflow. Needs Chromium.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).resolve().parents[1]
WIDTH, COLOURS = 1300, 192
ARMS = ("CTRL", "DRUG", "CELLS")
DOSES = (1, 2, 4)
# Natural means of healthy, diseased and the three doses, and the spread between animals on the outcome's scale.
MEANS = {
    "bone_exp_area": ((0.8, 6.0, 5.2, 3.0, 1.5), 0.45),
    "mucosa": ((88, 42, 48, 64, 78), 0.6),
    "stage": ((0.2, 2.6, 2.3, 1.5, 0.7), 0.6),
    "bone_exp": ((0.05, 0.9, 0.8, 0.6, 0.25), 0),
}
CLAIMS = {
    "alpha": 0.05,
    "margin": {"kind": "deficit", "value": 0.3},
    "domains": {"necrosis": "bone_exp_area", "barrier": "mucosa"},
    "design": {"blocks": True, "covariates": []},
    "contrasts": {
        "C0": {"text": "healthy over diseased", "weights": {"healthy": 1, "disease": -1}},
        **{
            f"D{d}": {
                "text": f"dose {d} over no cells",
                "weights": {f"CELLS@{d}": 1, "disease": -1},
            }
            for d in DOSES
        },
        "trend": {
            "text": "per doubling of dose + 1",
            "trend": "dose",
            "weights": {"CELLS": 1, "disease": -1},
        },
    },
    "claims": [
        {"id": "C0", "text": "the model has a deficit", "kind": "gate", "contrast": "C0"},
        *(
            {
                "id": f"D{d}",
                "text": f"{d} million cells improve healing",
                "kind": "superiority",
                "contrast": f"D{d}",
                "after": ["C0"],
                "family": "doses",
                "correction": "holm",
            }
            for d in DOSES
        ),
        {
            "id": "trend",
            "text": "more cells heal better",
            "kind": "dose_trend",
            "contrast": "trend",
            "margin": {"kind": "sd", "value": 0.5},
        },
        {
            "id": "half",
            "text": "4 million cells bring healing past half way to healthy",
            "kind": "rescue",
            "arm": "CELLS@4",
            "threshold": 0.5,
        },
        {
            "id": "exposed",
            "text": "4 million cells leave fewer animals with exposed bone",
            "kind": "superiority",
            "contrast": "D4",
            "outcomes": ["bone_exp"],
            "margin": {"kind": "raw", "value": 0.2},
        },
        {
            "id": "stage",
            "text": "2 million cells lower the stage of the lesion",
            "kind": "superiority",
            "contrast": "D2",
            "outcomes": ["stage"],
            "margin": {"kind": "raw", "value": 0.2},
        },
    ],
    "secondary": {"correction": "bh"},
}


def draw_study(folder: Path, animals: int = 10, seed: int = 11) -> Path:
    """Write the sheets, claims and configuration of a study of three doses; returns the configuration."""
    rng = np.random.default_rng(seed)
    rows, seen = [], []
    arms = [("CTRL", None), ("DRUG", 0), *(("CELLS", d) for d in DOSES)]
    for place, (arm, dose) in enumerate(arms):
        for i in range(animals):
            name = f"A{place * animals + i + 1:02d}"
            rows.append({"animal_id": name, "unit": "animal", "group": arm, "block": f"day{i % 5}"})
            for outcome, (means, spread) in MEANS.items():
                value = _drawn(rng, outcome, means[place], spread)
                row = {"animal_id": name, "outcome": outcome, "value": value, "time": 28}
                seen.append(row | {"time_unit": "d", "dose": dose, "dose_unit": "million cells"})
    pd.DataFrame(rows).to_csv(folder / "animals.tsv", sep="\t", index=False)
    pd.DataFrame(seen).to_csv(folder / "clinical.tsv", sep="\t", index=False)
    claims = CLAIMS | {"claims": [{"outcomes": "primary"} | c for c in CLAIMS["claims"]]}
    config = {
        "study": {
            "name": "doses",
            "title": "Three doses of stem cells after implant surgery (simulated)",
            "description": "Clinical observations of 50 drawn animals.",
            "randomised": "within the surgery day",
        },
        "seed": seed,
        "results_dir": str(folder / "results"),
        "sheets": {"animals": "animals.tsv", "clinical": "clinical.tsv"},
        "claims": "claims.yaml",
        "roles": {"healthy": "CTRL", "disease": "DRUG", "treated": ["CELLS"]},
    }
    for name, content in (("claims", claims), ("config", config)):
        text = yaml.safe_dump(content, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder / "config.yaml"


def _drawn(rng: np.random.Generator, outcome: str, mean: float, spread: float) -> float:
    if outcome == "bone_exp":
        return float(rng.random() < mean)
    if outcome == "stage":
        return float(np.clip(round(rng.normal(mean, spread)), 0, 3))
    if outcome == "mucosa":
        odds = np.log(mean / (100 - mean)) + rng.normal(0, spread)
        return round(100 / (1 + np.exp(-odds)), 1)
    return round(mean * float(np.exp(rng.normal(0, spread))), 2)


def commit(page: Path) -> str:
    """The commit that a report says it was written by."""
    return re.findall(r"commit ([0-9a-f]{9})", page.read_text(encoding="utf-8"))[0]


def picture(
    page: Path, file: Path, height: int, maker: str = "report_pictures", colours: int = COLOURS
) -> None:
    """The first screen of a report as a PNG of few colours."""
    browser = next(b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b))
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        more = [f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{height}"]
        command = [browser, *options, *more, f"--screenshot={shot}", page.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        few = Image.open(shot).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    told = PngInfo()
    told.add_text("Source", f"benchmarks/{maker}.py, commit {commit(page)}")
    few.save(file, optimize=True, pnginfo=told)
    print(file.name, few.size, file.stat().st_size)


def main(page: Path) -> None:
    """Both pictures."""
    with tempfile.TemporaryDirectory() as folder:
        config = draw_study(Path(folder))
        run = [sys.executable, "-m", "periomics.study.run", "--cores", "1", "--configfile"]
        subprocess.run([*run, str(config)], check=True, cwd=ROOT)
        doses = Path(folder) / "results" / "report" / "report.html"
        picture(doses, ROOT / "docs" / "report-doses.png", 840)
    picture(page, ROOT / "docs" / "report.png", 1565)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
