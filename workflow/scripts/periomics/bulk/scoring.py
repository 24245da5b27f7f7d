"""Scores of bulk libraries within the libraries that they may be compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from periomics.bulk.parts import of_libraries
from periomics.bulk.qc import groups
from periomics.genes.normalise import log_cpm
from periomics.genes.scores import WARN_SHARE
from periomics.genes.scoring import Models

COLUMNS = (
    "library_id",
    "animal_id",
    "cell_type",
    "score_id",
    "kind",
    "method",
    "value",
    "n_genes",
    "share_mapped",
    "reason",
    "compared_with",
)


def score_libraries(
    counts: pd.DataFrame,
    symbols: pd.Series,
    facts: Sequence[Mapping[str, object]],
    models: Callable[[str], Models],
) -> tuple[pd.DataFrame, list[str]]:
    """Scores of all libraries and what should be said about them.

    Parameters
    ----------
    counts
        Genes × specimen_id.
    symbols
        Symbol of each gene id.
    facts
        Rows of the libraries sheet that passed quality control.
    models
        Species → what its libraries are scored with.
    """
    animal = {str(f["specimen_id"]): str(f.get("animal_id", "")) for f in facts}
    parts, notes = [], []
    for (compartment, source, species), names in groups(facts).items():
        label = " / ".join(x for x in (compartment, source, species) if x)
        own = of_libraries(counts, names)
        gene = list(symbols.reindex(own.index).fillna(""))
        found = models(species).scores(log_cpm(own.to_numpy()), gene)
        found["library_id"] = [names[c] for c in found.pop("column")]
        found["compared_with"] = f"{len(names)} libraries: {label}"
        notes += [f"{label}: {n}" for n in poorly_mapped(found)]
        parts.append(found)
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    table["animal_id"], table["cell_type"] = table["library_id"].map(animal), ""
    return table[list(COLUMNS)].sort_values(["kind", "score_id", "library_id"]).reset_index(
        drop=True
    ), notes


def poorly_mapped(table: pd.DataFrame) -> list[str]:
    """A sentence for every score of which fewer genes were found than should be."""
    first = table.drop_duplicates(["kind", "score_id"])
    low = first[first["share_mapped"] < WARN_SHARE]
    return [
        f"{r.kind} {r.score_id}: {100 * r.share_mapped:.0f} % of the genes found{', no value' if r.reason else ''}"
        for r in low.itertuples()
    ]
