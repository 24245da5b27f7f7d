"""The sheets of a simulated study: a pure function of settings and seed. The committed sheets are tested to equal it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from periomics.simulate.design import CONDITIONS, draw_animals, draw_isolations
from periomics.simulate.links import SENDER
from periomics.study.sheets import SHEETS

STAINS = ("CD31", "MPO", "HE", "LN332")
RAW = "<results>/simulate/raw"


def draw_sheets(settings: Mapping[str, Any], seed: int) -> dict[str, pd.DataFrame]:
    """All sheets of the study that `settings` (the config's `simulate`) describes, as text tables ready to be written.

    Sheets of modalities that the settings leave out are empty.
    """
    scenario = str(settings["scenario"])
    animals = draw_animals(settings, seed)
    isolations = draw_isolations(settings, seed)
    layers = [
        layer
        for layer in ("microct", "histology", "culture", "bulk", "singlecell")
        if settings.get(layer)
    ]
    kept = animals[~animals["lost"]]
    imaged, sequenced = _shares(kept, scenario, int(settings.get("n_sequenced_per_arm", 4)))
    donors = [
        f"MSC{i + 1}" for i in range(int(settings.get("n_donors", 0)) if "bulk" in layers else 0)
    ]
    out = {
        "animals": _animals(
            animals, isolations if {"culture", "bulk"} & set(layers) else isolations[:0], donors
        ),
        "scans": _scans(imaged, scenario) if "microct" in layers else None,
        "sections": _sections(imaged, settings["histology"]) if "histology" in layers else None,
        "cultures": _cultures(isolations, settings["culture"]) if "culture" in layers else None,
        "libraries": _libraries(
            sequenced, isolations, donors, layers, int(settings.get("n_singlecell_per_arm", 3))
        ),
        "clinical": _clinical(animals),
    }
    return {name: _shaped(name, out.get(name)) for name in SHEETS}


def _shaped(name: str, df: pd.DataFrame | None) -> pd.DataFrame:
    """All cells text, columns in the sheet's order, columns without any entry left out (required ones stay)."""
    columns = SHEETS[name].columns
    if df is None or df.empty:
        return pd.DataFrame(columns=[c.name for c in columns if c.required])
    df = df.reindex(columns=[c.name for c in columns]).fillna("").astype(str)
    return df[[c.name for c in columns if c.required or (df[c.name] != "").any()]]


def _shares(
    animals: pd.DataFrame, scenario: str, per_arm: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Animals that are imaged and animals that are sequenced: overlapping in part, or not at all."""
    turn = animals.groupby("group")["turn"].rank(method="first")
    sequenced = animals[turn <= per_arm]
    if scenario == "disjoint_modalities":
        return animals[turn > per_arm], sequenced
    return animals, sequenced


def _animals(animals: pd.DataFrame, isolations: pd.DataFrame, donors: list[str]) -> pd.DataFrame:
    first = animals.assign(unit="animal", species="rat")
    second = isolations[["animal_id"]].assign(unit="isolation", species="rat", block="")
    third = pd.DataFrame({"animal_id": donors, "unit": "donor", "species": "rat", "block": ""})
    return pd.concat([first, second, third], ignore_index=True)[
        ["animal_id", "unit", "group", "block", "sex", "weight_g", "species"]
    ]


def _scans(animals: pd.DataFrame, scenario: str) -> pd.DataFrame:
    df = pd.DataFrame(
        {
            "specimen_id": animals["animal_id"] + "-ct",
            "animal_id": animals["animal_id"],
            "group": animals["group"],
        }
    )
    df["time"], df["time_unit"], df["role"] = "28", "d", "sample"
    session = animals["group"] if scenario == "confounded" else animals["block"]
    df["batch"] = "scan-" + session.astype(str)
    stack = (
        animals["turn"] % 6 == 5
    )  # one scan an arm comes as a multi-page TIFF, whose voxel size the sheet states
    df["path"] = f"{RAW}/microct/" + df["specimen_id"] + stack.map({True: ".tif", False: ".nrrd"})
    df["voxel_um"] = stack.map({True: "18", False: ""})
    return df.drop(columns="group")


def _sections(animals: pd.DataFrame, layer: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for animal in animals.itertuples():
        for stain in STAINS:
            for k in range(int(layer["sections_per_stain"])):
                section = f"{animal.animal_id}-{stain}-{k + 1}"
                png = (
                    animal.turn % 6 == 5
                )  # one animal an arm comes as PNG, whose pixel size the sheet states
                rows.append(
                    {
                        "specimen_id": f"{animal.animal_id}-tissue",
                        "animal_id": animal.animal_id,
                        "time": "28",
                        "time_unit": "d",
                        "batch": f"stain-{'A' if animal.turn % 2 == 0 else 'B'}",
                        "role": "sample",
                        "section_id": section,
                        "path": f"{RAW}/histology/{section}{'.png' if png else '.ome.tif'}",
                        "stain": stain,
                        "pixel_um": str(layer["pixel_um"]) if png else "",
                        "rois": f"{RAW}/histology/{section}.geojson",
                    }
                )
    return pd.DataFrame(rows)


def _cultures(isolations: pd.DataFrame, layer: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    letters = "BCDEFG"
    for iso in isolations["animal_id"]:
        for turn, (condition, (cm, cue)) in enumerate(CONDITIONS.items()):
            common = {
                "animal_id": iso,
                "condition": condition,
                "cue": str(cue),
                "role": "sample" if cm else "vehicle",
            }
            # Names are coded: a file's name must not tell its arm.
            specimen = f"{iso}-c{turn + 1}"
            rows.append(
                {
                    **common,
                    "specimen_id": f"{specimen}-scratch",
                    "assay": "scratch",
                    "readout": "scratch",
                    "time_unit": "h",
                    "path": f"{RAW}/culture/{specimen}-scratch.tif",
                    "batch": iso,
                    "pixel_um": str(layer["pixel_um"]),
                    "interval_h": str(layer["interval_h"]),
                }
            )
            for readout in ("prol", "surv"):
                for k in range(int(layer["wells"])):
                    row = letters[turn]
                    rows.append(
                        {
                            **common,
                            "specimen_id": f"{specimen}-{readout}-{k + 1}",
                            "assay": "plate",
                            "readout": readout,
                            "time": "48",
                            "time_unit": "h",
                            "path": f"{RAW}/culture/{iso}-{readout}.tsv",
                            "batch": iso,
                            "plate": f"{iso}-{readout}",
                            "well": f"{row}{k + 2}",
                        }
                    )
        for readout in ("prol", "surv"):
            controls = [("blank", "H", 2)] + ([("control", "G", 1)] if readout == "surv" else [])
            for role, row, count in controls:
                for k in range(count):
                    rows.append(
                        {
                            "specimen_id": f"{iso}-{readout}-{role}-{k + 1}",
                            "animal_id": iso,
                            "assay": "plate",
                            "role": role,
                            "readout": readout,
                            "time": "48",
                            "time_unit": "h",
                            "batch": iso,
                            "plate": f"{iso}-{readout}",
                            "path": f"{RAW}/culture/{iso}-{readout}.tsv",
                            "well": f"{row}{k + 2}",
                        }
                    )
    return pd.DataFrame(rows)


def _libraries(
    animals: pd.DataFrame,
    isolations: pd.DataFrame,
    donors: list[str],
    layers: list[str],
    n_single: int,
) -> pd.DataFrame:
    rows = []
    if "bulk" in layers:
        for animal in animals.itertuples():
            rows.append(
                {
                    "specimen_id": f"{animal.animal_id}-rna",
                    "animal_id": animal.animal_id,
                    "assay": "bulk",
                    "time": "28",
                    "time_unit": "d",
                    "batch": f"lib-{'A' if animal.turn % 2 == 0 else 'B'}",
                    "species": "rat",
                    "compartment": "mucosa",
                    "cell_source": "tissue",
                    "path": f"{RAW}/bulk/counts.tsv",
                    "sample": f"{animal.animal_id}-rna",
                }
            )
        for iso in isolations["animal_id"]:
            for turn, (condition, (_, cue)) in enumerate(CONDITIONS.items()):
                specimen = f"{iso}-c{turn + 1}-rna"
                rows.append(
                    {
                        "specimen_id": specimen,
                        "animal_id": iso,
                        "condition": condition,
                        "cue": str(cue),
                        "assay": "bulk",
                        "time": "24",
                        "time_unit": "h",
                        "batch": "lib-C",
                        "species": "rat",
                        "compartment": "epithelium",
                        "cell_source": "oral epithelial cells",
                        "path": f"{RAW}/bulk/counts.tsv",
                        "sample": specimen,
                    }
                )
        rows += [
            {
                "specimen_id": f"{donor}-rna",
                "animal_id": donor,
                "assay": "bulk",
                "batch": "lib-E",
                "species": "rat",
                "compartment": SENDER,
                "cell_source": "stem cells",
                "path": f"{RAW}/bulk/counts.tsv",
                "sample": f"{donor}-rna",
            }
            for donor in donors
        ]
    if "singlecell" in layers:
        turn = animals.groupby("group")["turn"].rank(method="first")
        for animal in animals[turn <= n_single].itertuples():
            rows.append(
                {
                    "specimen_id": f"{animal.animal_id}-sc",
                    "animal_id": animal.animal_id,
                    "assay": "singlecell",
                    "time": "28",
                    "time_unit": "d",
                    "batch": "lib-D",
                    "species": "rat",
                    "compartment": "mucosa",
                    "cell_source": "tissue",
                    "path": f"{RAW}/singlecell/cells.h5ad",
                    "sample": f"{animal.animal_id}-sc",
                }
            )
    return pd.DataFrame(rows)


def _clinical(animals: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {
            "animal_id": a.animal_id,
            "outcome": "impl_surv",
            "value": "0" if a.lost else "1",
            "time": "28",
            "time_unit": "d",
            "observer": "simulated",
        }
        for a in animals.itertuples()
    ]
    return pd.DataFrame(rows)
