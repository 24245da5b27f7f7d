"""A results folder of the toy study as a run leaves it, made of tables and small pictures in about a second."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image
from report_omics import HOSTILE as HOSTILE
from report_omics import SCORES, gene_tables, linkage_tables, write_tables

from periomics.core.results import write_result
from periomics.outcomes.aggregate import COLUMNS as ANIMAL_COLUMNS
from periomics.simulate.design import draw_animals, draw_isolations, draw_targets
from periomics.simulate.sheets import draw_sheets
from periomics.statistics.calibration.bounds import judged
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.estimates import batch_table, contrast_table, rescue_table
from periomics.statistics.claims.judging import verdict_table, with_family_levels
from periomics.statistics.claims.losses import loss_table
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.claims.typical import arm_table, with_recovered
from periomics.study import measurements
from periomics.study.dictionary import load_dictionary
from periomics.study.sheets import read_sheet

ROOT = Path(__file__).resolve().parents[3]
DICTIONARY = ROOT / "resources" / "outcomes.tsv"
MODALITIES = {
    "bvtv": "microct",
    "tbth": "microct",
    "elac": "histology",
    "ln332": "histology",
    "mvd": "histology",
    "neu": "histology",
}


def config() -> dict:
    """The committed configuration of the toy study."""
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


def claims() -> dict:
    """The committed claims of the toy study."""
    return yaml.safe_load((ROOT / "config" / "claims.yaml").read_text(encoding="utf-8"))


def value_rows(settings: dict, seed: int, sheets: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """outcomes/animals.tsv: primary outcomes, two further ones, a threshold sweep, cultures and scores, from the design alone."""
    drawn = draw_animals(settings, seed)
    rng = np.random.default_rng(5)
    rows = []
    for animal in drawn.to_dict("records"):
        base = {
            "animal_id": animal["animal_id"],
            "condition": animal["group"],
            "time": 28.0,
            "time_unit": "d",
        }
        scanned = animal["animal_id"] in set(sheets["scans"]["animal_id"])
        for outcome, area in MODALITIES.items():
            if area == "microct" and not scanned:
                continue  # the implant was lost
            value = 0.05 + 0.001 * animal["bvtv"] if outcome == "tbth" else animal[outcome]
            rows.append(
                base
                | {"outcome": outcome, "value": value, "modality": area, "batch": animal["block"]}
            )
        rows.append(
            base
            | {
                "outcome": "bvtv",
                "variant": "threshold=+10%",
                "value": animal["bvtv"] * 0.93,
                "modality": "microct",
            }
        )
        rows.append(
            base
            | {
                "outcome": "elac",
                "variant": "source=reading",
                "value": animal["elac"] + rng.normal(0, 2),
                "modality": "histology",
                "source": "reading",
            }
        )
        rows.append(
            base
            | {
                "outcome": "impl_surv",
                "value": float(not animal["lost"]),
                "modality": "clinical",
                "source": "reading",
            }
        )
    sequenced = sheets["libraries"].loc[sheets["libraries"]["assay"] == "bulk", "animal_id"]
    for animal in drawn[drawn["animal_id"].isin(sequenced)].to_dict("records"):
        for i, score in enumerate(SCORES):
            rows.append(
                {
                    "animal_id": animal["animal_id"],
                    "condition": animal["group"],
                    "outcome": score,
                    "modality": "bulk",
                    "time": 28.0,
                    "value": animal["h_barrier"] + i * rng.normal(),
                    "unit": "a.u.",
                    "time_unit": "d",
                }
            )
    targets = draw_targets(
        settings, seed, {"animals": drawn, "isolations": draw_isolations(settings, seed), **sheets}
    )
    plates = targets[targets["target"].isin(["scratch_rate", "prol", "surv"])]
    condition = (
        sheets["cultures"].drop_duplicates("specimen_id").set_index("specimen_id")["condition"]
    )
    for row in (
        plates.assign(condition=plates["specimen_id"].map(condition))
        .drop_duplicates(["animal_id", "target", "condition"])
        .to_dict("records")
    ):
        rows.append(
            {
                "animal_id": row["animal_id"],
                "condition": row["condition"],
                "outcome": row["target"],
                "value": row["value"] * np.exp(rng.normal(0, 0.05)),
                "modality": "culture",
                "time": 24.0,
                "time_unit": "h",
            }
        )
    df = pd.DataFrame(rows)
    known = load_dictionary(DICTIONARY)
    df["unit"] = df.get("unit", pd.Series(dtype=str)).fillna(df["outcome"].map(known["unit"]))
    df["status"], df["source"] = "measured", df["source"].fillna("measured")
    df = df.reindex(columns=list(ANIMAL_COLUMNS))
    for column in ("dose", "numerator", "denominator"):
        df[column] = df[column].astype(float)
    for column in ("n_sections", "n_fields"):
        df[column] = df[column].fillna(0).astype(int)
    text = [
        c
        for c in df.columns
        if c not in ("value", "time", "dose", "numerator", "denominator", "n_sections", "n_fields")
    ]
    return df.assign(**{c: df[c].fillna("").astype(str) for c in text})


def make_study(
    folder: Path, *, declared: dict | None = None, title: str = "", reason: str = "scan saturated"
) -> dict[str, object]:
    """Write sheets and results below `folder` and return the named inputs of the rule write_report."""
    settings = config()
    if title:
        settings["study"]["title"] = title
    declared = claims() if declared is None else declared
    results = folder / "results"
    sheets = {
        n: f for n, f in draw_sheets(settings["simulate"], settings["seed"]).items() if len(f)
    }
    inputs: dict[str, object] = {}
    for name, sheet in sheets.items():
        write_result(sheet, folder / f"{name}.tsv")
        inputs[name] = str(folder / f"{name}.tsv")
    excluded = sheets["animals"]["animal_id"].iloc[0]
    pd.DataFrame(
        [
            {
                "level": "animal",
                "id": excluded,
                "modality": "microct",
                "reason": reason,
                "date": "2026-01-05",
                "by": "AB",
                "blind": "yes",
            }
        ]
    ).to_csv(folder / "exclusions.tsv", sep="\t", index=False)
    inputs["exclusions"] = str(folder / "exclusions.tsv")
    (folder / "claims.yaml").write_text(
        yaml.safe_dump(declared, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    sheet = read_sheet("animals", inputs["animals"])
    values = value_rows(
        settings["simulate"], settings["seed"], {n: read_sheet(n, f) for n, f in inputs.items()}
    )
    hit = (values["animal_id"] == excluded) & (values["modality"] == "microct")
    values.loc[hit, "value"] = np.nan
    values.loc[hit, ["status", "reason"]] = ["excluded", reason]
    inputs |= {
        "claims": str(folder / "claims.yaml"),
        "dictionary": str(DICTIONARY),
        "signalling": str(ROOT / "resources" / "signalling.tsv"),
    }
    inputs |= _statistics(results, values, sheet, declared, settings) | _measurements(
        results, excluded, reason
    )
    inputs |= gene_tables(results) | linkage_tables(results) | _rest(results, settings)
    _pictures(results, sheets)
    return inputs


def _statistics(
    results: Path, values: pd.DataFrame, sheet: pd.DataFrame, declared: dict, settings: dict
) -> dict[str, object]:
    dictionary = load_dictionary(DICTIONARY)
    plan = read_plan(declared, settings["roles"])
    prepared = prepare(values, sheet, dictionary)
    analysis = Analysis(plan, prepared, dictionary)
    verdicts = with_recovered(verdict_table(analysis), analysis)
    tables = {
        "animals_values": ("outcomes/animals", values),
        "contrasts": (
            "statistics/contrasts",
            with_family_levels(contrast_table(analysis, 1), verdicts),
        ),
        "rescue": ("statistics/rescue", rescue_table(analysis)),
        "losses": ("statistics/losses", loss_table(analysis, 1)),
        "verdicts": ("statistics/verdicts", verdicts),
        "arms": ("statistics/arms", arm_table(analysis)),
        "batches": ("statistics/batches", batch_table(prepared)),
    }
    return write_tables(results, tables)


def calibration_table() -> pd.DataFrame:
    """statistics/calibration.tsv of three made-up scenarios, one of them without bounds and one with a bound that does not hold."""
    rows = []
    for scenario, text, bounded in (
        ("as_planned", "as hoped for", True),
        ("null", "no effect", True),
        ("lost", "lost", False),
    ):
        base = {
            "scenario": scenario,
            "n_per_arm": "CTRL 6, DRUG 6",
            "text": text,
            "truth": 0.0,
            "studies": 1000,
            "claim_id": "C2",
        }
        for outcome, false in (("bvtv", 24), ("mvd", 97 if scenario == "null" else 20)):
            rows += [
                base
                | {
                    "outcome": outcome,
                    "quantity": quantity,
                    "count": count,
                    "bound_low": low if bounded else np.nan,
                    "bound_high": high if bounded else np.nan,
                }
                for quantity, count, low, high in (
                    ("false_supported", false, np.nan, 0.05),
                    ("coverage", 951, 0.93, 0.97),
                    ("coverage where the gate passed", 902, np.nan, np.nan),
                    ("verdict: supported", 30, np.nan, np.nan),
                )
            ]
    return judged(pd.DataFrame(rows).assign(share=lambda d: d["count"] / d["studies"]))


def _measurements(results: Path, animal: str, reason: str) -> dict[str, object]:
    failed = measurements.failed(
        ["bvtv", "tbth"],
        reason,
        specimen_id=f"{animal}-ct",
        animal_id=animal,
        modality="microct",
        level="specimen",
    )
    fine = measurements.tidy(
        [
            {
                "specimen_id": "x",
                "animal_id": "R02",
                "modality": "histology",
                "outcome": "mvd",
                "value": 1.0,
                "level": "section",
                "section_id": "x-1",
                "qc": "warn",
                "qc_reason": "pale stain",
            }
        ]
    )
    return write_tables(
        results,
        {"measurements": ("outcomes/measurements", measurements.concatenate([failed, fine]))},
    )


def _rest(results: Path, settings: dict) -> dict[str, object]:
    recovery = pd.DataFrame(
        {
            "outcome": "bvtv",
            "specimen_id": ["R01-ct", "R02-ct", "(slope)"],
            "section_id": "",
            "variant": "",
            "time": 28.0,
            "measured": [40.0, 50.0, 1.02],
            "truth": [40.5, 49.0, 1.0],
            "error": [-0.5, 1.0, 0.02],
            "tolerance": [1.5, 1.5, 0.05],
            "pass": "yes",
        }
    )
    out = write_tables(
        results,
        {
            "recovery": ("recovery", recovery),
            "software": (
                "provenance/software",
                pd.DataFrame({"name": ["python", "numpy"], "version": ["3.11", "2.4"]}),
            ),
            "inputs": (
                "provenance/inputs",
                pd.DataFrame(
                    {
                        "kind": ["sheet"],
                        "name": ["animals"],
                        "path": ["animals.tsv"],
                        "sha256": [64 * "a"],
                        "bytes": [99],
                    }
                ),
            ),
        },
    )
    record = {
        "periomics": "0.1.0",
        "python": "3.11",
        "seed": settings["seed"],
        "claims_sha256": 64 * "c",
        "config": settings,
        "machine": "x86_64",
        "system": "Linux",
        "git": {"commit": 40 * "0", "changed": ["a.py"]},
        "seeds_by_rule": {"simulate_design": 17},
        "third_party_tables": {},
    }
    (results / "provenance" / "run.json").write_text(json.dumps(record), encoding="utf-8")
    plan = results / "check" / "plan.txt"
    plan.parent.mkdir(parents=True)
    plan.write_text(
        "periomics check: toy\n\nPlease look at:\n  - two batches hold one arm only\n\n\nSheets\n  animals: 24 rows\n",
        encoding="utf-8",
    )
    figure = results / "recovery.svg"
    figure.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20" width="40" height="20"><rect width="40" height="20"/></svg>',
        encoding="utf-8",
    )
    return out | {
        "record": str(results / "provenance" / "run.json"),
        "plan": str(plan),
        "recovery_figure": str(figure),
    }


def _pictures(results: Path, sheets: dict[str, pd.DataFrame]) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(
        rng.integers(0, 255, (60, 180, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    )
    for specimen in sheets["scans"]["specimen_id"][:5]:
        path = results / "microct" / specimen / "overlay.png"
        path.parent.mkdir(parents=True)
        image.save(path)
    path = results / "histology" / sheets["sections"]["animal_id"].iloc[0] / "overlays.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a picture")
