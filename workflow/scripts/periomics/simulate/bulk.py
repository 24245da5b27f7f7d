"""Simulated bulk counts: negative binomial, with size factors, batches, dispersions that fall with the mean, and planted genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from periomics.core.seeds import generator
from periomics.genes.axes import SetTables
from periomics.simulate.bulk_programme import components, log2_shifts, moved_genes, set_activity
from periomics.simulate.layers import TRUTH_COLUMNS
from periomics.simulate.links import PREFIX, SENDER
from periomics.simulate.routes import sent

LOG_MEAN, LOG_SD = np.log(120.0), 1.3
# Dispersion = floor + slope / mean, within .05 to .3 for genes of 8 counts and more, times a gene's own factor.
DISPERSION_FLOOR, DISPERSION_SLOPE, DISPERSION_CEILING, DISPERSION_SD = 0.05, 2.0, 0.30, 0.25
BATCH_SD, COMPARTMENT_SD, ISOLATION_SD = 0.10, 0.50, 0.15
SIZE_SD = 0.25
# Least mean count of genes by which an axis responds: they are known since they are seen.
RESPONSE_MEAN = 60.0
# Mean count of ligands in stem cells: of those that these do not send, and of those that they send.
LIGAND_MEAN = {False: 0.02, True: 200.0}


@dataclass(frozen=True)
class Genome:
    """Genes of the simulated study: ids, mean count, that in the stem cells, dispersion, what is planted, and by which edges axes move
    their genes."""

    genes: list[str]
    mean: np.ndarray
    sender_mean: np.ndarray
    dispersion: np.ndarray
    planted: pd.DataFrame
    edges: pd.DataFrame


def dispersion_trend(mean: np.ndarray) -> np.ndarray:
    """Dispersion expected at a mean count: .05 for strong genes, at most .3 for weak ones."""
    return np.minimum(
        DISPERSION_FLOOR + DISPERSION_SLOPE / np.maximum(mean, 1e-9), DISPERSION_CEILING
    )


def draw_genome(
    tables: SetTables, signalling: pd.DataFrame, species: str, n_genes: int, seed: int
) -> Genome:
    """Genes with their means, dispersions and planted changes.

    Parameters
    ----------
    tables
        The team's signatures, of which the primary symbol of every member is a gene, and responses.
    signalling
        resources/signalling.tsv, which is perturbed before axes are planted by it.
    species
        human, mouse or rat.
    n_genes
        Genes in all; at least those of the signatures.
    seed
        The config's seed.
    """
    rng = generator(seed, "simulate_bulk", "genome")
    named = tables.signatures[f"gene_{species}"]
    symbols = sorted({g.split("|")[0] for g in named} - {"NA"})
    if n_genes < len(symbols):
        raise ValueError(
            f"n_genes = {n_genes} is fewer than the {len(symbols)} genes of the signatures"
        )
    fillers = [f"Filler{i + 1:05d}" for i in range(n_genes - len(symbols))]
    genes = symbols + fillers
    mean = np.exp(rng.normal(LOG_MEAN, LOG_SD, n_genes))
    factor = np.exp(rng.normal(0, DISPERSION_SD, n_genes))
    found = moved_genes(tables, signalling, species, fillers, n_genes=n_genes, seed=seed, rng=rng)
    responds = found.genes.loc[found.genes["component"].str.startswith(PREFIX), "gene_id"]
    mean[np.isin(genes, responds)] = np.maximum(mean[np.isin(genes, responds)], RESPONSE_MEAN)
    sender = mean.copy()
    for gene, is_sent in sent(tables, species).items():
        sender[genes.index(gene)] = LIGAND_MEAN[is_sent]
    dispersion = dispersion_trend(mean) * factor
    return Genome(genes, mean, sender, dispersion, found.genes, found.edges)


def draw_counts(
    genome: Genome,
    facts: Sequence[Mapping[str, object]],
    targets: Mapping[str, Mapping[str, float]],
    seed: int,
):
    """Counts of all libraries and the planted shift of each gene.

    Parameters
    ----------
    genome
        Of `draw_genome`.
    facts
        Rows of the libraries sheet: specimen_id, animal_id, batch, compartment, sample.
    targets
        specimen_id → target → value: healing components h_*, or cm, cue and factor of a culture.
    seed
        The config's seed. Every library, batch and isolation has a generator of its own.

    Returns
    -------
    counts
        Genes × sample, integers.
    shifts
        (genes, libraries) log2, what the planted genes contribute.
    """
    states = [components(targets.get(str(f["specimen_id"]), {})) for f in facts]
    shifts = log2_shifts(genome.planted, genome.genes, states)
    columns = {}
    for j, fact in enumerate(facts):
        sender = fact.get("compartment") == SENDER
        log_mean = np.log(genome.sender_mean if sender else genome.mean)
        log_mean += np.log(2.0) * shifts[:, j]
        log_mean += _effect(seed, "batch", str(fact.get("batch", "")), BATCH_SD, len(genome.genes))
        log_mean += _effect(
            seed, "compartment", str(fact.get("compartment", "")), COMPARTMENT_SD, len(genome.genes)
        )
        if "cm" in states[j]:
            log_mean += _effect(
                seed, "isolation", str(fact["animal_id"]), ISOLATION_SD, len(genome.genes)
            )
        rng = generator(seed, "simulate_bulk", str(fact["specimen_id"]))
        mean = np.exp(log_mean) * np.exp(rng.normal(0, SIZE_SD))
        shape = 1.0 / genome.dispersion
        columns[str(fact.get("sample", fact["specimen_id"]))] = rng.poisson(
            rng.gamma(shape, mean / shape)
        )
    return pd.DataFrame(columns, index=pd.Index(genome.genes, name="gene_id")), shifts


def _effect(seed: int, kind: str, label: str, sd: float, n: int) -> np.ndarray:
    """Log effect of a batch, compartment or isolation on every gene, equal for all that share the label; none without a label."""
    return (
        generator(seed, "simulate_bulk", f"{kind}:{label}").normal(0, sd, n)
        if label
        else np.zeros(n)
    )


def truth_table(
    tables: SetTables,
    species: str,
    genome: Genome,
    facts: Sequence[Mapping[str, object]],
    shifts: np.ndarray,
) -> pd.DataFrame:
    """Planted activity of every scored set in every library, in the form of the truth tables (log2, mean over the listed genes)."""
    activity = set_activity(tables, species, genome.genes, shifts)
    rows = [
        {
            "specimen_id": f["specimen_id"],
            "animal_id": f["animal_id"],
            "outcome": name,
            "time": f.get("time"),
            "truth": activity.at[name, j],
        }
        for j, f in enumerate(facts)
        for name in activity.index
    ]
    return pd.DataFrame(rows).reindex(columns=list(TRUTH_COLUMNS))
