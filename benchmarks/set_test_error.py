"""How often a set of genes is called where nothing changes, and where a set does: rotation and competitive test, beside gene permutation.

    python benchmarks/set_test_error.py COUNTS GMT [RUNS]
    python benchmarks/set_test_error.py variances [RUNS]

COUNTS is a table genes × samples (CSV, gz), GMT gene sets with the same names. Samples are drawn at random without their arms, so
that every set called is false; then one set is thinned to 2^-.5 or 2^-1 in half of the samples (others stay), so that one set is
true. `variances` draws normal log expression in which arms vary unequally, and nothing changes. Prints the tables of docs/omics.md.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from periomics.core.multiplicity import benjamini_hochberg
from periomics.genes.moderated import contrast_test, fit_logs, squeeze
from periomics.genes.set_tests import Competition, effects_of, groupwise, rotation, sets_tested
from periomics.genes.signatures import positions, read_gmt
from periomics.study.interface.genes import COMPETITIVE, GROUPWISE, ROTATION

DESIGNS = {"6, continuous": 6, "8, continuous": 8, "3 against 3": 6, "5 against 5": 10}
Q, FOLDS = 0.05, (0.5, 1.0)
BOTH = "rotation and groupwise"
# Animals and SD of the arms, and number of blocks; the first two arms are compared.
UNEQUAL = (
    ((5, 5), (1, 1), 0),
    ((5, 5), (1, 3), 0),
    ((3, 8), (3, 1), 0),
    ((3, 8), (1, 3), 0),
    ((6, 6, 6, 6), (3, 1, 1, 1), 0),
    ((6, 6, 6, 6), (1, 1, 3, 3), 0),
    ((6, 6, 6, 6), (3, 1, 1, 1), 3),
)
GENES, MEMBERS, SHARED = 200, 20, 0.3


def tables(counts, design, sets, names, rng):
    """p_adj by set of each test, of both that must agree, and of a permutation of genes, for one draw."""
    n = counts.shape[1]
    covariate = rng.standard_normal(n) if "continuous" in design else np.repeat([0.0, 1.0], n // 2)
    kept = counts.sum(axis=1) >= 10 * n
    counts, names = counts[kept], names[kept]
    sizes = counts.sum(axis=0) / counts.sum(axis=0).mean()
    matrix = np.column_stack([np.ones(n), covariate])
    arms = np.zeros(n, int) if "continuous" in design else covariate.astype(int)
    groups = None if "continuous" in design else arms
    fit = fit_logs(counts, matrix, arms, sizes)
    vector = np.array([0.0, 1.0])
    t = contrast_test(fit, vector)["stat"].to_numpy()
    tested = np.isfinite(t)
    effects = effects_of(fit.logs[tested], matrix, vector, fit.squeezed.of(tested), groups)
    where = positions(list(names[tested]))
    out = sets_tested(effects, [("gmt", s) for s in sets], where, 15, 500)
    wide = out.pivot(index="set_id", columns="method", values="p_adj")
    if groups is not None:
        own = out[out["method"] == GROUPWISE].set_index("set_id")["p"]
        wide[BOTH] = wide[ROTATION].where(own <= Q, 1.0)
    else:
        wide[BOTH] = wide[ROTATION]
    wide["genes"] = by_genes(t[tested], sets, where, list(wide.index))
    return wide


def by_genes(t, sets, where, wanted):
    """What permuting genes says: the set's mean t against that of as many genes drawn at random."""
    from scipy import stats

    known = {s.name: s for s in sets}
    p = []
    for name in wanted:
        rows = [where[m.names[0]] for m in known[name].members if m.names[0] in where]
        z = (t[rows].mean() - t.mean()) / (t.std() / np.sqrt(len(rows)))
        p.append(2 * stats.norm.sf(abs(z)))
    return benjamini_hochberg(np.array(p))


