"""Animals lost for a reason linked with the outcome: worst-rank comparison beside the available-case one."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from periomics.statistics.kernels.contrasts import Floats
from periomics.statistics.kernels.ordinal import RelativeEffect, compare_ranks
from periomics.statistics.kernels.permutation import DRAWS, EXACT


class LostCases(NamedTuple):
    """Comparison with the lost animals ranked worst, the one without them, animals and losses of (first, second) arm, bias in words."""

    worst_rank: RelativeEffect
    available: RelativeEffect
    n_measured: tuple[int, int]
    n_lost: tuple[int, int]
    bias: str


def worst_rank_scores(values: ArrayLike, lost: ArrayLike, time: ArrayLike | None = None) -> Floats:
    """Scores in which every lost animal stands below every measured one.

    Parameters
    ----------
    values
        Benefit-signed outcome (more is better), shape (animals,); NaN where not measured.
    lost
        Whether the animal was lost for a reason linked with the outcome. A lost animal counts as lost even if it has a value.
    time
        When it was lost: earlier is worse. Lost animals tie where no times are given; one without a time ties with the earliest.

    Returns
    -------
    ndarray
        Ranks 1, 2, … of lost animals first, then of measured ones (ties share the mean rank); NaN where missing otherwise.
    """
    values, lost = np.asarray(values, float), np.asarray(lost, bool)
    when = np.zeros(values.shape) if time is None else np.asarray(time, float)
    first = np.min(when[lost & ~np.isnan(when)], initial=np.inf)
    when = np.where(np.isnan(when), first if np.isfinite(first) else 0.0, when)
    key = np.where(lost, when, values)
    seen = lost | ~np.isnan(values)
    pairs = np.stack([~lost[seen], key[seen]], axis=1).astype(float)
    _, place, count = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    out = np.full(values.shape, np.nan)
    out[seen] = (np.cumsum(count) - (count - 1) / 2)[place.ravel()]
    return out


def compare_with_losses(
    values: ArrayLike,
    lost: ArrayLike,
    first: ArrayLike,
    block: ArrayLike,
    rng: np.random.Generator,
    time: ArrayLike | None = None,
    level: float = 0.95,
    exact: int = EXACT,
    draws: int = DRAWS,
) -> LostCases:
    """Two arms with the lost animals ranked worst, and without them.

    Parameters
    ----------
    values, lost, time
        As for `worst_rank_scores`.
    first, block
        Shape (animals,): whether the animal is in the first arm, and its block; animals are relabelled within block.
    rng
        Draws relabellings where there are more than `exact`.

    Returns
    -------
    LostCases
        Animals that are missing without being lost (a failed section) take no part in either.

    Notes
    -----
    Worst-rank scores. The effect says how often an animal of the first arm fares better, a loss being the worst that can
    happen; it mixes survival with outcome and is a sensitivity analysis of the available-case estimate, not an estimate of the same.
    """
    values, lost, first = np.asarray(values, float), np.asarray(lost, bool), np.asarray(first, bool)
    block = np.asarray(block)
    scores = worst_rank_scores(values, lost, time)
    measured = np.where(lost, np.nan, values)
    worst, available = (
        compare_ranks(y, first, block, rng=rng, level=level, exact=exact, draws=draws)
        for y in (scores, measured)
    )
    n_measured, n_lost = (
        (int((x & first).sum()), int((x & ~first).sum())) for x in (~np.isnan(measured), lost)
    )
    return LostCases(
        worst,
        available,
        n_measured,
        n_lost,
        direction_of_bias(n_lost, (n_measured[0] + n_lost[0], n_measured[1] + n_lost[1])),
    )


def direction_of_bias(
    lost: tuple[int, int],
    n: tuple[int, int],
    names: tuple[str, str] = ("the first arm", "the second arm"),
) -> str:
    """In which arm's favour the available-case difference may be biased, if lost animals would have fared worse; in words.

    Parameters
    ----------
    lost, n
        Lost animals, and lost or measured animals, of both arms.
    names
        How to call the arms.

    Returns
    -------
    str
        Descriptive: it compares the shares, it tests nothing.
    """
    if not any(lost):
        return "no animal was lost"
    shares = [k / m if m else math.nan for k, m in zip(lost, n, strict=True)]
    text = f"lost {lost[0]} of {n[0]} in {names[0]}, {lost[1]} of {n[1]} in {names[1]}"
    if any(math.isnan(s) for s in shares):
        return f"{text}: an arm has no animals, no direction can be given"
    if shares[0] == shares[1]:
        return f"{text}: equal shares, no direction of bias from the number of losses alone"
    favoured = names[0] if shares[0] > shares[1] else names[1]
    return f"{text}: measured animals alone may flatter {favoured}, if lost animals would have fared worse"
