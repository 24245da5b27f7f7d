"""Pathway footprints and transcription factors: planted activities, tables that are read or refused, what is said of too few genes."""

import numpy as np
import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.genes.footprints import footprint_scores, read_footprints, score_id
from periomics.genes.regulons import factor_scores, own_regulons, read_regulons
from periomics.genes.scoring import Models, genes_behind
from periomics.study.settings.bulk import BulkScores


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def team(root):
    return {n: str(root / f"resources/{n}.tsv") for n in ("signatures", "responses", "signalling")}


def footprint_case():
    rng = np.random.default_rng(6)
    weights = pd.DataFrame(
        np.where(rng.random((300, 3)) < 0.2, rng.normal(size=(300, 3)), 0),
        columns=["P1", "P2", "P3"],
    )
    weights.index = [f"g{i}" for i in range(300)]
    truth = rng.normal(size=(3, 8))
    noise = rng.normal(0, 0.4, (400, 8))
    expression = np.vstack([weights.to_numpy() @ truth, np.zeros((100, 8))]) + noise + 5
    return expression, [*weights.index, *(f"x{i}" for i in range(100))], weights, truth


def wide(found):
    return found.pivot_table(index="score_id", columns="column", values="value")


def test_footprints_recover_planted_activity():
    expression, names, weights, truth = footprint_case()
    found = wide(footprint_scores(expression, names, weights)).to_numpy()
    for i in range(3):
        assert np.corrcoef(found[i], truth[i])[0, 1] > 0.98


def test_footprints_do_not_see_how_strong_a_gene_is_in_all_libraries():
    expression, names, weights, _ = footprint_case()
    level = np.random.default_rng(8).normal(0, 5, (len(expression), 1))
    one, two = (
        footprint_scores(e, names, weights)["value"] for e in (expression, expression + level)
    )
    np.testing.assert_allclose(one, two, rtol=1e-6)


def test_footprints_take_the_strongest_genes_and_translate(tmp_path):
    text = (
        "pathway\tgene\tweight\tp_value\nP\ta\t1\t.01\nP\tb\t-2\t.001\nP\tc\t3\t.5\nQ\ta\t4\t.2\n"
    )
    path = write(tmp_path / "p.tsv", text)
    weights = read_footprints(path, 2, {"a": "A", "b": "B", "c": "C"})
    assert weights.loc["B", "P"] == -2.0
    assert "C" not in weights.index
    assert weights.loc["A", "Q"] == 4.0


def test_a_pathway_whose_genes_are_missing_has_no_value_and_leaves_the_others_as_they_are():
    expression, names, weights, _ = footprint_case()
    absent = [f"absent{i}" for i in range(4)]
    more = weights.reindex([*weights.index, *absent], fill_value=0.0).assign(P4=0.0)
    more.loc[[*names[:2], *absent], "P4"] = 1.0
    found = footprint_scores(expression, names, more)
    fourth = found[found["score_id"] == "P4"]
    assert fourth["value"].isna().all() and set(fourth["share_mapped"]) == {2 / 6}
    assert set(fourth["reason"]) == {"only 33 % of the genes were found"}
    others = found[found["score_id"] != "P4"]
    alone = footprint_scores(expression, names, weights)
    np.testing.assert_allclose(others["value"], alone["value"], rtol=1e-9)


def test_weights_that_depend_on_each_other_give_no_value_and_the_reason():
    expression, names, weights, _ = footprint_case()
    found = footprint_scores(expression, names, weights.assign(P4=-2 * weights["P1"]))
    assert found["value"].isna().all()
    assert set(found["reason"]) == {"pathways cannot be told apart by the genes that were found"}


def test_factors_recover_planted_activity_by_their_own_genes_only():
    rng = np.random.default_rng(3)
    names = [f"g{i}" for i in range(500)]
    truth = rng.normal(size=8)
    expression = rng.normal(0, 0.5, (500, 8)) + 4
    expression[:10] += truth
    expression[10:20] -= truth
    rows = [("A", g, 1.0) for g in names[:10]] + [("A", g, -1.0) for g in names[10:20]]
    rows += [("B", g, 1.0) for g in names[100:120]]
    regulons = pd.DataFrame(rows, columns=["factor", "gene", "weight"])
    found = wide(factor_scores(expression, names, regulons, 5))
    assert np.corrcoef(found.loc["A"], truth)[0, 1] > 0.95
    assert abs(np.corrcoef(found.loc["B"], truth)[0, 1]) < 0.7


