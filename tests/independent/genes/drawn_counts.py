"""Counts drawn otherwise than the project's own simulator, and one way to test them.

Written from docs/omics.md: Poisson around gamma means, each gene with a dispersion of its own that
follows no trend; zeros, unequal depth, an outlying library and blocks on top.
"""

import numpy as np
import pandas as pd

from periomics.genes.design import model_matrix
from periomics.genes.model import fit_contrasts

CONTRAST = {"b": 1.0, "a": -1.0}


def design(a, b, blocks=None):
    """Libraries of arm a, then of arm b."""
    ids = [f"s{i:02d}" for i in range(a + b)]
    table = pd.DataFrame({"specimen_id": ids, "arm": ["a"] * a + ["b"] * b}, index=ids)
    return table if blocks is None else table.assign(block_day=[f"d{k}" for k in blocks])


def fitted(counts, samples, contrast=None, **settings):
    """Table of the contrast b − a, by gene."""
    contrasts = {"c": contrast or CONTRAST}
    found = fit_contrasts(counts, model_matrix(samples), contrasts, {}, **settings)["c"]
    return found.set_index("gene_id")


def draw(
    seed,
    samples,
    genes=400,
    changed=0.1,
    mean=60.0,
    shape=2.0,
    dispersion=0.2,
    depth=None,
    zeros=0.0,
    outlier=0.0,
    block=0.5,
):
    """Counts (genes × libraries) and the log2 change of each gene, 0 for most."""
    rng = np.random.default_rng(seed)
    n = len(samples)
    change = np.zeros(genes)
    k = round(genes * changed)
    change[:k] = rng.choice([-1, 1], k) * rng.uniform(0.8, 2.5, k)
    expected = np.repeat(rng.lognormal(np.log(mean), 1.5, (genes, 1)), n, axis=1)
    expected *= 2.0 ** (change[:, None] * (samples["arm"] == "b").to_numpy())
    if depth is not None:
        expected *= depth
    if "block_day" in samples:
        days = pd.factorize(samples["block_day"])[0]
        expected *= np.exp(rng.normal(0, block, (genes, days.max() + 1)))[:, days]
    own = rng.gamma(shape, dispersion / shape, (genes, 1)) + 1e-3
    rate = expected * rng.gamma(1 / own, own, (genes, n))
    rate[:, 0] *= np.exp(rng.normal(0, outlier, genes))
    counts = rng.poisson(rate) * (rng.random((genes, n)) >= zeros)
    names = [f"g{i:05d}" for i in range(genes)]
    return pd.DataFrame(counts, index=names, columns=samples.index), pd.Series(change, names)