def of_one_study(sizes, spread, blocks, rng):
    """p of a set of 20 genes that share .3 of their variance, of 200 genes whose variances differ, without a change."""
    arm = np.repeat(np.arange(len(sizes)), sizes)
    n = len(arm)
    columns = [np.ones(n), *((arm == k).astype(float) for k in range(1, len(sizes)))]
    y = rng.normal(size=(GENES, n))
    y[:MEMBERS] = np.sqrt(SHARED) * rng.normal(size=n) + np.sqrt(1 - SHARED) * y[:MEMBERS]
    y *= np.asarray(spread)[arm] * np.sqrt(4 / rng.chisquare(4, (GENES, 1)))
    if blocks:
        block = np.concatenate([np.arange(s) % blocks for s in sizes])
        columns += [(block == k).astype(float) for k in range(1, blocks)]
        y += rng.normal(size=(GENES, blocks))[:, block]
    matrix = np.column_stack(columns)
    freedom, vector = n - matrix.shape[1], np.eye(matrix.shape[1])[1]
    rest = y - y @ matrix @ np.linalg.pinv(matrix)
    squeezed = squeeze((rest**2).sum(axis=1) / freedom, np.full(GENES, float(freedom)))
    effects = effects_of(y, matrix, vector, squeezed, arm)
    rows, signs = list(range(MEMBERS)), [1] * MEMBERS
    p, own = rotation(effects, rows, signs)[1], groupwise(effects, rows, signs)[2]
    return p, own, max(p, own), Competition(effects).test(rows, signs)[2]


def variances(runs):
    """Share of studies with p at most .05 for one set."""
    rng = np.random.default_rng(20261129)
    print("| animals | SD of the arms | blocks | rotation | groupwise | both | competitive |")
    print("|" + "---|" * 7)
    for sizes, spread, blocks in UNEQUAL:
        p = np.array([of_one_study(sizes, spread, blocks, rng) for _ in range(runs)])
        cells = [", ".join(map(str, sizes)), ", ".join(map(str, spread)), str(blocks or "–")]
        cells += [f"{v:.3f}" for v in (p <= Q).mean(axis=0)]
        print(f"| {' | '.join(cells)} |", flush=True)


def main():
    if sys.argv[1] == "variances":
        variances(int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
        return
    frame = pd.read_csv(sys.argv[1], index_col=0)
    frame = frame[~frame.index.duplicated()].select_dtypes("number")
    sets, runs = read_gmt(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 200
    names, values = frame.index.astype(str).to_numpy(), frame.to_numpy(float)
    methods = (ROTATION, BOTH, COMPETITIVE, "genes")
    print(
        "| samples | one set by 2^ | " + " | ".join(f"{m}: false | found" for m in methods) + " |"
    )
    print("|---|---|" + "---|---|" * len(methods))
    for design, n in DESIGNS.items():
        for fold in (0.0, *(FOLDS if "against" in design else ())):
            rng, found = np.random.default_rng(20261129), []
            for _ in range(runs):
                counts = values[:, rng.choice(values.shape[1], n, replace=False)].copy()
                target = sets[rng.integers(len(sets))]
                rows = np.isin(names, [m.names[0] for m in target.members])
                half = counts[np.ix_(rows, range(n // 2))]
                if fold:
                    counts[np.ix_(rows, range(n // 2))] = rng.binomial(half.astype(int), 2.0**-fold)
                wide = tables(counts, design, sets, names, rng)
                called = wide < Q
                true = called.index == target.name
                others = called[~true].any() if not fold else called[~true].mean()
                found.append(pd.concat([others, called[true].any()], keys=["false", "found"]))
            mean = pd.DataFrame(found).mean()
            cells = [
                f"{mean['false', m]:.3f} | {mean['found', m]:.3f}"
                if fold
                else f"{mean['false', m]:.3f} | "
                for m in methods
            ]
            print(f"| {design} | {fold or '–'} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
