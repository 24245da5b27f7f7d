"""Writing simulated cells: the h5ad files that the libraries sheet names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.files import atomic


def write_files(
    facts: Sequence[Mapping[str, Any]],
    drawn: Sequence[tuple[np.ndarray, pd.DataFrame]],
    genes: Sequence[str],
) -> None:
    """Write the counts of all libraries, those of one path into one file.

    Parameters
    ----------
    facts
        Rows of the sheet.
    drawn
        Counts (cells × genes) and facts of the cells of each row.
    genes
        Names of the genes.
    """
    import anndata as ad
    import scipy.sparse as sp

    for path in sorted({str(f["path"]) for f in facts}):
        chosen = [i for i, f in enumerate(facts) if str(f["path"]) == path]
        samples = [str(facts[i].get("sample", facts[i]["specimen_id"])) for i in chosen]
        cells = [drawn[i][1].assign(sample=s) for i, s in zip(chosen, samples, strict=True)]
        obs = pd.concat(cells)
        counts = sp.csr_matrix(np.vstack([drawn[i][0] for i in chosen]))
        names = obs["cell"].str.split(":").str[1].to_numpy()
        with atomic(Path(path)) as part:
            ad.AnnData(
                counts,
                obs=pd.DataFrame({"sample": obs["sample"].to_numpy()}, index=names),
                var=pd.DataFrame(index=list(genes)),
            ).write_h5ad(part, compression="gzip")
