"""What the tables of single cells say, in sentences, and what their pictures show."""

from __future__ import annotations

import pandas as pd

from periomics.report.sources import Sources, complete

DROPPED = {
    "low_counts": "too few counts",
    "low_genes": "too few genes",
    "high_mito": "too many mitochondrial counts",
    "doublets": "likely doublets",
}
MIXED, STABLE = 0.5, 0.7
"""Below these the page warns."""
SHOWN = {
    "qc": "Counts, genes and mitochondrial share of every cell, with the limits of its library",
    "umap": "Map of the cells by label, by library, and by how sure the label is",
    "markers": "Markers by label",
    "umap_arms": "Map of the cells by arm",
    "composition": "Cell types in every animal, by arm",
}


def cell_words(sources: Sources, composition: pd.DataFrame) -> list[str]:
    """Sentences on kept cells, ambient counts, mixing of libraries, stability, labels and cells as units.

    Parameters
    ----------
    sources
        Tables sc_qc, sc_atlas and sc_tests where the study has them.
    composition
        Rows `unit` with cell_type and count.
    """
    qc = sources.table("sc_qc")
    words = [*_kept(qc), *_ambient(qc)]
    facts = complete(sources.table("sc_atlas"), ("measure", "label", "value"))
    whole = facts[facts["label"].fillna("") == ""]
    told = pd.to_numeric(whole.set_index("measure")["value"], errors="coerce")
    return [*words, *_clusters(told), *_unknown(composition), *_naive(sources.table("sc_tests"))]


def _kept(qc: pd.DataFrame) -> list[str]:
    if qc.empty or not {"cells", "kept", *DROPPED} <= set(qc.columns):
        return []
    number = qc[["cells", "kept", *DROPPED]].apply(pd.to_numeric, errors="coerce").fillna(0)
    least = (number["kept"] / number["cells"].clip(lower=1)).idxmin()
    total = number.sum()
    why = ", ".join(f"{total[c]:,.0f} for {word}" for c, word in DROPPED.items() if total[c])
    words = f"{total['kept']:,.0f} of {total['cells']:,.0f} cells were kept"
    words += f"; dropped: {why}" if why else ""
    mixed = pd.to_numeric(qc.get("mixed_species", pd.Series(dtype=float)), errors="coerce").sum()
    if mixed:
        words += f"; {mixed:,.0f} more hold counts of two species and were left out before"
    share = 100 * number.loc[least, "kept"] / max(number.loc[least, "cells"], 1)
    return [
        f"{words}. The library that lost most, {qc.loc[least, 'specimen_id']}, kept {share:.0f} %."
    ]


def _ambient(qc: pd.DataFrame) -> list[str]:
    if "ambient_percent" not in qc.columns:
        return []
    shares = pd.to_numeric(qc["ambient_percent"], errors="coerce")
    if shares.isna().all():
        return ["How many counts come from the fluid around the cells could not be estimated."]
    worst = shares.idxmax()
    return [
        f"At most about {shares.median():.0f} % of counts (median of libraries; most in "
        f"{qc.loc[worst, 'specimen_id']}, {shares[worst]:.0f} %) come from the fluid around the cells: genes "
        "of one type are found that often in others. Counts were not changed for it."
    ]


def _clusters(told: pd.Series) -> list[str]:
    out = []
    before, after = told.get("mixing_before"), told.get("mixing_after")
    if after is not None and after == after:
        out.append(
            "Cells of different libraries are neighbours "
            f"{after:.2f} times as often as at random ({before:.2f} before libraries were integrated)."
        )
        if after < MIXED:
            out.append("Libraries are not mixed: clusters and labels may be those of libraries.")
    seeds, steps = told.get("stability_seeds"), told.get("stability_resolution")
    if seeds is not None and seeds == seeds:
        out.append(
            f"Clusters agree with those of other random numbers by {seeds:.2f}, of finer and coarser "
            f"settings by {steps:.2f} (adjusted Rand index, 1 is the same)."
        )
        if seeds < STABLE:
            out.append("They hang on chance: read labels of cells, not clusters.")
    return out


def _unknown(composition: pd.DataFrame) -> list[str]:
    units = composition[composition.get("row", pd.Series(dtype=str)) == "unit"]
    if units.empty:
        return []
    counts = pd.to_numeric(units["count"], errors="coerce").fillna(0)
    share = 100 * counts[units["cell_type"] == "unknown"].sum() / max(counts.sum(), 1)
    return [
        f"{share:.1f} % of cells have no name, since the markers of no type, or of two, are on."
    ]


def _naive(tests: pd.DataFrame) -> list[str]:
    tests = complete(tests, ("status", "n_naive", "n_significant"))
    tests = tests[tests["status"] == "tested"]
    ours, naive = (
        pd.to_numeric(tests[c], errors="coerce").sum() for c in ("n_significant", "n_naive")
    )
    if not naive:
        return []
    return [
        f"With animals as units {ours:,.0f} genes changed over all types and contrasts; a test that took "
        f"every cell for an animal would have called {naive:,.0f}. That number is a warning, no result."
    ]
