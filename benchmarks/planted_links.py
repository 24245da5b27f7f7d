"""How often toy-sized simulated studies show their planted links, and how often they show what is not there.

    OMP_NUM_THREADS=1 python benchmarks/planted_links.py [STUDIES [SCENARIO …]]
    OMP_NUM_THREADS=1 python benchmarks/planted_links.py families STUDIES
    python benchmarks/planted_links.py cultures

Animals and counts are drawn as in a simulated study (4,000 genes); scores are those of the responses, outcomes are the animals' true
ones, without the error of a scan or section. Prints the table of docs/simulation.md; with `cultures`, what medium does in 3,000 isolations.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from periomics.core.multiplicity import holm  # noqa: E402
from periomics.core.results import read_result  # noqa: E402
from periomics.genes.axes import SetTables, response_sets  # noqa: E402
from periomics.genes.normalise import log_cpm  # noqa: E402
from periomics.genes.scores import signature_scores  # noqa: E402
from periomics.genes.signatures import signed_sets  # noqa: E402
from periomics.simulate import links  # noqa: E402
from periomics.simulate.bulk import draw_counts, draw_genome  # noqa: E402
from periomics.simulate.design import (  # noqa: E402
    CULTURE,
    OUTCOMES,
    draw_animals,
    draw_cultures,
    to_link,
)
from periomics.statistics.kernels.exchange import of_animals, of_units, p_value  # noqa: E402

TABLES = SetTables.read(ROOT / "resources/signatures.tsv", ROOT / "resources/responses.tsv")
SIGNALLING = read_result(ROOT / "resources/signalling.tsv")
SETS = response_sets(TABLES.signatures, TABLES.responses, "rat")
SETS += [s for s in signed_sets(TABLES.signatures, "rat") if s.name == "QC_tissue.epithelium"]
SETTINGS = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))["simulate"]
CASES = [
    ("source_study", 0.9, 6),
    ("source_study", 0.9, 5),
    ("source_study", 0.9, 4),
    ("source_study", 0.8, 6),
    ("no_link", 0.9, 6),
    ("no_link", 0.9, 4),
    ("severity", 0.9, 6),
    ("composition", 0.9, 6),
]
PERMUTATIONS = 999


def study(scenario: str, link: float, n: int, seed: int, rng) -> tuple[np.ndarray, ...]:
    """p (axes × outcomes of the linked axes), correlation within arms, p beyond weight and the check of epithelium."""
    animals = draw_animals(
        {**SETTINGS, "scenario": scenario, "link": link, "n_per_arm": n}, seed
    ).reset_index(drop=True)
    own = [c for c in animals if c.startswith(("h_", links.PREFIX, links.SHARE_PREFIX))]
    targets = animals.set_index("animal_id")[own].to_dict("index")
    facts = [
        {"specimen_id": a.animal_id, "animal_id": a.animal_id, "batch": f"b{a.turn % 2}"}
        for a in animals.itertuples()
    ]
    genome = draw_genome(TABLES, SIGNALLING, "rat", SETTINGS["bulk"]["n_genes"], seed)
    counts, _ = draw_counts(genome, facts, targets, seed)
    scores = signature_scores(log_cpm(counts.to_numpy()), list(counts.index), SETS)
    wide = scores.pivot(index="column", columns="score_id", values="value")
    design = of_animals(animals["group"].to_numpy(), animals["block"].to_numpy())
    known = np.column_stack([animals["weight_g"], wide["QC_tissue.epithelium"]])
    adjusted = of_animals(animals["group"].to_numpy(), animals["block"].to_numpy(), known)
    p, r, beyond = (np.full((len(links.AXES), len(links.LINKED)), np.nan) for _ in range(3))
    for j, target in enumerate(links.LINKED):
        name, o = next((k, o) for k, o in OUTCOMES.items() if o.domain == target.domain)
        y = np.asarray(to_link(animals[name].to_numpy(), o.link))
        for i, axis in enumerate(links.AXES):
            x = wide[axis.response].to_numpy()
            p[i, j] = p_value(x, y, design, rng, PERMUTATIONS)
            r[i, j] = links.within(x, y, animals["group"])
            if axis is target:
                beyond[i, j] = p_value(x, y, adjusted, rng, PERMUTATIONS)
    return p, r, beyond


FAMILIES = [
    ("source_study", 6),
    ("source_study", 4),
    ("no_link", 6),
    ("no_link", 4),
    ("null_treatment", 6),
    ("severity", 6),
    ("composition", 6),
]
CULTURES = [("source_study", 6), ("source_study", 4), ("no_link", 6), ("no_link", 4)]


def culture_study(scenario: str, n: int, seed: int, rng) -> np.ndarray:
    """p of every response with the readout that an axis drives, in cultures that are sequenced."""
    drawn = draw_cultures({**SETTINGS, "scenario": scenario, "n_isolations": n}, seed)
    drawn["specimen_id"] = drawn["animal_id"].astype(str) + "-" + drawn["condition"].astype(str)
    own = ["cm", "cue", "factor", *(a.target for a in links.AXES)]
    facts = [
        {"specimen_id": s, "animal_id": a, "batch": "b0"}
        for s, a in zip(drawn["specimen_id"], drawn["animal_id"], strict=True)
    ]
    targets = drawn.set_index("specimen_id")[own].to_dict("index")
    genome = draw_genome(TABLES, SIGNALLING, "rat", SETTINGS["bulk"]["n_genes"], seed)
    counts, _ = draw_counts(genome, facts, targets, seed)
    scores = signature_scores(log_cpm(counts.to_numpy()), list(counts.index), SETS)
    wide = scores.pivot(index="column", columns="score_id", values="value")
    unit, condition = (drawn[c].to_numpy(str) for c in ("animal_id", "condition"))
    y = np.log(drawn["scratch_rate"].to_numpy(float))
    design = of_units(unit, condition)
    p = [p_value(wide[a.response].to_numpy(), y, design, rng, PERMUTATIONS) for a in links.AXES]
    return np.array(p)[:, None]


def families(studies: int) -> None:
    """Share of studies with any link at Holm .05 that is not there, of the five responses of a question."""
    rng = np.random.default_rng(20261130)
    own = np.array([[a is b for b in links.LINKED] for a in links.AXES])
    cultured = np.array([[a.culture == "scratch_rate"] for a in links.AXES])
    print(
        "| units | scenario | n | any false link | 95 % | planted links found |\n|---|---|---|---|---|---|"
    )
    for what, cases in (("animals", FAMILIES), ("isolations", CULTURES)):
        for scenario, n in cases:
            if what == "animals":
                p = np.array([study(scenario, 0.9, n, seed, rng)[0] for seed in range(studies)])
                mine, count = own, 4 * n
            else:
                p = np.array([culture_study(scenario, n, seed, rng) for seed in range(studies)])
                mine, count = cultured, n
            adjusted = np.moveaxis(
                np.array([[holm(column) for column in one.T] for one in p]), 1, 2
            )
            # Under severity and composition planted axes go with the outcome, by something else.
            none = scenario in ("no_link", "null_treatment")
            null = np.ones_like(mine) if none else ~mine
            # A linked axis goes with the other question's outcome by what outcomes share.
            if what == "animals" and not none:
                null &= np.array([not a.domain for a in links.AXES])[:, None]
            wrong = int(((adjusted <= 0.05) & null).any(axis=1).sum())
            trials = studies * p.shape[2]
            low, high = stats.binomtest(wrong, trials).proportion_ci(0.95, method="exact")
            found = "" if none else f"{(adjusted[:, mine] <= 0.05).mean():.3f}"
            told = f"{wrong / trials:.3f} | {low:.3f} to {high:.3f} | {found}"
            print(f"| {what} | {scenario} | {count} | {told} |", flush=True)


def cultures() -> None:
    """Effects of medium without and with cue, and of one over the other, in SD within isolations."""
    drawn = draw_cultures({**SETTINGS, "n_isolations": 3000}, 1)
    for name in (*CULTURE, *(a.target for a in links.AXES)):
        scale = "identity" if name not in CULTURE else "percent" if name == "surv" else "log"
        value = drawn[["animal_id", "condition"]].assign(value=to_link(drawn[name], scale))
        wide = value.pivot(index="animal_id", columns="condition", values="value")
        alone, cued = wide["medium"] - wide["vehicle"], wide["medium_cue"] - wide["vehicle_cue"]
        found = pd.DataFrame({"alone": alone, "cued": cued, "cued over alone": cued - alone})
        print(name, (found.mean() / found.std()).round(2).to_dict())


def main() -> None:
    if sys.argv[1:] == ["cultures"]:
        return cultures()
    if sys.argv[1:2] == ["families"]:
        return families(int(sys.argv[2]))
    studies, rng = int(sys.argv[1]) if len(sys.argv) > 1 else 200, np.random.default_rng(20261129)
    cases = [c for c in CASES if len(sys.argv) < 3 or c[0] in sys.argv[2:]]
    names = "scenario | link | animals | r of the score | p ≤ .05 | Holm | first | decoys p ≤ .05"
    print(f"| {names} | tgfb beyond | vegf beyond |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    own = np.array([[a is b for b in links.LINKED] for a in links.AXES])
    decoy = np.array([not a.domain for a in links.AXES])
    for scenario, link, n in cases:
        found = [study(scenario, link, n, seed, rng) for seed in range(studies)]
        p, r, beyond = (np.array(x) for x in zip(*found, strict=True))
        adjusted = np.array([holm(one.ravel()).reshape(one.shape) for one in p])
        first = [one.argmax(axis=0) == own.argmax(axis=0) for one in np.abs(r)]
        cells = [
            r[:, own].mean(),
            (p[:, own] <= 0.05).mean(),
            (adjusted[:, own] <= 0.05).mean(),
            np.mean(first),
            (p[:, decoy] <= 0.05).mean(),
            *(beyond[:, own] <= 0.05).mean(axis=0),
        ]
        told = " | ".join(f"{v:.3f}" for v in cells)
        print(f"| {scenario} | {link} | {4 * n} | {told} |", flush=True)


if __name__ == "__main__":
    main()
