"""Partial least squares of one outcome on many scores beyond a design, judged by animals that were
left out.

What the design fixes is fitted without the animal that is predicted, as are means, spreads and
weights of the scores, so that the animal tells nothing of itself. How good a prediction is by
chance, permutations say that keep the design (`statistics.kernels.exchange`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periomics.statistics.kernels.exchange import Exchange

Floats = NDArray[np.float64]
# Share of a value that the design leaves free, up to which an animal cannot be predicted: it is
# alone in its arm or block.
ALONE = 1e-9
# Fewer animals have too few patterns of signs to tell anything.
FEWEST_FLIPPED = 8
# Spread of a score, of its largest residual, that is rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Fold:
    """What the other animals know of one that was left out.

    Attributes
    ----------
    gone, kept
        The animal; positions of the others.
    scores
        (kept, scores) residuals of the others, each column over its spread.
    own
        (scores,) of the animal, over the same spreads.
    pull
        (kept,) the part of the animal's residual that goes to each of the others.
    free
        Share of the animal's value that the design leaves free.
    """

    gone: int
    kept: NDArray[np.int64]
    scores: Floats
    own: Floats
    pull: Floats
    free: float

    def outcome(self, rest: Floats) -> tuple[Floats, Floats]:
        """Residuals (kept, k) and those of the animal (k,) of outcomes (n, k) from which the design
        of all was taken."""
        own = rest[self.gone] / self.free
        return rest[self.kept] - self.pull[:, None] * own, own


@dataclass(frozen=True)
class Predicted:
    """How well animals that were left out are predicted.

    Attributes
    ----------
    q2
        1 − squared errors of the prediction over those of the design alone: 0 is no better, 1
        without error, below 0 worse.
    p, floor
        Share of orders and of signs with a Q² as large, the larger of the two, and the smallest p
        that is possible.
    structure
        (scores,) correlation of each score, beyond the design, with what the model of all animals
        fits.
    stability
        Least cosine between the coefficients of all animals and those without one.
    """

    q2: float
    p: float
    floor: float
    structure: Floats
    stability: float


def folds(scores: Floats, design: Exchange) -> list[Fold]:
    """Every animal left out once; those that are alone in their arm or block cannot be.

    Parameters
    ----------
    scores
        (n, scores)
    design
        What is fixed.
    """
    fixed, out = design.fixed, []
    rest = fixed @ scores
    for i in np.flatnonzero(np.diag(fixed) > ALONE):
        kept = np.delete(np.arange(len(scores)), i)
        free, pull = float(fixed[i, i]), fixed[kept, i]
        own = rest[i] / free
        others = rest[kept] - pull[:, None] * own
        spread = _spread(others)
        out.append(Fold(int(i), kept, others / spread, own / spread, pull, free))
    return out


def _spread(rest: Floats) -> Floats:
    """SD of residuals; infinite where a score does not vary, so that it has no part."""
    size: Floats = np.sqrt((rest**2).mean(axis=0))
    return np.where(size > ROUNDING * max(float(size.max(initial=0)), 1e-300), size, np.inf)


def duals(scores: Floats, outcomes: Floats, most: int) -> Floats:
    """Coefficients of partial least squares as weights of animals: scoresᵀ @ duals are those of the
    scores.

    Parameters
    ----------
    scores
        (n, scores), standardised.
    outcomes
        (n, k), each a model of its own.
    most
        Components; fewer where the residuals have no more.

    Returns
    -------
    array (n, k)

    Notes
    -----
    Each component is the direction of largest covariance with what is left of the outcome; written
    in animals, so that hundreds of outcomes under the null are fitted together.
    """
    kernel = scores @ scores.T
    rest, out = outcomes.copy(), np.zeros_like(outcomes)
    made: list[tuple[Floats, Floats]] = []
    first = None
    for _ in range(most):
        weight = rest.copy()
        part = kernel @ weight
        for known, of in made:
            shared = (known * part).sum(axis=0)
            part, weight = part - shared * known, weight - shared * of
        size = np.sqrt((part**2).sum(axis=0))
        first = size if first is None else first
        able = size > 1e-9 * np.maximum(first, 1e-300)
        size = np.where(able, size, np.inf)
        part, weight = part / size, weight / size
        made.append((part, weight))
        step = (part * rest).sum(axis=0)
        rest = rest - step * part
        out = out + step * weight
    return out


def squared_errors(known: list[Fold], rest: Floats, most: int) -> Floats:
    """Q² of outcomes (n, k) from which the design of all animals was taken."""
    errors = alone = np.zeros(rest.shape[1])
    for fold in known:
        others, own = fold.outcome(rest)
        guess = (fold.own @ fold.scores.T) @ duals(fold.scores, others, most)
        errors, alone = errors + (own - guess) ** 2, alone + own**2
    return 1 - errors / np.maximum(alone, 1e-300)


def predicted(
    scores: Floats, outcome: Floats, design: Exchange, rng: np.random.Generator, n: int, most: int
) -> Predicted:
    """Predict every animal from the others beyond a design.

    Parameters
    ----------
    scores, outcome
        (n, scores) and (n,), on scales on which lines are sensible.
    design
        What is fixed and what may be exchanged.
    rng, n
        Generator and number of orders and of signs.
    most
        Components; declared, since to choose them by Q² would need a second round of left-out
        animals.
    """
    known = folds(scores, design)
    rest = design.fixed @ outcome
    q2 = float(squared_errors(known, rest[:, None], most)[0])
    free = np.maximum(np.diag(design.fixed), ALONE)
    by_order = [rest[o] for o in design.orders(n, rng)]
    flipped = signs(len(rest), n, rng)
    by_sign = [flipped * rest / free] if len(flipped) else []
    p = max(_share(known, design, drawn, q2, most) for drawn in (by_order, by_sign))
    whole = design.fixed @ scores
    z = whole / _spread(whole)
    coefficients = z.T @ duals(z, rest[:, None], most)[:, 0]
    least = min(_likeness(coefficients, fold, rest, most) for fold in known)
    fit = z @ coefficients
    size = np.sqrt((z**2).sum(axis=0) * (fit @ fit))
    structure = np.where(size > 0, z.T @ fit / np.where(size > 0, size, 1), 0.0)
    floor = max(design.floor(n), 1 / (len(flipped) + 1) if len(flipped) else 0)
    return Predicted(q2, p, floor, structure, least)


def signs(animals: int, n: int, rng: np.random.Generator) -> Floats:
    """Signs (k, animals) other than the observed, up to a change of all: every pattern where there
    are at most `n`, else `n`; of too few animals none."""
    patterns = 2 ** (animals - 1) if animals >= FEWEST_FLIPPED else 1
    if patterns <= n + 1:
        flipped = np.arange(1, patterns)[:, None] >> np.arange(animals)[None, :] & 1
    else:
        flipped = rng.integers(0, 2, size=(n, animals))
    return 1.0 - 2.0 * flipped.astype(np.float64)


def _likeness(coefficients: Floats, fold: Fold, rest: Floats, most: int) -> float:
    """Cosine between coefficients of all animals and those without one."""
    others, _ = fold.outcome(rest[:, None])
    own = fold.scores.T @ duals(fold.scores, others, most)[:, 0]
    size = float(np.sqrt((own @ own) * (coefficients @ coefficients)))
    return float(own @ coefficients) / size if size else 0.0


def _share(known: list[Fold], design: Exchange, drawn: list[Floats], q2: float, most: int) -> float:
    """(b + 1) / (m + 1) of outcomes drawn under the null with a Q² as large; 0 where none is
    drawn."""
    if not drawn:
        return 0.0
    found = np.concatenate(
        [squared_errors(known, design.fixed @ values.T, most) for values in drawn]
    )
    return float(((found >= q2 - 1e-9).sum() + 1) / (len(found) + 1))
