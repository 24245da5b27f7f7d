"""The ladder of every axis, judged again by plain loops over tables drawn at random, from docs/linkage.md alone.

Tables lack rows or are empty, p-values are missing or equal to the level, species, places and cells share names.
"""

import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.genes.axes import Axis
from periomics.linkage.evidence import Known, evidence
from periomics.linkage.mediation import mediation
from periomics.linkage.rungs import rungs
from periomics.study.settings.linkage import Linkage

ALPHA, LEAST = 0.05, 2.0
# axis: ligands and receptors by human symbol, response, sign
AXES = {
    "LR_A": (["LA1", "LA2"], ["RA"], "first", 1),
    "LR_B": (["LB"], ["RB1", "RB2"], "first", -1),
    "LR_C": (["LC"], ["RC"], "second", 1),
    "LR_D": (["LD"], ["RD"], "", 0),
    "LR_E": (["LE"], [], "third", 1),
}
SPECIES = ("human", "mouse", "rat")
SAYS = {
    "L1": "the ligand is there (",
    "L2": "so is the receptor (",
    "L3": "the response moves as expected (",
    "L4": "within arms (",
    "L5": "perturbing the ligand moves the outcome (",
}
TESTS = ("t.one", "t.two", "t.none")
QUESTIONS = (
    {"name": "vessels", "outcomes": ["mvd"], "receivers": ["mucosa", "endothelial"]},
    {"name": "barrier", "outcomes": ["elac", "conn"], "receivers": ["basal"]},
)


def symbols(gene, species):
    """Names of a gene: one of rats has an older name, one has no ortholog in mice."""
    if species == "human":
        return (gene,)
    if gene == "RC" and species == "mouse":
        return ()
    own = gene.capitalize()
    return (own, f"Old{own}") if gene in ("LA1", "RB2") and species == "rat" else (own,)


def axes():
    def named(genes, species):
        return tuple(n for g in genes if (n := symbols(g, species)))

    return {
        s: {a: Axis(a, named(li, s), named(re_, s), r, sign) for a, (li, re_, r, sign) in AXES.items()}
        for s in SPECIES
    }  # fmt: skip


