"""Which genes a simulated study moves, by how much: signatures, perturbed before planting so that recovery is no inverse crime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from periomics.core.seeds import generator
from periomics.genes.axes import QC, SetTables
from periomics.genes.signatures import SIGNS
from periomics.simulate.links import LINKED, PREFIX, SHARE_PREFIX, TISSUES
from periomics.simulate.routes import (
    GENE_COLUMNS,
    Planted,
    plant,
    reserved,
    responding,
    symbols_in,
)

# What moves with the healing of an animal (h: 0 diseased, 1 healthy), by domain.
HEALING = {
    "h_barrier": ("EPI_hemidesmosome", "EPI_desmosome", "EPI_tight_adherens", "EPI_apoptosis"),
    "h_vessels": ("ANG_endothelial_core", "ANG_sprouting", "ANG_mural_maturation"),
    "h_inflammation": ("IMM_neutrophil", "IMM_inflammation_core", "IMM_macrophage_repair"),
    "h_bone": ("BONE_osteoblast", "BONE_osteocyte"),
    "h_necrosis": ("BONE_necrosis_danger",),
}
# What moves in isolated cells under conditioned medium, under the wound cue, and under both beyond their sum.
MEDIUM = (
    "EPI_reepithelialisation",
    "EPI_hemidesmosome",
    "EPI_survival",
    "RESP_mapk",
    "RESP_stat3",
    "ANG_sprouting",
)
CULTURE = {
    "cm": MEDIUM,
    "cue": ("RESP_nfkb", "RESP_hypoxia", "EPI_antimicrobial"),
    "cmxcue": MEDIUM,
}
# log2 fold change per unit of a component at the median gene; spread over genes is lognormal.
STRENGTH = {**dict.fromkeys(HEALING, 1.2), "cm": 0.5, "cue": 0.8, "cmxcue": 0.5}
SPREAD = 0.35
DROPPED, FLIPPED, ADDED = 0.4, 0.1, 0.2
MAX_MOVED = 0.2
COLUMNS = GENE_COLUMNS
# Genes of no set that axes move are drawn from the first ones; the stream of random numbers by which axes are planted.
AXIS_FILLERS, AXES_STREAM = 40, ("simulate_bulk", "axes")
# Markers of tissues (human symbols) and log2 fold change per unit of a tissue's share, in the scenario `composition`.
TISSUE_MARKERS = {
    "epithelium": "EPCAM KRT5 KRT14 CDH1 TP63",
    "endothelium": "PECAM1 CDH5 VWF EMCN TIE1",
}
SHARE_STRENGTH = 1.6


def planted_genes(
    tables: SetTables,
    species: str,
    fillers: list[str],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Log2 fold change of every moved gene per component of healing and culture; genes by which axes respond are left out.

    Parameters
    ----------
    tables
        The team's signatures and responses.
    species
        Species whose symbols are the gene ids.
    fillers
        Genes of no set, from which unlisted genes are added.
    rng
        Generator.

    Returns
    -------
    DataFrame
        gene_id, set, listed (yes, or no for added genes), component, lfc (log2 per unit of the component). Of each set's signed members
        40 % do not move and 10 % of the others move the other way; a gene moves with one set a component.
    """
    column, barred = f"gene_{species}", reserved(tables, species)
    signatures = tables.signatures
    free = list(rng.permutation(fillers))
    rows: list[dict[str, object]] = []
    for component, sets in {**HEALING, **CULTURE}.items():
        taken: set[str] = set()
        for name in sets:
            part = signatures[
                (signatures["set"] == name)
                & (signatures["direction"] != "context")
                & (signatures[column] != "NA")
            ]
            members = dict(
                zip(part[column].str.split("|").str[0], part["direction"].map(SIGNS), strict=True)
            )
            genes = [g for g in members if g not in taken | barred]
            moved = [g for g, u in zip(genes, rng.random(len(genes)), strict=True) if u >= DROPPED]
            added = [free.pop() for _ in range(min(len(free), round(ADDED * len(genes))))]
            signs = [
                members[g] * (-1 if u < FLIPPED else 1)
                for g, u in zip(moved, rng.random(len(moved)), strict=True)
            ]
            signs += [int(s) for s in rng.choice([-1, 1], len(added))]
            sizes = STRENGTH[component] * np.exp(rng.normal(0, SPREAD, len(moved) + len(added)))
            taken |= set(moved) | set(added)
            rows += [
                {
                    "gene_id": g,
                    "set": name,
                    "listed": "yes" if g in members else "no",
                    "component": component,
                    "lfc": s * v,
                }
                for g, s, v in zip([*moved, *added], signs, sizes, strict=True)
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def moved_genes(
    tables: SetTables,
    signalling: pd.DataFrame,
    species: str,
    fillers: list[str],
    *,
    n_genes: int,
    seed: int,
    rng: np.random.Generator,
) -> Planted:
    """All genes that move, of programmes and of axes, with the edges by which axes move theirs.

    Parameters
    ----------
    tables, signalling
        The team's tables of sets, and its network.
    species, fillers
        As of `planted_genes`.
    n_genes
        Genes of the matrix: at most 20 % of them move.
    seed
        The config's: axes are the same in every layer.
    rng
        Generator of the programmes.

    Raises
    ------
    ValueError
        If more than a fifth of the genes would move.
    """
    own = min(AXIS_FILLERS, len(fillers))
    axes = plant(tables, signalling, species, fillers[:own], generator(seed, *AXES_STREAM))
    parts = [
        planted_genes(tables, species, fillers[own:], rng),
        axes.genes,
        *(tissue_genes(tables, species, tissue) for tissue in TISSUES),
    ]
    table = pd.concat(parts, ignore_index=True)
    if table["gene_id"].nunique() > MAX_MOVED * n_genes:
        raise ValueError(
            f"{table['gene_id'].nunique()} of {n_genes} genes would move: at least 80 % must be null, raise n_genes"
        )
    return Planted(table, axes.edges)


def tissue_genes(tables: SetTables, species: str, tissue: str) -> pd.DataFrame:
    """What more of a tissue in the piece moves: its markers and the genes of the axis to which it responds, all alike."""
    known = symbols_in(tables.signatures, species)
    axis = next(a for a in LINKED if a.tissue == tissue)
    genes = [*TISSUE_MARKERS[tissue].split(), *responding(tables)[axis.response]]
    moved = list(dict.fromkeys(known[g] for g in genes if g in known))
    rows = {
        "gene_id": moved,
        "set": tissue,
        "listed": "no",
        "component": SHARE_PREFIX + tissue,
        "lfc": SHARE_STRENGTH,
    }
    return pd.DataFrame(rows, columns=list(COLUMNS))


def components(targets: Mapping[str, float]) -> dict[str, float]:
    """How far each component is switched on in a library, from its targets: an animal's healing, or medium and cue of a culture, and
    the response of each axis."""
    own = (PREFIX, SHARE_PREFIX)
    out = {n: float(v) for n, v in targets.items() if n in HEALING or n.startswith(own)}
    if "cm" in targets:
        cm, cue = float(targets["cm"]), float(targets["cue"])
        out |= {"cm": cm, "cue": cue, "cmxcue": cm * cue}
    return out


def log2_shifts(
    planted: pd.DataFrame, genes: list[str], states: Sequence[Mapping[str, float]]
) -> np.ndarray:
    """log2 shift (genes, libraries) that the planted genes give libraries of these states."""
    wide = planted.pivot_table(
        index="gene_id", columns="component", values="lfc", aggfunc="sum", fill_value=0.0
    )
    wide = wide.reindex(index=genes, fill_value=0.0)
    state = pd.DataFrame([dict(s) for s in states]).reindex(columns=wide.columns).fillna(0.0)
    return wide.to_numpy() @ state.to_numpy().T


def set_activity(
    tables: SetTables, species: str, genes: list[str], shifts: np.ndarray
) -> pd.DataFrame:
    """Mean signed log2 shift of the genes of every score (`score:<kind>:<set>` × libraries): what that score should follow."""
    row = {g: i for i, g in enumerate(genes)}
    out = {}
    for kind, found in tables.scored(species):
        members = [
            (row[m.names[0]], m.sign) for m in found.members if m.names and m.names[0] in row
        ]
        if members and kind != QC:
            index, signs = np.array(members).T
            out[f"score:{kind}:{found.name}"] = (signs[:, None] * shifts[index]).mean(axis=0)
    return pd.DataFrame(out).T
