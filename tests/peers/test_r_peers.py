"""Contrasts, adjusted estimates, corrections and exact tests beside R (base packages), to 1e-6 on simulated and real tables."""

import numpy as np
import pandas as pd
import pytest
from rscript import run_r
from scipy import stats

from periomics.core.multiplicity import benjamini_hochberg, holm
from periomics.statistics.kernels import binary, contrasts, effects, ordinal
from periomics.statistics.kernels.adjusted import adjust
from periomics.statistics.kernels.permutation import labellings

ARMS = ("CTRL", "DRUG", "PRE", "POST")
TABLES = ("unequal", "missing", "wide", "airway", "t84")
PAIRS = ((0, 1), (2, 1), (3, 1), (3, 2))


def simulated(name):
    """Unequal numbers; missing animals in unequal blocks; arms whose SDs and units differ widely."""
    rng = np.random.default_rng(TABLES.index(name))
    n = {"unequal": (5, 9, 3, 7), "missing": (6, 6, 6, 6), "wide": (4, 6, 8, 5)}[name]
    arm = np.repeat(ARMS, n)
    y = rng.normal(0, 1, sum(n)) * np.repeat((1, 2, 0.5, 1.5), n) + np.repeat((2, 0, 0.2, 1.4), n)
    block = rng.integers(0, 3, sum(n))
    y = y + 0.8 * block
    if name == "missing":
        y[[1, 8, 14, 20]] = np.nan
    if name == "wide":
        y = 1e4 + 1e3 * y
    return pd.DataFrame(
        {
            "y": y,
            "arm": arm,
            "block": [f"b{i}" for i in block],
            "weight": rng.normal(300, 20, sum(n)),
        }
    )


def real(name, data):
    """Log counts of one gene: airway has two arms in four donors, t84 four treatments at four times."""
    folder = data / "rnaseq" / {"airway": "airway", "t84": "t84_il22_ifnl"}[name]
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}")
    counts = pd.read_csv(folder / "counts.csv.gz", index_col=0)
    meta = pd.read_csv(folder / "metadata.csv", index_col=0)
    counts = np.log2(1e6 * counts / counts.sum() + 1)
    if name == "airway":
        y = counts.loc["ENSG00000000003", meta.index]
        arm, block = meta["dex"], meta["celltype"]
    else:
        y = counts.loc["STAT1", meta.index]
        arm, block = meta["treat"], meta["time"]
    return pd.DataFrame({"y": y.to_numpy(), "arm": arm.to_numpy(), "block": block.to_numpy()})


@pytest.fixture(params=TABLES, scope="module")
def table(request):
    if request.param in ("airway", "t84"):
        return real(request.param, request.getfixturevalue("data"))
    return simulated(request.param)


def codes(table):
    names = [a for a in ARMS if a in set(table["arm"])] or sorted(set(table["arm"]))
    return names, table["arm"].map({a: i for i, a in enumerate(names)}).to_numpy()


def pairs(names):
    return [(i, j) for i, j in PAIRS if max(i, j) < len(names)]


def test_welch_contrasts_are_those_of_t_test(table):
    names, arm = codes(table)
    arms = contrasts.summarise(table["y"], arm, len(names))
    for i, j in pairs(names):
        w = np.zeros(len(names))
        w[i], w[j] = 1, -1
        form = contrasts.linear_form(arms, w)
        peer = run_r(
            f"""t <- t.test(d$y[d$arm == "{names[i]}"], d$y[d$arm == "{names[j]}"], conf.level = 0.9)
            result <- list(p = t$p.value, df = t$parameter, ci = t$conf.int, se = t$stderr,
              less = t.test(d$y[d$arm == "{names[i]}"], d$y[d$arm == "{names[j]}"], alternative = "less")$p.value)""",
            table,
        )
        own = [
            contrasts.p_two_sided(form),
            form.df,
            *contrasts.interval(form, 0.9),
            form.se,
            contrasts.p_below(form),
        ]
        expected = np.concatenate([peer[k] for k in ("p", "df", "ci", "se", "less")])
        np.testing.assert_allclose(np.array(own, float), expected, rtol=1e-6)


