"""Ways of planted links: a network that is not the solver's, edges that lead where genes move, scores that follow responses."""

import numpy as np
import pandas as pd
import pytest

from periomics.genes.axes import response_sets
from periomics.genes.design import model_matrix, with_design
from periomics.genes.model import fit_contrasts
from periomics.genes.normalise import log_cpm
from periomics.genes.scores import signature_scores
from periomics.genes.signatures import signed_sets
from periomics.simulate import links
from periomics.simulate.bulk import draw_counts, draw_genome
from periomics.simulate.bulk_programme import CULTURE, HEALING
from periomics.simulate.routes import (
    BINDING,
    FLIPPED,
    REGULATION,
    perturbed,
    plant,
    responding,
    symbols_in,
)
from periomics.simulate.singlecell import TYPES, draw_tissue, expressed

FILLERS = [f"Filler{i:05d}" for i in range(40)]


@pytest.fixture(scope="module")
def planted(tables, signalling):
    """Ten plantings in human symbols."""
    return [
        plant(tables, signalling, "human", FILLERS, np.random.default_rng(s)) for s in range(10)
    ]


def signs_along(edges: pd.DataFrame, start: str) -> dict[str, set[int]]:
    """Every state that an active start gives each node along the edges."""
    found, waiting = {start: {1}}, [(start, 1)]
    while waiting:
        node, sign = waiting.pop()
        for edge in edges[edges["source"] == node].itertuples():
            state = sign * edge.sign
            if state not in found.setdefault(edge.target, set()):
                found[edge.target].add(state)
                waiting.append((edge.target, state))
    return found


def test_axes_are_those_of_the_tables(tables, signalling):
    binding = signalling[signalling["layer"] == BINDING]
    pairs = set(zip(binding["source"], binding["target"], strict=True))
    of = tables.responses.set_index("set")
    for axis in links.AXES:
        rows = tables.signatures[tables.signatures["set"] == axis.name]
        roles = rows.groupby("role")["gene_human"].agg(set)
        assert axis.ligand in roles["ligand"] and axis.receptor in roles["receptor"]
        assert of.loc[axis.name, "response"] == axis.response
        assert of.loc[axis.name, "sign"] == 1
        assert (axis.ligand, axis.receptor) in pairs


def test_the_network_is_perturbed(signalling):
    rng = np.random.default_rng(2)
    drawn = [perturbed(signalling, rng) for _ in range(50)]
    regulation = (signalling["layer"] == REGULATION).sum()
    kept = np.mean([(d["layer"] == REGULATION).sum() / regulation for d in drawn])
    assert kept == pytest.approx(0.6, abs=0.03)
    turned = np.mean([(d.loc[d["layer"] != BINDING, "listed"] == "flipped").mean() for d in drawn])
    assert turned == pytest.approx(FLIPPED, abs=0.02)
    assert all((d.loc[d["layer"] == BINDING, "listed"] == "yes").all() for d in drawn)
    both = drawn[0].merge(signalling, on=["source", "target", "layer"], suffixes=("", "_table"))
    assert ((both["sign"] == both["sign_table"]) == (both["listed"] == "yes")).all()


def test_ways_lead_from_ligand_to_genes_that_move_as_their_signs_say(planted):
    for one in planted:
        for axis in links.AXES:
            edges = one.edges[one.edges["axis"] == axis.name]
            genes = one.genes[one.genes["component"] == axis.target].set_index("gene_id")["lfc"]
            states = signs_along(edges, axis.ligand)
            assert set(edges["source"]) | set(edges["target"]) == set(states)
            for edge in edges[edges["layer"] == REGULATION].itertuples():
                assert np.sign(genes[edge.target]) in states[edge.target]


