"""Contrasts of arms adjusted for blocks and covariates, with variances that may differ between arms; one study or a thousand.

Least squares on [block | arm | covariates]. The variance of a contrast is the bias-reduced sandwich (each squared residual over
one minus its leverage), corrected for what it is biased by where arms vary differently; its degrees of freedom are those of Bell
and McCaffrey with each arm's own variance as working model. Without blocks and covariates both are Welch's. Why this and not
another: docs/statistics.md.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periomics.statistics.kernels.contrasts import ROUNDING, Estimate, Floats, Index

# Below this a leverage is 1 and a weight is 0.
NOTHING = 1e-9
ESTIMABLE = 1e-6
# The sandwich over its variance under the arms' own variances is corrected within these: they come from few animals.
CORRECTION = (2 / 3, 3 / 2)
# Patterns of missing animals that are handled at a time.
CHUNK = 128


class Patterns(NamedTuple):
    """What depends on the design and on who is missing, not on values; the first axis is the pattern of missing animals.

    `basis` (patterns, animals, rank) spans what the model fits, orthonormal, `lead` (patterns, arms, animals) makes adjusted means, `lost`
    (patterns, arms, columns) is 0 for combinations of arms that the design can estimate, `free` (patterns, animals) is
    1 − leverage, `solve` (patterns, arms, arms) turns sums of squared residuals into variances, `trace`
    (patterns, pairs, arms) and `cross` (patterns, pairs, pairs, arms, arms) are the moments of the quadratic form that each pair
    of arms adds to the variance of a contrast, `working` (patterns, pairs, arms) what it would add if variances were known;
    `member` is (animals, arms), `first` and `second` (pairs,) name the pairs.
    """

    basis: Floats
    lead: Floats
    lost: Floats
    free: Floats
    solve: Floats
    trace: Floats
    cross: Floats
    working: Floats
    member: Floats
    first: NDArray[np.int64]
    second: NDArray[np.int64]


class Adjusted(NamedTuple):
    """Adjusted means, variances and numbers of arms, shape (..., arms), and what combinations of them need.

    With the products of two weights as a vector over pairs of arms: `squared` (..., pairs) gives the sandwich, `trace`
    (..., pairs) and `square` (..., pairs, pairs) the two moments that make degrees of freedom, `working` (..., pairs) the variance
    under the arms' own variances, of which `trace` is the sandwich's mean. `pattern` (...) is the row of
    `patterns` of each study, `size` (...) the largest absolute value.
    """

    mean: Floats
    var: Floats
    n: Floats
    squared: Floats
    trace: Floats
    square: Floats
    working: Floats
    pattern: NDArray[np.int64]
    size: Floats
    patterns: Patterns

    def form(self, weights: ArrayLike) -> Estimate:
        """Weighted sum of adjusted means; weights of shape (arms,), or (..., arms) for every study its own."""
        w = np.broadcast_to(np.asarray(weights, float), self.mean.shape)
        pair = w[..., self.patterns.first] * w[..., self.patterns.second]
        used = np.abs(w) > NOTHING
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            variance = (pair * self.squared).sum(axis=-1)
            trace = (pair * self.trace).sum(axis=-1)
            square = ((pair[..., None, :] @ self.square)[..., 0, :] * pair).sum(axis=-1)
            known = np.abs(_rows(w, self.patterns.lost, self.pattern)).max(
                axis=-1, initial=0.0
            ) < ESTIMABLE * np.abs(w).max(axis=-1)
            due = (pair * self.working).sum(axis=-1)
            least = (ROUNDING * self.size * np.abs(w).max(axis=-1)) ** 2
            fine = (
                known
                & ((self.n >= 2) | ~used).all(axis=-1)
                & (variance > least)
                & (square > 0)
                & ~self._blind(w)
            )
            variance = variance * np.clip(due / trace, *CORRECTION)
            return Estimate(
                np.where(known, (w * self.mean).sum(axis=-1), np.nan),
                np.where(fine, np.sqrt(variance), np.nan),
                np.where(fine, trace**2 / square, np.nan),
            )

    def some(self, which: Index) -> Adjusted:
        """Those studies or outcomes that an index or mask of the leading shape names."""
        arrays = {n: x[which] for n, x in self._asdict().items() if n != "patterns"}
        return self._replace(**arrays)

    def _blind(self, w: Floats) -> NDArray[np.bool_]:
        """Whether a contrast leans on an animal whose residual is 0 by construction."""
        alone = self.patterns.free <= NOTHING
        if not alone.any():
            return np.zeros(w.shape[:-1], bool)
        lead = np.abs(_rows(w, self.patterns.lead, self.pattern))
        return np.any((lead > NOTHING) & alone[self.pattern], axis=-1)


def adjust(
    values: ArrayLike,
    arm: ArrayLike,
    n_arms: int,
    block: ArrayLike | None = None,
    covariates: ArrayLike | None = None,
) -> Adjusted:
    """Fit blocks, arms and covariates.

    Parameters
    ----------
    values
        Shape (..., animals); NaN is a missing animal.
    arm
        Index of each animal's arm, shape (animals,); a negative index leaves an animal out.
    n_arms
        Number of arms.
    block
        Index of each animal's block, shape (animals,); nothing for one block.
    covariates
        Shape (animals, k) without missing entries.

    Returns
    -------
    Adjusted

    Notes
    -----
    HC2 (MacKinnon and White 1985) with degrees of freedom from two matched moments (Bell and McCaffrey).
    HC2 is unbiased where arms vary alike. Where they do not, residuals of a quiet arm hold the noise that a variable one puts into
    the blocks: the variance is multiplied by what it should be over what it is expected to be, both under the working variances.
    The working variances are each arm's, unbiased from the residuals (Rao's MINQUE) and not below 0.
    """
    values, arm = np.asarray(values, float), np.asarray(arm, int)
    shape, animals = values.shape[:-1], values.shape[-1]
    y = np.where(arm >= 0, values, np.nan).reshape(-1, animals)
    seen = ~np.isnan(y)
    kinds, pattern = _kinds(seen)
    member = (arm[:, None] == np.arange(n_arms)).astype(float)
    block = np.zeros(animals, int) if block is None else np.asarray(block, int)
    further = (
        np.empty((animals, 0))
        if covariates is None
        else np.asarray(covariates, float).reshape(animals, -1)
    )
    p = _remembered(kinds, member, (block[:, None] == np.unique(block)).astype(float), further)
    y = np.where(seen, y, 0.0)
    # Large common values would leave their rounding in the residuals.
    centre = y.sum(axis=1, keepdims=True) / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    y0 = np.where(seen, y - centre, 0.0)
    residual = y0 - _rows(_rows(y0, p.basis, pattern), p.basis.swapaxes(1, 2), pattern)
    free = p.free[pattern]
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = np.where(free > NOTHING, residual**2 / free, 0.0)
    var = _arm_variances(residual, p, pattern)
    products = _products(p.lead, p.first, p.second)
    both = (var[:, :, None] * var[:, None, :]).reshape(len(var), -1)
    pairs = len(p.first)
    flat = p.cross.reshape(len(kinds), pairs * pairs, -1)
    out = (
        _rows(y, p.lead.swapaxes(1, 2), pattern),
        var,
        (kinds @ member)[pattern],
        _rows(squares, products.swapaxes(1, 2), pattern),
        _rows(var, p.trace.swapaxes(1, 2), pattern),
        _rows(both, flat.swapaxes(1, 2), pattern),
        _rows(var, p.working.swapaxes(1, 2), pattern),
    )
    mean, var, n, squared, trace, square, working = (x.reshape(*shape, -1) for x in out)
    return Adjusted(
        mean=mean,
        var=var,
        n=n,
        squared=squared,
        trace=trace,
        square=square.reshape(*shape, pairs, pairs),
        working=working,
        pattern=pattern.reshape(shape),
        size=np.abs(y).max(axis=1, initial=0.0).reshape(shape),
        patterns=p,
    )


def _kinds(seen: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Patterns of missing animals among the rows, and that of each row."""
    if len(seen) and (seen == seen[0]).all():  # `np.unique` sorts by every animal
        return seen[:1], np.zeros(len(seen), int)
    kinds, pattern = np.unique(seen, axis=0, return_inverse=True)
    return kinds, pattern.reshape(-1)


