"""How far routes hold: without one unit, with arms dealt anew, and in rewired networks.

A receptor's route is worth its gain: how much lower the objective is with the receptor than with nothing explained. Under the null
that the contrasted arms are alike their labels may be dealt anew within blocks; genes are tested, chosen and explained again each
time, and p is the share of gains as large. Rewired networks are no null of the animals: they show what other networks of these
degrees would give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from periomics.bulk.designs import Designed
from periomics.core.multiplicity import holm
from periomics.core.solver import choose_solver
from periomics.genes.design import model_matrix
from periomics.genes.tested import tested_genes
from periomics.linkage.doubts import with_doubts, without_doubts
from periomics.linkage.network import Pool, edge_frequencies, model_of
from periomics.linkage.routes import MOST_EDGES, changed_genes, optima
from periomics.linkage.states import Doubled, States, doubled, states_of
from periomics.statistics.kernels.permutation import labellings
from periomics.study.interface.linkage import ROUTE_COLUMNS
from periomics.study.settings.bulk import BulkTests
from periomics.study.settings.linkage import SignallingNetwork

Genes = Mapping[str, float]
# Gains that differ by less are equal.
ROUNDING = 1e-9
# Arms that differ this many times in size are made even before their labels are dealt anew: with 8
# and 3 units, the 3 with a threefold SD, p is at most .05 in .14 of studies without a change, and
# in .29 where genes are chosen at q .5.
MOST_UNEQUAL = 1.5
# Units of each arm that are needed then.
FEWEST_EVEN = 3
# Relabellings of a network of more than MOST_EDGES edges for which a programme is solved; the others count as gains as large.
MOST_SOLVED = 10
# Level that a smallest possible p is held against.
LEVEL = 0.05
# Largest q up to which p holds where one arm varies three times as much as the other: at .2 it is at most .05 in .09 of studies
# without a change (docs/linkage.md).
MOST_Q = 0.05
LOOSE = "genes chosen at q above 0.05: where one arm varies more, p is too small"


def gain(
    edges: pd.DataFrame | Doubled,
    receptor: str,
    sign: int,
    genes: Genes,
    settings: SignallingNetwork,
) -> tuple[float, int]:
    """What a receptor alone explains: gain of the objective, and number of genes got right.

    Parameters
    ----------
    edges
        Columns source, sign, target, or what `doubled` made of them.
    receptor, sign
        The only input, and its state.
    genes
        Changed gene → signed weight.
    settings
        depth, beta, solver, weights.
    """
    states = states_of(edges, {receptor: sign}, genes, settings.depth, settings.weights)
    return _gain(states, genes, settings) if states.free else (0.0, 0)


def _gain(states: States, genes: Genes, settings: SignallingNetwork) -> tuple[float, int]:
    best = model_of(states, settings.beta, settings.price).solve(choose_solver(settings.solver))
    right = sum(best.states.get(g, 0) * w > 0 for g, w in genes.items())
    return max(0.0, states.base(settings.beta) - best.objective), right


def gains(
    edges: pd.DataFrame | Doubled,
    inputs: Mapping[str, int],
    genes: Genes,
    settings: SignallingNetwork,
) -> dict[str, float]:
    """Gain of every receptor on its own."""
    graph = edges if isinstance(edges, Doubled) else doubled(edges)
    return {r: gain(graph, r, s, genes, settings)[0] for r, s in inputs.items()}


@dataclass
class Rivals:
    """Whether other genes, or other networks, give a receptor a gain as large as its own.

    Attributes
    ----------
    inputs, settings
        Of the network.
    own
        Receptor → its gain with the genes that changed.
    budget
        Programmes that may still be solved; None without a limit.
    unsolved
        Comparisons that were left open and count as gains as large.
    """

    inputs: Mapping[str, int]
    settings: SignallingNetwork
    own: Mapping[str, float]
    budget: int | None = None
    unsolved: int = 0

    def alike(self, graph: Doubled, genes: Genes) -> dict[str, bool]:
        """Receptor → whether its gain there is as large; nothing is solved where it cannot be."""
        return {r: self._alike(graph, r, s, genes) for r, s in self.inputs.items()}

    def _alike(self, graph: Doubled, receptor: str, sign: int, genes: Genes) -> bool:
        own = self.own[receptor]
        if own <= ROUNDING:
            return True
        if sum(abs(w) for w in genes.values()) < own:
            return False
        settings = self.settings
        states = states_of(graph, {receptor: sign}, genes, settings.depth, settings.weights)
        if not states.free or states.most(settings.beta) < own - ROUNDING:
            return False
        if self.budget == 0:
            self.unsolved += 1
            return True
        if self.budget is not None:
            self.budget -= 1
        return _gain(states, genes, settings)[0] >= own - ROUNDING


def rewired(edges: pd.DataFrame, rng: np.random.Generator, swaps: int = 10) -> pd.DataFrame:
    """The same network with the targets of pairs of edges exchanged: every node keeps its edges in and out, by sign and layer.

    Parameters
    ----------
    edges
        Columns source, sign, target, layer.
    rng
        Draws pairs; a swap that would make a loop or an edge twice is left out.
    swaps
        Tries per edge.
    """
    source, target = edges["source"].to_numpy(object), edges["target"].to_numpy(object).copy()
    sign = edges["sign"].to_numpy()
    present = set(zip(source, sign, target, strict=True))
    for _, rows in edges.reset_index(drop=True).groupby(["sign", "layer"]).groups.items():
        own = np.asarray(rows)
        if len(own) < 2:
            continue
        for i, j in rng.choice(own, (swaps * len(own), 2)):
            new = (source[i], sign[i], target[j]), (source[j], sign[j], target[i])
            if source[i] == target[j] or source[j] == target[i] or set(new) & present:
                continue
            present -= {(source[i], sign[i], target[i]), (source[j], sign[j], target[j])}
            present |= set(new)
            target[i], target[j] = target[j], target[i]
    return edges.assign(target=target)


def route_tests(
    edges: pd.DataFrame,
    inputs: Mapping[str, int],
    genes: Genes,
    settings: SignallingNetwork,
    *,
    permuted: Iterable[Genes],
    topologies: Iterable[pd.DataFrame],
    floor: float,
    reason: str = "",
    compared: Genes | None = None,
) -> pd.DataFrame:
    """p-value of every receptor's route, Holm over receptors.

    Parameters
    ----------
    edges, inputs, genes, settings
        Of the network; `inputs` in the symbols of the edges.
    permuted
        Changed genes of every relabelling of the contrasted arms but the observed one, in random order.
    topologies
        Rewired networks.
    floor
        Smallest p that the relabellings can give.
    reason
        Why there is no p (then `permuted` is empty), or what must be said of it.
    compared
        Changed genes of the units that were relabelled, where some were left out.

    Returns
    -------
    DataFrame
        ROUTE_COLUMNS. A receptor without gain has p 1.
    """
    graph, large = doubled(edges), len(edges) > MOST_EDGES
    found = {r: gain(graph, r, s, genes, settings) for r, s in inputs.items()}
    own_gains = {r: own for r, (own, _) in found.items()}
    even = own_gains if compared is None else gains(graph, inputs, compared, settings)
    rivals = Rivals(inputs, settings, even, MOST_SOLVED if large else None)
    drawn = [rivals.alike(graph, g) for g in permuted]
    others = Rivals(inputs, settings, own_gains)
    shapes = [others.alike(doubled(t), genes) for t in topologies] if genes else []
    if drawn and floor * len(inputs) > LEVEL:
        least = f"{floor * len(inputs):.2g} is the smallest p that this design can give after Holm"
        reason = f"{len(inputs)} receptors are too many: {least}"
    if drawn and settings.q > MOST_Q:
        reason = "; ".join(r for r in (reason, LOOSE) if r)
    if large:
        reason = "; ".join(r for r in (reason, too_large(edges, rivals.unsolved)) if r)
    rows = []
    for receptor, (own, right) in found.items():
        hits = sum(d[receptor] for d in drawn)
        p = max((hits + 1) / (len(drawn) + 1), floor) if drawn else np.nan
        alike = [s[receptor] for s in shapes]
        rows.append(
            {
                "receptor": receptor,
                "sign": inputs[receptor],
                "gain": own,
                "genes": len(genes),
                "genes_right": right,
                "p": 1.0 if drawn and min(own, even[receptor]) <= ROUNDING else p,
                "p_floor": floor if drawn else np.nan,
                "relabellings": len(drawn),
                "topology_share": float(np.mean(alike)) if alike and own > ROUNDING else np.nan,
                "reason": reason,
            }
        )
    table = pd.DataFrame(rows).reindex(columns=list(ROUTE_COLUMNS))
    return table.assign(p_adj=holm(table["p"].to_numpy(float)))


@dataclass(frozen=True)
class Refitting:
    """The differential test of a network, made again for other units or other arms of them.

    Attributes
    ----------
    of
        The analysis.
    contrast
        Its contrast.
    edges
        The signed table in the symbols of the libraries.
    settings, tests
        Of the network, and of the tests of genes.
    """

    of: Designed
    contrast: str
    edges: pd.DataFrame
    settings: SignallingNetwork
    tests: BulkTests

    def changed(self, units: pd.DataFrame) -> dict[str, float]:
        """Genes that changed between the arms of these units, with weights; none where they cannot be tested."""
        model = model_matrix(units)
        names = list(units["specimen_id"])
        long = None if self.of.lengths is None else self.of.lengths[names]
        tested = tested_genes(self.of.counts[names], model, self.tests.min_total, long)
        weights = self.of.weights[self.contrast]
        if tested is None or model.freedom < 1 or not set(weights) <= set(model.arms):
            return {}
        table = tested.named(weights, self.of.symbols, self.tests.alpha)
        return changed_genes(table, self.edges, self.settings.q, self.settings.genes)

    @property
    def large(self) -> bool:
        """Whether the network is too large to be solved hundreds of times."""
        return len(self.edges) > MOST_EDGES

    @property
    def networks_beside(self) -> int:
        """Rewired networks; none of a large one, whose programmes take up to half a minute each."""
        return 0 if self.large else self.settings.rewired

    def judged(self, inputs: Mapping[str, int], rng: np.random.Generator) -> pd.DataFrame:
        """`route_tests` of these units, with their arms dealt anew where that may be."""
        of, settings, contrast = self.of, self.settings, self.contrast
        reason = two_arms(of, contrast)
        many: list[pd.DataFrame] = []
        units, floor = of.units, 1.0
        if not reason:
            arms = list(of.weights[contrast])
            units, reason = evened(of.units, arms, rng)
            many, floor = relabelled(units, arms, rng, settings.relabellings)
        return route_tests(
            self.edges,
            inputs,
            self.changed(of.units),
            settings,
            permuted=[self.changed(u) for u in many],
            topologies=[self._rewired(rng) for _ in range(self.networks_beside)],
            floor=floor,
            reason=reason,
            compared=self.changed(units) if len(units) < len(of.units) else None,
        )

    def _rewired(self, rng: np.random.Generator) -> pd.DataFrame:
        """The table's own edges rewired; what may carry against its sign follows from them."""
        return with_doubts(rewired(without_doubts(self.edges), rng), self.settings.price)

    def without_each(self, inputs: Mapping[str, int]) -> dict[str, Pool]:
        """Optima of the network without each unit of the contrasted arms."""
        arms = [a for a, w in self.of.weights[self.contrast].items() if w]
        units = self.of.units
        out = {}
        for unit in sorted(set(units.loc[units["arm"].isin(arms), "animal_id"])):
            genes = self.changed(units[units["animal_id"] != unit])
            limit = 1 if self.large else self.settings.pool
            out[unit] = optima(self.edges, inputs, self.settings, genes, self.settings.beta, limit)
        return out


