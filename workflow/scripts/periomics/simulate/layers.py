"""What all simulated layers share: the columns of their truth, and drawing specimens in several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

from periomics.study.measurements import COLUMNS, KEY

# By these a truth joins the measurement of it, one to one.
_NOT_PLANTED = ("source", "reader")
TRUTH_KEY = tuple(c for c in COLUMNS if c in {"animal_id", *KEY}.difference(_NOT_PLANTED))
TRUTH_COLUMNS = (*TRUTH_KEY, "truth")
Row = dict[str, Any]
J = TypeVar("J")


def rows_of(draw: Callable[[J], list[Row]], jobs: Sequence[J], threads: int) -> list[Row]:
    """Truth rows of all jobs in their order; each has a seed of its own, so the number of processes is free."""
    if threads > 1 and len(jobs) > 1:
        # fork: a spawned process would run the job's script again
        with ProcessPoolExecutor(threads, mp_context=get_context("fork")) as pool:
            return [row for rows in pool.map(draw, jobs) for row in rows]
    return [row for job in jobs for row in draw(job)]
