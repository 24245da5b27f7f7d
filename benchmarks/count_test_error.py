"""False discovery rate and power of the moderated count test: simulated counts, real counts thinned, and beside edgeR and voom in R.

Run: .venv/bin/python benchmarks/count_test_error.py simulated [sets, 100]
     .venv/bin/python benchmarks/count_test_error.py margin [sets, 100]
     .venv/bin/python benchmarks/count_test_error.py thinned <folder with pasilla and airway> [sets, 30]
     .venv/bin/python benchmarks/count_test_error.py named <folder with pasilla and airway>

`thinned` and `named` call R with edgeR and limma (Debian: r-bioc-edger, r-bioc-limma, r-cran-statmod) where it has them. Seeds are
the numbers of the sets.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from periomics.genes.moderated import adjusted_after_filter, contrast_test, fit_logs  # noqa: E402
from periomics.genes.normalise import size_factors  # noqa: E402

GENES, SHARE, ALPHA, MIN_TOTAL = 2000, 0.1, 0.05, 10
KINDS = ((2, 3, 0), (2, 5, 0), (4, 6, 0), (2, 3, 1), (2, 5, 1))
PEERS = """
suppressMessages({library(edgeR); library(limma)})
for (file in list.files(pattern = "^counts.*tsv$")) {
  y <- as.matrix(read.delim(file, row.names = 1))
  X <- as.matrix(read.delim(sub("counts", "design", file)))
  d <- DGEList(y); d <- d[filterByExpr(d, design = X), , keep.lib.sizes = FALSE]; d <- calcNormFactors(d)
  ql <- glmQLFTest(glmQLFit(estimateDisp(d, X), X), coef = ncol(X))$table
  v <- topTable(eBayes(lmFit(voom(d, X), X)), coef = ncol(X), number = Inf, sort.by = "none")
  out <- data.frame(gene = rownames(ql), ql = ql$PValue, voom = v$P.Value)
  write.table(out, sub("counts", "peers", file), sep = "\\t", quote = FALSE, row.names = FALSE)
}
"""


def moderated(counts: np.ndarray, matrix: np.ndarray, arms: np.ndarray) -> tuple:
    """p and adjusted p of the last coefficient."""
    sizes = size_factors(counts)
    vector = np.eye(matrix.shape[1])[-1]
    p = contrast_test(fit_logs(counts, matrix, arms, sizes), vector)["p"].to_numpy()
    return p, adjusted_after_filter(p, (counts / sizes).mean(axis=1), ALPHA)


def simulate(
    rng: np.random.Generator, per_arm: int, n_arms: int, spread: float, sparse: bool = False
) -> tuple:
    """Counts, model matrix, arms and which genes differ between the first arm and the last.

    Sparse counts are those of few cells: a typical mean of 7 for 148, and library sizes that vary by a factor of 2.2 (one SD) for 1.3.
    """
    mean = np.exp(rng.normal(2 if sparse else 5, 1.6, GENES))
    arms = np.repeat(np.arange(n_arms), per_arm)
    sizes = np.exp(rng.normal(0, 0.8 if sparse else 0.25, len(arms)))
    dispersion = (0.06 + 2 / mean) * np.exp(rng.normal(0, spread, GENES))
    changed = rng.random(GENES) < SHARE
    change = np.where(changed, rng.choice([-1, 1], GENES) * np.exp(rng.normal(0, 0.4, GENES)), 0)
    mu = mean[:, None] * 2.0 ** (change[:, None] * (arms == n_arms - 1)) * sizes
    counts = rng.poisson(rng.gamma(1 / dispersion[:, None], mu * dispersion[:, None]))
    keep = counts.sum(axis=1) >= MIN_TOTAL
    matrix = np.column_stack([np.ones(len(arms))] + [arms == a for a in range(1, n_arms)])
    return counts[keep].astype(float), matrix.astype(float), arms, changed[keep]


def rates(hit: np.ndarray, changed: np.ndarray) -> tuple[float, float]:
    """False share of the hits, and found share of the changes."""
    return float((hit & ~changed).sum() / max(hit.sum(), 1)), float(hit[changed].mean())


def simulated(sets: int) -> None:
    print("arms x n      spread  FDR at .05 (SE)  power  p < .05 of unchanged genes")
    for n_arms, per_arm, sparse in KINDS:
        for spread in (0.3, 0.6, 1.0):
            rows = []
            for seed in range(sets):
                rng = np.random.default_rng([seed, n_arms, int(10 * spread)])
                counts, matrix, arms, changed = simulate(rng, per_arm, n_arms, spread, bool(sparse))
                p, adjusted = moderated(counts, matrix, arms)
                rows.append((*rates(adjusted < ALPHA, changed), np.mean(p[~changed] < 0.05)))
            mean, error = np.mean(rows, axis=0), np.std(rows, axis=0) / np.sqrt(sets)
            print(
                f"{n_arms} x {per_arm}{' sparse' if sparse else '       '} {spread:5.1f}   {mean[0]:.3f} ({error[0]:.3f})    "
                f"{mean[1]:.3f}  {mean[2]:.3f}",
                flush=True,
            )


def at_the_margin(rng: np.random.Generator, per_arm: int, n_arms: int, sparse: bool) -> tuple:
    """Counts by specimen, arms, and genes that change by exactly twofold: three tenths; the others do not change."""
    mean = np.exp(rng.normal(2 if sparse else 5, 1.6, GENES))
    arms = np.repeat(np.arange(n_arms), per_arm)
    sizes = np.exp(rng.normal(0, 0.8 if sparse else 0.25, len(arms)))
    dispersion = (0.06 + 2 / mean) * np.exp(rng.normal(0, 0.6, GENES))
    changed = rng.random(GENES) < 0.3
    change = np.where(changed, rng.choice([-1, 1], GENES), 0)
    mu = mean[:, None] * 2.0 ** (change[:, None] * (arms == n_arms - 1)) * sizes
    counts = rng.poisson(rng.gamma(1 / dispersion[:, None], mu * dispersion[:, None]))
    names = [f"g{i:04d}" for i in range(GENES)]
    table = pd.DataFrame(counts, names, [f"s{i:02d}" for i in range(len(arms))])
    return table, arms, pd.Series(changed, names)


def margins(sets: int) -> None:
    from periomics.genes.design import model_matrix, with_design
    from periomics.genes.model import fit_contrasts

    print("arms x n | at the margin: beyond, within (p < .05) | FDR of within | unchanged found")
    for n_arms, per_arm, sparse in KINDS:
        rows = []
        for seed in range(sets):
            rng = np.random.default_rng([seed, n_arms, per_arm, sparse])
            counts, arms, changed = at_the_margin(rng, per_arm, n_arms, bool(sparse))
            ids = list(counts.columns)
            facts = {"specimen_id": ids, "animal_id": ids, "unit": "animal", "time": 0.0}
            facts["group"] = [f"a{a}" for a in arms]
            model = model_matrix(with_design(pd.DataFrame(facts), "group", [], "x"))
            weights = {"c": {model.arms[-1]: 1.0, model.arms[0]: -1.0}}
            table = fit_contrasts(counts, model, weights, {})["c"].set_index("gene_id")
            at = changed[table.index].to_numpy()
            hit = (table["padj_within"] < ALPHA).to_numpy()
            shares = [(table.loc[at, p] < 0.05).mean() for p in ("p_beyond", "p_within")]
            rows.append((*shares, (hit & at).sum() / max(hit.sum(), 1), hit[~at].mean()))
        mean = np.mean(rows, axis=0)
        label = f"{n_arms} x {per_arm}{' sparse' if sparse else ''}"
        print(
            f"{label:13s} | {mean[0]:.3f} {mean[1]:.3f} | {mean[2]:.3f} | {mean[3]:.3f}", flush=True
        )


def real(folder: Path, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts, and arm and block of each library."""
    if name == "pasilla":
        counts = pd.read_csv(folder / "pasilla/counts.tsv.gz", sep="\t", index_col=0)
        notes = pd.read_csv(folder / "pasilla/sample_annotation.csv")
        notes.index = notes["file"].str.removesuffix("fb")
        facts = pd.DataFrame({"arm": notes["condition"], "block": notes["type"]})
    else:
        counts = pd.read_csv(folder / "airway/counts.csv.gz", index_col=0)
        notes = pd.read_csv(folder / "airway/metadata.csv", index_col=0)
        facts = pd.DataFrame({"arm": notes["dex"], "block": notes["celltype"]})
    return counts, facts.loc[list(counts.columns)]


