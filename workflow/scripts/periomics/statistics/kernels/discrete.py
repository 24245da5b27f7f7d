"""Forms of yes-or-no answers and of grades: intervals at any level and p-values that agree with them, without a t distribution.

A form is a weighted sum of shares of animals, or the tendency of one arm to have higher grades than another. Both answer what
`contrasts.Estimate` answers for means, one study at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from periomics.statistics.kernels.binary import (
    METHOD,
    METHOD_BLOCKS,
    METHOD_SUM,
    METHOD_SUM_LARGE,
    exact_sum,
    linear_shares,
    linear_shares_p,
    risk_difference,
    risk_difference_blocks,
)
from periomics.statistics.kernels.ordinal import compare_ranks, relative_effect_interval

METHOD_RANKS = "ranks: Brunner and Munzel, studentised permutation"
# Halvings in which a p-value is found from intervals.
STEPS = 40
# Angles at which a set of rescue fractions is searched for points outside it.
ANGLES = 361


class Exact(Protocol):
    """A form that knows its estimate, its interval at a level and the p-value of being 0."""

    @property
    def estimate(self) -> float: ...
    @property
    def method(self) -> str: ...
    def interval(self, level: float) -> tuple[float, float]: ...
    def p_two_sided(self) -> float: ...


class ExactForms(NamedTuple):
    """Benefit-signed effect, effect − margin and effect + margin of a claim and outcome; nothing without a margin."""

    effect: Exact
    above: Exact | None = None
    below: Exact | None = None


@dataclass(frozen=True)
class Shares:
    """Weighted sum of the shares of animals with an event, minus `shift`.

    Parameters
    ----------
    events, n
        For each block (one where there are none) animals with the event, and animals, of each arm.
    weights
        Weight of each arm, summing to 0.
    shift
        What is subtracted: a fixed margin.
    sign
        By what the weights were multiplied since they were declared.
    scale
        What an animal with the event counts, in the unit of the outcome.
    """

    events: tuple[tuple[int, ...], ...]
    n: tuple[tuple[int, ...], ...]
    weights: tuple[float, ...]
    shift: float = 0.0
    sign: float = 1.0
    scale: float = 1.0

    @property
    def pair(self) -> tuple[int, int] | None:
        """The arms of weight 1 and −1 where there are no others."""
        up, down = ([i for i, w in enumerate(self.weights) if w == s] for s in (1.0, -1.0))
        plain = len(up) == len(down) == 1 and sum(w != 0 for w in self.weights) == 2
        return (up[0], down[0]) if plain else None

    @property
    def blocked(self) -> bool:
        """Whether blocks are taken into account; sums of more arms add them up."""
        return len(self.events) > 1 and self.pair is not None

    @property
    def method(self) -> str:
        if self.pair:
            return METHOD_BLOCKS if self.blocked else METHOD
        n = np.array(self.n).sum(axis=0)[np.array(self.weights) != 0]
        return METHOD_SUM if exact_sum(n) else METHOD_SUM_LARGE

    @property
    def estimate(self) -> float:
        return self.scale * _shares(self._plain(), 0.95)[0] - self.shift

    def interval(self, level: float) -> tuple[float, float]:
        _, lower, upper, _ = _shares(self._plain(), round(float(level), 12))
        return self.scale * lower - self.shift, self.scale * upper - self.shift

    def p_two_sided(self) -> float:
        if self.pair and not self.shift:
            return _shares(self._plain(), 0.95)[3]
        return min(1.0, 2 * min(p_above(self), p_below(self)))

    def p_of_sum(self) -> float:
        """What halving would come to (`_least`), of a sum with exact limits: at once."""
        events, n = (np.array(x).sum(axis=0) for x in (self.events, self.n))
        return linear_shares_p(events, n, self.weights, self.shift / self.scale)

    def _plain(self) -> Shares:
        return replace(self, shift=0.0, scale=1.0)

    def shifted(self, by: float) -> Shares:
        return replace(self, shift=self.shift + by)

    def signed(self, sign: float) -> Shares:
        weights = tuple(sign * w for w in self.weights)
        return replace(self, weights=weights, sign=sign * self.sign)


@lru_cache(maxsize=100_000)
def _shares(form: Shares, level: float) -> tuple[float, float, float, float]:
    """Estimate, interval and, for two arms, p-value."""
    events, n = np.array(form.events), np.array(form.n)
    if form.pair:
        columns = list(form.pair)
        if form.blocked:
            found = risk_difference_blocks(events[:, columns], n[:, columns], level)
        else:
            (e1, e2), (n1, n2) = events[0, columns].tolist(), n[0, columns].tolist()
            found = risk_difference((e1, e2), (n1, n2), level)
        return tuple(map(float, found))  # type: ignore[return-value]
    return (*linear_shares(events.sum(axis=0), n.sum(axis=0), form.weights, level), math.nan)


def share_rescue(
    form: Shares, healthy: int, disease: int, arm: int, level: float
) -> tuple[float, float, float, bool, float]:
    """Rescue fraction (arm − disease) / (healthy − disease) of shares of animals.

    Returns
    -------
    R, lower, upper, bounded, deficit_p
        The set {R : the interval of arm − disease − R (healthy − disease) holds 0}, by the interval that verdicts
        rest on. Where `bounded` is False it is R ≤ lower or R ≥ upper, or every R (both NaN).
    """

    def of(one: float, R: float) -> Shares:
        w = np.zeros(len(form.weights))
        w[healthy] -= R
        w[disease] += R - one
        w[arm] += one
        return replace(form, weights=tuple(w.tolist()), shift=0.0)

    def outside(angle: float) -> bool:
        lower, upper = of(math.cos(angle), math.sin(angle)).interval(level)
        return lower > 0 or upper < 0

    deficit = of(0.0, -1.0)
    gap = of(0.0, -1.0).estimate
    if gap == 0 or math.isnan(deficit.interval(level)[0]):
        return math.nan, math.nan, math.nan, False, deficit.p_two_sided()
    R = of(1.0, 0.0).estimate / gap
    centre = math.atan(R)
    steps = np.linspace(0, math.pi, ANGLES)[1:-1]
    away = [s for s in steps if outside(centre + s)]
    bounded = outside(math.pi / 2)
    if not away:
        return R, math.nan, math.nan, False, deficit.p_two_sided()
    ends = [
        _edge(outside, centre + (last + step), centre + last)
        for last, step in ((away[0], -steps[0]), (away[-1], steps[0]))
    ]
    lower, upper = sorted(math.tan(e) for e in ends)
    return R, lower, upper, bounded, deficit.p_two_sided()


def _edge(outside: Callable[[float], bool], inside: float, out: float) -> float:
    """Angle between one inside a set and one outside at which it ends."""
    for _ in range(STEPS):
        middle = (inside + out) / 2
        inside, out = (inside, middle) if outside(middle) else (middle, out)
    return (inside + out) / 2


@dataclass(frozen=True)
class Ranks:
    """Tendency of the first arm to have higher grades: P(first > second) + ½ P(equal) − ½ − shift, times the sign.

    `p` is that of the studentised permutation; where it does not reach a level, the interval at that level holds 0.
    """

    effect: float
    sizes: tuple[tuple[float, float], ...]
    p: float
    floor: float
    sign: float = 1.0
    shift: float = 0.0

    @property
    def method(self) -> str:
        return METHOD_RANKS

    @property
    def estimate(self) -> float:
        return self.sign * self.effect - self.shift

    def interval(self, level: float) -> tuple[float, float]:
        ends = relative_effect_interval(self.effect + 0.5, np.array(self.sizes), float(level))
        lower, upper = sorted(self.sign * (end - 0.5) for end in ends)
        if self.p > 1 - level:
            lower, upper = min(lower, 0.0), max(upper, 0.0)
        return lower - self.shift, upper - self.shift

    def p_two_sided(self) -> float:
        return self.p if not self.shift else min(1.0, 2 * min(p_above(self), p_below(self)))

    def shifted(self, by: float) -> Ranks:
        return replace(self, shift=self.shift + by)

    def signed(self, sign: float) -> Ranks:
        return replace(self, sign=sign * self.sign)


def ranks(
    values: ArrayLike, first: ArrayLike, block: ArrayLike, rng: np.random.Generator
) -> tuple[Ranks | None, str]:
    """`Ranks` of two arms (arguments as of `compare_ranks`), or nothing and why."""
    found = compare_ranks(values, first, block, rng)
    if math.isnan(found.lower):
        return None, found.reason
    y, one, place = np.asarray(values, float), np.asarray(first, bool), np.asarray(block)
    seen = ~np.isnan(y)
    sizes = [
        (float((one & seen & (place == b)).sum()), float((~one & seen & (place == b)).sum()))
        for b in np.unique(place)
    ]
    both = tuple(s for s in sizes if min(s) > 0)
    return Ranks(found.effect - 0.5, both, found.p, found.floor), ""


def p_above(form: Exact) -> float:
    """One-sided p-value against "at most 0": the least α whose interval at 1 − 2α lies above 0."""
    if isinstance(form, Shares) and form.method == METHOD_SUM:
        return form.p_of_sum()
    return _least(lambda level: form.interval(level)[0] > 0)


def p_below(form: Exact) -> float:
    """One-sided p-value against "at least 0"."""
    if isinstance(form, Shares) and form.method == METHOD_SUM:
        return replace(form.signed(-1.0), shift=-form.shift).p_of_sum()
    return _least(lambda level: form.interval(level)[1] < 0)


def _least(clear: Callable[[float], bool]) -> float:
    low, high = 0.0, 0.5
    if not clear(0.0):
        return 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if clear(1 - 2 * middle) else (middle, high)
    return high
