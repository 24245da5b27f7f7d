"""Integer programmes: which solver, when it stops, and whether what it found is proven.

A solver stops by gap or node count, never by time, so that the same input gives the same answer on every machine. PuLP calls an
unproven incumbent "Optimal"; `sol_status` tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pulp
from numpy.typing import NDArray

from periomics.core.errors import PeriomicsError

OPTIMAL = "optimal"
UNPROVEN = "unproven"
# Up to this a number of a relaxation is whole, and two objectives are one; what tells solutions of
# one objective apart.
WHOLE, PREFERENCE = 1e-7, 1e-5


def choose_solver(
    name: str = "HiGHS", *, gap: float = 0.0, nodes: int | None = None
) -> pulp.LpSolver:
    """HiGHS through highspy, else PuLP's CBC; one thread, no time limit.

    Parameters
    ----------
    name
        HiGHS or CBC.
    gap
        Absolute difference of incumbent and bound at which the search stops.
    nodes
        Most nodes of the search tree; unbounded where None.

    Raises
    ------
    PeriomicsError
        If neither is available.
    """
    # Only these two are asked for: PuLP's list looks for every solver that it knows on the whole
    # path.
    if name == "HiGHS" and pulp.HiGHS().available():
        return _highs(gap, nodes)
    if pulp.PULP_CBC_CMD().available():
        return pulp.PULP_CBC_CMD(
            msg=False, threads=1, gapRel=0.0, gapAbs=gap or None, maxNodes=nodes
        )
    raise PeriomicsError("no solver for integer programmes is available: neither highspy nor CBC")


def _highs(gap: float, nodes: int | None) -> pulp.LpSolver:
    import highspy

    class Highs(pulp.HiGHS):
        """PuLP 3.3 has no entry for a search that ended by its node count."""

        def findSolutionValues(self, lp: pulp.LpProblem):
            model = lp.solverModel
            if model.getModelStatus() != highspy.HighsModelStatus.kSolutionLimit:
                return super().findSolutionValues(lp)
            if (
                model.getInfo().primal_solution_status
                != highspy.SolutionStatus.kSolutionStatusFeasible
            ):
                return pulp.LpStatusNotSolved, pulp.LpSolutionNoSolutionFound
            values = list(model.getSolution().col_value)
            for variable in lp.variables():
                variable.varValue = values[variable.index]
            return pulp.LpStatusOptimal, pulp.LpSolutionIntegerFeasible

    limits = {} if nodes is None else {"mip_max_nodes": nodes}
    return Highs(msg=False, threads=1, gapRel=0.0, gapAbs=gap or None, **limits)


class Relaxation:
    """A programme without its integers, solved again with each row that is added: in HiGHS itself,
    which keeps its basis."""

    def __init__(self, problem: pulp.LpProblem, solver: pulp.LpSolver) -> None:
        import highspy

        solver.createAndConfigureSolver(problem)
        solver.buildSolverModel(problem)
        self.model = problem.solverModel
        n = len(problem.variables())
        reals = np.full(n, int(highspy.HighsVarType.kContinuous), np.uint8)
        self.model.changeColsIntegrality(n, np.arange(n, dtype=np.int32), reals)
        self.costs = np.array(self.model.getLp().col_cost_)
        self.found = np.empty(0)

    def values(self, variables: Sequence[pulp.LpVariable]) -> NDArray[np.float64]:
        """Of these variables, in the optimum."""
        self.model.run()
        self.found = np.array(self.model.getSolution().col_value)
        return self.found[[v.index for v in variables]]

    def add(self, row: pulp.LpConstraint) -> None:
        """A row that says at most, without a constant."""
        names = np.array([v.index for v in row], np.int32)
        self.model.addRow(-np.inf, 0.0, len(names), names, np.array(list(row.values()), float))

    @property
    def objective(self) -> float:
        """Of what was found last, by the programme's own costs."""
        return float(self.costs @ self.found)

    def prefer(self) -> None:
        """Tell solutions of one objective apart by a little cost that rises with the place of a
        variable."""
        n = len(self.costs)
        places = np.arange(n, dtype=np.int32)
        self.model.changeColsCost(n, places, self.costs + PREFERENCE * (1 + places) / n)

    def settles(self, problem: pulp.LpProblem, bound: float) -> bool:
        """Whether what was found last is whole and as good as the bound, and so the programme's
        proven optimum; its variables and status are set then."""
        whole = np.round(self.found)
        if np.abs(whole - self.found).max(initial=0.0) > WHOLE:
            return False
        if abs(float(self.costs @ whole) - bound) > WHOLE:
            return False
        problem.assignVarsVals({v.name: float(whole[v.index]) for v in problem.variables()})
        problem.assignStatus(pulp.LpStatusOptimal, pulp.LpSolutionOptimal)
        return True


def relaxation(problem: pulp.LpProblem, solver: pulp.LpSolver) -> Relaxation | None:
    """The programme without its integers; None where the solver is not HiGHS."""
    return Relaxation(problem, solver) if hasattr(solver, "buildSolverModel") else None


def solve(problem: pulp.LpProblem, solver: pulp.LpSolver) -> str:
    """Solve and say whether the solution is proven (`OPTIMAL`) or not (`UNPROVEN`).

    Raises
    ------
    PeriomicsError
        If the solver ends without a solution; the text holds PuLP's word for it.
    """
    problem.solve(solver)
    if problem.sol_status not in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible):
        raise PeriomicsError(
            f"the solver ended without a solution: {pulp.LpSolution[problem.sol_status]}"
        )
    return OPTIMAL if problem.sol_status == pulp.LpSolutionOptimal else UNPROVEN


def best_bound(problem: pulp.LpProblem, objective: float) -> float:
    """What the last solve proved that no solution of a minimum goes below; the objective itself where it is proven optimal."""
    if problem.sol_status == pulp.LpSolutionOptimal:
        return objective
    model = getattr(problem, "solverModel", None)
    return float(model.getInfo().mip_dual_bound) if model is not None else float("nan")


def version_of(name: str) -> str:
    """Version of a solver: of highspy for HiGHS, else of PuLP, whose CBC it is."""
    from importlib.metadata import version

    return version("highspy") if name == "HiGHS" else f"PuLP {pulp.__version__}"