def thin(rng: np.random.Generator, counts: pd.DataFrame, facts: pd.DataFrame) -> tuple:
    """Two arms drawn at random within the real arms (which become a block), with changes planted by binomial thinning."""
    chosen, arm = [], []
    for _, group in facts.groupby("arm"):
        n = len(group) // 2
        chosen += list(rng.permutation(group.index)[: 2 * n])
        arm += [0] * n + [1] * n
    arms, block = np.array(arm), facts.loc[chosen, "arm"]
    counts = counts[chosen]
    counts = counts[counts.sum(axis=1) >= MIN_TOTAL]
    y = counts.to_numpy()
    changed = rng.random(len(y)) < SHARE
    size, up = np.exp(rng.normal(0, 0.4, len(y))), rng.random(len(y)) < 0.5
    lowered = changed[:, None] & (arms[None] == np.where(up, 0, 1)[:, None])
    y = rng.binomial(y, np.where(lowered, 2.0 ** -size[:, None], 1.0))
    matrix = np.column_stack([np.ones(len(arms)), block == block.iloc[0], arms]).astype(float)
    keep = y.sum(axis=1) >= MIN_TOTAL
    return pd.DataFrame(y[keep], counts.index[keep], chosen), matrix, arms, changed[keep]


def peers(folder: Path, sets: list[tuple]) -> list[pd.DataFrame]:
    """p-values of edgeR's quasi-likelihood and limma-voom, by gene; genes that edgeR's filterByExpr left out are missing."""
    for i, (counts, matrix, *_) in enumerate(sets):
        counts.to_csv(folder / f"counts{i}.tsv", sep="\t")
        names = [f"x{k}" for k in range(matrix.shape[1])]
        pd.DataFrame(matrix, columns=names).to_csv(folder / f"design{i}.tsv", sep="\t", index=False)
    (folder / "peers.R").write_text(PEERS, encoding="utf-8")
    subprocess.run(["Rscript", "--vanilla", "peers.R"], cwd=folder, check=True)
    return [pd.read_csv(folder / f"peers{i}.tsv", sep="\t", index_col=0) for i in range(len(sets))]


