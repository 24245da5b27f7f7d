"""Permutation check of a contrast of two arms: only the contrasted arms, within block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periomics.statistics.kernels.contrasts import Floats

EXACT = 20_000
DRAWS = 9_999
# Relabelled animals of a check that is drawn, at most: with many animals fewer relabellings do.
RELABELLED = 2_000_000


# Relabellings, and whether these are all there are.
Drawn = tuple[NDArray[np.bool_], bool]


def draws_for(animals: int) -> int:
    """Relabellings that are drawn of so many animals: `DRAWS` up to 200 animals, 999 at least."""
    return max(999, min(DRAWS, RELABELLED // max(animals, 1)))


class Permutation(NamedTuple):
    """Two-sided p-value, the smallest p-value that the design can give, how many relabellings, and whether all were used."""

    p: float
    floor: float
    n: int
    exact: bool


def relabellings(first: ArrayLike, block: ArrayLike) -> int:
    """Number of ways to choose the first arm's animals within blocks."""
    first, block = np.asarray(first, bool), np.asarray(block)
    return math.prod(
        math.comb(int((block == b).sum()), int(first[block == b].sum())) for b in np.unique(block)
    )


def attainable_floor(first: ArrayLike, block: ArrayLike) -> float:
    """Smallest two-sided p-value of the exact test: 2 of all relabellings where the arms could swap everywhere, else 1."""
    first, block = np.asarray(first, bool), np.asarray(block)
    even = all(
        2 * int(first[block == b].sum()) == int((block == b).sum()) for b in np.unique(block)
    )
    return min((2 if even else 1) / relabellings(first, block), 1.0)


def permute_two_arms(
    values: ArrayLike,
    first: ArrayLike,
    block: ArrayLike,
    rng: np.random.Generator,
    exact: int = EXACT,
    draws: int = DRAWS,
    drawn: Drawn | None = None,
) -> Permutation:
    """Permutation p-value of the studentised difference of two arms.

    Parameters
    ----------
    values, first, block
        Shape (animals,): value, whether the animal is in the first arm, and its block.
    rng
        Draws relabellings where there are more than `exact`; then p = (b + 1) / (m + 1).
    drawn
        Relabellings of these animals (`labellings`), where they were drawn before.

    Returns
    -------
    Permutation
        Block means are removed before; p is 1 where nothing varies.
    """
    values, first, block = np.asarray(values, float), np.asarray(first, bool), np.asarray(block)
    _, index = np.unique(block, return_inverse=True)
    centred = values - (np.bincount(index, values) / np.bincount(index))[index]
    masks, every = drawn or labellings(first, block, rng, exact, draws)
    return judge(
        _statistic(centred, masks),
        _statistic(centred, first[None])[0],
        attainable_floor(first, block),
        every,
    )


def labellings(
    first: ArrayLike,
    block: ArrayLike,
    rng: np.random.Generator,
    exact: int = EXACT,
    draws: int = DRAWS,
) -> Drawn:
    """Relabellings of the first arm within blocks, shape (relabellings, animals), and whether these are all there are."""
    first = np.asarray(first, bool)
    labels, index = np.unique(np.asarray(block), return_inverse=True)
    if relabellings(first, block) <= exact:
        return np.array(list(_all_masks(first, index, len(labels)))), True
    return _random_masks(first, index, len(labels), draws, rng), False


def judge(found: Floats, observed: float, floor: float, every: bool) -> Permutation:
    """p-value of a statistic that is large when the arms differ: share of all relabellings, or (b + 1) / (m + 1) of drawn ones."""
    slack = 1e-9 * abs(observed) if np.isfinite(observed) else 0.0
    hits = int((found >= observed - slack).sum())
    if every:
        return Permutation(hits / found.size, floor, found.size, True)
    return Permutation(
        (hits + 1) / (found.size + 1), max(floor, 1 / (found.size + 1)), found.size, False
    )


def flip_signs(
    differences: ArrayLike, rng: np.random.Generator, exact: int = EXACT, draws: int = DRAWS
) -> Permutation:
    """Sign-flip p-value of within-unit differences, two-sided; the floor is 2 of all 2^units flips."""
    d = np.asarray(differences, float)
    total = 2**d.size
    every = total <= exact
    signs = (
        np.array(list(product((1.0, -1.0), repeat=d.size)))
        if every
        else rng.choice((1.0, -1.0), (draws, d.size))
    )
    found, observed = np.abs(signs @ d), abs(float(d.sum()))
    hits = int((found >= observed - 1e-9 * observed).sum())
    if every:
        return Permutation(hits / total, 2 / total, total, True)
    return Permutation((hits + 1) / (draws + 1), max(2 / total, 1 / (draws + 1)), draws, False)