def test_linked_axes_reach_programmes_of_their_outcome_and_decoys_only_their_response(
    planted, tables
):
    own, reach = responding(tables), []
    for one in planted:
        for axis in links.AXES:
            moved = one.genes[one.genes["component"] == axis.target]
            unlisted = moved[(moved["listed"] == "no") & ~moved["gene_id"].isin(FILLERS)]
            assert set(moved.loc[moved["listed"] == "yes", "gene_id"]) <= set(own[axis.response])
            if axis.domain:
                reach.append((axis.name, len(unlisted) > 0))
            else:
                assert unlisted.empty
    share = pd.DataFrame(reach).groupby(0)[1].mean()
    assert len(share) == len(links.LINKED) and share.min() >= 0.7


def test_responses_are_perturbed(planted, tables):
    own = responding(tables)
    kept, right = [], []
    for axis in links.AXES:
        for one in planted:
            rows = one.genes[(one.genes["set"] == axis.response) & (one.genes["listed"] == "yes")]
            kept.append((len(rows), len(own[axis.response])))
            right += [np.sign(r.lfc) == own[axis.response][r.gene_id] for r in rows.itertuples()]
            assert one.genes.loc[one.genes["set"] == axis.response, "gene_id"].isin(FILLERS).any()
    assert all(k == n - int(0.4 * n) for k, n in kept)
    assert 0.85 < np.mean(right) < 1


def test_genes_of_a_response_move_with_nothing_else(tables, signalling):
    genome = draw_genome(tables, signalling, "rat", 2000, 3)
    known = symbols_in(tables.signatures, "rat")
    own = {known[g] for a in links.AXES for g in responding(tables)[a.response] if g in known}
    others = genome.planted[genome.planted["component"].isin([*HEALING, *CULTURE])]
    assert not set(others["gene_id"]) & own
    rest = genome.planted[genome.planted["component"].str.startswith(links.PREFIX)]
    listed = rest[rest["listed"] == "yes"]
    assert not listed.duplicated("gene_id").any()


def test_axes_are_alike_in_bulk_and_in_single_cells(tables, signalling):
    genome = draw_genome(tables, signalling, "rat", 2000, 3)
    tissue = draw_tissue(tables, signalling, "rat", 1800, 3)
    for axis in links.AXES:
        one, other = (
            t[(t["component"] == axis.target) & (t["listed"] == "yes")].set_index("gene_id")["lfc"]
            for t in (genome.planted, tissue.planted)
        )
        assert len(other) and other.equals(one.loc[other.index])


def test_stem_cells_send_ligands_and_receivers_have_receptors(tables, signalling):
    tissue = draw_tissue(tables, signalling, "rat", 1800, 3)
    known, types = symbols_in(tables.signatures, "rat"), list(TYPES)
    for axis in links.AXES:
        ligand, receptor = (tissue.genes.index(known[g]) for g in (axis.ligand, axis.receptor))
        median = np.median(tissue.profiles)
        assert tissue.profiles[types.index("msc"), ligand] > 5 * median
        for receiver in axis.receiver:
            assert axis.receptor in expressed(receiver)
            assert tissue.profiles[types.index(receiver), receptor] > 5 * median


def test_libraries_of_stem_cells_hold_planted_ligands_and_no_others(tables, signalling):
    genome = draw_genome(tables, signalling, "rat", 2000, 3)
    facts = [
        {"specimen_id": c, "animal_id": c, "compartment": c, "batch": ""}
        for c in (links.SENDER, "mucosa")
    ]
    counts, _ = draw_counts(genome, facts, {}, 3)
    known = symbols_in(tables.signatures, "rat")
    ours = {known[a.ligand] for a in links.AXES}
    rows = tables.signatures[tables.signatures["set"].str.startswith("LR_")]
    ligands = {known[g] for g in rows.loc[rows["role"] == "ligand", "gene_human"] if g in known}
    cpm = counts / counts.sum() * 1e6
    assert cpm.loc[sorted(ours), links.SENDER].min() > 50
    assert (cpm.loc[sorted(ligands - ours), links.SENDER] < 1).mean() > 0.9
    assert (cpm.loc[sorted(ligands - ours), "mucosa"] > 1).mean() > 0.9


