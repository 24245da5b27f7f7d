"""Scores of bulk libraries within the libraries that they may be compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from periomics.bulk.parts import of_libraries
from periomics.bulk.qc import groups
from periomics.genes.axes import SetTables
from periomics.genes.normalise import log_cpm
from periomics.genes.orthologs import between
from periomics.genes.scores import WARN_SHARE, footprint_scores, read_footprints, signature_scores
from periomics.study.settings.bulk import BulkScores

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
    sets: SetTables,
    settings: BulkScores,
    footprints: str | None = None,
    orthologs: Mapping[str, str | None] | None = None,
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
    sets
        Signatures and responses.
    settings
        BulkScores.
    footprints, orthologs
        Path of the footprint table, and rodent → path of its ortholog table; None where not configured.
    """
    animal = {str(f["specimen_id"]): str(f.get("animal_id", "")) for f in facts}
    parts, notes = [], []
    for (compartment, source, species), names in groups(facts).items():
        label = " / ".join(x for x in (compartment, source, species) if x)
        found = score_matrix(
            of_libraries(counts, names),
            symbols,
            species,
            sets=sets,
            settings=settings,
            footprints=footprints,
            orthologs=orthologs,
        )
        found["library_id"] = [names[c] for c in found.pop("column")]
        found["compared_with"] = f"{len(names)} libraries: {label}"
        notes += [f"{label}: {n}" for n in poorly_mapped(found)]
        parts.append(found)
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    table["animal_id"], table["cell_type"] = table["library_id"].map(animal), ""
    return table[list(COLUMNS)].sort_values(["kind", "score_id", "library_id"]).reset_index(
        drop=True
    ), notes


def score_matrix(
    counts: pd.DataFrame,
    symbols: pd.Series,
    species: str,
    sets: SetTables,
    settings: BulkScores,
    footprints: str | None,
    orthologs: Mapping[str, str | None] | None,
) -> pd.DataFrame:
    """Signature and footprint scores of one group of libraries: columns of `signature_scores`, kind and method."""
    expression = log_cpm(counts.to_numpy())
    names = list(symbols.reindex(counts.index).fillna(""))
    wanted = sets.scored(species)
    kind = {s.name: k for k, s in wanted}
    first = signature_scores(expression, names, [s for _, s in wanted])
    parts = [first.assign(kind=first["score_id"].map(kind), method="mean_z")]
    if footprints:
        weights = read_footprints(
            footprints,
            settings.footprint_top,
            between(orthologs or {}, settings.footprint_species, species),
        )
        parts.append(
            footprint_scores(expression, names, weights).assign(kind="footprint", method="mlm")
        )
    return pd.concat(parts, ignore_index=True)


def poorly_mapped(table: pd.DataFrame) -> list[str]:
    """A sentence for every score of which fewer genes were found than should be."""
    first = table.drop_duplicates(["kind", "score_id"])
    low = first[first["share_mapped"] < WARN_SHARE]
    return [
        f"{r.kind} {r.score_id}: {100 * r.share_mapped:.0f} % of the genes found{', no value' if r.reason else ''}"
        for r in low.itertuples()
    ]
