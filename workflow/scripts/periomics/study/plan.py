"""What a study's sheets ask for: targets of every area, job counts, overlap and batch tables. Arithmetic on sheets only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from periomics.study.modalities import IMAGING, OF_SHEET
from periomics.study.sheets import SPECIMEN_SHEETS
from periomics.study.study import Study

# Rules whose jobs draw numbers, as those that are given the seed (tested).
SEEDED_RULES = [
    "simulate_design",
    "simulate_microct",
    "simulate_histology",
    "simulate_culture",
    "simulate_bulk",
    "simulate_singlecell",
    "rank_sets",
    "build_atlas",
    "estimate_contrasts",
    "associate_scores",
    "solve_network",
    "refit_routes",
    "estimate_power",
    "allocate_animals",
    "calibrate_part",
]
# Tables of the team's that the check reads.
CHECK_TABLES = {
    **{n: f"{n}.tsv" for n in ("outcomes", "signatures", "responses", "signalling")},
    "stains": "stains.yaml",
}
# Jobs of a calibration: enough for the cores of a workstation, and steps by which its progress shows.
CALIBRATION_PARTS = 12


def ids(study: Study, sheet: str, column: str = "specimen_id", **where: str) -> list[str]:
    """Sorted distinct ids of a sheet's rows that can be planned."""
    df = study.rows(sheet, **where)
    return sorted({v for v in df[column] if v}) if column in df.columns else []


def assays(study: Study) -> tuple[bool, bool]:
    """Whether the study has bulk and single-cell libraries."""
    found = set(study.rows("libraries")["assay"])
    return "bulk" in found, "singlecell" in found


def decoded_sheets(study: Study) -> dict[str, str]:
    """Sheets with arms in place of codes, by name; none unless the study is coded and its key is opened."""
    names = [
        n for n in ("animals", *SPECIMEN_SHEETS) if study.coding.opened and study.sheet_file(n)
    ]
    return {n: f"{study.results}/study/decoded/{n}.tsv" for n in names}


def tables_to_import(study: Study) -> bool:
    """Whether there are values that come as tables: imports, clinical observations or readings."""
    return any(len(study.rows(s)) for s in ("imports", "clinical", "readings"))


def measurement_tables(study: Study) -> list[str]:
    """Every measurements table that the study will have."""
    out = [
        f"{study.results}/{m.name}/{i}/measurements.tsv"
        for m in IMAGING
        for i in ids(study, m.sheet, m.job)
    ]
    if tables_to_import(study):
        out.append(f"{study.results}/outcomes/imported.tsv")
    return out


def score_tables(study: Study) -> dict[str, str]:
    """Score tables per library that the study will have, by area."""
    found = zip(("bulk", "singlecell"), assays(study), strict=True)
    return {a: f"{study.results}/{a}/scores.tsv" for a, there in found if there}


def bulk_contrasts(study: Study) -> list[str]:
    """Names `<analysis>.<contrast>` of all differential tests of the bulk libraries."""
    return _contrasts(study, "bulk") if assays(study)[0] else []


def _contrasts(study: Study, area: str) -> list[str]:
    settings = study.config.get(area)
    analyses = (settings.get("analyses") if isinstance(settings, dict) else None) or []
    return [f"{a['name']}.{c}" for a in analyses for c in a.get("contrasts", [])]


def networks(study: Study) -> dict[str, dict]:
    """Signalling networks whose differential test the study will have, by name."""
    settings = study.config.get("linkage")
    declared = (settings.get("networks") if isinstance(settings, dict) else None) or []
    tests = set(bulk_contrasts(study))
    return {str(n["name"]): n for n in declared if n.get("test") in tests}


def own_outcomes(study: Study) -> list[str]:
    """The table of the study's own outcomes, where `resources: outcomes` names one."""
    resources = study.config.get("resources")
    path = resources.get("outcomes") if isinstance(resources, dict) else None
    return [os.path.expandvars(path)] if isinstance(path, str) and path else []