def drawn(rng):
    """Tables of one study, as a run writes them."""
    clear = rng.random() < 0.5  # a study in which most of what is asked for is there

    def pick(values):
        return rng.choice(np.array(values, object))

    def p():
        if clear and rng.random() < 0.8:
            return 0.0001
        return float(pick([0.0001, 0.01, 0.049, ALPHA, 0.0500001, 0.3, 1.0, np.nan]))

    def counted():
        return 50.0 if clear and rng.random() < 0.5 else float(pick([0.0, 1.99, LEAST, 2.01, 50.0]))

    def there(share):
        return rng.random() < (0.9 if clear else share)

    genes = [g for li, re_, _, _ in AXES.values() for g in (*li, *re_)]
    every = [
        (place, s, n, counted(), 3, table)
        for place, s, table in (
            ("msc", "human", "bulk/counts.tsv"),
            ("medium", "rat", "bulk/counts.tsv"),
            ("msc", "mouse", "singlecell/pseudobulk/counts.tsv"),
            ("mucosa", "rat", "bulk/counts.tsv"),
            ("endothelial", "rat", "singlecell/pseudobulk/counts.tsv"),
            ("basal", "mouse", "singlecell/pseudobulk/counts.tsv"),
            ("bone", "rat", "bulk/counts.tsv"),
        )
        if there(0.5)
        for g in genes
        if there(0.5)
        for n in symbols(g, s)
    ]
    expression = pd.DataFrame(every, columns=["place", "species", "symbol", "cpm", "n", "table"])
    looked = [g for g in ("LA1", "LA2", "LB", "LC", "LD") if rng.random() < 0.3]
    secretome = pd.DataFrame({"ligand": looked, "detected": rng.random(len(looked)) < 0.5})
    sets = [
        {"test": t, "set_id": r, "source": source, "direction": d, "method": m,
         "stat": (1 if d == "up" else -1) * 3.0, "p": p()}
        for t in (*TESTS[:2], "t.other")
        for r in ("first", "second", "third")
        for source, d in (("response", pick(["up", "down"])), ("signature", "up"))
        if there(0.6)
        for m in ("rotation", "groupwise", "competitive")
        if m == "rotation" or rng.random() < 0.9
    ]  # fmt: skip
    columns = ["test", "set_id", "source", "direction", "method", "stat", "p", "p_adj"]
    set_tests = pd.DataFrame(sets).reindex(columns=columns)
    pairs = []
    for score in ("response:first", "response:second", "response:second@basal", "signature:first"):
        for outcome in ("mvd", "elac", "other"):
            if there(0.4):
                covariate = pick(["", "weight_g", "weight_g: not known of 2 animals (a, b)"])
                plain = covariate == "weight_g"
                pairs.append(
                    {"outcome": outcome, "score_id": f"score:{score}", "p_adj": p(),
                     "r": float(pick([0.7, -0.7])), "n": 24, "family": "declared pairs (animals)",
                     "adjusted_for": "arm", "covariates": covariate, "reason": "",
                     "r_covariates": 0.3 if plain else np.nan,
                     "p_covariates": float(pick([0.001, ALPHA, 0.2])) if plain else np.nan}
                )  # fmt: skip
    columns = ["outcome", "score_id", "p", "p_adj", "r", "n", "family", "adjusted_for", "covariates",
               "reason", "r_covariates", "p_covariates"]  # fmt: skip
    associations = pd.DataFrame(pairs).reindex(columns=columns)
    rows = [
        {"outcome": o, "variant": pick(["", "", "shell=0-100um"]), "contrast": c, "n_animals": 12,
         "estimate": float(pick([1.0, -1.0, 0.0])), "p": 0.01, "p_adj": p(), "scale": "log"}
        for o in ("mvd", "elac")
        for c in ("block", "add")
        if there(0.6)
    ]  # fmt: skip
    columns = ["outcome", "variant", "contrast", "n_animals", "estimate", "p", "p_adj", "scale"]
    contrasts = pd.DataFrame(rows).reindex(columns=columns)
    declared = [
        {"axis": a, "contrast": c, "outcome": o, "expected": int(pick([1, -1]))}
        for a in ("LR_A", "LR_C", "LR_D")
        for c in ("block", "add")
        for o in ("mvd", "elac")
        if there(0.3)
    ]
    asked = [t for t in TESTS if there(0.6)]
    settings = {
        "questions": list(QUESTIONS),
        "responses": asked,
        "perturbations": declared,
        "expressed_cpm": LEAST,
        "alpha": ALPHA,
    }
    none = rng.random() < 0.3
    tables = (expression, None if none else secretome, set_tests, associations, contrasts)
    return tables, settings


def place_truth(genes, places, expression):
    """(subject's symbol and place, holds) of each gene counted in each place."""
    out = []
    for row in expression:
        if row.place in places and any(row.symbol in symbols(g, row.species) for g in genes):
            out.append((f"{row.symbol} in {row.place}", row.cpm >= LEAST and own(row, expression)))
    return out


def own(row, expression):
    """Whether counts of a cell type are its own: at least a fifth of those of the type that has most, in the same species."""
    if not row.table.startswith("singlecell"):
        return True
    same = (row.table, row.symbol, row.species)
    most = max(x.cpm for x in expression if (x.table, x.symbol, x.species) == same)
    return row.cpm >= 0.2 * most


def response_p(set_tests, asked):
    """(test, response) → direction and Benjamini–Hochberg's p of the larger of both p, over what was tested."""
    p, way, found = {}, {}, {}
    for x in set_tests:
        if x.source == "response":
            p[x.test, x.set_id, x.method] = x.p
            way.setdefault((x.test, x.set_id), x.direction)
    for (t, r), direction in way.items():
        both = [p.get((t, r, m), math.nan) for m in ("rotation", "groupwise")]
        if t in asked and not any(math.isnan(x) for x in both):
            found[t, r] = max(both), direction
    ordered = sorted(found, key=lambda k: found[k][0])
    adjusted, least = {}, 1.0
    for i in range(len(ordered), 0, -1):
        least = min(least, found[ordered[i - 1]][0] * len(ordered) / i)
        adjusted[ordered[i - 1]] = least
    return {k: (found[k][1], adjusted[k]) for k in found}


def plain(tables):
    """Tables as lists of rows; None where the study has none."""
    return [None if t is None else list(t.itertuples()) for t in tables]


