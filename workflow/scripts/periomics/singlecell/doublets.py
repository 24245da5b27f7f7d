"""Doublets of a library: cells that lie among sums of two cells (the idea of Scrublet, Wolock
2019, as cited by scanpy)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from periomics.core.seeds import derive_seed
from periomics.singlecell.neighbours import nearest
from periomics.singlecell.variable import log_normalised, variable_genes
from periomics.study.settings.singlecell import Atlas

if TYPE_CHECKING:
    from anndata import AnnData

MIN_CELLS = 50
SIMULATED_PER_CELL = 2
COMPONENTS = 20


def find_doublets(cells: AnnData, settings: Atlas, seed: int) -> dict[str, str]:
    """Add doublet_score and mark likely doublets among good cells as dropped; library by library.

    Parameters
    ----------
    cells
        With `drop` of `flag_cells`.
    settings
        doublet_rate is the share of a library's good cells that is taken at most: the cells with the
        highest scores, above the value that parts the simulated doublets of unlike cells from those of
        cells that are alike.
    seed
        The config's seed; each library has its own.

    Returns
    -------
    dict
        Library → note where no doublets could be looked for.
    """
    notes: dict[str, str] = {}
    drop, score = cells.obs["drop"].to_numpy(object).copy(), np.full(cells.n_obs, np.nan)
    libraries = cells.obs["specimen_id"].astype(str).to_numpy()
    for specimen in sorted(set(libraries)):
        index = np.flatnonzero((libraries == specimen) & (drop == ""))
        if len(index) < MIN_CELLS:
            notes[specimen] = f"{len(index)} good cells are too few to look for doublets"
            continue
        rng = np.random.default_rng(derive_seed(seed, "build_atlas", specimen))
        found, simulated = doublet_scores(cells.X[index], settings.doublet_rate, rng)
        score[index] = found
        order = np.argsort(-found, kind="stable")[: round(settings.doublet_rate * len(index))]
        if settings.drop_doublets:
            drop[index[order[found[order] >= parting(simulated)]]] = "doublet"
    cells.obs["drop"], cells.obs["doublet_score"] = drop, score
    return notes


def doublet_scores(
    counts: sp.csr_matrix, rate: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of a library's cells and of the doublets simulated from them.

    Parameters
    ----------
    counts
        (cells, genes).
    rate
        Expected share of doublets.
    rng
        Draws the pairs.

    Returns
    -------
    cells, simulated
        Probability that a cell with such neighbours is a doublet of two unlike cells: by the share
        of simulated doublets among its neighbours, their number beside the cells', and the rate.
    """
    counts = counts[:, np.flatnonzero(np.asarray((counts > 0).sum(axis=0)).ravel() >= 3)]
    totals = np.asarray(counts.sum(axis=1), float).ravel()
    logs = log_normalised(counts)
    chosen = variable_genes(logs, np.zeros(len(totals)), 1000)
    n = len(totals)
    pairs = rng.integers(0, n, (SIMULATED_PER_CELL * n, 2))
    few = counts[:, chosen]
    sums = log_normalised(few[pairs[:, 0]] + few[pairs[:, 1]], totals[pairs].sum(axis=1))
    observed, simulated = _components(logs[:, chosen], sums)
    around = round(0.5 * np.sqrt(n) * (1 + SIMULATED_PER_CELL))
    near = nearest(np.vstack([observed, simulated]), around + 1)[:, 1:]
    share = ((near >= n).sum(axis=1) + 1) / (around + 2)
    odds = share * rate / SIMULATED_PER_CELL
    scores = odds / (1 - rate - share * (1 - rate - rate / SIMULATED_PER_CELL))
    return scores[:n], scores[n:]


def parting(scores: NDArray) -> float:
    """Value that parts scores into two groups which differ most for their spread (Otsu's, of log scores)."""
    logs = np.sort(np.log(scores))
    n = np.arange(1, len(logs))
    low = np.cumsum(logs)[:-1] / n
    high = (logs.sum() - np.cumsum(logs)[:-1]) / (len(logs) - n)
    between = n * (len(logs) - n) * (high - low) ** 2
    best = int(between.argmax())
    return float(np.exp((logs[best] + logs[best + 1]) / 2))


def _components(cells: sp.csr_matrix, sums: sp.csr_matrix) -> tuple[NDArray, NDArray]:
    """Principal components of cells, each gene scaled, and where simulated doublets lie among
    them."""
    from scipy import linalg

    dense = cells.toarray().astype(np.float32)
    mean, spread = dense.mean(axis=0), dense.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    dense = (dense - mean) / spread
    k = max(2, min(COMPONENTS, len(dense) // 3, dense.shape[1] // 5))
    size = dense.shape[1]
    _, axes = linalg.eigh((dense.T @ dense).astype(float), subset_by_index=[size - k, size - 1])
    parts = [(sums[i : i + 4096].toarray() - mean) / spread @ axes for i in _starts(sums.shape[0])]
    return dense @ axes, np.vstack(parts)


def _starts(n: int) -> range:
    return range(0, n, 4096)
