"""Which genes are mitochondrial: by symbol, or by Ensembl id where a table has no symbols."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from periomics.genes.symbols import ENSEMBL

PREFIX = "MT-"
# The 13 genes of proteins, in the order ND1 ND2 CO1 CO2 ATP8 ATP6 CO3 ND3 ND4L ND4 ND5 ND6 CYB, by the ends of their ids.
IDS = {
    "ENSG00000": (
        "198888 198763 198804 198712 228253 198899 198938 198840 212907 198886 198786 198695 198727"
    ),
    "ENSMUSG00000": (
        "064341 064345 064351 064354 064356 064357 064358 064360 065947 064363 064367 064368 064370"
    ),
    "ENSRNOG00000": (
        "030644 031033 034234 030371 033299 031979 030700 033615 031053 029707 029971 029042 031766"
    ),
}
_KNOWN = frozenset(f"{start}{end}" for start, ends in IDS.items() for end in ends.split())


def mitochondrial(ids: Sequence[str], symbols: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each gene is mitochondrial: its symbol begins with MT-, in any letters, or its id is one of the known.

    Parameters
    ----------
    ids
        Ensembl ids with or without versions, or any other names.
    symbols
        Symbols; an id where there is none.
    """
    by_symbol = [s.upper().startswith(PREFIX) for s in symbols]
    bare = [m[1] if (m := ENSEMBL.match(i)) else i for i in ids]
    return np.array([s or b in _KNOWN for s, b in zip(by_symbol, bare, strict=True)], dtype=bool)