def permute_unknown_direction(
    values: ArrayLike,
    arm: ArrayLike,
    block: ArrayLike,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Permutation:
    """One-sided p-value of an improvement whose direction is estimated from healthy − disease (`p_unknown_direction`)."""
    arm, block = np.asarray(arm, int), np.asarray(block)
    p = float(p_unknown_direction(values, arm, block, rng, draws))
    floor = 1 / relabellings(arm[arm < 2] == 1, block[arm < 2])
    return Permutation(p, max(floor, 1 / (draws + 1)), draws, False)


def p_unknown_direction(
    values: ArrayLike,
    arm: ArrayLike,
    block: ArrayLike,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Floats:
    """One-sided p-values of an improvement whose direction is estimated from healthy − disease; of many studies at once.

    Parameters
    ----------
    values
        Shape (..., animals), none missing.
    arm, block
        Shape (animals,): `arm` is 0 disease, 1 treated, 2 healthy.
    rng
        Draws relabellings of disease and treated within block; the same ones serve all studies.

    Returns
    -------
    array (...)
        (b + 1) / (draws + 1).

    Notes
    -----
    The sign is estimated anew from the relabelled disease arm each time, since estimating it once from the arm that also
    serves as the comparison raises false positives.
    """
    values, arm, block = np.asarray(values, float), np.asarray(arm, int), np.asarray(block)
    both = arm < 2
    _, index = np.unique(block[both], return_inverse=True)
    first = arm[both] == 1
    masks = np.vstack(
        [first[None], _random_masks(first, index, int(index.max(initial=-1)) + 1, draws, rng)]
    )
    middle = values[..., both].mean(axis=-1, keepdims=True)
    y, healthy = (
        values[..., both] - middle,
        values[..., arm == 2].mean(axis=-1, keepdims=True) - middle,
    )
    t, _, disease = _signed_statistic(y, masks)
    statistic = np.sign(healthy - disease) * t
    observed = statistic[..., :1]
    return ((statistic[..., 1:] >= observed - 1e-9 * np.abs(observed)).sum(axis=-1) + 1) / (
        draws + 1
    )


def _all_masks(
    first: NDArray[np.bool_], index: NDArray[np.int64], blocks: int
) -> Iterator[NDArray[np.bool_]]:
    choices = []
    for b in range(blocks):
        members = np.flatnonzero(index == b)
        choices.append(list(combinations(members, int(first[members].sum()))))
    for chosen in product(*choices):
        mask = np.zeros(first.size, bool)
        mask[[i for part in chosen for i in part]] = True
        yield mask


def _random_masks(
    first: NDArray[np.bool_],
    index: NDArray[np.int64],
    blocks: int,
    draws: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    masks = np.empty((draws, first.size), bool)
    for b in range(blocks):
        members = np.flatnonzero(index == b)
        # Eight bytes each and in place: numpy swaps these a third faster than truth values.
        labels = np.tile(first[members].astype(float), (draws, 1))
        masks[:, members] = rng.permuted(labels, axis=1, out=labels)
    return masks


def _statistic(values: Floats, masks: NDArray[np.bool_]) -> Floats:
    """|t| with group-wise variances for each relabelling, shape (relabellings,); the difference where an arm has one animal."""
    return np.abs(_signed_statistic(values - values.mean(), masks)[0])


def _signed_statistic(values: Floats, masks: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """t of first − second for each relabelling (..., relabellings), with both means; values near 0, shape (..., animals)."""
    inside = masks.astype(float).T
    n1 = inside.sum(axis=0)
    n0 = values.shape[-1] - n1
    sum1, square1 = values @ inside, (values**2) @ inside
    sum0, square0 = (
        values.sum(axis=-1, keepdims=True) - sum1,
        (values**2).sum(axis=-1, keepdims=True) - square1,
    )
    m1, m0 = sum1 / n1, sum0 / n0
    gap = m1 - m0
    if min(n1.min(), n0.min()) < 2:
        return gap, m1, m0
    s1, s0 = (
        np.maximum(q - n * m * m, 0.0) / (n - 1)
        for q, n, m in ((square1, n1, m1), (square0, n0, m0))
    )
    se = np.sqrt(s1 / n1 + s0 / n0)
    # Below this the spread within arms is rounding, and the difference is all there is.
    least = 1e-7 * np.sqrt((values**2).mean(axis=-1, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(
            se > least, gap / se, np.where(np.abs(gap) > least, np.sign(gap) * np.inf, 0.0)
        )
    return t, m1, m0
