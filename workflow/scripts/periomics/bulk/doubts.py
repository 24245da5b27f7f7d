"""What may be wrong with a table of counts and cannot be known from it: told by check and in the
table of quality, not refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from periomics.bulk.plausible import FEWEST
from periomics.genes.normalise import size_factors
from periomics.genes.unended import UNENDED, ends_in_line

# SD of the logarithms of size factors below which libraries are hardly ever of one size by chance,
# by their number: of raw libraries it is .2 and more (docs/omics.md), of .1 chance does so in 4 %.
_ALIKE = {3: 0.01, 4: 0.03}


def doubts_about(data: pd.DataFrame, path: Path) -> list[str]:
    """What may be wrong with a file, in words.

    Parameters
    ----------
    data
        Genes × libraries of the file.
    path
        The file.
    """
    cut = [] if ends_in_line(path) else [UNENDED]
    return [*cut, *_of_one_size(data)]


def _of_one_size(data: pd.DataFrame) -> list[str]:
    """Whether the libraries were brought to one size, as DESeq2's and edgeR's normalising does."""
    counts = data.to_numpy(float)
    number, seen = data.shape[1], int((counts > 0).all(axis=1).sum())
    if number < min(_ALIKE) or seen < FEWEST:
        return []
    spread = float(np.log(size_factors(counts)).std(ddof=1))
    if spread >= _ALIKE[min(number, max(_ALIKE))]:
        return []
    return [
        f"all {number} libraries are of one size (their size factors vary by {100 * spread:.1g} "
        "%): raw counts hardly ever are, normalised ones are"
    ]
