"""Cells drawn for the tests of the atlas: a few types by Poisson counts, nothing of periomics/simulate.

Every gene has a level of its own; each type raises forty genes tenfold, which the other types do not make at all where `exclusive`.
"""

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

TYPES = ("b_cell", "fibroblast", "endothelial", "mast_cell", "schwann")
# Genes by which a biologist knows these types.
KNOWN = {
    "b_cell": ["Cd79a", "Cd79b", "Ms4a1", "Cd19", "Bank1", "Pax5"],
    "fibroblast": ["Col1a1", "Col1a2", "Col3a1", "Dcn", "Lum", "Pdgfra"],
    "endothelial": ["Pecam1", "Cdh5", "Kdr", "Vwf", "Cldn5", "Emcn"],
    "mast_cell": ["Cpa3", "Kit", "Ms4a2", "Hdc"],
    "schwann": ["Mpz", "Plp1", "S100b", "Sox10"],
}
GENES = [g for names in KNOWN.values() for g in names]
N_GENES = 900


def type_levels(rng, exclusive=True, n_types=5):
    """(types, genes) relative levels, rows sum to 1; names of the genes."""
    level = np.exp(rng.normal(0, 1, N_GENES))
    out = np.tile(level, (n_types, 1))
    own = np.arange(N_GENES - len(GENES)).reshape(-1)[: n_types * 40].reshape(n_types, 40)
    start = N_GENES - len(GENES)
    for k in range(n_types):
        named = [start + GENES.index(g) for g in KNOWN[TYPES[k]]]
        mine = [*own[k], *named]
        if exclusive:
            out[:, mine] = 0.0
        out[k, mine] = 10 * np.median(level)
    unused = [start + GENES.index(g) for t in TYPES[n_types:] for g in KNOWN[t]]
    out[:, unused] = 0.0
    names = [f"Gene{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}{i}" for i in range(start)] + GENES
    return out / out.sum(axis=1, keepdims=True), names


def annotated(counts, libraries, names):
    """Counts as the readers give them."""
    obs = pd.DataFrame(
        {"specimen_id": libraries, "animal_id": libraries, "batch": ""},
        index=[f"{s}:c{i}" for i, s in enumerate(libraries)],
    )
    var = pd.DataFrame({"symbol": names}, index=names)
    return ad.AnnData(sp.csr_matrix(np.asarray(counts, np.float32)), obs=obs, var=var)


def poisson(rng, level, depth):
    """Counts of cells whose relative levels are given, about `depth` each."""
    totals = depth * np.exp(rng.normal(0, 0.3, len(level)))
    return rng.poisson(level * totals[:, None])
