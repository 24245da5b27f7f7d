"""Quality of libraries: size, detected genes, libraries that are the same, and where each stands in a plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from periomics.bulk.likeness import nearly_identical
from periomics.bulk.parts import by_species, of_libraries
from periomics.core.errors import InputError
from periomics.genes.normalise import log_cpm, size_factors

COLUMNS = (
    "specimen_id",
    "animal_id",
    "batch",
    "library_size",
    "assigned_share",
    "detected",
    "top_share",
    "size_factor",
    "median_correlation",
    "same_as",
    "qc",
    "qc_reason",
    "note",
)

VARIABLE = 500
"""Most variable genes that places and distances of libraries rest on."""


def identical(counts: pd.DataFrame) -> dict[str, list[str]]:
    """Library → other libraries with exactly the same counts (libraries without counts aside)."""
    digests: dict[bytes, list[str]] = {}
    for name in counts.columns:
        values = counts[name].to_numpy()
        if values.any():
            digests.setdefault(values.tobytes(), []).append(name)
    return {
        n: [m for m in names if m != n]
        for names in digests.values()
        if len(names) > 1
        for n in names
    }


def qc_table(
    counts: pd.DataFrame,
    facts: Sequence[Mapping[str, object]],
    min_size: int,
    min_detected: int,
    notes: Mapping[str, str] | None = None,
    assigned: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """One row per library; libraries are compared within their species.

    Parameters
    ----------
    counts
        Genes × specimen_id; empty for genes of another species.
    facts
        Rows of the libraries sheet.
    min_size
        Reads below which a library fails.
    min_detected
        Genes with a count below which a library fails.
    notes
        Library → what else is to be said of it.
    assigned
        Library → share of its reads that fell on genes, where the counter tells it.

    Returns
    -------
    DataFrame
        Columns COLUMNS. top_share is the share (0 to 1) of reads on the 50 strongest genes; median_correlation is with the other
        libraries of the same compartment (log counts per million); size_factor is empty for a library that failed.
    """
    parts = [
        _qc_of(part, own, min_size, min_detected, notes or {})
        for _, part, own in by_species(counts, facts)
    ]
    order = [str(f["specimen_id"]) for f in facts]
    table = pd.concat(parts, ignore_index=True).set_index("specimen_id").loc[order]
    table["assigned_share"] = table.index.map(assigned or {}).astype(float)
    return table.reset_index()[list(COLUMNS)]


def _qc_of(
    counts: pd.DataFrame,
    facts: Sequence[Mapping[str, object]],
    min_size: int,
    min_detected: int,
    notes: Mapping[str, str],
) -> pd.DataFrame:
    """`qc_table` of the libraries of one species."""
    sizes, detected = counts.sum(), (counts > 0).sum()
    top = counts.apply(lambda c: np.sort(c.to_numpy())[-50:].sum()) / sizes.where(sizes > 0)
    same, near = identical(counts), nearly_identical(counts)
    rows = []
    for fact in facts:
        s = str(fact["specimen_id"])
        reasons = []
        if sizes[s] < min_size:
            reasons.append(f"{sizes[s]} reads, fewer than {min_size}")
        if detected[s] < min_detected:
            reasons.append(f"{detected[s]} genes detected, fewer than {min_detected}")
        if s in same:
            reasons.append(f"same counts as {', '.join(same[s])}")
        for other, why in near.get(s, {}).items():
            reasons.append(f"nearly the same counts as {other}: {why}")
        twins = [*same.get(s, []), *near.get(s, {})]
        rows.append(
            {
                "specimen_id": s,
                "animal_id": fact.get("animal_id", ""),
                "batch": fact.get("batch", ""),
                "library_size": sizes[s],
                "detected": detected[s],
                "top_share": top[s],
                "same_as": "|".join(twins),
                "qc": "fail" if reasons else "pass",
                "qc_reason": "; ".join(reasons),
                "note": notes.get(s, ""),
            }
        )
    table = pd.DataFrame(rows)
    good = table.loc[table["qc"] == "pass", "specimen_id"]
    factors = (
        pd.Series(size_factors(counts[good].to_numpy()), index=good)
        if len(good)
        else pd.Series(dtype=float)
    )
    table["size_factor"] = table["specimen_id"].map(factors)
    table["median_correlation"] = table["specimen_id"].map(
        median_correlations(counts, facts, list(good))
    )
    return table


def median_correlations(
    counts: pd.DataFrame, facts: Sequence[Mapping[str, object]], good: Sequence[str]
) -> dict[str, float]:
    """Median correlation of each library with the others of its compartment."""
    out: dict[str, float] = {}
    for names in groups(facts).values():
        names = [n for n in names if n in set(good)]
        if len(names) < 3:
            continue
        values = log_cpm(counts[names].to_numpy())
        together = np.corrcoef(values.T)
        np.fill_diagonal(together, np.nan)
        out |= dict(zip(names, np.nanmedian(together, axis=1), strict=True))
    return out


def groups(facts: Sequence[Mapping[str, object]]) -> dict[tuple[str, str, str], list[str]]:
    """Libraries that may be compared: same compartment, cell source and species."""
    out: dict[tuple[str, str, str], list[str]] = {}
    for fact in facts:
        compartment, source, species = (
            str(fact.get(k, "")) for k in ("compartment", "cell_source", "species")
        )
        key = (compartment, source, species)
        out.setdefault(key, []).append(str(fact["specimen_id"]))
    return out


def refuse_duplicates(table: pd.DataFrame, policy: str) -> None:
    """Stop where libraries are the same and the config says so.

    Raises
    ------
    InputError
        Naming the libraries, if `policy` is stop.
    """
    twice = table[table["same_as"] != ""]
    if policy == "stop" and len(twice):
        first = twice.iloc[0]
        raise InputError(
            "two libraries have exactly the same counts"
            if first["qc_reason"].find("nearly the same") < 0
            else "two libraries have nearly the same counts",
            file="libraries",
            column="specimen_id",
            value=f"{first['specimen_id']}, {first['same_as']}",
        )


def most_variable(counts: pd.DataFrame, n_genes: int) -> np.ndarray:
    """Log counts per million of the genes that vary most, (genes, libraries)."""
    values = log_cpm(counts.to_numpy())
    return np.asarray(values[np.argsort(-values.var(axis=1), kind="stable")[:n_genes]])


def principal_components(
    counts: pd.DataFrame, n_genes: int = VARIABLE
) -> tuple[pd.DataFrame, np.ndarray]:
    """First two principal components of libraries (most variable genes, log counts per million) and their share of variance.

    The sign of a component is fixed: the library with the largest value has a positive one.
    """
    values = most_variable(counts, n_genes)
    centred = (values - values.mean(axis=1, keepdims=True)).T
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    points = u[:, :2] * s[:2]
    points = points * np.where(
        points[np.abs(points).argmax(axis=0), range(points.shape[1])] < 0, -1, 1
    )
    return pd.DataFrame(points, index=counts.columns, columns=["PC1", "PC2"][: points.shape[1]]), (
        s**2 / (s**2).sum()
    )[:2]


def qc_figure(counts: pd.DataFrame, table: pd.DataFrame, facts: Sequence[Mapping[str, object]]):
    """Library sizes, detected genes and one plane a compartment, coloured by batch; no arms are known here."""
    from periomics.core.figures import PALETTE, new_figure

    together = groups(facts)
    fig, axes = new_figure(4 * (1 + len(together)), 4, ncols=1 + len(together), squeeze=False)
    batches = sorted(set(table["batch"].astype(str)))
    colour = {b: PALETTE[i % len(PALETTE)] for i, b in enumerate(batches)}
    ax = axes[0, 0]
    for batch, part in table.groupby(table["batch"].astype(str)):
        ax.scatter(
            part["library_size"],
            part["detected"],
            s=14,
            color=colour[batch],
            label=batch or "no batch",
        )
    bad = table[table["qc"] == "fail"]
    ax.scatter(
        bad["library_size"],
        bad["detected"],
        s=50,
        facecolors="none",
        edgecolors="k",
        label="failed",
    )
    ax.set(
        xscale="log" if (table["library_size"] > 0).all() else "linear",
        xlabel="reads",
        ylabel="genes detected",
    )
    ax.legend(fontsize=6)
    good, batch_of = (
        set(table.loc[table["qc"] == "pass", "specimen_id"]),
        table.set_index("specimen_id")["batch"].astype(str),
    )
    for ax, (key, names) in zip(axes[0, 1:], together.items(), strict=True):
        ax.set_title(" / ".join(k for k in key if k) or "libraries", fontsize=8)
        names = [n for n in names if n in good]
        if len(names) < 3:
            ax.text(
                0.5, 0.5, f"{len(names)} libraries: no plane", ha="center", transform=ax.transAxes
            )
            continue
        points, share = principal_components(of_libraries(counts, names))
        ax.scatter(points["PC1"], points["PC2"], s=18, color=[colour[batch_of[n]] for n in names])
        for n in names:
            ax.annotate(n, points.loc[n], fontsize=4, color="0.4")
        ax.set(xlabel=f"PC1 ({100 * share[0]:.0f} %)", ylabel=f"PC2 ({100 * share[1]:.0f} %)")
    return fig
