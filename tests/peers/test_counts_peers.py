"""Squeezed variances and moderated tests beside limma in R, where it is installed."""

import numpy as np
import pandas as pd
import pytest
from rscript import need, run_r

from periomics.genes.moderated import contrast_test, fit_logs, squeeze


@pytest.fixture(scope="module", autouse=True)
def limma():
    need("limma", "r-bioc-limma")


@pytest.mark.parametrize("case", ["spread", "several freedoms", "pooled", "a zero"])
def test_squeezed_variances_are_limmas(case):
    rng = np.random.default_rng(7)
    d = np.tile([3.0, 6.0], 200) if case == "several freedoms" else np.full(400, 4.0)
    s2 = rng.chisquare(d) / d * 0.2 / (rng.chisquare(5, 400) / 5)
    if case == "pooled":
        s2 = rng.uniform(0.9, 1.1, 400)
    if case == "a zero":
        s2[3] = 0
    peer = run_r(
        """suppressMessages(library(limma)); f <- suppressWarnings(squeezeVar(d$s2, d$df))
        result <- list(prior = f$df.prior, location = f$var.prior, variance = f$var.post)""",
        {"s2": s2, "df": d},
    )
    own = squeeze(s2, d)
    np.testing.assert_allclose(own.prior, peer["prior"][0], rtol=1e-6)
    np.testing.assert_allclose(own.location[0], peer["location"][0], rtol=1e-6)
    np.testing.assert_allclose(own.variance, np.broadcast_to(peer["variance"], 400), rtol=1e-6)


def test_p_values_are_close_to_those_of_limma_with_a_trend():
    """Not equal: limma's trend is a spline over mean log counts, ours a lowess over log means."""
    rng = np.random.default_rng(8)
    mean = np.exp(rng.normal(5, 1.2, 1500))
    sizes = np.array([0.7, 1.0, 1.4, 0.8, 1.1, 1.2])
    disp = (0.05 + 1 / mean)[:, None] * np.exp(rng.normal(0, 0.4, (1500, 1)))
    counts = rng.poisson(rng.gamma(1 / disp, mean[:, None] * sizes * disp))
    counts = counts[counts.sum(axis=1) >= 60]
    arms = np.repeat([0, 1], 3)
    matrix = np.column_stack([np.ones(6), arms]).astype(float)
    own = contrast_test(fit_logs(counts.astype(float), matrix, arms, sizes), np.array([0.0, 1.0]))
    table = pd.DataFrame(counts, columns=[f"s{i}" for i in range(6)])
    peer = run_r(
        f"""suppressMessages(library(limma)); X <- cbind(1, rep(0:1, each = 3)); y <- as.matrix(d)
        s <- c({", ".join(map(str, sizes))}); L <- s * sum(y) / 6 / mean(s); a <- .5 * L / mean(L)
        z <- log2(t((t(y) + a) / (L + 2 * a) * 1e6)); f <- eBayes(lmFit(z, X), trend = TRUE)
        result <- list(p = f$p.value[, 2], prior = f$df.prior[1], t = f$t[, 2])""",
        table,
    )
    assert np.corrcoef(own["stat"], peer["t"])[0, 1] > 0.999
    assert np.median(np.abs(np.log(own["p"] / peer["p"]))) < 0.02
    assert np.median(own["df"]) == pytest.approx(4 + peer["prior"][0], rel=0.15)
