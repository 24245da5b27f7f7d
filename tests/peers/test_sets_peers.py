"""Set tests against limma's fry and camera, on the same log expression."""

import numpy as np
import pandas as pd
import pytest
from rscript import need, run_r

from periomics.genes.moderated import squeeze
from periomics.genes.set_tests import Competition, effects_of, rotation


@pytest.fixture(scope="module", autouse=True)
def limma():
    need("limma", "r-bioc-limma")


def drawn(shared, samples, seed):
    """Log expression of 300 genes; the first 20 share a factor, genes 21 to 40 change."""
    rng = np.random.default_rng(seed)
    sd = np.sqrt(4 / rng.chisquare(4, 300))
    y = rng.normal(size=(300, samples)) * sd[:, None] + 6
    y[:20] += shared * rng.normal(size=samples)
    y[20:40, samples // 2 :] += 0.8
    return y


# limma takes an approximate quantile where it turns t into z; here the exact one stands in its place.
EXACT = """
suppressMessages(library(limma))
exact <- function(x, df, approx = FALSE, method = "bailey") qnorm(pt(abs(x), df, lower.tail = FALSE), lower.tail = FALSE) * sign(x)
assignInNamespace("zscoreT", exact, ns = "limma")
"""


@pytest.mark.parametrize("shared", [0.0, 1.0])
@pytest.mark.parametrize("samples", [6, 10])
def test_fry_and_camera(shared, samples):
    y = drawn(shared, samples, seed=int(10 * shared) + samples)
    arms = np.repeat([0.0, 1.0], samples // 2)
    blocks = np.tile([0.0, 1.0], samples // 2)
    matrix = np.column_stack([np.ones(samples), arms, blocks])
    rest = y @ (np.eye(samples) - matrix @ np.linalg.pinv(matrix))
    df = samples - 3
    squeezed = squeeze((rest**2).sum(axis=1) / df, np.full(300, float(df)))
    effects = effects_of(y, matrix, np.array([0.0, 1.0, 0.0]), squeezed)
    sets = [range(20), range(20, 40), range(100, 107), range(10, 30), range(5, 6)]
    half = samples // 2
    index = ", ".join(f"s{i} = c({', '.join(str(r + 1) for r in s)})" for i, s in enumerate(sets))
    peer = run_r(
        EXACT
        + f"""y <- as.matrix(d[, 1:{samples}]); X <- cbind(1, rep(0:1, each = {half}), rep(0:1, {half}))
        index <- list({index})
        f <- fry(y / d$sd, index, X, contrast = 2, sort = "none", standardize = "none")
        k <- camera(y, index, X, contrast = 2, inter.gene.cor = NA, allow.neg.cor = FALSE, sort = FALSE)
        result <- list(fry = f$PValue, up = f$Direction == "Up", camera = k$PValue, r = k$Correlation)""",
        pd.DataFrame(y, columns=[f"s{i}" for i in range(samples)]).assign(sd=effects.unit),
    )
    own = [rotation(effects, list(s), [1] * len(s)) for s in sets]
    np.testing.assert_allclose([p for _, p in own], peer["fry"], rtol=1e-6)
    assert [t > 0 for t, _ in own] == list(peer["up"].astype(bool))
    competition = Competition(effects)
    other = [competition.test(list(s), [1] * len(s)) for s in sets]
    np.testing.assert_allclose([p for _, _, p, _ in other], peer["camera"], rtol=1e-6)
    np.testing.assert_allclose([r for *_, r in other], peer["r"], rtol=1e-6)