def network_tables(study: Study, name: str) -> dict[str, str]:
    """Third-party tables of a signalling network, by name: signed table and regulons, and orthologs where it has either."""
    declared, resources = networks(study)[name], study.config.get("resources")
    known = resources if isinstance(resources, dict) else {}
    own = {n: str(declared.get(n) or "") for n in ("table", "regulons")}
    found = {n: str(known.get(v, v)) for n, v in own.items() if v}
    if found:
        rodents = ("orthologs_mouse", "orthologs_rat")
        found |= {n: str(known[n]) for n in rodents if known.get(n)}
    return {n: os.path.expandvars(v) for n, v in found.items()}


def network_results(study: Study, name: str) -> dict[str, str]:
    """Results that a signalling network reads, by name: axes where its inputs are those of the evidence."""
    asked = networks(study)[name].get("inputs") == "evidence" and questions(study)
    return {"axes": f"{study.results}/linkage/axes.tsv"} if asked else {}


def tracking(study: Study) -> dict[str, str]:
    """The table of associations by name, where there is anything to link: which outcomes track a programme."""
    file = f"{study.results}/linkage/associations.tsv"
    return {"associations": file} if associated(study) else {}


def network_files(study: Study, name: str) -> dict[str, str]:
    """What a signalling network reads beside the team's own tables, by name."""
    return network_tables(study, name) | network_results(study, name)


def associated(study: Study) -> bool:
    """Whether there is anything to link: scores on one side and measurements on the other."""
    return bool(score_tables(study)) and bool(measurement_tables(study))


def questions(study: Study) -> bool:
    """Whether the evidence of paracrine axes is weighed: something to link, and a question declared."""
    settings = study.config.get("linkage")
    asked = settings.get("questions") if isinstance(settings, dict) else None
    return associated(study) and bool(asked)


def evidence_inputs(study: Study) -> dict[str, str]:
    """Results that the evidence of axes is read from, by name; only those that this study will have."""
    bulk, single = assays(study)
    files = {"associations": "linkage/associations", "contrasts": "statistics/contrasts"}
    if bulk:
        files |= {f"bulk_{n}": f"bulk/{n}" for n in ("counts", "genes", "qc")}
    if bulk_contrasts(study):
        files["set_tests"] = "bulk/set_tests"
    if single:
        names = ("counts", "groups", "genes")
        files |= {f"singlecell_{n}": f"singlecell/pseudobulk/{n}" for n in names}
    return {name: f"{study.results}/{file}.tsv" for name, file in files.items()}


def batch_tables(study: Study, **where: str) -> list[str]:
    """Stain batch files that some sections depend on."""
    return [
        f"{study.results}/histology/batches/{b}.tsv"
        for b in ids(study, "sections", "batch", **where)
    ]


def claimed_associations(study: Study) -> list[str]:
    """The table of associations where a claim speaks of one and there is anything to link."""
    claims = study.claims.get("claims") if isinstance(study.claims, dict) else None
    kinds = [c.get("kind") for c in claims or [] if isinstance(c, dict)]
    return (
        [f"{study.results}/linkage/associations.tsv"]
        if "association" in kinds and associated(study)
        else []
    )


def scan_batches(study: Study, **where: str) -> list[str]:
    """Scan batches that have a job of their own: none unless the threshold or the calibration is theirs."""
    settings = study.config.get("microct")
    asked = isinstance(settings, dict) and (
        settings.get("threshold_rule") == "otsu" or settings.get("calibration") == "phantom"
    )
    return ids(study, "scans", "batch", **where) if asked else []


def scan_batch_tables(study: Study, **where: str) -> list[str]:
    """Scan batch files that some scans depend on."""
    return [f"{study.results}/microct/batches/{b}.tsv" for b in scan_batches(study, **where)]


def scan_facts(study: Study) -> list[str]:
    """Facts of every scan, in the order of their ids."""
    return [f"{study.results}/microct/{i}/scan.tsv" for i in ids(study, "scans")]


