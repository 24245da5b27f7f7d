"""All scores of libraries by one road, whole libraries or cell types: sets, pathway footprints, transcription factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.genes import footprints as fp
from periomics.genes import regulons as tf
from periomics.genes.axes import QC, SetTables
from periomics.genes.orthologs import between
from periomics.genes.scores import signature_scores
from periomics.genes.signatures import GeneSet
from periomics.study.settings.bulk import BulkScores

SETS_METHOD = "mean_z"


@dataclass(frozen=True)
class Models:
    """What libraries of a species are scored with.

    Attributes
    ----------
    sets
        Kind of score, and signed set.
    footprints
        Of `read_footprints`; None where no table is configured.
    regulons
        Of `own_regulons` or `read_regulons`.
    least
        Fewest genes of a factor.
    """

    sets: Sequence[tuple[str, GeneSet]]
    footprints: pd.DataFrame | None
    regulons: pd.DataFrame
    least: int

    @classmethod
    def read(
        cls, files: Mapping[str, Any], settings: BulkScores, species: str, *, checks: bool = True
    ) -> Models:
        """The models of a job's files.

        Parameters
        ----------
        files
            Paths of the team's `signatures`, `responses` and `signalling`; where the study has them `progeny`, `regulons`,
            `orthologs_mouse`, `orthologs_rat`.
        settings, species
            Of the scores; of the libraries.
        checks
            Whether sets that check tissue and technique are scored too.

        Raises
        ------
        InputError
            If a table is not of its form, or an ortholog table is needed and not configured.
        """
        sets = SetTables.read(files["signatures"], files["responses"]).scored(species)
        tables = {s: files.get(f"orthologs_{s}") or None for s in ("mouse", "rat")}
        weights = None
        if path := files.get("progeny"):
            other = between(tables, settings.footprint_species, species)
            weights = fp.read_footprints(str(path), settings.footprint_top, other)
        if path := files.get("regulons"):
            other = between(tables, settings.regulon_species, species)
            regulons = tf.read_regulons(str(path), settings.regulon_genes, other)
        else:
            regulons = tf.own_regulons(files["signalling"], species, settings.regulon_genes)
        kept = [(kind, s) for kind, s in sets if checks or kind != QC]
        return cls(kept, weights, regulons, settings.regulon_genes)

    def scores(self, expression: NDArray[np.float64], names: Sequence[str]) -> pd.DataFrame:
        """Every score of every library: columns of `signature_scores`, kind and method.

        Parameters
        ----------
        expression
            (genes, libraries), log2 counts per million, of libraries that are compared with each other.
        names
            Symbol of each gene.
        """
        parts = []
        for kind in dict.fromkeys(k for k, _ in self.sets):
            own = [s for k, s in self.sets if k == kind]
            found = signature_scores(expression, names, own)
            parts.append(found.assign(kind=kind, method=SETS_METHOD))
        if self.footprints is not None:
            found = fp.footprint_scores(expression, names, self.footprints)
            parts.append(found.assign(kind=fp.KIND, method=fp.METHOD))
        if len(self.regulons):
            found = tf.factor_scores(expression, names, self.regulons, self.least)
            parts.append(found.assign(kind=tf.KIND, method=tf.METHOD))
        return pd.concat(parts, ignore_index=True)

    def names(self) -> pd.DataFrame:
        """score_id, kind and method of every score."""
        rows = [(s.name, kind, SETS_METHOD) for kind, s in self.sets]
        pathways = [] if self.footprints is None else list(self.footprints.columns)
        rows += [(fp.score_id(p), fp.KIND, fp.METHOD) for p in pathways]
        factors = sorted(set(self.regulons["factor"]))
        rows += [(fp.score_id(f), tf.KIND, tf.METHOD) for f in factors]
        return pd.DataFrame(rows, columns=["score_id", "kind", "method"])

    def genes(self) -> dict[str, set[str]]:
        """Symbols behind every footprint and factor, by `<kind>:<name>`."""
        out: dict[str, set[str]] = {}
        if self.footprints is not None:
            for pathway, column in self.footprints.items():
                out[f"{fp.KIND}:{fp.score_id(pathway)}"] = set(column.index[column != 0])
        for factor, part in self.regulons.groupby("factor"):
            out[f"{tf.KIND}:{fp.score_id(factor)}"] = set(part["gene"]) - {""}
        return out


def genes_behind(files: Mapping[str, Any], settings: BulkScores) -> dict[str, set[str]]:
    """Human symbols behind every score: sets and responses by name, footprints and factors by `<kind>:<name>`.

    Parameters
    ----------
    files, settings
        Of `Models.read`. Where the study needs no ortholog table and has none, symbols of a rodent are written in capitals, as
        most of their orthologs are.
    """
    sets = SetTables.read(files["signatures"], files["responses"]).genes()
    try:
        return sets | Models.read(files, settings, "human").genes()
    except InputError:
        as_human = settings.but(footprint_species="human", regulon_species="human")
        found = Models.read(files, as_human, "human").genes()
        return sets | {name: {g.upper() for g in genes} for name, genes in found.items()}
