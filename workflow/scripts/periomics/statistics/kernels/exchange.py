"""What may be exchanged under the null, as the design says: the one engine of permutations that keep a design.

Fixed treatments are never exchanged. Animals move within their arm, after arms and blocks were taken out of both variables
(Freedman and Lane's scheme: residuals move, then the design is taken out again). Specimens of one isolation or donor move
together, condition by condition, against those of another one that has the same conditions.

Orders alone are wrong where the spread differs from unit to unit, so signs are drawn as well, and the larger p counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations, product
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_BATCH = 2048
# Fewer units have too few patterns of signs to tell anything (7 units: p of 1/64 at best).
FEWEST_FLIPPED = 8
# Least share of a value that the design leaves free; below it the value is not magnified further.
_LEAST_FREE = 0.05
# First of `adjusted_for` where units hold several conditions.
WITHIN_UNITS = "isolation"


@dataclass(frozen=True)
class Exchange:
    """A design of n specimens.

    Attributes
    ----------
    fixed
        (n, n) matrix that takes the fixed effects out of a variable.
    unit
        (n,) number of the unit of each specimen; the specimens of a unit are not independent.
    places
        For each set of units that may be exchanged, (units, specimens of each) positions, the specimens in the same order
        of conditions. Rows of one set are permuted.
    adjusted_for
        What was taken out, in words.
    """

    fixed: Floats
    unit: NDArray[np.int64]
    places: tuple[NDArray[np.int64], ...]
    adjusted_for: tuple[str, ...]

    @property
    def freedom(self) -> int:
        """Degrees of freedom that the fixed effects leave."""
        return round(float(np.trace(self.fixed)))

    @property
    def count(self) -> int:
        """Number of different permutations, the observed order among them."""
        return prod(factorial(len(rows)) for rows in self.places)

    def orders(self, n: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Batches (k, specimens) of orders other than the observed: every one where there are at most `n`, else `n` random ones."""
        drawn = self._every() if self.count <= n + 1 else self._random(n, rng)
        yield from drawn

    def floor(self, n: int) -> float:
        """Smallest p-value that `n` permutations, and as many patterns of signs, can give."""
        return 1 / min(self.count, self.patterns or self.count, n + 1)

    @property
    def patterns(self) -> int:
        """Number of different patterns of signs up to a change of all of them; 0 where units are too few."""
        units = len(np.unique(self.unit))
        return 2 ** (units - 1) if units >= FEWEST_FLIPPED else 0

    def signs(self, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Batches (k, specimens) of signs by unit other than the observed: every pattern where there are at most `n`, else `n`."""
        if not self.patterns:
            return
        units = int(self.unit.max()) + 1
        if self.patterns <= n + 1:
            bits = np.arange(1, self.patterns)[:, None] >> np.arange(units)[None, :]
            flipped = bits & 1
        else:
            flipped = rng.integers(0, 2, size=(n, units))
        drawn: Floats = 1.0 - 2.0 * flipped[:, self.unit].astype(np.float64)
        yield from (drawn[start : start + _BATCH] for start in range(0, len(drawn), _BATCH))

    def _start(self, k: int) -> NDArray[np.int64]:
        return np.tile(np.arange(len(self.unit)), (k, 1))

    def _every(self) -> Iterator[NDArray[np.int64]]:
        ways = [list(permutations(range(len(rows)))) for rows in self.places]
        found = list(product(*ways))[1:]
        for start in range(0, len(found), _BATCH):
            part = found[start : start + _BATCH]
            out = self._start(len(part))
            for i, rows in enumerate(self.places):
                order = np.array([choice[i] for choice in part], np.int64)
                out[:, rows.ravel()] = rows[order].reshape(len(part), -1)
            yield out

    def _random(self, n: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        for start in range(0, n, _BATCH):
            k = min(_BATCH, n - start)
            out = self._start(k)
            for rows in self.places:
                order = rng.random((k, len(rows))).argsort(axis=1)
                out[:, rows.ravel()] = rows[order].reshape(k, -1)
            yield out


def of_animals(
    arm: NDArray[np.str_], block: NDArray[np.str_] | None = None, covariates: Floats | None = None
) -> Exchange:
    """Animals, one specimen each: arms and, where each animal has one, blocks are fixed; animals move within their arm.

    `covariates` (n, k) are taken out of both variables too.
    """
    blocked = block is not None and bool(np.all(block != "")) and len(np.unique(block)) > 1
    labels = [arm, block] if blocked and block is not None else [arm]
    places = tuple(np.flatnonzero(arm == a)[:, None] for a in np.unique(arm))
    return Exchange(
        fixed=_without(labels, covariates),
        unit=np.arange(len(arm)),
        places=tuple(rows for rows in places if len(rows) > 1),
        adjusted_for=("arm", "block") if blocked else ("arm",),
    )


def of_units(unit: NDArray[np.str_], condition: NDArray[np.str_]) -> Exchange:
    """Units that hold several conditions: units and conditions are fixed; whole units move, where they have the same conditions.

    `condition` holds the dose and whatever else was set; a unit has each at most once.
    """
    names, number = np.unique(unit, return_inverse=True)
    sets: dict[tuple[str, ...], list[NDArray[np.int64]]] = {}
    for k in range(len(names)):
        own = np.flatnonzero(number == k)
        own = own[np.argsort(condition[own], kind="stable")]
        sets.setdefault(tuple(condition[own]), []).append(own)
    return Exchange(
        fixed=_without([unit, condition]),
        unit=number,
        places=tuple(np.stack(rows) for rows in sets.values() if len(rows) > 1),
        adjusted_for=(WITHIN_UNITS, "condition"),
    )


def _without(labels: list[NDArray[np.str_]], covariates: Floats | None = None) -> Floats:
    """Matrix that takes the effects of all labels, and lines in all covariates, out of a variable."""
    n = len(labels[0])
    columns = [np.ones(n)]
    columns += [(label == value).astype(float) for label in labels for value in np.unique(label)]
    for c in () if covariates is None else covariates.T:
        spread = float(np.std(c))
        columns += [(c - c.mean()) / spread] if spread > 0 else []
    u, s, _ = np.linalg.svd(np.stack(columns, axis=1), full_matrices=False)
    u = u[:, s > 1e-9 * s[0]]
    return np.eye(n) - u @ u.T


def studentised(x: Floats, y: Floats, unit: NDArray[np.int64]) -> Floats:
    """Slope of `y` on `x` over its standard error from unit to unit; `y` (..., n), `x` (n,), both without fixed effects.

    The error is that of residuals times `x` (as in HC0, summed by unit), which keeps the permutation calibrated where arms
    vary unequally, and does not grow with the link itself.
    """
    size = float(x @ x)
    top = (x * y).sum(axis=-1)
    if size == 0:
        return np.zeros_like(top)
    parts = x * (y - (top / size)[..., None] * x)
    if len(np.unique(unit)) < len(unit):
        parts = np.stack([parts[..., unit == k].sum(axis=-1) for k in np.unique(unit)], axis=-1)
    # A line without residuals is the strongest link there is, and not the division of 0 by 0.
    least = 1e-12 * size * np.sqrt((y**2).sum(axis=-1) / size)
    return top / np.maximum(np.sqrt((parts**2).sum(axis=-1)), np.maximum(least, 1e-300))


class SlopeTest:
    """Test of the slope of `y` on `x` beyond a design, against any slope, with one set of orders and signs for all of them.

    Permutation is exact where units differ in nothing but chance, and signs hold where their spreads differ but lean to neither
    side; the larger of the two p-values counts (docs/linkage.md has both errors).

    Parameters
    ----------
    x, y
        (n,)
    design
        What is fixed and what may be exchanged.
    rng, n
        Generator and number of the orders; every order is taken once where there are no more.
    """

    def __init__(
        self, x: Floats, y: Floats, design: Exchange, rng: np.random.Generator, n: int
    ) -> None:
        self.x, self.y, self.design = design.fixed @ x, design.fixed @ y, design
        self.orders = list(design.orders(n, rng))
        self.signs = list(design.signs(n, rng))
        # What the design took out of a value is put back (as in HC3), else values that it fits closely vary too little.
        self.free = np.maximum(np.diag(design.fixed), _LEAST_FREE)

    @property
    def best(self) -> float:
        """The slope of least squares."""
        return float(self.x @ self.y) / float(self.x @ self.x)

    def p(self, slope: float = 0.0) -> float:
        """Two-sided p against a slope: (b + 1) / (m + 1), the observed order counted once; the larger of orders and signs."""
        rest = self.y - slope * self.x
        by_order = self._share(rest, (rest[order] for order in self.orders))
        if not self.signs:
            return by_order
        return max(by_order, self._share(rest, (s * (rest / self.free) for s in self.signs)))

    def _share(self, rest: Floats, drawn: Iterable[Floats]) -> float:
        """(b + 1) / (m + 1) of the values drawn under the null."""
        unit = self.design.unit
        observed = abs(float(studentised(self.x, rest, unit)))
        beyond = done = 0
        for values in drawn:
            found = np.abs(studentised(self.x, values @ self.design.fixed, unit))
            beyond += int((found >= observed * (1 - 1e-9) - 1e-12).sum())
            done += len(values)
        return (beyond + 1) / (done + 1)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Slopes that the test does not reject: it holds 0 where p against 0 is above 1 − level. Infinite where none can be."""
        best = self.best
        rest = self.y - best * self.x
        step = float(np.sqrt((rest @ rest) / (self.x @ self.x)))
        if (
            step == 0
            or self.design.floor(max(sum(map(len, part)) for part in (self.orders, self.signs)))
            > 1 - level
        ):
            return (best, best) if step == 0 else (-np.inf, np.inf)
        low, high = (self._end(best, sign * step, 1 - level) for sign in (-1, 1))
        return low, high

    def _end(self, best: float, step: float, alpha: float) -> float:
        """The last slope from `best` in one direction whose p is above `alpha`."""
        inside, outside = best, best + step
        for _ in range(40):
            if self.p(outside) <= alpha:
                break
            inside, outside = outside, best + 2 * (outside - best)
        else:
            return float(np.copysign(np.inf, step))
        for _ in range(24):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if self.p(middle) > alpha else (inside, middle)
        return inside


def p_value(x: Floats, y: Floats, design: Exchange, rng: np.random.Generator, n: int) -> float:
    """Two-sided p of the association of two variables beyond the design."""
    return SlopeTest(x, y, design, rng, n).p()
