"""An analysis of bulk libraries before any test: which libraries, which model, and what each contrast may be called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from periomics.bulk.parts import of_libraries
from periomics.core.results import read_result
from periomics.genes.design import (
    Model,
    collapse,
    collapse_lengths,
    contrast_weights,
    model_matrix,
    select,
    standing,
    with_design,
)
from periomics.genes.inputs import read_claims, read_samples
from periomics.study.settings.bulk import Analysis


@dataclass(frozen=True)
class Libraries:
    """Bulk libraries of a study that passed quality control.

    Attributes
    ----------
    counts
        Genes × specimen_id.
    lengths
        Mean transcript lengths likewise; None where files tell none.
    symbols
        Symbol of each gene id.
    samples
        Of `sample_table`.
    claims
        claims.yaml.
    """

    counts: pd.DataFrame
    lengths: pd.DataFrame | None
    symbols: pd.Series
    samples: pd.DataFrame
    claims: Mapping[str, object]


def read_libraries(files: Mapping[str, Any]) -> Libraries:
    """Libraries of a job's input.

    Parameters
    ----------
    files
        Paths of `counts`, `lengths`, `genes`, `qc`, and of the sheets and claims as `genes.inputs` reads them.
    """
    counts, lengths, genes = (
        read_result(files[name]).set_index("gene_id") for name in ("counts", "lengths", "genes")
    )
    passed = read_result(files["qc"]).query("qc == 'pass'")["specimen_id"]
    samples = read_samples(files, "bulk")
    return Libraries(
        counts=counts,
        lengths=None if lengths.empty else lengths,
        symbols=genes["symbol"],
        samples=samples[samples["specimen_id"].isin(set(passed))],
        claims=read_claims(files),
    )


@dataclass(frozen=True)
class Designed:
    """What all tests of an analysis share.

    Attributes
    ----------
    analysis
        What to compare.
    libraries
        Libraries chosen, with arm and blocks.
    symbols
        Symbol of each gene id.
    counts
        Genes × units, libraries of a unit and arm summed.
    lengths
        Mean transcript lengths likewise, or None.
    units
        A row per column of `counts`.
    model
        Model matrix of the units.
    weights
        Contrast → weights of arms.
    status
        Contrast → (tested, descriptive or refused; reason).
    """

    analysis: Analysis
    libraries: pd.DataFrame
    symbols: pd.Series
    counts: pd.DataFrame
    lengths: pd.DataFrame | None
    units: pd.DataFrame
    model: Model
    weights: Mapping[str, Mapping[str, float]]
    status: Mapping[str, tuple[str, str]]


def designed(
    analysis: Analysis,
    known: Libraries,
    roles: Mapping[str, object] | None,
    min_per_arm: int,
) -> Designed:
    """Choose the libraries of an analysis and set up its model and contrasts.

    Parameters
    ----------
    analysis
        What to compare.
    known
        Libraries of the study.
    roles
        The config's roles.
    min_per_arm
        Units per arm below which a contrast is descriptive.
    """
    selected = select(known.samples, analysis.select, analysis.name)
    libraries = with_design(selected, analysis.arm, analysis.blocks, analysis.name)
    own = list(libraries["specimen_id"])
    counts = of_libraries(known.counts, own)
    summed, units = collapse(counts, libraries)
    long = known.lengths
    if long is not None:
        long = long[own].loc[counts.index] if set(own) <= set(long.columns) else None
    model = model_matrix(units)
    weights = {c: contrast_weights(known.claims, roles, c) for c in analysis.contrasts}
    return Designed(
        analysis=analysis,
        libraries=libraries,
        symbols=known.symbols,
        counts=summed,
        lengths=None if long is None else collapse_lengths(long, counts, libraries),
        units=units,
        model=model,
        weights=weights,
        status={c: standing(units, model, w, min_per_arm) for c, w in weights.items()},
    )