def scan_levels(study: Study) -> list[str]:
    """The table of scans beside the others of their batches, where there are scans."""
    return [f"{study.results}/microct/levels.tsv"] if ids(study, "scans") else []


def simulated_layers(study: Study) -> list[str]:
    """Areas whose raw files are simulated and whose truth can be compared with measurements."""
    return [m.name for m in IMAGING if study.simulated and len(study.rows(m.sheet))]


def targets(study: Study) -> dict[str, list[str]]:
    """Files that the named target of each area stands for; an area without rows has none."""
    r = study.results
    bulk, single = assays(study)
    out: dict[str, list[str]] = {}
    for m in IMAGING:
        out[m.name] = [f"{r}/{m.name}/{i}/measurements.tsv" for i in ids(study, m.sheet, m.job)]
    out["microct"] += scan_levels(study)
    out["bulk"] = [f"{r}/bulk/{f}" for f in ("counts.tsv", "scores.tsv")] if bulk else []
    out["bulk"] += [
        f"{r}/bulk/{kind}/{c}.tsv" for c in bulk_contrasts(study) for kind in ("de", "sets")
    ]
    out["bulk"] += [f"{r}/bulk/set_tests.tsv"] if bulk_contrasts(study) else []
    out["singlecell"] = (
        [
            f"{r}/singlecell/{f}"
            for f in ("atlas.h5ad", "composition.tsv", "scores.tsv", "tests.tsv")
        ]
        if single
        else []
    )
    measured = measurement_tables(study) or score_tables(study)
    out["outcomes"] = [f"{r}/outcomes/animals.tsv"] if measured else []
    out["statistics"] = (
        [f"{r}/statistics/{n}.tsv" for n in ("verdicts", "deviations")] if measured else []
    )
    out["linkage"] = [f"{r}/linkage/associations.tsv"] if associated(study) else []
    out["linkage"] += [f"{r}/linkage/axes.tsv"] if questions(study) else []
    out["linkage"] += [
        f"{r}/linkage/network/{n}/{f}.tsv" for n in networks(study) for f in ("edges", "routes")
    ]
    out["linkage"] += [f"{r}/linkage/network/{n}/routes.svg" for n in networks(study)]
    out["report"] = [f"{r}/report/report.html"]
    out["provenance"] = [f"{r}/provenance/run.json", f"{r}/ro-crate-metadata.json"]
    out["recovery"] = [f"{r}/recovery.tsv"] if simulated_layers(study) else []
    out["all"] = [f for area in out for f in out[area]]
    # Of the next study: made only when asked for by name.
    out["calibrate"] = [f"{r}/statistics/calibration.tsv"]
    out["power"] = [f"{r}/statistics/{f}" for f in ("power.tsv", "power_curves.tsv", "power.svg")]
    out["allocate"] = [
        f"{r}/planning/{n}.tsv" for n in ("allocation", "layout", "layout_key", "balance")
    ]
    return out


BEFORE_DATA = frozenset({"freeze", "power", "allocate", "calibrate"})


def before_data(names: Iterable[str]) -> bool:
    """Whether only targets are asked for that make sense before there is any file to check; they check what they read themselves."""
    asked = set(names)
    return bool(asked) and asked <= BEFORE_DATA


def measured_animals(study: Study) -> str | list[str]:
    """outcomes/animals.tsv where it has been made: power takes SD from it, and is no reason to measure a study."""
    file = Path(study.results) / "outcomes" / "animals.tsv"
    return file.as_posix() if file.is_file() else []


def calibration_parts(study: Study) -> list[str]:
    """Tables of the parts into which the scenarios of a calibration are dealt."""
    return [
        f"{study.results}/statistics/calibration/{i}.tsv" for i in range(1, CALIBRATION_PARTS + 1)
    ]


def calibration_made(study: Study) -> bool:
    """Whether a calibration was asked for, so that the report shows it."""
    return all(Path(f).is_file() for f in targets(study)["calibrate"])