def test_a_three_arm_form_is_welchs_by_hand_in_r():
    table = simulated("unequal")
    _, arm = codes(table)
    form = contrasts.linear_form(contrasts.summarise(table["y"], arm, 4), (-0.5, -0.5, 0, 1))
    peer = run_r(
        """g <- split(d$y, factor(d$arm, c("CTRL", "DRUG", "POST"))); w <- c(-.5, -.5, 1)
        v <- w^2 * sapply(g, var) / sapply(g, length)
        result <- list(e = sum(w * sapply(g, mean)), se = sqrt(sum(v)), df = sum(v)^2 / sum(v^2 / (sapply(g, length) - 1)))""",
        table,
    )
    np.testing.assert_allclose(
        np.ravel(form[:3]), np.concatenate([peer[k] for k in ("e", "se", "df")]), rtol=1e-9
    )


SANDWICH = """
arms <- c({arms}); d <- d[!is.na(d$y), ]; d$arm <- factor(d$arm, arms); d$block <- factor(d$block)
fit <- lm(y ~ 0 + arm + block{more}, d)
x <- model.matrix(fit); bread <- solve(crossprod(x)); e <- resid(fit); h <- hatvalues(fit)
M <- diag(nrow(x)) - x %*% bread %*% t(x)
# Working variances of the arms: unbiased from squared residuals
member <- outer(as.character(d$arm), arms, "==") * 1
sums <- t(member) %*% M^2 %*% member
v <- eigen(sums, symmetric = TRUE); keep <- v$values > 1e-9 * max(v$values)
inverse <- v$vectors[, keep, drop = FALSE] %*% (t(v$vectors[, keep, drop = FALSE]) / v$values[keep])
working <- pmax(inverse %*% t(member) %*% e^2, 0)
omega <- as.vector(member %*% working)
result <- list()
for (k in seq_len(nrow(pairs))) {{
  w <- rep(0, ncol(x)); w[pairs[k, 1]] <- 1; w[pairs[k, 2]] <- -1
  a <- as.vector(x %*% bread %*% w)
  G <- t(M) %*% diag(a^2 / (1 - h)) %*% M
  B <- G %*% diag(omega)
  correction <- min(max(sum(a^2 * omega) / sum(diag(B)), 2 / 3), 3 / 2)
  se <- sqrt(correction * sum(a^2 * e^2 / (1 - h)))
  result[[paste0("k", k)]] <- c(sum(w * coef(fit)), se, sum(diag(B))^2 / sum(diag(B %*% B)))
}}
"""


def test_adjusted_contrasts_are_those_of_lm_with_a_sandwich(table):
    """Estimate of lm(y ~ arm + block); HC2 corrected for unequal arms; Bell and McCaffrey's degrees of freedom; of R's own pieces."""
    names, arm = codes(table)
    block, wanted = pd.factorize(table["block"])[0], pairs(names)
    flat = ", ".join(f"{i + 1}, {j + 1}" for i, j in wanted)
    for more in ("", " + weight") if "weight" in table else ("",):
        fit = adjust(table["y"], arm, len(names), block, table[["weight"]] if more else None)
        code = SANDWICH.format(arms=", ".join(f'"{a}"' for a in names), more=more)
        peer = run_r(f"pairs <- matrix(c({flat}), ncol = 2, byrow = TRUE)\n" + code, table)
        for k, (i, j) in enumerate(wanted, 1):
            w = np.zeros(len(names))
            w[i], w[j] = 1, -1
            np.testing.assert_allclose(np.ravel(fit.form(w)[:3]), peer[f"k{k}"], rtol=1e-6)


def test_corrections_are_those_of_p_adjust():
    rng = np.random.default_rng(5)
    p = rng.uniform(0, 0.2, 12)
    p[[3, 7]] = np.nan
    p[5] = p[6]
    peer = run_r('result <- list(holm = p.adjust(d$p, "holm"), bh = p.adjust(d$p, "BH"))', {"p": p})
    np.testing.assert_allclose(holm(p), peer["holm"], rtol=1e-9)
    np.testing.assert_allclose(benjamini_hochberg(p), peer["bh"], rtol=1e-9)


