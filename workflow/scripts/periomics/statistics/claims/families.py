"""Families of claims: adjusted p-values, and the level at which each side of a verdict was tested; on arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from periomics.core.multiplicity import benjamini_hochberg, graphical, holm, holm_levels
from periomics.statistics.claims.plan import Claim, Graph, Plan
from periomics.statistics.kernels.contrasts import AnyArms, Estimate, Floats
from periomics.statistics.kernels.dunnett import critical_value, joint_probability

# Comparisons that are judged at once by a double integral.
ROWS = 256


class Levels(NamedTuple):
    """Adjusted p-values, levels of the side that is claimed, and of the sides "refuted" and "improved"."""

    p_adj: Floats
    claimed: Floats
    refuted: Floats
    improved: Floats


class Sides(NamedTuple):
    """p-values of a claim's outcomes for what it claims, for "refuted" and for "improved"; NaN takes no part."""

    claimed: Floats
    refuted: Floats
    improved: Floats


def corrected(
    plan: Plan,
    claims: Sequence[Claim],
    sides: Sequence[Sides],
    effects: Sequence[Estimate],
    loads: Mapping[str, Floats],
) -> list[Levels]:
    """Adjust the claims of one family over all their outcomes together.

    Parameters
    ----------
    plan, claims
        The plan and those of its claims that make the family.
    sides
        p-values of each claim, shape (..., outcomes of the claim).
    effects
        Effect of each claim; read by `dunnett` only.
    loads
        Claim id → `load` of each outcome; read by `dunnett` only, 0 where it is not known.

    Returns
    -------
    list of Levels
        One for each claim.

    Notes
    -----
    Each side is a family of its own: which outcome is tested at which level follows from the p-values of that side. Were
    "refuted" judged at the levels that Holm gave to "supported", it would be false in up to .071 of studies at .05.
    """
    claimed = _joined([s.claimed for s in sides])
    correction = claims[0].correction
    if correction == "dunnett":
        p_adj, level = _dunnett(plan, claims, claimed, effects, loads)
    else:
        p_adj, level = _adjusted(correction, claimed, plan, claims)
    # A graph hands on what a claim has won; the other sides have none. A claim over all outcomes is refuted by any of them.
    plain = correction not in ("graph", "dunnett") and not claims[0].combine
    other = correction if plain else "holm"
    parts = [
        p_adj,
        level,
        *(
            _adjusted(other, _joined([getattr(s, side) for s in sides]), plan, claims)[1]
            for side in ("refuted", "improved")
        ),
    ]
    ends = np.cumsum([s.claimed.shape[-1] for s in sides])[:-1]
    return [Levels(*x) for x in zip(*(np.split(x, ends, axis=-1) for x in parts), strict=True)]


def _joined(p: Sequence[Floats]) -> Floats:
    shape = np.broadcast_shapes(*(x.shape[:-1] for x in p))
    return np.concatenate([np.broadcast_to(x, (*shape, x.shape[-1])) for x in p], axis=-1)


def _adjusted(
    correction: str, p: Floats, plan: Plan, claims: Sequence[Claim]
) -> tuple[Floats, Floats]:
    """Adjusted p-values and levels of a family."""
    if correction == "holm":
        return holm(p), holm_levels(p, plan.alpha)
    if correction == "bh":
        # Intervals at the level that BH found for the family (false coverage rate).
        p_adj = benjamini_hochberg(p)
        found = (p_adj <= plan.alpha).sum(axis=-1, keepdims=True)
        size = (~np.isnan(p)).sum(axis=-1, keepdims=True)
        level = plan.alpha * np.maximum(found, 1) / np.maximum(size, 1)
        return p_adj, np.broadcast_to(level, p.shape)
    if correction == "graph":
        nodes = [(c.id, o) for c in claims for o in c.outcomes]
        weights, edges, lacking = matrices(plan.graphs[claims[0].family], claims)
        # An outcome that the graph names and the study lacks hands its share on.
        padded = np.concatenate([p, np.full((*p.shape[:-1], lacking), np.nan)], axis=-1)
        p_adj, level = graphical(padded, weights, edges, plan.alpha)
        return p_adj[..., : len(nodes)], level[..., : len(nodes)]
    return p, np.full(p.shape, plan.alpha)


def matrices(graph: Graph, claims: Sequence[Claim]) -> tuple[Floats, Floats, int]:
    """Shares and edges of a declared graph over the outcomes of its claims, in their order.

    Parameters
    ----------
    graph
        Shares and edges between nodes, each a claim or `claim/outcome`.
    claims
        The claims of the family, with the outcomes that the study has.

    Returns
    -------
    weights, edges
        For `core.multiplicity.graphical`. The share of a claim is divided evenly over its outcomes; an edge between claims leads to the
        same outcome where both have it, else evenly to all; one from a claim to itself leads to its other outcomes.
    lacking
        How many nodes at the end are outcomes that the graph names and no claim has.
    """
    own = [(c.id, o) for c in claims for o in c.outcomes]
    outcomes = {c.id: c.outcomes for c in claims}
    named = [n for n in (*graph.weights, *graph.edges, *_targets(graph)) if "/" in n]
    missing = dict.fromkeys(n for name in named for n in _nodes(name, outcomes))
    nodes = own + [n for n in missing if n not in own]
    place = {n: i for i, n in enumerate(nodes)}
    weights, edges = np.zeros(len(nodes)), np.zeros((len(nodes),) * 2)
    for name, share in graph.weights.items():
        at = _nodes(name, outcomes)
        for node in at:
            weights[place[node]] += share / len(at)
    for source, arcs in graph.edges.items():
        for node in _nodes(source, outcomes):
            row = _row(node, arcs, outcomes, place)
            edges[place[node]] += row
    return weights, edges, len(nodes) - len(own)