def adjust(p: pd.Series) -> pd.Series:
    from periomics.core.multiplicity import benjamini_hochberg

    return pd.Series(benjamini_hochberg(p.to_numpy()), p.index)


def thinned(folder: Path, n_sets: int) -> None:
    print("data      method      FDR at .05 (SE)  power (SE)  p < .05 of unchanged genes")
    for name in ("pasilla", "airway"):
        counts, facts = real(folder, name)
        sets = [thin(np.random.default_rng(s), counts, facts) for s in range(n_sets)]
        with TemporaryDirectory() as place:
            others = peers(Path(place), sets)
        rows: dict[str, list] = {"moderated": [], "ql": [], "voom": []}
        for (y, matrix, arms, changed), other in zip(sets, others, strict=True):
            p, adjusted = moderated(y.to_numpy(float), matrix, arms)
            rows["moderated"].append(
                (*rates(adjusted < ALPHA, changed), np.mean(p[~changed] < 0.05))
            )
            for key in ("ql", "voom"):
                hit = (adjust(other[key]) < ALPHA).reindex(y.index, fill_value=False)
                null = other[key].reindex(y.index)[~changed].dropna()
                rows[key].append((*rates(hit.to_numpy(), changed), np.mean(null < 0.05)))
        for key, found in rows.items():
            mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(n_sets)
            print(
                f"{name:8s}  {key:10s}  {mean[0]:.3f} ({error[0]:.3f})    "
                f"{mean[1]:.3f} ({error[1]:.3f})  {mean[2]:.3f}",
                flush=True,
            )


def named(folder: Path) -> None:
    from periomics.genes.design import model_matrix, with_design
    from periomics.genes.model import fit_contrasts

    for name, (up, down) in {
        "pasilla": ("treated", "untreated"),
        "airway": ("trt", "untrt"),
    }.items():
        counts, facts = real(folder, name)
        found = sorted(set(facts["arm"]))
        up, down = next(((u, d) for u, d in ((up, down), tuple(found)) if {u, d} == set(found)))
        samples = pd.DataFrame(
            {
                "specimen_id": counts.columns,
                "animal_id": counts.columns,
                "group": list(facts["arm"]),
                "kind": list(facts["block"]),
                "time": 0.0,
                "unit": "animal",
            }
        )
        samples = with_design(samples, "group", ["kind"], name)
        model = model_matrix(samples)
        counts = counts[list(samples["specimen_id"])]
        table = fit_contrasts(counts, model, {"c": {up: 1.0, down: -1.0}}, {})["c"].set_index(
            "gene_id"
        )
        matrix = model.matrix.to_numpy()
        matrix = matrix[:, [0, *range(2, matrix.shape[1]), 1]]
        with TemporaryDirectory() as place:
            other = peers(Path(place), [(counts, matrix)])[0]
        sets = {k: set(other.index[adjust(other[k]) < ALPHA]) for k in ("ql", "voom")}
        sets["normal"] = set(table.index[table["padj_normal"] < ALPHA])
        own, all_three = set(table.index[table["padj"] < ALPHA]), set.intersection(*sets.values())
        print(
            f"{name}: moderated {len(own)}; "
            + ", ".join(f"{k} {len(v)}, shared {len(v & own)}" for k, v in sets.items())
            + f"; all three name {len(all_three)}, moderated {len(all_three & own)} of them",
            flush=True,
        )


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    if task == "simulated":
        simulated(int(rest[0]) if rest else 100)
    elif task == "margin":
        margins(int(rest[0]) if rest else 100)
    elif task == "thinned":
        thinned(Path(rest[0]), int(rest[1]) if len(rest) > 1 else 30)
    else:
        named(Path(rest[0]))