def truth(axis, question, tables, responses, settings):
    """Rung → [(subject as the sentence must begin it, holds)] of all that was measured."""
    expression, secretome, _, associations, contrasts = tables
    ligands, receptors, response, sign = AXES[axis]
    steps = {"L1": place_truth(ligands, ("msc", "medium"), expression)}
    if secretome is not None:
        steps["L1"] += [
            (f"{x.ligand} in the medium", bool(x.detected))
            for x in secretome
            if x.ligand in ligands
        ]
    steps["L2"] = place_truth(receptors, question["receivers"], expression)
    steps["L3"] = [
        (f"{response} {d} in {t}", p <= ALPHA and d == ("up" if sign > 0 else "down"))
        for (t, r), (d, p) in responses.items()
        if r == response
    ]
    steps["L4"] = []
    for x in associations:
        _, kind, name = x.score_id.split(":")
        name, _, cell = name.partition("@")
        if kind == "response" and name == response and x.outcome in question["outcomes"]:
            if math.isnan(x.p_adj):
                continue
            subject = f"{name}{f' in {cell}' if cell else ''} with {x.outcome}"
            if x.covariates and math.isnan(x.p_covariates):  # may hang on them: not known
                if x.p_adj > ALPHA:
                    steps["L4"].append((subject, False))
                continue
            beyond = not x.covariates or x.p_covariates <= ALPHA
            steps["L4"].append((subject, x.p_adj <= ALPHA and beyond))
    steps["L5"] = []
    for d in settings["perturbations"]:
        if d["axis"] == axis and d["outcome"] in question["outcomes"]:
            for x in contrasts:
                same = x.contrast == d["contrast"] and x.outcome == d["outcome"]
                if same and x.variant == "" and not math.isnan(x.p_adj):
                    right = x.estimate * d["expected"] > 0
                    subject = f"{x.outcome} in {x.contrast}"
                    steps["L5"].append((subject, right and x.p_adj <= ALPHA))
    return steps


def judged(steps):
    """Rung → yes, no or unknown, and the last rung up to which all hold."""
    state = {
        r: "yes" if any(h for _, h in own) else "no" if own else "unknown"
        for r, own in steps.items()
    }
    rung = "none"
    for r in SAYS:
        if state[r] != "yes":
            break
        rung = r
    return state, rung


@pytest.mark.parametrize(
    ("studies", "seed"), [(40, 20), pytest.param(120, 21, marks=pytest.mark.slow)]
)
def test_every_step_rung_and_sentence(studies, seed):
    """Ten axes with a question in each study, of every rung some."""
    rng = np.random.default_rng(seed)
    seen = dict.fromkeys(("none", *SAYS), 0)
    for _ in range(studies):
        tables, settings = drawn(rng)
        found = evidence(Known(axes(), *tables), Linkage.of(settings, "linkage"))
        table = rungs(found)
        assert len(table) == len(AXES) * len(QUESTIONS)
        state_of = found.groupby(["question", "axis", "rung"])["holds"].agg(set).to_dict()
        listed = plain(tables)
        responses = response_p(listed[2], settings["responses"])
        for row in table.to_dict("records"):
            question = next(q for q in QUESTIONS if q["name"] == row["question"])
            steps = truth(row["axis"], question, listed, responses, settings)
            state, rung = judged(steps)
            held = [r for r in SAYS if state[r] == "yes"]
            assert (row["rung"], row["held"]) == (rung, " ".join(held)), (row, steps)
            for r in SAYS:
                own = state_of[row["question"], row["axis"], r]
                said = next(h for h in ("yes", "no", "unknown") if h in own)
                assert said == state[r], (row, r, own, steps[r])
            check_sentence(row, steps, held, rung)
            seen[rung] += 1
    assert min(seen.values()) > 0, seen


def check_sentence(row, steps, held, rung):
    """Says all that holds and nothing else; "consistent with" from L4 on."""
    text = row["sentence"]
    alone = {"L2": "the receptor is there ("} if "L1" not in held else {}
    for r, words in (SAYS | alone).items():
        assert (words in text) == (r in held), text
        if r in held:
            rest = text.split(words, 1)[1]
            subjects = [s for s, holds in steps[r] if holds]
            assert any(rest.startswith((f"{s},", f"{s} ", f"{s})")) for s in subjects), (text, r)
    assert ("consistent with" in text) == (rung in ("L4", "L5")), text
    assert ("no link from the cells is shown" in text) == (
        bool(held) and held != list(SAYS)[: len(held)]
    ), text
    alike = [a for a, v in AXES.items() if a != row["axis"] and v[2] and v[2] == row["response"]]
    told = bool({"L3", "L4"} & set(held))
    assert all((a.removeprefix("LR_") in text.split("tell it from")[-1]) for a in alike if told)
    if not held:
        measured = any(steps.values())
        assert ("nothing was measured" in text) == (not measured), text
    missing = [m.split(":")[0] for m in re.findall(r"L\d: ", row["missing"])]
    assert missing[: 5 - len(held)] == [r for r in SAYS if r not in held], row


