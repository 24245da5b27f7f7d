"""Simulated single cells: types with their own profile, composition and programmes that follow healing, doublets, ambient, dying cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from periomics.core.seeds import generator
from periomics.genes.axes import SetTables
from periomics.simulate.bulk_programme import components, log2_shifts, moved_genes
from periomics.simulate.layers import TRUTH_COLUMNS
from periomics.simulate.links import AXES, PREFIX, SENDER, SHARE_PREFIX
from periomics.simulate.routes import sent, symbols_in

TYPES = {
    "basal": 0.20,
    "suprabasal": 0.13,
    "fibroblast": 0.20,
    "endothelial": 0.11,
    "pericyte": 0.07,
    "neutrophil": 0.10,
    "macrophage": 0.09,
    "t_cell": 0.06,
    "msc": 0.04,
}
# Log share of a type per unit of healing.
SHIFTS = {
    "neutrophil": ("h_inflammation", -1.0),
    "macrophage": ("h_inflammation", -0.4),
    "endothelial": ("h_vessels", 0.6),
    "pericyte": ("h_vessels", 0.4),
    "basal": ("h_barrier", 0.3),
}
# The component that moves genes within a type.
PROGRAMMES = {
    "basal": "h_barrier",
    "suprabasal": "h_barrier",
    "endothelial": "h_vessels",
    "pericyte": "h_vessels",
    "neutrophil": "h_inflammation",
    "macrophage": "h_inflammation",
}
# The tissue whose share in the piece a type belongs to, and log share per unit of it.
TISSUES = {"basal": "epithelium", "suprabasal": "epithelium", "endothelial": "endothelium"}
TISSUE_SLOPE = 0.6
# Axes: level (log) of ligands in the stem cells that send them and of receptors in the types that receive, and of other ligands in the
# stem cells.
EXPRESSED, SILENT = 2.5, -7.0
# Genes known of each type, as human symbols; rodents write them with one capital, but for the exceptions.
MARKERS = {
    "basal": "KRT5 KRT14 KRT15 COL17A1 ITGB4 TP63 DST",
    "suprabasal": "KRT13 KRT4 KRTDAP SBSN IVL CNFN KRT6A",
    "fibroblast": "COL1A1 COL1A2 COL3A1 DCN LUM PDGFRA FBLN1",
    "endothelial": "PECAM1 CDH5 KDR VWF CLDN5 EMCN TIE1",
    "pericyte": "RGS5 PDGFRB CSPG4 NOTCH3 KCNJ8 ABCC9",
    "neutrophil": "S100A8 S100A9 CSF3R CXCR2 MMP9 CAMP",
    "macrophage": "CD68 CD163 CSF1R C1QA C1QB C1QC MRC1",
    "t_cell": "CD3D CD3E CD3G CD2 LCK IL7R",
    "msc": "LEPR CXCL12 KITLG NGFR ADIPOQ EBF3",
}
EXCEPTIONS = {("TP63", "mouse"): "Trp63", ("KITLG", "mouse"): "Kitl"}
CONCENTRATION = 150.0
LOG_SD, TYPE_SHARE, TYPE_SD, ANIMAL_SD, CELL_SD = 1.2, 0.10, 1.2, 0.12, 0.25
MARKER_KEPT, MARKER_LOG = 0.75, (2.0, 3.2)
DEPTH, DEPTH_SD = 3500.0, 0.35
AMBIENT, DOUBLETS, DYING = 0.04, 0.04, 0.03
MITO_SHARE, MITO_DYING = 0.05, 0.45
MITO = ("nd1", "nd2", "co1", "co2", "atp6", "co3", "nd4", "cyb")
CELL_COLUMNS = ("cell", "specimen_id", "animal_id", "type", "doublet", "dying")


@dataclass(frozen=True)
class Tissue:
    """Genes, relative level of every gene in every type (types × genes, mitochondrial ones apart) and planted changes."""

    genes: list[str]
    mito: np.ndarray
    profiles: np.ndarray
    planted: pd.DataFrame


def type_markers(species: str) -> dict[str, list[str]]:
    """Markers of every simulated type in a species."""
    return {
        name: [
            g if species == "human" else EXCEPTIONS.get((g, species), g.capitalize())
            for g in genes.split()
        ]
        for name, genes in MARKERS.items()
    }


def mito_symbols(species: str) -> list[str]:
    """Mitochondrial genes as the species writes them."""
    return [
        f"MT-{g.upper()}"
        if species == "human"
        else f"mt-{g.capitalize()}"
        if species == "mouse"
        else f"Mt-{g}"
        for g in MITO
    ]


def draw_tissue(
    tables: SetTables, signalling: pd.DataFrame, species: str, n_genes: int, seed: int
) -> Tissue:
    """Genes and profiles of the types.

    Parameters
    ----------
    tables
        The team's signatures and responses.
    signalling
        resources/signalling.tsv, by which axes are planted as in bulk.
    species, n_genes, seed
        Species, genes in all, the config's seed.

    Notes
    -----
    A quarter of a type's markers is silent in it, and a tenth of all genes differ in each type at random, so that naming the types
    is no inverse crime.
    """
    markers = type_markers(species)
    rng = generator(seed, "simulate_singlecell", "tissue")
    signatures = tables.signatures
    named = {g.split("|")[0] for g in signatures[f"gene_{species}"]} - {"NA"}
    named |= {g for t in TYPES for g in markers[t]}
    mito = mito_symbols(species)
    symbols = sorted(named)
    fillers = [f"Filler{i + 1:05d}" for i in range(n_genes - len(symbols) - len(mito))]
    if n_genes < len(symbols) + len(mito) + 100:
        raise ValueError(f"n_genes = {n_genes} is too few for {len(symbols)} named genes")
    genes = symbols + fillers + mito
    base = rng.normal(0, LOG_SD, len(genes))
    marks = {g for t in TYPES for g in markers[t]}
    profiles = []
    known, ligands = symbols_in(signatures, species), sent(tables, species)
    for name in TYPES:
        own = base + (rng.random(len(genes)) < TYPE_SHARE) * rng.normal(0, TYPE_SD, len(genes))
        kept = {g for g in markers[name] if rng.random() < MARKER_KEPT}
        for i, gene in enumerate(genes):
            if gene in kept:
                own[i] = rng.uniform(*MARKER_LOG)
            elif gene in marks and gene not in markers[name]:
                own[i] = min(own[i], -2.0)
        for gene in set(ligands) - set(markers[name]) if name == SENDER else ():
            own[genes.index(gene)] = SILENT
        for gene in expressed(name):
            own[genes.index(known[gene])] = EXPRESSED
        profiles.append(np.exp(own))
    planted = moved_genes(
        tables, signalling, species, fillers, n_genes=n_genes, seed=seed, rng=rng
    ).genes
    planted = planted[
        planted["component"].str.startswith(("h_", PREFIX)) & ~planted["gene_id"].isin(marks)
    ].reset_index(drop=True)
    return Tissue(genes, np.array([g in set(mito) for g in genes]), np.array(profiles), planted)


def expressed(name: str) -> list[str]:
    """Human symbols of ligands that a type sends and receptors by which it receives, of the planted axes."""
    sent = [a.ligand for a in AXES] if name == SENDER else []
    return sent + [a.receptor for a in AXES if name in a.receiver]


def shares(h: Mapping[str, float], rng: np.random.Generator) -> np.ndarray:
    """Shares of the types in a library: Dirichlet around the shares that healing gives."""
    logs = np.log(np.array(list(TYPES.values())))
    for i, name in enumerate(TYPES):
        component, slope = SHIFTS.get(name, ("", 0.0))
        logs[i] += slope * float(h.get(component, 0.0))
        logs[i] += TISSUE_SLOPE * float(h.get(SHARE_PREFIX + TISSUES.get(name, ""), 0.0))
    mean = np.exp(logs)
    return rng.dirichlet(CONCENTRATION * mean / mean.sum())


def type_shifts(tissue: Tissue, h: Mapping[str, float]) -> np.ndarray:
    """log2 shift (types, genes) of a library: each type has one programme of healing or none, and responds to its axes."""
    of_type = {name: {a.target for a in AXES if name in a.receiver} for name in TYPES}
    states = [
        {c: v for c, v in components(h).items() if c == PROGRAMMES.get(name) or c in of_type[name]}
        for name in TYPES
    ]
    return log2_shifts(tissue.planted, tissue.genes, states).T


def draw_library(
    tissue: Tissue, fact: Mapping[str, object], h: Mapping[str, float], n_cells: int, seed: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Counts (cells, genes) of a library and what each cell is.

    Parameters
    ----------
    tissue
        Of `draw_tissue`.
    fact
        specimen_id, animal_id and sample.
    h
        Healing components of the animal.
    n_cells
        Cells.
    seed
        The config's seed.

    Returns
    -------
    counts
        int32.
    cells
        CELL_COLUMNS; a doublet's `type` is that of its first cell.
    """
    rng = generator(seed, "simulate_singlecell", str(fact["specimen_id"]))
    animal = generator(seed, "simulate_singlecell", f"animal:{fact['animal_id']}").normal(
        0, ANIMAL_SD, len(tissue.genes)
    )
    level = tissue.profiles * 2.0 ** type_shifts(tissue, h) * np.exp(animal)
    level[:, tissue.mito] = 0.0
    level /= level.sum(axis=1, keepdims=True)
    share = shares(h, rng)
    kinds = rng.choice(len(TYPES), n_cells, p=share)
    doublet, dying = rng.random(n_cells) < DOUBLETS, rng.random(n_cells) < DYING
    second = rng.choice(len(TYPES), n_cells, p=share)
    cell = level[kinds] * rng.gamma(1 / CELL_SD, CELL_SD, (n_cells, len(tissue.genes)))
    cell /= cell.sum(axis=1, keepdims=True)
    mixed = np.where(doublet[:, None], 0.5 * (cell + level[second]), cell)
    mixed = (1 - AMBIENT) * mixed + AMBIENT * (share @ level)
    mito = np.where(dying, MITO_DYING, MITO_SHARE) * np.exp(rng.normal(0, 0.2, n_cells))
    mixed *= (1 - mito)[:, None]
    mixed[:, tissue.mito] = mito[:, None] / tissue.mito.sum()
    depth = (
        DEPTH
        * np.exp(rng.normal(0, DEPTH_SD, n_cells))
        * np.where(doublet, 1.8, 1.0)
        * np.where(dying, 0.4, 1.0)
    )
    counts = rng.poisson(mixed * depth[:, None]).astype(np.int32)
    sample = str(fact.get("sample", fact["specimen_id"]))
    cells = pd.DataFrame(
        {
            "cell": [f"{fact['specimen_id']}:{sample}-{i + 1}" for i in range(n_cells)],
            "specimen_id": fact["specimen_id"],
            "animal_id": fact["animal_id"],
            "type": np.array(list(TYPES))[kinds],
            "doublet": np.where(doublet, "yes", "no"),
            "dying": np.where(dying, "yes", "no"),
        }
    )
    return counts, cells


