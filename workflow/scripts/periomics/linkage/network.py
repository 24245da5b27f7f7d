"""The smallest signed subnetwork that carries a signal from a receptor to the genes that changed: an integer programme.

The objective is that of CARNIVAL (as the project's notes give it): every measured gene that the network gets wrong costs its
weight, every active node costs `beta`. The variables are states of the sign-doubled graph, without any for edges, signs or
distances: within a limit of steps a state at each step it may be reached (`Layered`), else a state and, as they are needed, rows by
which an active gene has an active state in every set of states that cuts it off from the inputs (`Connected`). A solver stops by
gap or node count, never by time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pulp

from periomics.core.errors import PeriomicsError
from periomics.core.solver import (
    OPTIMAL,
    Relaxation,
    best_bound,
    choose_solver,
    relaxation,
    solve,
)
from periomics.linkage.separators import ROUNDS, Separators
from periomics.linkage.states import (
    Edge,
    State,
    States,
    carrying,
    edge_of,
    states_of,
    steps,
)

# Solutions as good as the best, up to rounding.
TOLERANCE = 1e-6
# Free states above which the relaxation is made tight before the programme is solved.
MANY = 1500
NO_PATH = "no path from the input to a gene that changed"


@dataclass(frozen=True)
class Solution:
    """One optimum: objective, state of every active node (+1, −1), edges that carry the signal, whether it is proven."""

    objective: float
    states: Mapping[str, int]
    edges: tuple[Edge, ...]
    status: str


@dataclass(frozen=True)
class Pool:
    """All optima found, and what the solver says of them.

    Attributes
    ----------
    solutions
        Smallest first; none where no path leads from an input to a measured gene.
    complete
        Whether the solver proved that there are no further ones.
    solver
        Its name.
    bound
        What no solution can go below, as the solver proved it for the first.
    notes
        What must be said: no path, nothing explained, or how the search ended.
    edges
        Edges between nodes that may be active.
    """

    solutions: tuple[Solution, ...]
    complete: bool
    solver: str
    bound: float = np.nan
    notes: tuple[str, ...] = field(default=())
    edges: int = 0


class Model(ABC):
    """What both forms share: the objective, one state per node, and a way on for every state that costs."""

    def __init__(self, states: States, beta: float, doubt: float = 0.0) -> None:
        self.states, self.beta, self.doubt = states, float(beta), float(doubt)
        self.doubts: dict[tuple[Edge, int], pulp.LpVariable] = {}
        self.tight = False
        self.problem = pulp.LpProblem("signalling", pulp.LpMinimize)
        self.on = self._variables()
        self.problem.setObjective(
            pulp.lpSum(states.cost(s, beta) * self.on[s] for s in states.free) + states.base(beta)
        )
        for node in sorted({s[0] for s in states.free}):
            both = [self.on[s] for s in ((node, 1), (node, -1)) if s in self.on]
            self.problem += pulp.lpSum(both) <= 1
        self._connect()
        if self.doubts:
            price = self.doubt * pulp.lpSum(self.doubts.values())
            self.problem.setObjective(self.problem.objective + price)

    @abstractmethod
    def _variables(self) -> dict[State, pulp.LpAffineExpression]:
        """Whether each state is active."""

    @abstractmethod
    def _connect(self) -> None:
        """Rows that tie every active state to the inputs, and every costly one to a gene."""

    def cut_off(self, active: Sequence[State]) -> bool:
        """Add rows against a solution in which states hang on nothing; False where there are none."""
        return False

    def tighten(self, solver: pulp.LpSolver) -> bool:
        """Add rows that make the relaxation tighter, where that pays; whether it then is the
        optimum."""
        return False

    def costly(self, state: State) -> bool:
        """Whether an optimum needs a reason for a state: without a state behind it, it would be left out."""
        return self.states.cost(state, self.beta) > TOLERANCE

    def solve(self, solver: pulp.LpSolver) -> Solution:
        """Solve and read the states.

        Raises
        ------
        PeriomicsError
            If the solver ends without a solution.
        """
        settled, self.tight = not self.tight and self.tighten(solver), True
        while True:
            status = OPTIMAL if settled else solve(self.problem, solver)
            settled = False
            active = [s for s in self.states.free if (pulp.value(self.on[s]) or 0) > 0.5]
            if not self.cut_off(active):
                break
        found = dict(self.states.inputs) | dict(active)
        paid = {e for (e, _), use in self.doubts.items() if (pulp.value(use) or 0) > 0.5}
        objective = self.states.base(self.beta) + sum(
            self.states.cost(s, self.beta) for s in active
        )
        objective += self.doubt * len(paid)
        return Solution(objective, found, carrying(self.states, found, paid), status)

    def forbid(self, solution: Solution) -> None:
        """Cut a solution off, so that the next one differs in at least one state."""
        on = [s for s in self.states.free if solution.states.get(s[0]) == s[1]]
        off = [s for s in self.states.free if solution.states.get(s[0]) != s[1]]
        row = pulp.lpSum(self.on[s] for s in on) - pulp.lpSum(self.on[s] for s in off)
        self.problem += row <= len(on) - 1


class Layered(Model):
    """Within a limit of steps: a state stands at one step, behind an active state one step before, or behind an edge against its
    sign that is paid for."""

    def _variables(self) -> dict[State, pulp.LpAffineExpression]:
        most = self.states.depth or 0
        self.at = {
            (s, k): self.problem.add_variable(f"s{i}_{k}", cat="Binary")
            for i, s in enumerate(self.states.free)
            for k in range(self.states.first[s], most - self.states.left[s] + 1)
        }
        steps_of: dict[State, list[pulp.LpVariable]] = {}
        for (s, _), variable in self.at.items():
            steps_of.setdefault(s, []).append(variable)
        return {s: pulp.lpSum(v) for s, v in steps_of.items()}

    def _connect(self) -> None:
        roots = set(self.states.roots)
        for (s, k), here in self.at.items():
            near = [p for p in self.states.parents[s] if (p in roots) == (k == 1)]
            near = [p for p in near if k == 1 or (p, k - 1) in self.at]
            plain = [p for p in near if edge_of(p, s) not in self.states.against]
            if k > 1 or not plain:
                paid = [self._doubt(p, s, k) for p in near if p not in plain]
                self.problem += here <= pulp.lpSum([*(self.at[p, k - 1] for p in plain), *paid])
            if self.costly(s):
                after = [
                    self.at[c, k + 1] for c in self.states.children[s] if (c, k + 1) in self.at
                ]
                self.problem += here <= pulp.lpSum(after)

    def _doubt(self, source: State, target: State, step: int) -> pulp.LpVariable:
        """Whether an edge against its sign carries to a state at this step."""
        edge = edge_of(source, target)
        use = self.problem.add_variable(f"d{len(self.doubts)}", cat="Binary")
        self.doubts[edge, step if target[1] > 0 else -step] = use
        if step > 1:
            self.problem += use <= self.at[source, step - 1]
        return use


class Connected(Model):
    """Without a limit: a state stands behind an active one, and loops that hang on nothing are cut off as they appear."""

    def _variables(self) -> dict[State, pulp.LpAffineExpression]:
        return {
            s: self.problem.add_variable(f"s{i}", cat="Binary")
            for i, s in enumerate(self.states.free)
        }

    def _connect(self) -> None:
        roots = set(self.states.roots)
        for s in self.states.free:
            parents = self.states.parents[s]
            if not roots.intersection(parents):
                self.problem += self.on[s] <= pulp.lpSum(self.on[p] for p in parents)
            if self.costly(s):
                self.problem += self.on[s] <= pulp.lpSum(
                    self.on[c] for c in self.states.children[s]
                )

    def tighten(self, solver: pulp.LpSolver) -> bool:
        relaxed = relaxation(self.problem, solver) if len(self.states.free) > MANY else None
        if relaxed is None:
            return False
        worth = [s for s in self.states.free if self.states.cost(s, self.beta) < -TOLERANCE]
        cuts = Separators(self.states, worth)
        self._round_off(relaxed, cuts)
        bound = relaxed.objective
        if relaxed.settles(self.problem, bound):
            return True
        # Optima that tie make a mean of them one too: a little preference leaves one.
        relaxed.prefer()
        self._round_off(relaxed, cuts)
        return relaxed.settles(self.problem, bound)

    def _round_off(self, relaxed: Relaxation, cuts: Separators) -> None:
        """Add the rows that a relaxation breaks until it breaks none."""
        for _ in range(ROUNDS):
            found = cuts.broken(relaxed.values([self.on[s] for s in self.states.free]))
            for s, gate in found:
                row = self.on[s] <= pulp.lpSum(self.on[g] for g in gate)
                self.problem += row
                relaxed.add(row)
            if not found:
                break

    def cut_off(self, active: Sequence[State]) -> bool:
        on = set(active)
        within = {s: [c for c in self.states.children[s] if c in on] for s in on}
        within |= {r: [c for c in self.states.children[r] if c in on] for r in self.states.roots}
        reached = steps(self.states.roots, within)
        lost = [s for s in active if s not in reached]
        for s in lost:
            gate = self._gate(s, set(reached))
            self.problem += self.on[s] <= pulp.lpSum(self.on[g] for g in gate)
        return bool(lost)

    def _gate(self, lost: State, reached: set[State]) -> list[State]:
        """States next to those reached through which alone a lost one can be: found from its side, so that none is idle."""
        outside: dict[State, int] = {lost: 0}
        front, gate = [lost], set()
        while front:
            new = []
            for s in front:
                if any(p in reached for p in self.states.parents[s]):
                    gate.add(s)
                    continue
                for p in self.states.parents[s]:
                    if p not in outside:
                        outside[p] = 0
                        new.append(p)
            front = new
        return sorted(gate)


def model_of(states: States, beta: float, doubt: float = 0.0) -> Model:
    """The form that fits the limit; edges against their sign need one."""
    if states.depth is not None:
        return Layered(states, beta, doubt)
    if states.against:
        raise ValueError("edges against their sign need a limit of steps")
    return Connected(states, beta)


def solve_pool(
    edges: pd.DataFrame,
    inputs: Mapping[str, int],
    measured: Mapping[str, float],
    beta: float,
    *,
    depth: int | None = None,
    limit: int = 50,
    solver_name: str = "HiGHS",
    weights: Mapping[str, float] | None = None,
    doubt: float = 0.0,
) -> Pool:
    """All optima of the network up to `limit`, by cutting each off and solving again until the objective rises.

    An empty network (the input alone) is a valid optimum: a path can cost more than the genes it explains are worth.

    Parameters
    ----------
    edges
        Columns source, sign, target.
    inputs
        Node → +1 or −1: what is given.
    measured
        Node → weight with sign: what is to be explained.
    beta
        Cost of an active node.
    depth
        Most steps from an input to a gene; None for no limit.
    limit
        Most optima.
    solver_name
        HiGHS or CBC.
    weights
        Node → share of its cost that evidence takes off.
    doubt
        Cost of an edge against its sign, of those that `edges` marks so.

    Raises
    ------
    PeriomicsError
        If the solver fails before the first solution.
    """
    states = states_of(edges, inputs, measured, depth, weights)
    if not states.free:
        return Pool((), True, solver_name, notes=(NO_PATH,), edges=states.edges)
    model, solver = model_of(states, beta, doubt), choose_solver(solver_name)
    found, complete, bound, notes = [model.solve(solver)], False, np.nan, []
    bound = best_bound(model.problem, found[0].objective)
    while len(found) < limit and found[0].status == OPTIMAL:
        model.forbid(found[-1])
        try:
            solution = model.solve(solver)
        except PeriomicsError as error:
            complete = model.problem.sol_status == pulp.LpSolutionInfeasible
            notes += [] if complete else [f"the search for further optima ended early: {error}"]
            break
        if solution.objective > found[0].objective + TOLERANCE:
            complete = solution.status == OPTIMAL
            break
        found.append(solution)
    if not found[0].edges:
        notes.append(f"nothing is explained at beta {beta:g}: every path costs more than its genes")
    found.sort(key=lambda s: (len(s.edges), sorted(s.states.items())))
    return Pool(tuple(found), complete, solver.name, bound, tuple(notes), states.edges)


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
