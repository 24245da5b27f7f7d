"""Views of all animals at once: principal components, and multiple factor analysis with areas as blocks. Description, no test.

A principal component analysis (PCA) of standardised columns is ruled by the area that has most of them. Multiple factor analysis
(MFA) divides each block by its first singular value, so that no block alone can make the first component.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Spread, of the largest value, below which a column does not vary but by rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Components:
    """Components of a table of animals.

    Attributes
    ----------
    units
        Animals × components: coordinates, of variance `spread`.
    variables
        Variables × components: correlations of variable and component.
    weights
        Variables × components: unit vectors that make the components.
    spread
        Variance of each component (divisor n).
    shares
        Of the variance of the weighted table, 0 to 1.
    """

    units: Floats
    variables: Floats
    weights: Floats
    spread: Floats
    shares: Floats


def standardised(table: Floats) -> Floats:
    """Columns with mean 0 and SD 1 (divisor n). Columns must vary."""
    return (table - table.mean(axis=0)) / table.std(axis=0)


def varies(table: Floats) -> NDArray[np.bool_]:
    """Which columns vary by more than rounding."""
    return np.ptp(table, axis=0) > ROUNDING * np.maximum(np.abs(table).max(axis=0), 1e-300)


def components(z: Floats, weights: Floats, most: int) -> Components:
    """Components of standardised columns that count with weights.

    Parameters
    ----------
    z
        Animals × variables, of `standardised`.
    weights
        Of the columns: 1 each for PCA, of `block_weights` for MFA.
    most
        Components that are given; never more than have variance.

    Returns
    -------
    Components
        The sign of each is such that the variable with the largest correlation, of ties the first, has a positive one.
    """
    n = len(z)
    left, single, right = np.linalg.svd(z * weights, full_matrices=False)
    total = (single**2).sum()
    kept = min(most, int((single > single[0] * 1e-8).sum()))
    units = left[:, :kept] * single[:kept]
    loadings = right[:kept].T
    correlation = z.T @ left[:, :kept] / np.sqrt(n)
    largest = np.abs(np.round(correlation, 9)).argmax(axis=0)
    sign = np.where(correlation[largest, np.arange(kept)] < 0, -1.0, 1.0)
    return Components(
        units * sign,
        correlation * sign,
        loadings * sign,
        single[:kept] ** 2 / n,
        single[:kept] ** 2 / total,
    )


def block_weights(z: Floats, blocks: Sequence[str]) -> Floats:
    """Weight of each column: one over the first singular value of its block over √n."""
    names = np.asarray(blocks, object)
    out = np.empty(z.shape[1])
    for block in dict.fromkeys(blocks):
        own = names == block
        out[own] = np.sqrt(len(z)) / np.linalg.svd(z[:, own], compute_uv=False)[0]
    return out


def contributions(found: Components, blocks: Sequence[str]) -> pd.DataFrame:
    """Share that each block has in each component: blocks × components, columns sum to 1."""
    return pd.DataFrame(found.weights**2).groupby(np.asarray(blocks, object)).sum()


def rv(x: Floats, y: Floats, *, adjusted: bool = False) -> float:
    """RV coefficient of two blocks of centred columns of the same animals.

    Parameters
    ----------
    x, y
        Animals × variables.
    adjusted
        Set so that 0 is its mean over all orders in which the animals of one block could be dealt to those of the other, and
        1 stays 1. The plain one is 0 to 1, and high by chance where there are more columns than animals.
    """
    a, b = x @ x.T, y @ y.T
    size = np.sqrt((a * a).sum() * (b * b).sum())
    plain = (a * b).sum() / size
    if not adjusted:
        return float(plain)
    # Mean of the sum of products over all orders: both have rows that sum to 0.
    chance = np.trace(a) * np.trace(b) / (len(x) - 1) / size
    return float((plain - chance) / (1 - chance)) if chance < 1 else np.nan


def between_arms(units: Floats, arms: Sequence[str]) -> Floats:
    """Share of the variance of each component that lies between arms, 0 to 1."""
    table = pd.DataFrame(units)
    means = table.groupby(np.asarray(arms, object)).transform("mean")
    return ((means - table.mean()) ** 2).sum().to_numpy() / (
        (table - table.mean()) ** 2
    ).sum().to_numpy()


def least_likeness(table: Floats, blocks: Sequence[str] | None, most: int) -> Floats:
    """How much components hang on one animal: least |cosine| between their weights with all animals and without each.

    Parameters
    ----------
    table
        Animals × variables, as measured.
    blocks
        Of the columns; None for PCA.
    most
        Components.
    """
    whole = _weights_of(table, blocks, most)
    least = np.ones(whole.shape[1])
    for i in range(len(table)):
        part = np.delete(table, i, axis=0)
        used = varies(part)
        names = None if blocks is None else [b for b, u in zip(blocks, used, strict=True) if u]
        own = np.zeros((table.shape[1], whole.shape[1]))
        found = _weights_of(part[:, used], names, whole.shape[1])
        own[used, : found.shape[1]] = found
        least = np.minimum(least, np.abs((own * whole).sum(axis=0)))
    return least


def _weights_of(table: Floats, blocks: Sequence[str] | None, most: int) -> Floats:
    z = standardised(table)
    weights = np.ones(z.shape[1]) if blocks is None else block_weights(z, blocks)
    return components(z, weights, most).weights


def complete_cases(
    wide: pd.DataFrame, blocks: Mapping[str, str], least: float
) -> tuple[pd.DataFrame, list[dict[str, object]]]:
    """Animals and outcomes without a gap, and what was left out, with the reason.

    Parameters
    ----------
    wide
        Animals × outcomes, NaN where nothing was measured.
    blocks
        Outcome → block.
    least
        Share of the animals that must have an outcome; outcomes of fewer are left out before animals are.

    Returns
    -------
    table, lost
        Without NaN; rows with name, block, value (animals that have the outcome, outcomes that the animal lacks), n (of how many), reason.
    """
    n, lost = len(wide), []
    have = wide.notna().sum()
    for outcome in wide.columns[(have < least * n).to_numpy()]:
        reason = f"measured in fewer than {100 * least:g} % of the animals"
        lost.append(_left(outcome, blocks[outcome], have[outcome], n, reason))
    wide = wide.loc[:, (have >= least * n).to_numpy()]
    gaps = wide.isna().sum(axis=1)
    for animal in wide.index[(gaps > 0).to_numpy()]:
        absent = ", ".join(dict.fromkeys(blocks[o] for o in wide.columns[wide.loc[animal].isna()]))
        lost.append(_left(animal, "", gaps[animal], wide.shape[1], f"lacks outcomes of {absent}"))
    wide = wide[(gaps == 0).to_numpy()]
    steady = ~varies(wide.to_numpy(float)) if len(wide) else np.zeros(wide.shape[1], bool)
    for outcome in wide.columns[steady]:
        lost.append(_left(outcome, blocks[outcome], len(wide), len(wide), "does not vary"))
    return wide.loc[:, ~steady], lost


def _left(name: object, block: str, value: int, n: int, reason: str) -> dict[str, object]:
    return {"name": name, "block": block, "value": int(value), "n": int(n), "reason": reason}
