"""Threads for compiled loops: parts of a range, shared among them.

Kernels are compiled once, without numba's own parallel form (which takes about as long to compile again as the kernel), let
go of the interpreter's lock, and take the part of the range that they work on. Parts are small, so that a thread that is
held up leaves its share to the others; no result depends on them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

PARTS_A_THREAD = 12


def in_parts(work: Callable[[int, int], None], n: int, threads: int = 1) -> None:
    """Call `work(low, high)` until all of 0 to n (exclusive) is done, on at most so many threads.

    Parameters
    ----------
    work
        Compiled with `nogil=True`; parts must not write to the same place unless they write the same.
    n
        Length of the range.
    threads
        With one, `work(0, n)` is called as it is.
    """
    if n == 0:
        return
    if threads <= 1 or n == 1:
        work(0, n)
        return
    ends = np.linspace(0, n, min(n, PARTS_A_THREAD * threads) + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda part: work(*part), pairwise(ends)))