def _remembered(*arrays: NDArray[Any]) -> Patterns:
    """`_patterns`, once for all outcomes of a study that have the same design and the same animals.

    Drawn studies, each with other animals missing, are not remembered: it would take gigabytes.
    """
    if len(arrays[0]) > 1:
        return _patterns(*arrays)
    return _of_bytes(*((x.tobytes(), x.dtype.str, x.shape) for x in arrays))


@lru_cache(maxsize=64)
def _of_bytes(*arrays: tuple[bytes, str, tuple[int, ...]]) -> Patterns:
    kinds, member, blocks, further = (
        np.frombuffer(data, kind).reshape(shape) for data, kind, shape in arrays
    )
    return _patterns(kinds, member, blocks, further)


def _patterns(
    kinds: NDArray[np.bool_], member: Floats, blocks: Floats, further: Floats
) -> Patterns:
    """Matrices of every pattern of missing animals."""
    model = np.hstack([member, blocks, further - further.mean(axis=0) if further.size else further])
    x = kinds[:, :, None] * model
    inverse = np.linalg.pinv(x, rcond=1e-10)
    basis = _basis(x)
    arms = member.shape[1]
    # An arm's mean is that over all blocks, in the blocks' sizes; contrasts do not depend on this.
    inside = slice(arms, arms + blocks.shape[1])
    size = (kinds[:, :, None] * blocks).sum(axis=1) / np.maximum(kinds.sum(axis=1), 1)[:, None]
    lead = inverse[:, :arms] + size[:, None] @ inverse[:, inside]
    lost = lead @ x - np.eye(arms, model.shape[1])
    lost[..., inside] -= size[:, None]
    free = kinds - (basis**2).sum(axis=2)
    solve = np.asarray(
        np.linalg.pinv(_squares(basis, kinds, member), rcond=1e-9, hermitian=True), float
    )
    first, second = np.triu_indices(arms)
    parts = [
        _moments(
            basis[i : i + CHUNK],
            lead[i : i + CHUNK],
            free[i : i + CHUNK],
            member,
            first,
            second,
        )
        for i in range(0, len(kinds), CHUNK)
    ]
    trace, cross = (np.concatenate(part) for part in zip(*parts, strict=True))
    working = _products(lead, first, second) @ member
    return Patterns(
        basis=basis,
        lead=lead,
        lost=lost,
        free=free,
        solve=solve,
        trace=trace,
        cross=cross,
        working=working,
        member=member,
        first=first,
        second=second,
    )