def power_made(study: Study) -> bool:
    """Whether power was asked for, so that the report shows it."""
    return all(Path(f).is_file() for f in targets(study)["power"])


def overlap(study: Study) -> pd.DataFrame:
    """Animals × modality: how many specimens each unit has; rows are units with their arm."""
    animals = study.sheets["animals"].set_index("animal_id")
    out = animals[["unit", "group"]].copy()
    for sheet, modality in OF_SHEET.items():
        counts = (
            study.sheets[sheet].groupby("animal_id").size()
            if len(study.sheets[sheet])
            else pd.Series(dtype=int)
        )
        out[modality] = counts.reindex(out.index).fillna(0).astype(int)
    libraries = study.sheets["libraries"]
    for assay in ("bulk", "singlecell"):
        counts = (
            libraries[libraries["assay"] == assay].groupby("animal_id").size()
            if len(libraries)
            else pd.Series(dtype=int)
        )
        out[assay] = counts.reindex(out.index).fillna(0).astype(int)
    return out.reset_index()


def truth_tables(study: Study) -> list[str]:
    """Truth of every simulated layer that has measurements."""
    return [f"{study.results}/simulate/truth/{layer}.tsv" for layer in simulated_layers(study)]


def recovery_inputs(study: Study) -> dict[str, object]:
    """What sequencing adds to the comparison with truth: tests and cell labels beside what was planted."""
    r, (bulk, single) = study.results, assays(study)
    out: dict[str, object] = {}
    if bulk_contrasts(study):
        out |= {
            "genes": f"{r}/simulate/truth/bulk_genes.tsv",
            "targets": f"{r}/simulate/truth/targets.tsv",
            "de": [f"{r}/bulk/de/{c}.tsv" for c in bulk_contrasts(study)],
            "tests": f"{r}/bulk/tests.tsv",
        }
    if single:
        out |= {
            "cells": f"{r}/singlecell/cells.tsv",
            "types": f"{r}/simulate/truth/singlecell_cells.tsv",
        }
    if bulk or single:
        out["libraries"] = decoded_sheets(study).get("libraries") or study.sheet_file("libraries")
    return out


def report_inputs(study: Study) -> dict[str, object]:
    """Files that the report reads, by name; only those that this study will have."""
    r = study.results
    bulk, single = assays(study)
    measured = bool(measurement_tables(study) or score_tables(study))
    out: dict[str, object] = {}
    if measured:
        out |= {
            "measurements": f"{r}/outcomes/measurements.tsv",
            "animals_values": f"{r}/outcomes/animals.tsv",
        }
        out |= {
            n: f"{r}/statistics/{n}.tsv"
            for n in ("contrasts", "rescue", "losses", "verdicts", "arms", "batches", "deviations")
        }
        out |= {n: f"{r}/outcomes/{n}.tsv" for n in ("variance", "sampling")}
    if calibration_made(study):
        out["calibration"] = f"{r}/statistics/calibration.tsv"
    if power_made(study):
        out |= {"power": f"{r}/statistics/power.tsv", "power_figure": f"{r}/statistics/power.svg"}
    if simulated_layers(study):
        out |= {"recovery": f"{r}/recovery.tsv", "recovery_figure": f"{r}/recovery.svg"}
    if associated(study):
        out |= {
            "associations": f"{r}/linkage/associations.tsv",
            "outcome_sets": f"{r}/linkage/sets.tsv",
            "overlap": f"{r}/linkage/overlap.tsv",
            "views": f"{r}/linkage/views.tsv",
            "views_figure": f"{r}/linkage/views.svg",
        }
    if questions(study):
        names = ("evidence", "axes", "timing", "mediation")
        out |= {n: f"{r}/linkage/{n}.tsv" for n in names}
        out["axes_figure"] = f"{r}/linkage/axes.svg"
    if networks(study):
        for name, file in (("networks", "edges"), ("routes", "routes"), ("refits", "refits")):
            out[name] = [f"{r}/linkage/network/{n}/{file}.tsv" for n in networks(study)]
        out["nodes"] = [f"{r}/linkage/network/{n}/nodes.tsv" for n in networks(study)]
        out["route_figures"] = [f"{r}/linkage/network/{n}/routes.svg" for n in networks(study)]
    if bulk:
        names = ("qc", "scores", "planes", "distances")
        out |= {f"bulk_{n}": f"{r}/bulk/{n}.tsv" for n in names}
    if bulk_contrasts(study):
        out |= {k: [f"{r}/bulk/{k}/{c}.tsv" for c in bulk_contrasts(study)] for k in ("de", "sets")}
        out |= {f"bulk_{n}": f"{r}/bulk/{n}.tsv" for n in ("tests", "dispersion")}
        out["set_tests"] = f"{r}/bulk/set_tests.tsv"
    if single:
        of_cells = ("composition", "scores", "qc", "tests", "clusters", "atlas")
        out |= {f"sc_{n}": f"{r}/singlecell/{n}.tsv" for n in of_cells}
        out["sc_de"] = f"{r}/singlecell/de"
    out |= {
        n: f"{r}/provenance/{f}"
        for n, f in (("record", "run.json"), ("software", "software.tsv"), ("inputs", "inputs.tsv"))
    }
    return out