def test_a_factor_too_few_of_whose_genes_are_found_says_so():
    names = [f"g{i}" for i in range(50)]
    expression = np.random.default_rng(1).normal(size=(50, 4))
    rows = [("A", g, 1.0) for g in (*names[:3], "h1", "h2", "h3", "h4")]
    rows += [("B", g, 1.0) for g in (*names[:4], "h1")] + [("C", g, 1.0) for g in names[:6]]
    regulons = pd.DataFrame(rows, columns=["factor", "gene", "weight"])
    found = factor_scores(expression, names, regulons, 5).set_index("score_id")
    assert set(found.loc["A", "reason"]) == {"only 43 % of the genes were found"}
    assert set(found.loc["B", "reason"]) == {"only 4 genes were found"}
    assert found.loc[["A", "B"], "value"].isna().all()
    assert found.loc["C", "value"].notna().all() and set(found.loc["C", "n_genes"]) == {6}


@pytest.mark.parametrize("species", ["human", "mouse", "rat"])
def test_the_teams_own_factors_keep_human_names_and_take_genes_of_the_species(root, species):
    own = own_regulons(team(root)["signalling"], species, 5)
    assert {"STAT3", "RELA", "SMAD3", "HIF1A"} <= set(own["factor"])
    assert own.groupby("factor").size().min() >= 5
    vegfa = set(own.loc[own["factor"] == "HIF1A", "gene"])
    assert ("VEGFA" if species == "human" else "Vegfa") in vegfa


def test_pairs_of_both_signs_are_left_out_and_small_factors_too(tmp_path):
    rows = ["A\tg1\t1", "A\tg1\t-1", "A\tg2\t1", "A\tg3\t-1", "A\tg4\t1", "B\tg1\t1"]
    path = write(tmp_path / "r.tsv", "source\ttarget\tweight\n" + "\n".join(rows) + "\n")
    found = read_regulons(path, 3, {"g2": "G2", "g3": "G3"})
    assert found.to_dict("list") == {
        "factor": ["A", "A", "A"],
        "gene": ["G2", "G3", ""],
        "weight": [1.0, -1.0, 1.0],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "pathway\tgene\tweight\nP\ta\t1\n",
            r"no table of footprints: lacks columns \['p_value'\]",
        ),
        ("pathway\tgene\tweight\tp_value\nP\ta\tx\t.1\n", "row 2.*weight.*is no number"),
    ],
)
def test_a_table_that_is_no_table_of_footprints_is_refused(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read_footprints(write(tmp_path / "p.tsv", text), 100)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\tb\nA\tg\n", "known form: it has the columns a, b"),
        ("tf\ttarget\tmor\nA\tg\tup\n", "row 2.*mor.*is no number"),
    ],
)
def test_a_table_that_is_no_table_of_regulons_is_refused(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read_regulons(write(tmp_path / "r.tsv", text), 3)


def test_names_of_scores_hold_no_signs_that_scores_may_not_have():
    assert score_id("TNF alpha:p50") == "TNF_alpha_p50"
    assert score_id("JAK-STAT") == "JAK-STAT"


def test_names_and_scores_of_a_species_agree(root, tmp_path):
    rows = [f"{p}\tg{i}\t{w}\t.01" for p, w in (("P", 1), ("Q", 2)) for i in range(5)]
    text = "pathway\tgene\tweight\tp_value\n" + "\n".join(rows) + "\n"
    files = team(root) | {"progeny": write(tmp_path / "p.tsv", text)}
    settings = BulkScores(footprint_species="rat")
    models = Models.read(files, settings, "rat")
    expression = np.random.default_rng(2).normal(size=(20, 4))
    found = models.scores(expression, [f"g{i}" for i in range(20)])
    key = ["kind", "score_id", "method"]
    assert set(map(tuple, found[key].to_numpy())) == set(map(tuple, models.names()[key].to_numpy()))
    assert set(models.names()["kind"]) == {"signature", "response", "qc", "footprint", "tf"}
    assert "qc" not in set(Models.read(files, settings, "rat", checks=False).names()["kind"])


def test_genes_behind_scores_are_human_even_without_orthologs(root, tmp_path):
    rows = [f"STAT9\tGene{i}\t1" for i in range(5)]
    table = write(tmp_path / "r.tsv", "source\ttarget\tweight\n" + "\n".join(rows) + "\n")
    found = genes_behind(team(root) | {"regulons": table}, BulkScores(regulon_species="rat"))
    assert found["tf:STAT9"] == {f"GENE{i}" for i in range(5)}
    assert "VEGFA" in genes_behind(team(root), BulkScores())["tf:HIF1A"]
