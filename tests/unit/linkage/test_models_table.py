"""Which models of outcomes are made, which are not and why, and that assays' own genes predict
nothing."""

import numpy as np
import pandas as pd
import pytest

from periomics.linkage.models_table import Asked, model_rows
from periomics.study.settings.linkage import Views

SCORES = [f"score:response:{s}" for s in ("vegf", "mapk", "tgfb", "wnt")]


def study(n=32, linked=True):
    rng = np.random.default_rng(5)
    index = pd.Index([f"R{i:02d}" for i in range(n)], name="animal_id")
    group = np.repeat(["CTRL", "DRUG", "PRE", "POST"], n // 4)
    animals = pd.DataFrame({"group": group, "block": [f"d{i % 4}" for i in range(n)]}, index)
    wide = pd.DataFrame(rng.normal(size=(n, 4)), index, SCORES)
    wide["mvd"] = rng.normal(size=n) + (2 * wide[SCORES[0]] if linked else 0)
    wide["ln332"] = rng.normal(size=n)
    blocks = dict.fromkeys(SCORES, "scores of bulk") | dict.fromkeys(("mvd", "ln332"), "histology")
    return wide, blocks, animals


def table(wide, blocks, animals, asked, **settings):
    return pd.DataFrame(model_rows(wide, blocks, animals, asked, Views(**settings)))


def test_a_link_is_predicted_and_p_is_holm_over_outcomes():
    found = table(*study(), Asked(("mvd", "ln332")))
    numbers = found[found["view"] == "pls"].pivot_table("value", "name", "part")
    assert numbers.at["mvd", "q2"] > 0.3 and numbers.at["mvd", "p"] <= 0.01
    assert (
        numbers.at["mvd", "p_adj"] == 2 * numbers.at["mvd", "p"] and numbers.at["ln332", "p"] > 0.05
    )
    makes = found[(found["part"] == "variable") & (found["block"] == "mvd")]
    assert makes.set_index("name")["value"].idxmax() == SCORES[0]
    (mofa,) = found.loc[found["view"] == "mofa", "reason"]
    assert mofa.startswith("no factor model (MOFA)")


def test_scores_with_the_assays_own_gene_do_not_predict_it():
    genes = {"assay_genes": {"mvd": {"PECAM1"}}, "set_genes": {"response:vegf": {"PECAM1", "KDR"}}}
    found = table(*study(), Asked(("mvd",), **genes))
    (out,) = found[found["part"] == "left_out"].to_dict("records")
    assert out["name"] == SCORES[0] and out["reason"].endswith("of mvd reads: PECAM1")
    assert SCORES[0] not in set(found.loc[found["part"] == "variable", "name"])
    assert found.loc[found["part"] == "p", "value"].item() > 0.05


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w, a: (w[:28], a), "28 animals have it and all scores, 30 are needed"),
        (lambda w, a: (w.drop(columns="mvd"), a), "not measured in the areas of the views"),
        (lambda w, a: (w.drop(columns=SCORES[1:]), a), "fewer than two scores"),
        (lambda w, a: (w, a.assign(block=[f"d{i % 16}" for i in range(32)])), "leave 14 degrees"),
        (lambda w, a: (w.assign(mvd=w["mvd"].clip(lower=0)), a), "are the smallest"),
        (lambda w, a: (w.assign(mvd=(a["group"] == "PRE") * 1.0), a.assign(block="")), "not vary"),
    ],
)
def test_what_is_below_the_gate_is_a_line_with_its_reason(change, said):
    wide, blocks, animals = study()
    wide, animals = change(wide, animals)
    found = table(wide, blocks, animals, Asked(("mvd",)))
    (why,) = found.loc[(found["view"] == "pls") & (found["part"] == "refused"), "reason"]
    assert why.startswith("no partial least squares of mvd: ") and said in why
    assert not found["part"].isin(["p", "q2"]).any()


def test_without_questions_there_is_one_line():
    found = table(*study(), Asked())
    assert list(found["part"]) == ["refused", "refused"]
    assert "no outcome of a question" in found["reason"].iloc[0]


def test_animals_alone_in_their_arm_are_left_out():
    wide, blocks, animals = study()
    animals.loc["R00", "group"] = "OTHER"
    found = table(wide, blocks, animals, Asked(("mvd",)))
    assert set(found.loc[found["part"] == "q2", "n"]) == {31}