def _products(lead: Floats, first: NDArray[np.int64], second: NDArray[np.int64]) -> Floats:
    """What an animal's variance adds for each pair of arms, shape (patterns, pairs, animals)."""
    return np.where(first == second, 1.0, 2.0)[:, None] * lead[:, first] * lead[:, second]


def _basis(x: Floats) -> Floats:
    """Orthonormal columns that span those of x (patterns, animals, columns); columns beyond the rank are 0."""
    left, values, _ = np.linalg.svd(x, full_matrices=False)
    keep = values > 1e-10 * values.max(axis=-1, keepdims=True, initial=0.0)
    return left * keep[:, None, :]


def _squares(basis: Floats, kinds: NDArray[np.bool_], member: Floats) -> Floats:
    """Sums, by arms of row and column, of the squared entries of the matrix I − U Uᵀ that makes residuals."""
    arms = member.shape[1]
    gram = np.stack([_gram(basis, basis, member[:, g]) for g in range(arms)], axis=1)
    both = np.einsum("pgab,phab->pgh", gram, gram)
    own = (kinds - 2 * (basis**2).sum(axis=2)) @ member
    both[:, range(arms), range(arms)] += own
    return both


def _gram(one: Floats, two: Floats, inside: Floats) -> Floats:
    """Σ over the animals of an arm of the products of two sets of columns: (…, animals, a), (…, animals, b) → (…, a, b)."""
    return (one * inside[:, None]).swapaxes(-1, -2) @ two