def too_large(edges: pd.DataFrame, unsolved: int) -> str:
    """What was left out of a network of more than MOST_EDGES edges."""
    said = f"{len(edges)} edges, more than {MOST_EDGES}: no rewired networks, one optimum a refit"
    if not unsolved:
        return said
    return f"{said}; {unsolved} gains under other labels were not solved and count as large as this"


def two_arms(of: Designed, contrast: str) -> str:
    """Why the arms of a contrast may not be dealt anew; '' where they may."""
    kind, reason = of.status[contrast]
    if kind != "tested":
        return reason or kind
    if sum(w != 0 for w in of.weights[contrast].values()) > 2:
        return "more than two arms: their labels may not be dealt anew where each has its effect"
    arms = list(of.weights[contrast])
    sizes, even = (_sizes(u, arms) for u in (of.units, _even(of.units, arms)))
    if sizes.max() >= MOST_UNEQUAL * sizes.min() and even.min() < FEWEST_EVEN:
        found = " and ".join(f"{n:.0f}" for n in sizes)
        few = f"{even.min():.0f} of each are in blocks with the other, {FEWEST_EVEN} are needed"
        return f"arms of {found}: labels may be dealt anew among even numbers only, and {few}"
    return ""


def _sizes(units: pd.DataFrame, arms: Sequence[str]) -> pd.Series:
    return units["arm"].value_counts().reindex(list(arms)).fillna(0)


