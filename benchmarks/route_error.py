"""How often a route is called where arms do nothing, how often a planted one is, and what of it comes back where signs are wrong.

    python benchmarks/route_error.py null [STUDIES]
    python benchmarks/route_error.py unequal [STUDIES]
    python benchmarks/route_error.py priced [STUDIES]
    python benchmarks/route_error.py uneven [STUDIES]
    python benchmarks/route_error.py planted [DRAWS]
    python benchmarks/route_error.py edges [DRAWS]
    python benchmarks/route_error.py signs [DRAWS]
    python benchmarks/route_error.py cheapest [DRAWS]

`null` draws counts of paired isolations (six, two conditions) whose genes share hidden factors,
without any effect of the condition or with one along a planted route, and tests routes with arms
dealt anew. `unequal` draws animals of four arms (1, 6, 6, 3) in three blocks without any effect,
and tests the route of one receptor between the arms of six, by 39 relabellings (p ≤ .05: none or
one gain as large), of which those that cannot change this are left out; `priced` does so where
edges may carry against their sign (`doubt: 1`). `uneven` draws arms of 8
and 3, and of 12 and 5, of which the small one may vary three times as much, and tests all units and
as many of both (the lot that `refit_routes` draws). `planted` draws routes in the own table: a
receptor, three factors that it reaches, all genes of these factors in the states that follow, a
share of them with the wrong sign, and as many other genes at random. `edges` tells which edges of
one of the shortest ways to each factor come back, and which from a factor to its genes. `signs`
draws the same and one of the shortest ways from the receptor to each factor, and gives the edges of
signalling of the table that is solved a share of wrong signs. `cheapest` does so with a route that
has no more nodes than the genes need: one of the optima under the right table. Prints the tables of
docs/linkage.md.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from periomics.core.seeds import generator
from periomics.genes.design import model_matrix
from periomics.genes.tested import tested_genes
from periomics.linkage.doubts import with_doubts
from periomics.linkage.network import solve_pool
from periomics.linkage.refits import evened, gains, relabelled, route_tests
from periomics.linkage.routes import changed_genes
from periomics.linkage.signed import own_table
from periomics.linkage.states import doubled, states_of, steps
from periomics.study.settings.linkage import SignallingNetwork

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = SignallingNetwork(name="b", test="a.b", inputs={"EGFR": 1}, depth=6, beta=0.2)
EDGES = own_table(str(ROOT / "resources/signalling.tsv"), "human").edges
RECEPTORS = sorted(set(EDGES.loc[EDGES["layer"] == "ligand_receptor", "target"]))
ISOLATIONS, GENES = 6, 2000
FLIPS = (0.0, 0.1, 0.2, 0.3)


def planted(rng):
    """A receptor, the states of three factors behind it, and their genes with the sign that follows."""
    while True:
        receptor = str(rng.choice(RECEPTORS))
        factors = sorted(set(EDGES.loc[EDGES["layer"] == "transcription", "source"]))
        reach = states_of(EDGES, {receptor: 1}, dict.fromkeys(factors, 1.0), 4)
        near = [f for f in factors if (f, 1) in reach.first and (f, -1) not in reach.first]
        if len(near) < 3:
            continue
        chosen = [str(f) for f in rng.choice(near, 3, replace=False)]
        own = EDGES[EDGES["source"].isin(chosen) & (EDGES["layer"] == "transcription")]
        both = own.groupby("target")["sign"].nunique()
        own = own[own["target"].map(both) == 1].drop_duplicates("target")
        genes = dict(zip(own["target"], own["sign"].astype(float), strict=True))
        if len(genes) >= 6 and not set(genes) & {receptor, *chosen}:
            return receptor, chosen, genes


def recall(draws):
    """Factors and genes that come back, and whether the receptor explains most of all receptors."""
    print("| wrong signs | factors found | genes right | receptor first | first or alike |")
    print("|---|---|---|---|---|")
    targets = sorted(set(EDGES.loc[EDGES["layer"] == "transcription", "target"]))
    for share in FLIPS:
        rng, found = generator(20261129, "planted", str(share)), []
        for _ in range(draws):
            receptor, factors, genes = planted(rng)
            names = sorted(genes)
            wrong = rng.random(len(names)) < share
            given = {g: genes[g] * (-1 if w else 1) for g, w in zip(names, wrong, strict=True)}
            others = rng.choice([t for t in targets if t not in genes], len(genes) // 3)
            given |= {str(o): float(rng.choice([-1, 1])) for o in others}
            pool = solve_pool(EDGES, {receptor: 1}, given, SETTINGS.beta, depth=6, limit=1)
            states = pool.solutions[0].states if pool.solutions else {}
            all_gains = gains(EDGES, dict.fromkeys(RECEPTORS, 1), given, SETTINGS)
            best = max(all_gains.values())
            own = all_gains[receptor]
            found.append(
                (
                    np.mean([states.get(f, 0) == 1 for f in factors]),
                    np.mean([states.get(g, 0) == genes[g] for g in genes]),
                    own >= best - 1e-9 and sum(v >= best - 1e-9 for v in all_gains.values()) == 1,
                    own >= best - 1e-9,
                )
            )
        print(f"| {share:g} | " + " | ".join(f"{v:.2f}" for v in np.mean(found, axis=0)) + " |")


def way(receptor, factor, graph, rng):
    """Pairs of nodes of one of the shortest ways from a receptor to a factor, both up."""
    far = steps([(receptor, 1)], graph.behind, 6, {receptor})
    here, pairs = (factor, 1), set()
    while here != (receptor, 1):
        before = [b for b in graph.before[here] if far.get(b) == far[here] - 1]
        source = before[rng.integers(len(before))]
        pairs.add((source[0], here[0]))
        here = source
    return pairs


def edges_back(draws):
    """Planted edges that are found where measured genes have wrong signs, in the first optimum and
    in any of at most 20."""
    print(
        "| wrong signs | signalling, first | any optimum | may tie | to genes | all, any optimum |"
    )
    print("|---|---|---|---|---|---|")
    graph = doubled(EDGES)
    targets = sorted(set(EDGES.loc[EDGES["layer"] == "transcription", "target"]))
    for share in FLIPS:
        rng, found = generator(20261130, "edges", str(share)), []
        for _ in range(draws):
            receptor, factors, genes = planted(rng)
            inner = set().union(*(way(receptor, f, graph, rng) for f in factors))
            own = EDGES[EDGES["source"].isin(factors) & EDGES["target"].isin(genes)]
            outer = set(zip(own["source"], own["target"], strict=True))
            names = sorted(genes)
            wrong = rng.random(len(names)) < share
            given = {g: genes[g] * (-1 if w else 1) for g, w in zip(names, wrong, strict=True)}
            others = rng.choice([t for t in targets if t not in genes], len(genes) // 3)
            given |= {str(o): float(rng.choice([-1, 1])) for o in others}
            pool = solve_pool(EDGES, {receptor: 1}, given, SETTINGS.beta, depth=6, limit=20)
            pairs = [{(e[0], e[2]) for e in s.edges} for s in pool.solutions] or [set()]
            every = set().union(*pairs)
            # What can tie at best: the same genes, all right, without others.
            clean = solve_pool(EDGES, {receptor: 1}, genes, SETTINGS.beta, depth=6, limit=20)
            best = [{(e[0], e[2]) for e in s.edges} for s in clean.solutions] or [set()]
            found.append(
                (
                    np.mean([e in pairs[0] for e in inner]),
                    np.mean([e in every for e in inner]),
                    np.mean([e in set().union(*best) for e in inner]),
                    np.mean([e in every for e in outer]),
                    np.mean([e in every for e in inner | outer]),
                )
            )
        cells = " | ".join(f"{v:.2f}" for v in np.mean(found, axis=0))
        print(f"| {share:g} | {cells} |", flush=True)


def shortest(receptor, factors, genes, rng):
    """Edges of one of the shortest ways to each factor: together they may have more nodes than the
    genes need."""
    graph = doubled(EDGES)
    return set().union(*(way(receptor, f, graph, rng) for f in factors))


def cheapest(receptor, factors, genes, rng):
    """Edges of signalling of one of the optima under the right table."""
    pool = solve_pool(EDGES, {receptor: 1}, genes, SETTINGS.beta, depth=6, limit=100)
    outer = EDGES[EDGES["layer"] == "transcription"]
    to_genes = set(zip(outer["source"], outer["target"], strict=True))
    chosen = pool.solutions[rng.integers(len(pool.solutions))]
    return {(e[0], e[2]) for e in chosen.edges} - to_genes


def signs(draws, route_of=shortest):
    """Planted edges between receptor and factors that are found, with wrong signs in the table, without and with a price for them."""
    print(
        "| wrong signs | `doubt` | planted edges found | in any optimum | factors found | genes right | edges listed |"
    )
    print("|---|---|---|---|---|---|---|")
    targets = sorted(set(EDGES.loc[EDGES["layer"] == "transcription", "target"]))
    inner = (EDGES["layer"] != "transcription").to_numpy()
    for share in FLIPS:
        for doubt in (0.0, 1.0):
            rng, found = generator(20261130, "signs", str(share)), []
            for _ in range(draws):
                receptor, factors, genes = planted(rng)
                route = route_of(receptor, factors, genes, rng)
                others = rng.choice([t for t in targets if t not in genes], len(genes) // 3)
                given = genes | {str(o): float(rng.choice([-1, 1])) for o in others}
                wrong = (rng.random(len(EDGES)) < share) & inner
                table = EDGES.assign(sign=np.where(wrong, -EDGES["sign"], EDGES["sign"]))
                table = table.drop_duplicates(["source", "sign", "target"])
                pool = solve_pool(
                    with_doubts(table, doubt),
                    {receptor: 1},
                    given,
                    SETTINGS.beta,
                    depth=6,
                    limit=5,
                    doubt=doubt,
                )
                pairs = [{(e[0], e[2]) for e in s.edges} for s in pool.solutions] or [set()]
                states = pool.solutions[0].states if pool.solutions else {}
                every = set().union(*pairs)
                found.append(
                    (
                        np.mean([e in pairs[0] for e in route]),
                        np.mean([e in every for e in route]),
                        np.mean([states.get(f, 0) == 1 for f in factors]),
                        np.mean([states.get(g, 0) == genes[g] for g in genes]),
                        sum(t not in given for _, t in pairs[0]),
                    )
                )
            told = np.mean(found, axis=0)
            cells = " | ".join(f"{v:.2f}" for v in told[:-1])
            print(f"| {share:g} | {doubt:g} | {cells} | {told[-1]:.1f} |", flush=True)


def counts_of(genes, effect, rng):
    """Counts of paired isolations; genes share three hidden factors, and those given move with the condition."""
    names = sorted(set(EDGES["target"]) | set(EDGES["source"]))
    names += [f"other{i}" for i in range(GENES - len(names))]
    n = 2 * ISOLATIONS
    hidden = rng.normal(size=(GENES, 3)) @ rng.normal(size=(3, n)) * 0.3
    isolation = rng.normal(scale=0.4, size=(GENES, ISOLATIONS))[:, np.arange(n) // 2]
    moved = pd.Series(genes, dtype=float).reindex(names).fillna(0.0).to_numpy() * effect
    mean = np.exp(rng.normal(5, 1.2, GENES))[:, None]
    mu = mean * np.exp(hidden + isolation + moved[:, None] * (np.arange(n) % 2))
    counts = rng.poisson(rng.gamma(10, mu / 10))
    ids = [f"s{i}" for i in range(n)]
    units = pd.DataFrame(
        {
            "specimen_id": ids,
            "animal_id": [f"I{i // 2}" for i in range(n)],
            "arm": np.where(np.arange(n) % 2, "medium", "vehicle"),
            "block_animal_id": [f"I{i // 2}" for i in range(n)],
        }
    )
    return pd.DataFrame(counts, index=names, columns=ids), units


def changed(counts, units):
    tested = tested_genes(counts, model_matrix(units), 10)
    symbols = pd.Series(counts.index, index=counts.index)
    table = tested.named({"medium": 1.0, "vehicle": -1.0}, symbols, 0.05)
    return changed_genes(table, EDGES, SETTINGS.q, SETTINGS.genes)


def null(studies):
    """Share of studies in which the route of one receptor, and any of three, has p or p_adj at most .05."""
    print("| effect, log2 | genes changed | one receptor, p ≤ .05 | any of three, p_adj ≤ .05 |")
    print("|---|---|---|---|")
    for effect in (0.0, 1.5, 2.5):
        rng, found = generator(20261129, "null", str(effect)), []
        for _ in range(studies if effect == 0 else max(20, studies // 10)):
            receptor, _, genes = planted(rng)
            others = [r for r in rng.permutation(RECEPTORS) if r != receptor][:2]
            inputs = dict.fromkeys([receptor, *map(str, others)], 1)
            counts, units = counts_of(genes, effect * np.log(2), rng)
            many, floor = relabelled(units, ["medium", "vehicle"], rng, 199)
            own = changed(counts, units)
            table = route_tests(
                EDGES,
                inputs,
                own,
                SETTINGS,
                permuted=[changed(counts, u) for u in many] if own else [{}],
                topologies=[],
                floor=floor,
            )
            if not own:
                found.append((0, False, False))
                continue
            p = table.set_index("receptor")
            found.append((len(own), p.at[receptor, "p"] <= 0.05, (p["p_adj"] <= 0.05).any()))
        print(f"| {effect:g} | " + " | ".join(f"{v:.3f}" for v in np.mean(found, axis=0)) + " |")


ARMS = {"a": 1, "b": 6, "c": 6, "d": 3}


def animals_of(spread, rng, sizes=ARMS, days=3):
    """Counts of animals in blocks, genes share three hidden factors; arm b varies `spread` times as
    much."""
    arms = [a for a, n in sizes.items() for _ in range(n)]
    blocks = [f"d{i % days}" for n in sizes.values() for i in range(n)]
    ids = [f"s{i:02d}" for i in range(len(arms))]
    names = sorted(set(EDGES["target"]) | set(EDGES["source"]))
    names += [f"other{i}" for i in range(600 - len(names))]
    wide = np.where(np.array(arms) == "b", spread, 1.0)
    hidden = rng.normal(size=(600, 3)) @ rng.normal(size=(3, len(arms))) * 0.3
    hidden = (hidden + rng.normal(0, 0.3, hidden.shape)) * wide
    day = rng.normal(scale=0.4, size=(600, 3))[:, [int(b[1]) for b in blocks]]
    mean = np.exp(rng.normal(5, 1.2, 600))[:, None]
    counts = rng.poisson(mean * np.exp(hidden + day))
    units = pd.DataFrame(
        {"specimen_id": ids, "animal_id": ids, "arm": arms, "block_day": blocks}, index=ids
    )
    return pd.DataFrame(counts, index=names, columns=ids), units


def unequal(studies):
    """Share of studies without an effect in which the route of one receptor has p at most .05."""
    print("| q | SD of one of the arms of six | studies with a route | p ≤ .05 | 95 % |")
    print("|---|---|---|---|---|")
    for q in (0.05, 0.2, 0.5):
        for spread in (1.0, 3.0):
            rng, routes, wrong = generator(20261130, "unequal", f"{q} {spread}"), 0, 0
            for _ in range(studies):
                receptor = {str(rng.choice(RECEPTORS)): 1}
                counts, units = animals_of(spread, rng)
                route, called = small_p(counts, units, receptor, q, rng)
                routes, wrong = routes + route, wrong + called
            low, high = stats.binomtest(int(wrong), studies).proportion_ci(0.95, method="exact")
            told = f"{routes / studies:.3f} | {wrong / studies:.3f} | {low:.3f} to {high:.3f}"
            print(f"| {q:g} | {spread:g} | {told} |", flush=True)


def priced(studies):
    """As `unequal`, arms alike, with a price of 1 for edges against their sign."""
    print("| q | studies with a route | p ≤ .05 | 95 % |")
    print("|---|---|---|---|")
    edges = with_doubts(EDGES, 1.0)
    for q in (0.05, 0.2, 0.5):
        rng, found = generator(20261201, "priced", str(q)), []
        for _ in range(studies):
            receptor = {str(rng.choice(RECEPTORS)): 1}
            counts, units = animals_of(1.0, rng)
            found.append(small_p(counts, units, receptor, q, rng, edges))
        routes, wrong = np.sum(found, axis=0)
        low, high = stats.binomtest(int(wrong), studies).proportion_ci(0.95, method="exact")
        told = f"{routes / studies:.3f} | {wrong / studies:.3f} | {low:.3f} to {high:.3f}"
        print(f"| {q:g} | {told} |", flush=True)


def small_p(counts, units, receptor, q, rng, edges=EDGES):
    """Whether a receptor has a route between arms b and c, and whether its p is at most .05."""
    settings = SETTINGS.model_copy(update={"q": q})
    own = gains(edges, receptor, moved(counts, units, q), settings)
    least = next(iter(own.values()))
    if least <= 0:
        return False, False
    many, _ = relabelled(units, ["b", "c"], rng, 39)
    left = int(0.05 * (len(many) + 1))
    for other in many:
        if not left:
            break
        again = gains(edges, receptor, moved(counts, other, q), settings)
        left -= next(iter(again.values())) >= least - 1e-9
    return True, left > 0


def uneven(studies):
    """Share of studies of two uneven arms without an effect in which the route of one receptor has
    p at most .05."""
    print("| arms | SD of the small one | q | all units, p ≤ .05 | made even, p ≤ .05 | 95 % |")
    print("|---|---|---|---|---|---|")
    few, many = {"b": 3, "c": 8}, {"b": 5, "c": 12}
    cases = [(sizes, spread, 0.05) for sizes in (few, many) for spread in (1.0, 3.0)]
    for sizes, spread, q in [*cases, (few, 3.0, 0.5), (many, 3.0, 0.5)]:
        rng, called = generator(20261130, "uneven", f"{sizes} {spread} {q}"), []
        for _ in range(studies if q < 0.5 else studies // 3):
            receptor = {str(rng.choice(RECEPTORS)): 1}
            counts, units = animals_of(spread, rng, sizes, days=1)
            plain = units.drop(columns="block_day")
            even, _ = evened(plain, ["b", "c"], rng)
            called.append([small_p(counts, u, receptor, q, rng)[1] for u in (plain, even)])
        every, same = np.mean(called, axis=0)
        hits = int(np.sum(called, axis=0)[1])
        low, high = stats.binomtest(hits, len(called)).proportion_ci(0.95, method="exact")
        told = f"{every:.3f} | {same:.3f} | {low:.3f} to {high:.3f}"
        names = " and ".join(str(n) for n in sizes.values())
        print(f"| {names} | {spread:g} | {q:g} | {told} |", flush=True)


def moved(counts, units, q):
    """Genes of the network that changed between arms b and c."""
    tested = tested_genes(counts[list(units["specimen_id"])], model_matrix(units), 10)
    symbols = pd.Series(counts.index, index=counts.index)
    return changed_genes(
        tested.named({"c": 1.0, "b": -1.0}, symbols, 0.05), EDGES, q, SETTINGS.genes
    )


if __name__ == "__main__":
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    {
        "null": null,
        "unequal": unequal,
        "priced": priced,
        "uneven": uneven,
        "planted": recall,
        "edges": edges_back,
        "signs": signs,
        "cheapest": lambda draws: signs(draws, cheapest),
    }[sys.argv[1]](number)