def _moments(
    basis: Floats,
    lead: Floats,
    free: Floats,
    member: Floats,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """Trace and cross products, by arms, of the quadratic form of the residuals that each pair of arms adds.

    The form is Q = R D R with D diagonal and R = I − U Uᵀ, that is D + U Kᵀ + K Uᵀ with K = U (Uᵀ D U) / 2 − D U. Sums over animals of
    products of two such matrices need no matrix of animals × animals.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(free > NOTHING, 1 / free, 0.0)
    part = _products(lead, first, second) * share[:, None]
    # (patterns, pairs, animals, rank)
    u = basis[:, None]
    du = part[..., None] * u
    k = u @ (u.swapaxes(-1, -2) @ du) / 2 - du
    across = 2 * (u * k).sum(axis=-1)
    trace = (part + across) @ member
    arms, pairs = member.shape[1], len(first)
    uu, uk, kk = [], [], []
    for g in range(arms):
        inside = member[:, g]
        uu.append(_gram(basis, basis, inside))
        uk.append(_gram(np.broadcast_to(u, k.shape), k, inside))
        # Of every pair with every other one.
        flat = (k * inside[:, None]).swapaxes(1, 2).reshape(len(k), k.shape[2], -1)
        every = flat.swapaxes(1, 2) @ flat
        rank = basis.shape[2]
        kk.append(every.reshape(len(k), pairs, rank, pairs, rank))
    cross = np.zeros((len(k), pairs, pairs, arms, arms))
    for g in range(arms):
        own = member[:, g]
        for h in range(arms):
            cross[..., g, h] = (
                np.einsum("nab,npaqb->npq", uu[g], kk[h])
                + np.einsum("nqab,npba->npq", uk[g], uk[h])
                + np.einsum("npba,nqab->npq", uk[g], uk[h])
                + np.einsum("npaqb,nab->npq", kk[g], uu[h])
            )
        mine, over = part * own, across * own
        both = mine @ part.swapaxes(1, 2) + mine @ across.swapaxes(1, 2)
        cross[..., g, g] += both + over @ part.swapaxes(1, 2)
    return trace, cross


def _arm_variances(residual: Floats, p: Patterns, pattern: NDArray[np.int64]) -> Floats:
    """Working variance of each arm; the pooled one where no arm shows any."""
    sums = residual**2 @ p.member
    var = np.maximum(_rows(sums, p.solve, pattern), 0.0)
    free = p.free.sum(axis=1)[pattern]
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = np.where(free > NOTHING, sums.sum(axis=1) / free, 0.0)
    return np.where((var > 0).any(axis=1, keepdims=True), var, pooled[:, None])


def _rows(rows: Floats, matrices: Floats, pattern: NDArray[np.int64]) -> Floats:
    """Each row times the matrix of its pattern: (..., a), (patterns, a, b) → (..., b)."""
    if len(matrices) == 1:
        return rows @ matrices[0]
    flat, index = rows.reshape(-1, rows.shape[-1]), pattern.reshape(-1)
    out = np.empty((len(flat), matrices.shape[2]))
    step = 32 * CHUNK
    for i in range(0, len(flat), step):
        part = slice(i, i + step)
        out[part] = (flat[part, None, :] @ matrices[index[part]])[:, 0]
    return out.reshape(*rows.shape[:-1], out.shape[1])