def test_exact_tests_are_those_of_r():
    rng = np.random.default_rng(6)
    tables = [(5, 1, 6, 6), (0, 3, 5, 8), (7, 2, 9, 10), (2, 2, 3, 3)]
    strata = np.array(
        [[[2, 1], [0, 3]], [[3, 0], [2, 2]], [[1, 2], [0, 2]]]
    )  # block, arm, (event, none)
    code = "result <- list()\n" + "\n".join(
        f"result$t{i} <- fisher.test(matrix(c({a}, {m - a}, {b}, {n - b}), 2))$p.value"
        for i, (a, b, m, n) in enumerate(tables)
    )
    cells = ", ".join(str(int(x)) for block in strata for x in block.T.ravel())
    code += f"\nresult$mh <- mantelhaen.test(aperm(array(c({cells}), c(2, 2, 3)), c(2, 1, 3)), exact = TRUE)$p.value"
    y = rng.normal(size=11)
    code += "\nresult$w <- wilcox.test(d$y[1:5], d$y[6:11], exact = TRUE)$p.value"
    peer = run_r(code, {"y": y})
    for i, (a, b, m, n) in enumerate(tables):
        assert binary.conditional_p((a, b), (m, n)) == pytest.approx(peer[f"t{i}"][0], rel=1e-6)
    assert binary.conditional_p(strata[:, :, 0], strata.sum(axis=2)) == pytest.approx(
        peer["mh"][0], rel=1e-6
    )
    # The rank-sum test is the permutation test of the relative effect before studentising.
    first = np.arange(11) < 5
    masks, _ = labellings(first, np.zeros(11), rng)
    gap = [np.abs(ordinal._statistic(y, m, [np.arange(11)])[0] - 0.5) for m in (masks, first[None])]
    assert (gap[0] >= gap[1] - 1e-9).mean() == pytest.approx(peer["w"][0], rel=1e-6)


def test_noncentral_t_is_that_of_pt_and_gives_power():
    """R's pt is documented for |ncp| ≤ 37.62."""
    t, df, nc = (
        x.ravel()
        for x in np.meshgrid(
            [-5.0, -2, 0, 0.5, 2, 8, 30, 40], [3, 8, 18, 58], [-3, 0, 1.2, 9.5, 20, 37]
        )
    )
    peer = run_r(
        """result <- list(p = suppressWarnings(pt(d$t, d$df, d$nc)),
        power = power.t.test(n = 6, delta = 1.5, strict = TRUE)$power, n = power.t.test(power = .8, delta = 1.5, strict = TRUE)$n)""",
        {"t": t, "df": df, "nc": nc},
    )
    np.testing.assert_allclose(effects.noncentral_t_cdf(t, df, nc), peer["p"], atol=1e-6)

    def power(n):
        limit, shift = stats.t.ppf(0.975, 2 * n - 2), 1.5 * np.sqrt(n / 2)
        return (
            1
            - effects.noncentral_t_cdf(limit, 2 * n - 2, shift)
            + effects.noncentral_t_cdf(-limit, 2 * n - 2, shift)
        )

    assert power(6) == pytest.approx(peer["power"][0], abs=1e-6)
    assert power(peer["n"][0]) == pytest.approx(0.8, abs=1e-4)


def test_ratio_and_hedges_ends_beside_r():
    table = simulated("unequal")
    x, z = np.exp(table["y"][table["arm"] == "POST"]), np.exp(table["y"][table["arm"] == "DRUG"])
    peer = run_r(
        """x <- d$y[d$arm == "POST"]; z <- d$y[d$arm == "DRUG"]
        e <- t.test(x, z, var.equal = TRUE); t <- unname(e$statistic); k <- sqrt(1 / length(x) + 1 / length(z))
        ends <- sapply(c(.975, .025), function(p)
          uniroot(function(nc) suppressWarnings(pt(t, e$parameter, nc)) - p, c(t - 8, t + 8), tol = 1e-10)$root)
        result <- list(ratio = exp(t.test(x, z)$conf.int), g = ends * k)""",
        table,
    )
    form = contrasts.linear_form(
        contrasts.summarise(np.log(np.r_[x, z]), np.repeat([0, 1], [len(x), len(z)]), 2), [1, -1]
    )
    np.testing.assert_allclose(effects.ratio_of_means(form)[1:], peer["ratio"], rtol=1e-6)
    y = np.log(x), np.log(z)
    g = effects.hedges_g(
        *(tuple(f(v) for v in y) for f in (np.mean, lambda v: np.var(v, ddof=1), len))
    )
    np.testing.assert_allclose([g.lower, g.upper], peer["g"], rtol=1e-6)
