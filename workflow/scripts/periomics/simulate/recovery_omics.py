"""What sequencing recovers of what was planted: slope of log fold changes, agreement of cell labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from periomics.simulate.bulk_programme import components, log2_shifts

# Slope of estimated against true log fold changes: .9 to 1.1, widened by two standard errors of the slope itself.
SLOPE_TOLERANCE = 0.1
ARI_TOLERANCE = 0.1
# Genes that move less than this (log2) between the contrasted arms say nothing about a slope.
MOVED = 0.1


def arm_shifts(
    planted: pd.DataFrame, targets: pd.DataFrame, libraries: pd.DataFrame, group: pd.Series
) -> pd.DataFrame:
    """Mean planted log2 shift of every moved gene (rows) in every arm (columns).

    Parameters
    ----------
    planted
        truth/bulk_genes.tsv.
    targets
        truth/targets.tsv.
    libraries
        The bulk rows of the libraries sheet; those without targets (of the stem cells) are left out.
    group
        animal_id → group; where it is empty the library's condition is its arm.
    """
    states = {
        s: dict(zip(p["target"], p["value"], strict=True))
        for s, p in targets.groupby("specimen_id")
    }
    libraries = libraries[libraries["specimen_id"].isin(states)]
    arm = libraries["animal_id"].map(group).fillna("")
    arm = arm.where(arm != "", libraries["condition"])
    genes = sorted(set(planted["gene_id"]))
    shifts = log2_shifts(planted, genes, [components(states[s]) for s in libraries["specimen_id"]])
    return pd.DataFrame(shifts, index=genes, columns=arm.to_numpy()).T.groupby(level=0).mean().T


def rows_of(
    planted: Mapping[str, pd.DataFrame],
    de: Mapping[str, pd.DataFrame],
    libraries: pd.DataFrame,
    group: pd.Series,
) -> list[dict[str, object]]:
    """Recovery rows of differential tests and of cell labels, for what the study has.

    Parameters
    ----------
    planted
        By name, where there are any: `genes`, `targets`, `tests` (bulk/tests.tsv), `cells` and `types`.
    de
        Differential tests by name.
    libraries
        The libraries sheet.
    group
        animal_id → group.
    """
    rows: list[dict[str, object]] = []
    if "genes" in planted:
        bulk = libraries[libraries["assay"] == "bulk"]
        shifts = arm_shifts(planted["genes"], planted["targets"], bulk, group)
        rows += bulk_rows(de, planted["tests"], shifts)
    if "cells" in planted:
        rows.append(label_row(planted["cells"], planted["types"]))
    return rows


def parse_weights(text: str) -> dict[str, float]:
    """`PRE +1; DRUG -1` as arm → weight."""
    return {a: float(w) for a, w in (part.rsplit(" ", 1) for part in text.split("; "))}


def slope_row(test: str, de: pd.DataFrame, true: pd.Series) -> dict[str, object] | None:
    """Slope of estimated on true log fold changes through the origin, weighted by precision; None without moved genes."""
    both = (
        de.set_index("gene_id")[["log2FC", "lfcSE"]].join(true.rename("true"), how="inner").dropna()
    )
    both = both[both["true"].abs() > MOVED]
    if len(both) < 20:
        return None
    weight = 1 / both["lfcSE"] ** 2
    information = float((weight * both["true"] ** 2).sum())
    slope = float((weight * both["true"] * both["log2FC"]).sum()) / information
    return _row("de", test, slope, 1.0, SLOPE_TOLERANCE + 2 / np.sqrt(information))


def bulk_rows(
    de: Mapping[str, pd.DataFrame], tests: pd.DataFrame, shifts: pd.DataFrame
) -> list[dict[str, object]]:
    """One recovery row a differential test."""
    rows = []
    for test in tests.itertuples():
        weights = parse_weights(test.weights)
        if test.test in de and set(weights) <= set(shifts.columns):
            true = sum(shifts[a] * w for a, w in weights.items())
            rows.append(slope_row(test.test, de[test.test], true))
    return [r for r in rows if r]


def label_row(cells: pd.DataFrame, truth: pd.DataFrame) -> dict[str, object]:
    """Adjusted Rand index of labels against true types, over kept cells that are no doublets."""
    from sklearn.metrics import adjusted_rand_score

    both = truth[truth["doublet"] == "no"].merge(cells[["cell", "label"]], on="cell")
    return _row(
        "cell labels",
        "",
        float(adjusted_rand_score(both["type"], both["label"])),
        1.0,
        ARI_TOLERANCE,
    )


def _row(
    outcome: str, variant: str, measured: float, truth: float, tolerance: float
) -> dict[str, object]:
    error = measured - truth
    name = "(slope)" if outcome == "de" else "(adjusted Rand index)"
    return {
        "outcome": outcome,
        "variant": variant,
        "specimen_id": name,
        "section_id": "",
        "measured": measured,
        "truth": truth,
        "error": error,
        "tolerance": tolerance,
        "pass": "yes" if abs(error) <= tolerance else "no",
    }
