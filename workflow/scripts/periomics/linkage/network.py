"""The smallest signed subnetwork that carries a signal from a receptor to the genes that changed: an integer programme.

The model is that of CARNIVAL (as the project's notes give it), written anew for PuLP: every measured gene that the network
gets wrong costs its weight, every node that is switched on costs `beta`. Distances keep loops from supporting themselves. A
solver stops by gap or node count, never by time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pulp

from periomics.core.errors import PeriomicsError
from periomics.core.solver import choose_solver, solve


@dataclass(frozen=True)
class Solution:
    """One optimum: objective, state of every node (+1, −1), edges that carry it, and whether it is proven."""

    objective: float
    states: Mapping[str, int]
    edges: tuple[tuple[str, int, str], ...]
    status: str


@dataclass(frozen=True)
class Pool:
    """All optima found (at most `limit`), and whether there are no further ones."""

    solutions: tuple[Solution, ...]
    complete: bool
    solver: str
    notes: tuple[str, ...] = field(default=())


def prune(
    edges: pd.DataFrame, inputs: Mapping[str, int], measured: Mapping[str, float], depth: int
) -> pd.DataFrame:
    """Edges on a path of at most `depth` steps from an input to a measured gene, without self-loops and edges into inputs."""
    df = edges[(edges["source"] != edges["target"]) & ~edges["target"].isin(list(inputs))]
    df = df.drop_duplicates(["source", "sign", "target"])
    down = _distance(df, set(inputs), "source", "target")
    up = _distance(df, set(measured), "target", "source")
    far = 10**9
    length = (
        df["source"].map(lambda v: down.get(v, far))
        + 1
        + df["target"].map(lambda v: up.get(v, far))
    )
    return df[length <= depth].sort_values(["source", "target", "sign"]).reset_index(drop=True)


def _distance(df: pd.DataFrame, start: set[str], here: str, there: str) -> dict[str, int]:
    reach = dict.fromkeys(sorted(start), 0)
    step, front = 0, set(start)
    while front:
        step += 1
        front = set(df.loc[df[here].isin(front), there]) - set(reach)
        reach |= dict.fromkeys(sorted(front), step)
    return reach


class Model:
    """The integer programme of one pruned network; solved again and again for the pool of optima.

    Parameters
    ----------
    edges
        Columns source, sign, target, pruned.
    inputs
        Node → +1 or −1: what is given.
    measured
        Node → weight with sign: what is to be explained.
    beta
        Cost of a node that is switched on.
    """

    def __init__(
        self,
        edges: pd.DataFrame,
        inputs: Mapping[str, int],
        measured: Mapping[str, float],
        beta: float,
    ) -> None:
        self.edges = [
            (str(s), int(g), str(t))
            for s, g, t in edges[["source", "sign", "target"]].itertuples(index=False)
        ]
        self.nodes = sorted(
            {s for s, _, _ in self.edges} | {t for _, _, t in self.edges} | set(inputs)
        )
        self.inputs = {k: int(v) for k, v in inputs.items()}
        self.measured = {k: float(v) for k, v in measured.items() if k in set(self.nodes)}
        self.beta = float(beta)
        self.problem = pulp.LpProblem("signalling", pulp.LpMinimize)
        index = {v: i for i, v in enumerate(self.nodes)}
        self.up = [pulp.LpVariable(f"u{i}", cat="Binary") for i in range(len(self.nodes))]
        self.down = [pulp.LpVariable(f"d{i}", cat="Binary") for i in range(len(self.nodes))]
        self.edge_up = [pulp.LpVariable(f"eu{k}", cat="Binary") for k in range(len(self.edges))]
        self.edge_down = [pulp.LpVariable(f"ed{k}", cat="Binary") for k in range(len(self.edges))]
        self._objective(index)
        self._carry(index)
        self._distances(index)

    def _objective(self, index: dict[str, int]) -> None:
        size = pulp.lpSum(self.up) + pulp.lpSum(self.down)
        misfit = []
        for j, (node, weight) in enumerate(sorted(self.measured.items())):
            wrong = pulp.LpVariable(f"a{j}", lowBound=0, upBound=2)
            state, sign = self.up[index[node]] - self.down[index[node]], float(np.sign(weight))
            self.problem += wrong >= state - sign
            self.problem += wrong >= sign - state
            misfit.append(abs(weight) * wrong)
        self.problem.setObjective(pulp.lpSum(misfit) + self.beta * size)

    def _carry(self, index: dict[str, int]) -> None:
        into_up: dict[int, list] = {}
        into_down: dict[int, list] = {}
        for k, (s, sign, t) in enumerate(self.edges):
            same, other = (self.up, self.down) if sign > 0 else (self.down, self.up)
            self.problem += self.edge_up[k] <= same[index[s]]
            self.problem += self.edge_down[k] <= other[index[s]]
            self.problem += self.edge_up[k] <= self.up[index[t]]
            self.problem += self.edge_down[k] <= self.down[index[t]]
            into_up.setdefault(index[t], []).append(self.edge_up[k])
            into_down.setdefault(index[t], []).append(self.edge_down[k])
        for node, i in index.items():
            self.problem += self.up[i] + self.down[i] <= 1
            if node in self.inputs:
                self.problem += self.up[i] - self.down[i] == self.inputs[node]
            else:
                self.problem += self.up[i] <= pulp.lpSum(into_up.get(i, []))
                self.problem += self.down[i] <= pulp.lpSum(into_down.get(i, []))

    def _distances(self, index: dict[str, int]) -> None:
        longest = len(self.nodes)
        distance = [pulp.LpVariable(f"t{i}", lowBound=0, upBound=longest) for i in range(longest)]
        for k, (s, _, t) in enumerate(self.edges):
            for carried in (self.edge_up[k], self.edge_down[k]):
                self.problem += (
                    distance[index[s]] - distance[index[t]] + (longest + 1) * carried <= longest
                )

    def solve(self, solver: pulp.LpSolver) -> Solution:
        """Solve once and read the states; edges count as used where they carry a state that needs them.

        Raises
        ------
        PeriomicsError
            If the solver fails or finds no solution.
        """
        status = solve(self.problem, solver)
        states = {
            v: round((u.value() or 0) - (d.value() or 0))
            for v, u, d in zip(self.nodes, self.up, self.down, strict=True)
        }
        states = {v: s for v, s in states.items() if s}
        used = tuple(
            e
            for e in self.edges
            if e[0] in states and e[2] in states and states[e[0]] * e[1] == states[e[2]]
        )
        return Solution(float(pulp.value(self.problem.objective)), states, used, status)

    def forbid(self, solution: Solution) -> None:
        """Cut a solution off, so that the next one differs in at least one node's state."""
        on = []
        off = []
        for v, u, d in zip(self.nodes, self.up, self.down, strict=True):
            state = solution.states.get(v, 0)
            on += [u] if state > 0 else [d] if state < 0 else []
            off += [d] if state > 0 else [u] if state < 0 else [u, d]
        self.problem += pulp.lpSum(on) - pulp.lpSum(off) <= len(on) - 1


