"""What may be exchanged under the null, as the design says: the one engine of permutations that keep a design.

Fixed treatments are never exchanged. Animals move within their arm, after arms and blocks were taken out of both variables
(Freedman and Lane's scheme: residuals move, then the design is taken out again). Specimens of one isolation or donor move
together, condition by condition, against those of another one that has the same conditions.

Orders alone are wrong where the spread differs from unit to unit; a t of the slope's error from
unit to unit stands beside them, and the larger p counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from periomics.statistics.kernels.slope_error import slope_error

Floats = NDArray[np.float64]
_BATCH = 2048
# Freedom of the slope's error below which nothing is tested. Where one of four isolations varies
# fifty times as much as the others it is mostly below, and p would be at most .05 in .12 of studies
# without a link; score and design tell, not the outcome.
LEAST_FREEDOM = 1.35
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
        (n,) number of the unit of each specimen, from 0; the specimens of a unit are not
        independent.
    alike
        (n,) number of the arm or unit of each specimen, within which spreads are taken to be alike.
    places
        For each set of units that may be exchanged, (units, specimens of each) positions, the specimens in the same order
        of conditions. Rows of one set are permuted.
    adjusted_for
        What was taken out, in words.
    """

    fixed: Floats
    unit: NDArray[np.int64]
    alike: NDArray[np.int64]
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
        """Smallest p-value that `n` permutations can give."""
        return 1 / min(self.count, n + 1)

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
        alike=np.unique(arm, return_inverse=True)[1],
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
        alike=number,
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
    """Test of the slope of `y` on `x` beyond a design, against any slope, with the same orders.

    Permutation is exact where units differ in nothing but chance; a t of the error from unit to
    unit holds where their spreads differ. The larger of the two p-values counts (docs/linkage.md
    has the errors of both).

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
        self.error = slope_error(self.x, design.fixed, design.unit, design.alike)
        self.residuals = self.y - self.best * self.x

    @property
    def best(self) -> float:
        """The slope of least squares."""
        return float(self.x @ self.y) / float(self.x @ self.x)

    @property
    def hindrance(self) -> str:
        """Why p would not hold; '' where it does."""
        freedom = self.error.freedom
        if freedom >= LEAST_FREEDOM:
            return ""
        return (
            "what the score varies beyond the design is of too few units: the slope's error has "
            f"{freedom:.2f} degrees of freedom, {LEAST_FREEDOM:g} are needed"
        )

    def p(self, slope: float = 0.0) -> float:
        """Two-sided p against a slope: the larger of both."""
        return max(self.by_error(slope), self.by_order(slope))

    def by_error(self, slope: float = 0.0) -> float:
        """p of t with the freedom of the slope's error."""
        top = float(self.x @ (self.y - slope * self.x))
        return self.error.p(top, self.residuals, self.design.unit)

    def by_order(self, slope: float = 0.0) -> float:
        """(b + 1) / (m + 1) over orders, the observed one counted once."""
        rest, unit = self.y - slope * self.x, self.design.unit
        observed = abs(float(studentised(self.x, rest, unit)))
        beyond = done = 0
        for order in self.orders:
            found = np.abs(studentised(self.x, rest[order] @ self.design.fixed, unit))
            beyond += int((found >= observed * (1 - 1e-9) - 1e-12).sum())
            done += len(order)
        return (beyond + 1) / (done + 1)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Slopes that the test does not reject: it holds 0 where p against 0 is above 1 − level. Infinite where none can be."""
        best = self.best
        step = float(np.sqrt((self.residuals @ self.residuals) / (self.x @ self.x)))
        if step == 0 or self.design.floor(sum(map(len, self.orders))) > 1 - level:
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
    """Two-sided p of an association beyond the design; NaN where it would not hold."""
    test = SlopeTest(x, y, design, rng, n)
    return np.nan if test.hindrance else test.p()