def counted(tables, signalling, targets, seed):
    """Scores of responses and of tissue checks in libraries whose targets are given."""
    genome = draw_genome(tables, signalling, "rat", 2000, seed)
    facts = [
        {"specimen_id": s, "animal_id": s, "compartment": "mucosa", "batch": ""} for s in targets
    ]
    counts, _ = draw_counts(genome, facts, targets, seed)
    sets = response_sets(tables.signatures, tables.responses, "rat")
    sets += [s for s in signed_sets(tables.signatures, "rat") if s.name.startswith("QC_tissue")]
    scores = signature_scores(log_cpm(counts.to_numpy()), list(counts.index), sets)
    return scores.pivot(index="column", columns="score_id", values="value"), genome


def test_scores_follow_the_planted_responses_and_only_their_own(tables, signalling):
    rng, own, foreign = np.random.default_rng(4), [], []
    for seed in range(8):
        drawn = pd.DataFrame(
            rng.normal(0, 0.4, (24, len(links.AXES))), columns=[a.target for a in links.AXES]
        )
        targets = {f"s{i:02d}": dict(row) for i, row in drawn.iterrows()}
        scores, _ = counted(tables, signalling, targets, seed)
        for a in links.AXES:
            r = [np.corrcoef(scores[b.response], drawn[a.target])[0, 1] for b in links.AXES]
            own.append(r.pop(links.AXES.index(a)))
            foreign += r
    assert np.mean(own) > 0.75
    assert abs(np.mean(foreign)) < 0.05 and np.std(foreign) < 0.3  # 1 / sqrt(23) is .21


def test_more_of_a_tissue_moves_its_check_and_the_response_alike(tables, signalling):
    rng, raw, left = np.random.default_rng(5), [], []
    for seed in range(8):
        share = rng.normal(0, 0.4, 24)
        targets = {f"s{i:02d}": {"share_epithelium": s} for i, s in enumerate(share)}
        scores, _ = counted(tables, signalling, targets, seed)
        x, check = scores["tgfb"].to_numpy(), scores["QC_tissue.epithelium"].to_numpy()
        raw.append(np.corrcoef(x, share)[0, 1])
        other = rng.normal(0, 0.2, 24) + share
        beyond = [v - np.polyval(np.polyfit(check, v, 1), check) for v in (x, other)]
        left.append(np.corrcoef(*beyond)[0, 1])
    assert np.mean(raw) > 0.8
    assert np.mean(left) < 0.5 * np.mean(raw)


def test_gene_tests_recover_what_axes_move(tables, signalling):
    slopes = []
    for seed in (21, 22, 23):
        genome = draw_genome(tables, signalling, "rat", 2000, seed)
        facts = [
            {"specimen_id": f"s{i:02d}", "animal_id": f"s{i:02d}", "batch": ""} for i in range(16)
        ]
        targets = {
            f["specimen_id"]: {a.target: float(i % 2) for a in links.AXES}
            for i, f in enumerate(facts)
        }
        counts, _ = draw_counts(genome, facts, targets, seed)
        samples = pd.DataFrame(facts).assign(
            group=["AB"[i % 2] for i in range(16)], time=0.0, unit="animal"
        )
        model = model_matrix(with_design(samples, "group", [], "x"))
        table = fit_contrasts(counts, model, {"x": {"B": 1.0, "A": -1.0}}, {})["x"]
        table = table.set_index("gene_id")
        moved = genome.planted[genome.planted["component"].str.startswith(links.PREFIX)]
        true = moved.groupby("gene_id")["lfc"].sum()
        found = table.loc[true.index]
        slopes.append(float(true @ found["log2FC"] / (true @ true)))
        assert (found["padj"] < 0.05).mean() > 0.9
    assert 0.9 < np.mean(slopes) < 1.1