def _targets(graph: Graph) -> list[str]:
    return [name for arcs in graph.edges.values() for name in arcs]


def _nodes(name: str, outcomes: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """The hypotheses of a node of a declared graph."""
    if "/" in name:
        claim, outcome = name.split("/", 1)
        return [(claim, outcome)]
    return [(name, o) for o in outcomes.get(name, ())]


def _row(
    node: tuple[str, str],
    arcs: Mapping[str, float],
    outcomes: Mapping[str, tuple[str, ...]],
    place: Mapping[tuple[str, str], int],
) -> Floats:
    """Where the share of one hypothesis goes; what would lead to nobody goes where the rest does."""
    row = np.zeros(len(place))
    for name, part in arcs.items():
        at = [n for n in _nodes(name, outcomes) if n != node]
        same = [n for n in at if n[1] == node[1]]
        for n in same or at:
            row[place[n]] += part / len(same or at)
    whole = sum(arcs.values())
    return row * (whole / row.sum()) if row.sum() > 0 else row


def shared_arm(weights: Sequence[Mapping[str, float]]) -> str:
    """The arm with which all contrasts compare one other arm each, '' where there is none."""
    if not all(sorted(w.values()) == [-1.0, 1.0] for w in weights):
        return ""
    signed = [{(arm, w) for arm, w in one.items()} for one in weights]
    common = sorted(set.intersection(*signed)) if signed else []
    return common[0][0] if len(common) == 1 else ""


def load(arms: AnyArms, names: Sequence[str], weights: Mapping[str, float], shared: str) -> Floats:
    """√ of the shared arm's part in the variance of a comparison; shape (..., outcomes) of arms (..., outcomes, arms).

    0, which takes comparisons for independent and so is on the safe side, where an arm has no variance.
    """
    other = next((a for a in weights if a != shared), "")
    if shared not in names or other not in names:
        return np.zeros(arms.mean.shape[:-1])
    i, j = names.index(shared), names.index(other)
    with np.errstate(invalid="ignore", divide="ignore"):
        v = arms.var / arms.n
        found = np.sqrt(v[..., i] / (v[..., i] + v[..., j]))
    return np.where(np.isfinite(found), found, 0.0)


def _dunnett(
    plan: Plan,
    claims: Sequence[Claim],
    p: Floats,
    effects: Sequence[Estimate],
    loads: Mapping[str, Floats],
) -> tuple[Floats, Floats]:
    """Several arms against one, outcome by outcome, and Bonferroni over the outcomes."""
    names = [(c.id, o) for c in claims for o in c.outcomes]
    outcomes = list(dict.fromkeys(o for _, o in names))
    t = _joined([_t(e) for e in effects])
    df = _joined([np.broadcast_to(e.df, np.shape(e.estimate)) for e in effects])
    known = [
        np.broadcast_to(loads.get(c.id, 0.0), e.estimate.shape)
        for c, e in zip(claims, effects, strict=True)
    ]
    shared = _joined(known)
    taken = ~np.isnan(p)
    size = sum(
        taken[..., [i for i, n in enumerate(names) if n[1] == o]].any(axis=-1) for o in outcomes
    )
    size = np.maximum(np.asarray(size)[..., None], 1)
    p_adj, level = np.full(p.shape, np.nan), np.full(p.shape, np.nan)
    for outcome in outcomes:
        at = [i for i, n in enumerate(names) if n[1] == outcome]
        asked = taken[..., at]
        alone = plan.alpha / size
        joint, crit = _many(
            t[..., at], df[..., at], np.where(asked, shared[..., at], np.nan), alone
        )
        own = 2 * stdtr(df[..., at], -crit)
        # Without a t (yes or no, grades) Bonferroni over the comparisons.
        count = asked.sum(axis=-1, keepdims=True)
        plain = np.isnan(joint) & asked
        p_adj[..., at] = np.where(
            plain, np.minimum(p[..., at] * count * size, 1), np.minimum(joint * size, 1)
        )
        level[..., at] = np.where(plain, alone / np.maximum(count, 1), own)
        # An outcome that waits for another claim counts and is not rejected.
        p_adj[..., at] = np.where(asked & (p[..., at] >= 1), 1.0, p_adj[..., at])
    return p_adj, level


def _t(form: Estimate) -> Floats:
    """Distance of the effect from 0 in standard errors, beyond what an arm without events leaves open."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(form.t())


def _many(t: Floats, df: Floats, shared: Floats, alpha: Floats) -> tuple[Floats, Floats]:
    """Joint p and critical value of comparisons along the last axis, by parts."""
    shape, k = t.shape, t.shape[-1]
    flat = [x.reshape(-1, k) for x in (t, df, shared)]
    levels = np.broadcast_to(1 - alpha, (*shape[:-1], 1)).reshape(-1)
    p, crit = np.full(flat[0].shape, np.nan), np.full(flat[0].shape, np.nan)
    for level in np.unique(levels):
        rows = np.flatnonzero(levels == level)
        for start in range(0, len(rows), ROWS):
            some = rows[start : start + ROWS]
            one, free, part = (x[some] for x in flat)
            part = np.where(np.isnan(free + one), np.nan, part)
            with np.errstate(invalid="ignore"):
                least = np.fmin.reduce(
                    np.where(np.isnan(part), np.nan, free), axis=-1, keepdims=True
                )
            least = np.where(np.isnan(part), np.nan, least)
            p[some] = 1 - joint_probability(np.abs(one), least, part)
            crit[some] = critical_value(float(level), least, part)
    return p.reshape(shape), crit.reshape(shape)
