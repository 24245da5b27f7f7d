"""Differences between libraries taken out of the components, and what that changed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.seeds import derive_seed
from periomics.singlecell.neighbours import FEWEST, nearest

STEPS = 20
"""Rounds of Harmony, all of which are run: its own rule ends too early where libraries differ as much
as types do."""
MOST_LOOKED_AT = 2000
"""Cells of a library that are looked at for what integration keeps."""


def integrate(points: NDArray, libraries: NDArray, seed: int) -> NDArray[np.float64]:
    """Components without the differences between libraries, by Harmony (harmonypy).

    Parameters
    ----------
    points
        (cells, components).
    libraries
        Library of every cell; with one library nothing changes.
    seed
        The config's seed.
    """
    if len(set(libraries)) < 2 or len(points) < FEWEST:
        return np.asarray(points, float)
    import harmonypy

    found = harmonypy.run_harmony(
        np.ascontiguousarray(points, dtype=float),
        pd.DataFrame({"library": libraries.astype(str)}),
        ["library"],
        verbose=False,
        random_state=derive_seed(seed, "build_atlas", "harmony") % (2**31),
        ncores=1,
        max_iter_harmony=STEPS,
        epsilon_harmony=-1.0,
    )
    corrected = np.asarray(found.Z_corr)
    return corrected if corrected.shape == points.shape else corrected.T


def mixing(neighbours: NDArray, libraries: NDArray, kinds: NDArray | None = None) -> pd.Series:
    """How much cells of different libraries are each other's neighbours.

    Parameters
    ----------
    neighbours
        (cells, k), the cell itself first.
    libraries, kinds
        Library and type of every cell; all cells are one type where there are none.

    Returns
    -------
    Series
        Type → mean over its cells of the share of neighbours of the same type from other libraries
        over the share that the libraries' cells of the type would give; 1 is as mixed as at
        random. Types of one library are left out.
    """
    kinds = np.full(len(libraries), "") if kinds is None else kinds
    table = pd.DataFrame({"library": libraries.astype(str), "kind": kinds.astype(str)})
    sizes = table.groupby(["kind", "library"]).size()
    totals = table.groupby("kind").size()
    codes, types = pd.factorize(table["library"])[0], pd.factorize(table["kind"])[0]
    around = neighbours[:, 1:]
    alike = types[around] == types[:, None]
    foreign = (alike & (codes[around] != codes[:, None])).sum(axis=1)
    found = foreign / np.maximum(alike.sum(axis=1), 1)
    own = sizes.loc[list(zip(table["kind"], table["library"], strict=True))].to_numpy()
    total = totals.loc[table["kind"]].to_numpy()
    expected = (total - own) / np.maximum(total - 1, 1)
    ratio = pd.Series(np.where(expected > 0, found / np.where(expected > 0, expected, 1), np.nan))
    return ratio.groupby(table["kind"].to_numpy()).mean().dropna()


def kept_neighbours(before: NDArray, after: NDArray, libraries: NDArray, k: int) -> float:
    """Share of the k nearest cells of the same library before integration that are among the k
    nearest after it.

    Parameters
    ----------
    before, after
        (cells, components).
    libraries
        Library of every cell; up to 2,000 cells of each are looked at.
    """
    shares = []
    for library in sorted(set(libraries)):
        own = np.flatnonzero(libraries == library)
        own = own[:: max(1, len(own) // MOST_LOOKED_AT)]
        if len(own) > k + 1:
            first, second = (nearest(x[own], k + 1)[:, 1:] for x in (before, after))
            both = [len(np.intersect1d(a, b)) for a, b in zip(first, second, strict=True)]
            shares.append(np.mean(both) / k)
    return float(np.mean(shares)) if shares else np.nan
