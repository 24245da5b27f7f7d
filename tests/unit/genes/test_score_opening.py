"""Configured tables of footprints and regulons are read at the check as the jobs read them, and give the names of scores."""

import copy

import pytest
import yaml

from periomics.genes.score_opening import check_scores, known_scores
from periomics.study.study import load_study

FOOTPRINTS = "pathway\tgene\tweight\tp_value\n" + "".join(
    f"{p}\tGene{i}\t1\t.01\n" for p in ("JAK-STAT", "WNT") for i in range(5)
)
REGULONS = "source\ttarget\tweight\n" + "".join(f"STAT9\tGene{i}\t1\n" for i in range(5))
ORTHOLOGS = "human_symbol\trat_symbol\tsupport_n\n" + "".join(
    f"GENE{i}\tGene{i}\t4\n" for i in range(5)
)


@pytest.fixture
def study(root, tmp_path):
    toy = yaml.safe_load((root / "config/config.yaml").read_text(encoding="utf-8"))

    def of(**texts):
        config = copy.deepcopy(toy)
        config["bulk"]["scores"] |= {
            "footprint_species": "rat",
            "regulon_species": "rat",
            "regulon_genes": 5,
        }
        config["resources"] = {}
        for name, text in texts.items():
            path = tmp_path / f"{name}.tsv"
            if text:
                path.write_text(text, encoding="utf-8")
            config["resources"][name] = str(path)
        return load_study(config, root / "config")

    return of


@pytest.fixture(scope="module")
def tables(root):
    return {n: str(root / f"resources/{n}.tsv") for n in ("signatures", "responses", "signalling")}


def test_the_toy_names_none_and_has_the_teams_factors(study, tables):
    assert check_scores(study(), tables) == []
    known = known_scores(study(), tables)
    assert "footprint" not in known and {"STAT3", "HIF1A"} <= known["tf"]


def test_names_come_from_the_configured_tables(study, tables):
    named = {"progeny": FOOTPRINTS, "regulons": REGULONS}
    found = study(**named)
    found.config["bulk"]["scores"]["regulon_species"] = "human"
    (problem,) = check_scores(found, tables)
    assert "no ortholog table" in problem.message
    found = study(**named, orthologs_rat=ORTHOLOGS)
    assert check_scores(found, tables) == []
    known = known_scores(found, tables)
    assert known["footprint"] == {"JAK-STAT", "WNT"} and known["tf"] == {"STAT9"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("progeny", "", "there is no such file"),
        ("regulons", "", "there is no such file"),
        ("progeny", "a\tb\n1\t2\n", "no table of footprints"),
        ("regulons", "a\tb\n1\t2\n", "no table of regulons"),
        ("regulons", REGULONS + "STAT9\tGene9\tup\n", "is no number"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line(study, tables, name, text, said):
    found = study(**{name: text})
    (problem,) = check_scores(found, tables)
    assert said in problem.message and name in problem.file + problem.column
    known = known_scores(found, tables)
    assert "response" in known and not known.keys() & {"footprint"}


def test_a_variable_that_is_not_set_is_said(study, tables):
    found = study()
    found.config["resources"]["progeny"] = "$NOWHERE_AT_ALL/p.tsv"
    (problem,) = check_scores(found, tables)
    assert "environment variable" in problem.message
