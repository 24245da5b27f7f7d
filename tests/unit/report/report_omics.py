"""Tables of genes, cells and linkage in the results folder of the toy study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from periomics.core.results import write_result
from periomics.study.interface.genes import (
    COMPETITIVE,
    DISTANCE_COLUMNS,
    GROUPWISE,
    ROTATION,
    SET_TEST_COLUMNS,
)
from periomics.study.interface.linkage import (
    ASSOCIATION_COLUMNS,
    AXIS_COLUMNS,
    EDGE_COLUMNS,
    EVIDENCE_COLUMNS,
    MEDIATION_COLUMNS,
    NODE_COLUMNS,
    ROUTE_COLUMNS,
    SCREEN_COLUMNS,
    TIMING_COLUMNS,
)

HOSTILE = "<script>document.title='broken'</script> \"quoted\" & 'single' $\\alpha$ {{ 7 * 7 }}"
SCORES = (
    "score:signature:EPI_hemidesmosome",
    "score:signature:ANG_core",
    "score:signature:IMM_clear",
)


def write_tables(results: Path, tables: dict[str, tuple[str, pd.DataFrame]]) -> dict[str, object]:
    for path, table in tables.values():
        write_result(table, results / f"{path}.tsv")
    return {name: str(results / f"{path}.tsv") for name, (path, _) in tables.items()}


def gene_tables(results: Path) -> dict[str, object]:
    rng = np.random.default_rng(3)
    n = 300
    p = np.sort(rng.uniform(0, 1, n) ** 3)
    table = pd.DataFrame(
        {
            "gene_id": [f"g{i}" for i in range(n)],
            "symbol": [f"Gene{i}" if i else HOSTILE for i in range(n)],
            "baseMean": rng.lognormal(4, 1, n),
            "log2FC": rng.normal(0, 1, n),
            "lfcSE": 0.3,
            "stat": rng.normal(0, 2, n),
            "p": p,
            "padj": np.minimum(1, p * n / (np.arange(n) + 1)),
            "log2FC_shrunk": rng.normal(0, 0.5, n),
            "note": "",
        }
    )
    refused = table.assign(
        p=np.nan, padj=np.nan, stat=np.nan, note="technical replicates: no inference"
    )
    sets = pd.DataFrame(
        {
            "set": [f"SET_{i}" for i in range(30)],
            "source": "team",
            "n_genes": 12,
            "share_mapped": 0.9,
            "ES": 0.4,
            "NES": np.linspace(2, -2, 30),
            "place": range(30),
            "leading": "Lama3, Itgb4",
            "evidence": "descriptive",
        }
    )
    set_tests = pd.DataFrame(
        [
            ("mucosa.C2", s, "team", "up", 12, 0.9, method, 3.0, 20.0, p, p, 0.1)
            for s, own in (("SET_1", 0.001), ("SET_2", 0.4))
            for method, p in ((ROTATION, own), (GROUPWISE, own + 0.01), (COMPETITIVE, 0.03))
        ],
        columns=list(SET_TEST_COLUMNS),
    )
    qc = pd.DataFrame(
        {
            "specimen_id": ["R03-rna", "R04-rna"],
            "library_size": [1e6, 4e3],
            "qc": ["pass", "fail"],
            "qc_reason": ["", "too few reads"],
        }
    )
    scores = pd.DataFrame(
        {
            "library_id": ["R03-rna", "R04-rna"],
            "animal_id": ["R03", "R04"],
            "cell_type": "",
            "score_id": "TINY",
            "kind": "signature",
            "method": "mean z",
            "value": [np.nan, np.nan],
            "n_genes": 2,
            "share_mapped": 0.2,
            "reason": "fewer than half of the set",
        }
    )
    composition = pd.DataFrame(
        {
            "row": ["unit"] * 4 + ["contrast"],
            "animal_id": ["R03", "R04", "R05", "R06", ""],
            "arm": ["CTRL", "CTRL", "POST", "POST", ""],
            "cell_type": "basal",
            "count": [40, 30, 50, 60, np.nan],
            "proportion": [0.4, 0.3, 0.5, 0.6, np.nan],
            "clr": [0.1, 0, 0.2, 0.3, np.nan],
            "contrast": ["", "", "", "", "C2"],
            "estimate": 0.4,
            "lower": np.nan,
            "upper": np.nan,
            "padj": np.nan,
            "n_units": 4,
            "status": "descriptive",
            "reason": "fewer than 3 units in an arm",
        }
    )
    tests = pd.DataFrame(
        {
            "test": ["mucosa.C2", "isolation.CM"],
            "status": ["tested", "descriptive"],
            "n_per_arm": ["POST 4; DRUG 4", "medium 6; vehicle 6"],
            "reason": ["", "technical replicates: no inference"],
        }
    )
    names = [f"R{i:02}-rna" for i in range(1, 5)]
    plane = pd.DataFrame({"compared_with": HOSTILE, "specimen_id": names}).assign(
        pc1=[1.0, -1, 2, -2], pc2=0.5, share_pc1=0.6, share_pc2=0.2, place=[1, 3, 2, 4]
    )
    pairs = [(HOSTILE, a, b, 0.5) for a in names for b in names if a != b]
    spread = table[["gene_id", "baseMean"]].assign(own=0.1, trend=0.08, used=0.09)
    cell_quality = pd.DataFrame(
        {
            "specimen_id": [HOSTILE, "R02-sc"],
            "cells": [100, 200],
            "kept": [90, 120],
            "low_counts": [10, 0],
            "low_genes": 0,
            "high_mito": [0, 70],
            "doublets": [0, 10],
            "ambient_percent": [4.0, 12.0],
        }
    )
    clusters = pd.DataFrame({"cluster": [0], "cells": [90], "label": [HOSTILE], "confidence": 0.9})
    atlas = pd.DataFrame(
        [
            ("stability_seeds", "", 0.6),
            ("stability_resolution", "", 0.5),
            ("mixing_before", "", 0.1),
            ("mixing_after", "", 0.3),
            ("mixing_after", "basal", 0.9),
        ],
        columns=["measure", "label", "value"],
    )
    cell_tests = pd.DataFrame(
        {
            "test": ["C2@basal"],
            "status": ["tested"],
            "reason": [""],
            "n_significant": [3],
            "n_naive": [1234],
        }
    )
    out = write_tables(
        results,
        {
            "bulk_planes": ("bulk/planes", plane),
            "bulk_distances": ("bulk/distances", pd.DataFrame(pairs, columns=DISTANCE_COLUMNS)),
            "bulk_dispersion": ("bulk/dispersion", spread.assign(analysis="mucosa")),
            "bulk_qc": ("bulk/qc", qc),
            "bulk_tests": ("bulk/tests", tests),
            "bulk_scores": ("bulk/scores", scores),
            "sc_composition": ("singlecell/composition", composition),
            "one": ("bulk/de/mucosa.C2", table),
            "two": ("bulk/de/isolation.CM", refused),
            "set": ("bulk/sets/mucosa.C2", sets),
            "set_tests": ("bulk/set_tests", set_tests),
            "sc_qc": ("singlecell/qc", cell_quality),
            "sc_clusters": ("singlecell/clusters", clusters),
            "sc_atlas": ("singlecell/atlas", atlas),
            "sc_tests": ("singlecell/tests", cell_tests),
            "sc_scores": ("singlecell/scores", scores.assign(cell_type="basal")),
        },
    )
    return out | {"de": [out.pop("one"), out.pop("two")], "sets": [out.pop("set")]}


def linkage_tables(results: Path) -> dict[str, object]:
    pairs = pd.DataFrame(
        [
            {
                "outcome": "ln332",
                "score_id": SCORES[0],
                "r": 0.6,
                "lower": 0.1,
                "upper": 0.85,
                "p": 0.01,
                "p_adj": 0.03,
                "n": 16,
                "family": "declared pairs (animals)",
                "method": "Pearson",
                "adjusted_for": "arm",
                "p_floor": 0.0001,
                "r_pooled": 0.8,
                "reason": "",
            },
            {
                "outcome": "mvd",
                "score_id": SCORES[1],
                "n": 0,
                "family": "declared pairs (animals)",
                "adjusted_for": "arm",
                "reason": "no unit has both",
            },
        ]
    ).reindex(columns=list(ASSOCIATION_COLUMNS))
    edges = pd.DataFrame(
        [
            {
                "source": "Egfr",
                "sign": 1,
                "target": "Mapk1",
                "frequency": 1.0,
                "null_frequency": 0.2,
                "pool_complete": True,
                "layer": "kinase",
                "evidence": "memory",
            }
        ]
    ).reindex(columns=list(EDGE_COLUMNS))
    routes = pd.DataFrame([{"receptor": "Egfr", "sign": 1, "gain": 1.2, "p": 0.02, "p_adj": 0.04}])
    routes = routes.reindex(columns=list(ROUTE_COLUMNS))
    refits = edges[["source", "sign", "target"]].assign(frequency=0.75, refits=4)
    nodes = pd.DataFrame(
        [
            {"node": "Egfr", "kind": "receptor", "state": 1},
            {"node": "ln332", "kind": "outcome", "of": "barrier programme", "reason": "untested"},
        ]
    ).reindex(columns=list(NODE_COLUMNS))
    overlap = pd.DataFrame(
        {"animal_id": ["R03", "R04"], "histology": [4, 4], "scores of bulk": [3, 0]}
    )
    out = write_tables(
        results,
        _evidence()
        | {
            "associations": ("linkage/associations", pairs),
            "outcome_sets": ("linkage/sets", pairs.reindex(columns=list(SCREEN_COLUMNS))),
            "overlap": ("linkage/overlap", overlap),
            "net": ("linkage/network/egf/edges", edges),
            "void": ("linkage/network/none/edges", edges.iloc[:0]),
            "net_routes": ("linkage/network/egf/routes", routes),
            "void_routes": ("linkage/network/none/routes", routes.iloc[:0]),
            "net_refits": ("linkage/network/egf/refits", refits),
            "net_nodes": ("linkage/network/egf/nodes", nodes),
            "void_nodes": ("linkage/network/none/nodes", nodes.iloc[:0]),
        },
    )
    return out | {
        "networks": [out.pop("net"), out.pop("void")],
        "routes": [out.pop("net_routes"), out.pop("void_routes")],
        "refits": [out.pop("net_refits")],
        "nodes": [out.pop("net_nodes"), out.pop("void_nodes")],
    }


def _evidence() -> dict[str, tuple[str, pd.DataFrame]]:
    axis = {"axis": "LR_VEGFA_KDR", "response": "vegf", "question": "vessels"}
    steps = [
        {**axis, "rung": "L1", "holds": "unknown", "reason": "no library of msc"},
        {**axis, "rung": "L2", "holds": "yes", "subject": "Kdr in mucosa (rat)", "value": 25.0},
        {**axis, "rung": "L3", "holds": "yes", "subject": "vegf up in mucosa.C2", "p": 0.01},
    ]
    said = "VEGFA–KDR and vessels: the receptor is there. L1 missing (ligand in the sender)."
    row = {**axis, "rung": "none", "held": "L2 L3", "missing": "L1: no library", "sentence": said}
    other = {**row, "axis": "LR_NGF_NTRK1", "held": "", "sentence": "NGF–NTRK1: nothing."}
    timing = {"response": "vegf", "test": "mucosa.C4", "direction": "up", "stat": 3.0, "p": 0.01}
    joint = {"response": "score:response:vegf", "outcome": "mvd", "contrast": "C2", "p": 0.02}
    tables = {
        "evidence": (EVIDENCE_COLUMNS, steps),
        "axes": (AXIS_COLUMNS, [row, other]),
        "timing": (TIMING_COLUMNS, [timing]),
        "mediation": (MEDIATION_COLUMNS, [joint]),
    }
    return {
        name: (f"linkage/{name}", pd.DataFrame(rows).reindex(columns=list(columns)))
        for name, (columns, rows) in tables.items()
    }