def truth_table(
    tissue: Tissue,
    facts: Sequence[Mapping[str, object]],
    cells: pd.DataFrame,
    healing: Mapping[str, Mapping[str, float]],
):
    """What was realised, in the form of the truth tables: share of each type (percent of intact single cells; `roi` is the type) and the
    planted activity of each type's programme (log2, mean over listed moved genes)."""
    rows = []
    listed = tissue.planted[tissue.planted["listed"] == "yes"]
    for fact in facts:
        specimen = str(fact["specimen_id"])
        common = {"specimen_id": specimen, "animal_id": fact["animal_id"], "time": fact.get("time")}
        own = cells[
            (cells["specimen_id"] == specimen)
            & (cells["doublet"] == "no")
            & (cells["dying"] == "no")
        ]
        share = own["type"].value_counts(normalize=True)
        rows += [
            {
                **common,
                "outcome": "cell_share",
                "roi": name,
                "truth": 100 * float(share.get(name, 0.0)),
            }
            for name in TYPES
        ]
        for name, component in PROGRAMMES.items():
            moved = listed.loc[listed["component"] == component, "lfc"].abs().mean()
            activity = float(healing[specimen].get(component, 0.0)) * moved
            rows.append({**common, "outcome": "programme", "roi": name, "truth": activity})
    return pd.DataFrame(rows).reindex(columns=list(TRUTH_COLUMNS))