def _blocks(units: pd.DataFrame) -> pd.Series:
    names = [c for c in units.columns if c.startswith("block_")]
    return units[names].astype(str).agg("|".join, axis=1) if names else pd.Series("", units.index)


def _even(units: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Units of two arms, the first of each block as many as the other arm has there; other arms as
    they are."""
    own = units["arm"].isin(arms)
    block = _blocks(units)
    count = pd.crosstab(block[own], units.loc[own, "arm"]).reindex(columns=list(arms), fill_value=0)
    least = block.map(count.min(axis=1)).fillna(0)
    place = units.groupby([block, units["arm"]]).cumcount()
    return units[(~own | (place < least)).to_numpy(bool)]


def evened(
    units: pd.DataFrame, arms: Sequence[str], rng: np.random.Generator
) -> tuple[pd.DataFrame, str]:
    """Units of two arms of about one size, those too many left out by lot within blocks, and what
    is said of it.

    Labels dealt anew are no test where the smaller of two uneven arms varies more; with as many of
    both in each block they are one.

    Parameters
    ----------
    units
        A row per unit: arm and block_* columns.
    arms
        The two contrasted arms.
    rng
        Draws the lot.
    """
    sizes = _sizes(units, arms)
    if sizes.max() < MOST_UNEQUAL * sizes.min():
        return units, ""
    order = rng.permutation(len(units))
    kept = _even(units.iloc[order], arms).index
    left = units[units.index.isin(kept)]
    even = int(_sizes(left, arms).min())
    found = " and ".join(f"{n:.0f}" for n in sizes)
    said = f"p of {even} units of each arm, the others of {found} left out by lot within blocks"
    return left, f"{said}: a small arm may vary more"


def left_out(pools: Mapping[str, Pool]) -> pd.DataFrame:
    """Share of refits without one unit whose optima hold an edge.

    Parameters
    ----------
    pools
        Unit left out → optima.

    Returns
    -------
    DataFrame
        source, sign, target, frequency, refits.
    """
    table = edge_frequencies(list(pools.values())).rename("frequency").reset_index()
    return table.assign(refits=len(pools))


def relabelled(
    units: pd.DataFrame, arms: Sequence[str], rng: np.random.Generator, most: int
) -> tuple[list[pd.DataFrame], float]:
    """Units with the labels of two arms dealt anew within blocks, without the observed labelling, and the smallest p.

    Parameters
    ----------
    units
        A row per unit: arm and block_* columns.
    arms
        The two contrasted arms.
    rng
        Draws where there are more than `most`.
    most
        Relabellings at most.
    """
    own = units["arm"].isin(arms).to_numpy()
    part = units[own]
    block = _blocks(part)
    first = (part["arm"] == arms[0]).to_numpy()
    masks, _ = labellings(first, block.to_numpy(str), rng, most, most)
    out = []
    for mask in masks:
        if (mask == first).all():
            continue
        arm = units["arm"].to_numpy(object).copy()
        arm[own] = np.where(mask, arms[0], arms[1])
        out.append(units.assign(arm=arm))
    # Swapping both arms turns every change round, and with it which genes are explained: no other labelling gives the same gain.
    return out, 1 / (len(out) + 1)