def solve_pool(
    edges: pd.DataFrame,
    inputs: Mapping[str, int],
    measured: Mapping[str, float],
    beta: float,
    limit: int = 50,
    solver_name: str = "HiGHS",
) -> Pool:
    """All optima of the network up to `limit`, by cutting each off and solving again until the objective rises.

    An empty network (the input alone) is a valid optimum: a path can cost more than the genes it explains are worth.
    """
    inputs = {k: v for k, v in inputs.items() if k in set(edges["source"])}
    if edges.empty or not inputs or not set(measured) & set(edges["target"]):
        return Pool((), True, solver_name, ("no path from the input to a gene that changed",))
    model, solver = Model(edges, inputs, measured, beta), choose_solver(solver_name)
    found: list[Solution] = []
    complete = False
    while len(found) < limit:
        try:
            solution = model.solve(solver)
        except PeriomicsError:
            if not found:
                raise
            complete = True
            break
        if found and solution.objective > found[0].objective + 1e-6:
            complete = True
            break
        found.append(solution)
        model.forbid(solution)
    found.sort(key=lambda s: (len(s.edges), sorted(s.states.items())))
    return Pool(tuple(found), complete, type(solver).__name__)


def edge_frequencies(pools: list[Pool]) -> pd.Series:
    """Share of refits in whose optima an edge stands (averaged over the optima of each pool), indexed by (source, sign, target)."""
    totals: dict[tuple[str, int, str], float] = {}
    for pool in pools:
        for solution in pool.solutions:
            for edge in solution.edges:
                totals[edge] = totals.get(edge, 0.0) + 1 / len(pool.solutions)
    index = (
        pd.MultiIndex.from_tuples(sorted(totals), names=["source", "sign", "target"])
        if totals
        else pd.MultiIndex.from_arrays([[], [], []], names=["source", "sign", "target"])
    )
    return pd.Series([totals[e] / len(pools) for e in sorted(totals)], index=index, dtype=float)


def shuffled(measured: Mapping[str, float], rng: np.random.Generator) -> dict[str, float]:
    """The measured weights dealt anew among the measured genes: a null in which the genes say nothing about the route."""
    names = sorted(measured)
    values = rng.permutation([measured[n] for n in names])
    return dict(zip(names, (float(v) for v in values), strict=True))