def crate_files(study: Study) -> list[str]:
    """Files that the RO-Crate describes: the report and the tables of the interface."""
    r = study.results
    areas = ("bulk", "outcomes", "statistics", "linkage", "report")
    return [f for area in areas for f in targets(study)[area] if f.endswith((".tsv", ".html"))] + [
        f"{r}/provenance/run.json"
    ]


def job_counts(study: Study) -> dict[str, int]:
    """Jobs of a full run by rule (a dry run from scratch plans the same, tested), without the target rules themselves."""
    bulk, single = assays(study)
    measured = bool(measurement_tables(study) or score_tables(study))
    contrasts = bulk_contrasts(study)
    counts = {
        "link_file": sum(not name.endswith(".folder") for name in study.links()),
        "link_folder": sum(name.endswith(".folder") for name in study.links()),
        "decode_groups": int(study.coding.opened),
        "scan_batch": len(scan_batches(study)),
        "compare_scans": len(scan_levels(study)),
        "stain_batch": len(ids(study, "sections", "batch")),
        **{m.rule: len(ids(study, m.sheet, m.job)) for m in IMAGING},
        "import_tables": int(tables_to_import(study)),
        "collect_counts": int(bulk),
        "score_bulk": int(bulk),
        "fit_bulk": int(bool(contrasts)),
        "rank_sets": int(bool(contrasts)),
        "test_sets": int(bool(contrasts)),
        "build_atlas": int(single),
        "score_singlecell": int(single),
        "test_composition": int(single),
        "fit_pseudobulk": int(single),
        "collect_measurements": int(measured),
        "aggregate_animals": int(measured),
        "estimate_contrasts": int(measured),
        "judge_claims": int(measured),
        "compare_frozen": int(measured),
        "estimate_power": int(power_made(study)),
        "calibrate_part": CALIBRATION_PARTS * calibration_made(study),
        "collect_calibration": int(calibration_made(study)),
        "associate_scores": int(associated(study)),
        "weigh_evidence": int(questions(study)),
        "solve_network": len(networks(study)),
        "refit_routes": len(networks(study)),
        "draw_routes": len(networks(study)),
        "record_provenance": 1,
        "write_crate": 1,
        "write_report": 1,
    }
    if study.simulated:
        layers = simulated_layers(study)
        counts |= {
            "simulate_design": 1,
            "simulate_bulk": int(bulk),
            "simulate_singlecell": int(single),
        }
        counts |= {f"simulate_{m.name}": int(m.name in layers) for m in IMAGING}
        counts["recover_truth"] = int(bool(layers))
    return counts