def pairs_table(n, p, **more):
    columns = {
        "outcome": [f"o{i}" for i in range(n)],
        "score_id": [f"score:response:r{i}" for i in range(n)],
        "r": 0.5,
        "p": p,
        "p_adj": p,
        "n": 20,
        "family": "declared pairs (animals)",
        "adjusted_for": "arm, block",
        "reason": "",
    }
    return pd.DataFrame(columns | more)


def contrast_rows(n, p, **more):
    columns = {
        "outcome": [f"score:response:r{i}" for i in range(n)],
        "variant": "",
        "contrast": "treated",
        "kind": "score",
        "p": p,
        "p_adj": p,
        "estimate": 1.0,
    }
    return pd.DataFrame(columns | more)


def holm_by_hand(p):
    out, worst = {}, 0.0
    known = sorted((x, i) for i, x in enumerate(p) if not math.isnan(x))
    for rank, (x, i) in enumerate(known):
        worst = max(worst, min(1.0, x * (len(known) - rank)))
        out[i] = worst
    return [out.get(i, math.nan) for i in range(len(p))]


def test_mediation_is_the_larger_p_and_holm():
    rng = np.random.default_rng(3)
    for n in (1, 2, 7):
        first, second = rng.uniform(0, 0.1, (2, n))
        if n > 2:
            first[1], second[2] = np.nan, np.nan
        found = mediation(pairs_table(n, second), contrast_rows(n, first), ["treated"])
        found = found.set_index("outcome").loc[[f"o{i}" for i in range(n)]]
        larger = [
            max(a, b) if a == a and b == b else math.nan for a, b in zip(first, second, strict=True)
        ]
        np.testing.assert_allclose(found["p"], larger)
        np.testing.assert_allclose(found["p_adj"], holm_by_hand(larger))
        assert (found.loc[found["p"].isna(), "reason"] != "").all()


def test_mediation_takes_the_time_that_is_tested_and_no_other_scale():
    """Earlier times come first in contrasts.tsv and natural scales last; neither is adjusted."""
    early = contrast_rows(1, 0.6, kind="time course", p_adj=np.nan)
    natural = contrast_rows(1, 0.7, kind="natural scale", p_adj=np.nan)
    table = pd.concat([early, contrast_rows(1, 0.01), natural], ignore_index=True)
    assert mediation(pairs_table(1, 0.002), table, ["treated"])["p_treatment"].tolist() == [0.01]


def test_what_is_no_pair_of_a_response_is_not_mediated():
    pairs = pd.concat(
        [
            pairs_table(1, 0.001, family="assay concordance"),
            pairs_table(1, 0.001, adjusted_for="isolation, condition"),
            pairs_table(1, 0.001, score_id="score:signature:r0"),
            pairs_table(1, np.nan, adjusted_for=np.nan, reason="not measured"),
        ],
        ignore_index=True,
    )
    found = mediation(pairs, contrast_rows(1, 0.001), ["treated"])
    assert not (found["p"] <= 1).any()


@pytest.mark.parametrize("null", ["treatment", "association", "both"])
def test_mediation_is_wrong_at_most_as_often_as_it_says(null):
    """Six pairs, each null in one step or both, the other step as clear as can be: any pair called."""
    rng = np.random.default_rng(len(null))
    hits, draws = 0, 200
    for _ in range(draws):
        first, second = rng.uniform(size=(2, 6))
        if null == "treatment":
            second[:] = 1e-6
        if null == "association":
            first[:] = 1e-6
        found = mediation(pairs_table(6, second), contrast_rows(6, first), ["treated"])
        hits += (found["p_adj"] <= ALPHA).any()
    assert hits <= stats.binom.ppf(0.999, draws, ALPHA)
    assert null == "both" or hits >= stats.binom.ppf(0.001, draws, 0.03)
