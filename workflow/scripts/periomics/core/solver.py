"""Integer programmes: which solver, when it stops, and whether what it found is proven.

A solver stops by gap or node count, never by time, so that the same input gives the same answer on every machine. PuLP calls an
unproven incumbent "Optimal"; `sol_status` tells them apart.
"""

from __future__ import annotations

import pulp

from periomics.core.errors import PeriomicsError

OPTIMAL = "optimal"
UNPROVEN = "unproven"


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
    available = pulp.listSolvers(onlyAvailable=True)
    if name == "HiGHS" and "HiGHS" in available:
        return _highs(gap, nodes)
    if "PULP_CBC_CMD" in available:
        return pulp.PULP_CBC_CMD(
            msg=False, threads=1, gapRel=0.0, gapAbs=gap or None, maxNodes=nodes
        )
    raise PeriomicsError(f"no solver for integer programmes is available (found {available})")


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
